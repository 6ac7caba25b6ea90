// The sliders of the chapter on masking, on a page without a kernel: masks drawn as RandomMask, BlockMask and MultiBlockMask of
// vljepa.masking draw them (other random numbers, batches of one), and their copy-paste score. Nothing is loaded from elsewhere.
(() => {
  const root = document.getElementById("vljepa-masks");
  if (!root) return;

  const SIDE = 14, N = SIDE * SIDE, SHOWN = 6, KINDS = ["random", "block", "multiblock"];
  const COLORS = { keep: "#0072B2", hide: "#E69F00", neither: "#dddddd" };
  const grid = test => Array.from({ length: N }, (_, i) => test(Math.floor(i / SIDE), i % SIDE));

  function dice(seed) {                                   // a linear congruential generator; the first numbers are thrown away
    let x = (seed * 2654435761) >>> 0;
    const next = () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    for (let i = 0; i < 20; i++) next();
    return { next, below: n => Math.floor(next() * n), between: (low, high) => low + (high - low) * next() };
  }

  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
  const aspect = (low, high, d) => Math.exp(d.between(Math.log(low), Math.log(high)));   // tall and wide are equally likely
  const inside = (top, left, height, width) => (r, c) => r >= top && r < top + height && c >= left && c < left + width;

  function random(share, d) {
    const scores = grid(d.next), cut = [...scores].sort((a, b) => a - b)[Math.round(share * N)];
    const hide = scores.map(s => s < cut);
    return { hide, keep: hide.map(h => !h) };
  }

  function block(share, d) {
    const n = Math.round(share * N);
    const height = clamp(Math.round(Math.sqrt(n * aspect(2 / 3, 3 / 2, d))), Math.ceil(n / SIDE), SIDE), width = Math.ceil(n / height);
    const top = d.below(SIDE - height + 1), left = d.below(SIDE - width + 1);
    const fromBelow = d.below(2), fromRight = d.below(2), byColumns = d.below(2);   // the order in which patches are counted
    const hide = grid((r, c) => {
      const y = fromBelow ? height - 1 - (r - top) : r - top, x = fromRight ? width - 1 - (c - left) : c - left;
      return inside(top, left, height, width)(r, c) && (byColumns ? x * height + y : y * width + x) < n;
    });
    return { hide, keep: hide.map(h => !h) };
  }

  function rectangle(share, ratio, d) {
    const height = clamp(Math.round(Math.sqrt(share * N * ratio)), 1, SIDE);
    const width = clamp(Math.round(Math.sqrt(share * N / ratio)), 1, SIDE);
    return inside(d.below(SIDE - height + 1), d.below(SIDE - width + 1), height, width);
  }

  function multiblock(_, d) {                             // sets its own share
    const size = d.between(.15, .2), ratio = aspect(.75, 1.5, d);
    const context = rectangle(d.between(.85, 1), 1, d), targets = [0, 1, 2, 3].map(() => rectangle(size, ratio, d));
    const hide = grid((r, c) => targets.some(t => t(r, c)));
    return { hide, keep: grid(context).map((k, i) => k && !hide[i]) };
  }

  function copyPaste({ hide, keep }) {
    const at = (r, c) => r >= 0 && r < SIDE && c >= 0 && c < SIDE && keep[r * SIDE + c];
    const easy = grid((r, c) => hide[r * SIDE + c] && (at(r - 1, c) || at(r + 1, c) || at(r, c - 1) || at(r, c + 1)));
    return easy.filter(x => x).length / hide.filter(x => x).length;
  }

  root.innerHTML = `
    <style>
      #vljepa-masks { margin: 1.5rem 0; max-width: 46rem; }
      #vljepa-masks form { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: center; margin-bottom: .75rem; font-size: .9em; }
      #vljepa-masks label { margin: 0; } #vljepa-masks input { accent-color: ${COLORS.keep}; vertical-align: middle; }
      #vljepa-masks .masks { display: grid; grid-template-columns: repeat(auto-fit, minmax(90px, 1fr)); gap: .5rem; }
      #vljepa-masks canvas { width: 100%; image-rendering: pixelated; border-radius: 3px; }
      #vljepa-masks output { display: block; margin-top: .5rem; font-variant-numeric: tabular-nums; }
    </style>
    <form>
      <span>${KINDS.map(k => `<label><input type="radio" name="vljepa-masks-kind" value="${k}"> ${k}</label>`).join(" &nbsp;")}</span>
      <label>share <input type="range" name="share" min="10" max="90" step="5" value="60"></label>
      <label>seed <input type="range" name="seed" min="0" max="20" value="0"></label>
    </form>
    <div class="masks" role="img">${`<canvas width="${SIDE}" height="${SIDE}"></canvas>`.repeat(SHOWN)}</div>
    <output aria-live="polite"></output>`;
  const form = root.querySelector("form");
  form.querySelector("[value=random]").checked = true;

  function draw() {
    const kind = form.querySelector(":checked").value, share = form.share.value / 100, d = dice(+form.seed.value + 1);
    const masks = Array.from({ length: SHOWN }, () => ({ random, block, multiblock })[kind](share, d));
    root.querySelectorAll("canvas").forEach((canvas, i) => {
      const pen = canvas.getContext("2d"), { hide, keep } = masks[i];
      hide.forEach((hidden, p) => {
        pen.fillStyle = hidden ? COLORS.hide : keep[p] ? COLORS.keep : COLORS.neither;
        pen.fillRect(p % SIDE, Math.floor(p / SIDE), 1, 1);
      });
    });
    const mean = f => masks.reduce((sum, m) => sum + f(m), 0) / SHOWN;
    const percent = part => `${Math.round(100 * mean(m => m[part].filter(x => x).length) / N)}%`;
    const score = mean(copyPaste).toFixed(2);
    root.dataset.score = score;
    form.share.disabled = kind == "multiblock";
    root.querySelector("output").textContent = `${percent("hide")} hidden (orange), ${percent("keep")} visible (blue), copy-paste score ${score}`
      + (kind == "multiblock" ? "; multi-block masks set their own share" : "");
    root.querySelector(".masks").ariaLabel = `${SHOWN} ${kind} masks: ${root.querySelector("output").textContent}`;
  }
  form.addEventListener("input", draw);
  form.addEventListener("submit", event => event.preventDefault());
  draw();
})();
