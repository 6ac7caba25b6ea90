// The sliders of the chapter on masking, on a page without a kernel: masks drawn as RandomMask, BlockMask and MultiBlockMask of
// vljepa.masking draw them (other random numbers), and their copy-paste score. Nothing is loaded from elsewhere.
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
  const nearest = (distance, n) => {                      // the n patches with the smallest distance
    const first = new Set([...distance.keys()].sort((a, b) => distance[a] - distance[b]).slice(0, n));
    return distance.map((_, i) => first.has(i));
  };

  function random(share, d) {
    const hide = nearest(grid(d.next), Math.round(share * N));
    return { hide, keep: hide.map(h => !h) };
  }

  function block(share, d) {
    const n = Math.round(share * N);
    const aspect = Math.exp(d.between(Math.log(2 / 3), Math.log(3 / 2)));   // tall and wide are equally likely
    const height = clamp(Math.round(Math.sqrt(n * aspect)), Math.ceil(n / SIDE), SIDE), width = Math.ceil(n / height);
    const top = d.below(SIDE - height + 1), left = d.below(SIDE - width + 1);
    const fromBelow = d.below(2), fromRight = d.below(2), byColumns = d.below(2);   // the order in which patches are counted
    const hide = grid((r, c) => {
      const y = fromBelow ? height - 1 - (r - top) : r - top, x = fromRight ? width - 1 - (c - left) : c - left;
      return y >= 0 && y < height && x >= 0 && x < width && (byColumns ? x * height + y : y * width + x) < n;
    });
    return { hide, keep: hide.map(h => !h) };
  }

  function place(sides, d) {                              // how far each patch is from the nearest block, in sides of the block
    const blocks = sides.map(pair => pair.map(side => Math.min(side, SIDE)).map(side => [d.between(-.5, SIDE - side + .5) + side / 2, side]));
    return grid((r, c) => Math.min(...blocks.map(([[middleY, height], [middleX, width]]) => {
      const y = Math.abs(r + .5 - middleY) / height, x = Math.abs(c + .5 - middleX) / width;
      return Math.max(y, x) + Math.min(y, x) / 1000;
    })));
  }

  function multiblock(share, d) {                         // four blocks grow until the count is right
    const n = Math.round(share * N), whole = SIDE * Math.sqrt(.925);
    const sides = [0, 1, 2, 3].map(() => {
      const area = N * (1 - (1 - share) ** .25) * d.between(6, 8) / 7, aspect = d.between(.75, 1.5);
      return [Math.sqrt(area * aspect), Math.sqrt(area / aspect)];
    });
    const hide = nearest(place(sides, d), n), context = place([[whole, whole]], d);
    return { hide, keep: nearest(context.map((far, i) => hide[i] ? 1e9 : far), Math.round(.925 * (N - n))) };
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
    root.querySelector("output").textContent = `${percent("hide")} hidden (orange), ${percent("keep")} visible (blue), copy-paste score ${score}`;
    root.querySelector(".masks").ariaLabel = `${SHOWN} ${kind} masks: ${root.querySelector("output").textContent}`;
  }
  form.addEventListener("input", draw);
  form.addEventListener("submit", event => event.preventDefault());
  draw();
})();
