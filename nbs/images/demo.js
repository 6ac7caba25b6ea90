// The picture on the home page: drag the block, choose a caption, see what a trained model predicts.
// experiments/home_demo/make.py ran the model for every place of the block and three captions, and wrote the answers to
// demo_data.js. For a reader's own words the model comes into the page. Without this script the page shows demo.png instead.
(() => {
  const root = document.getElementById("vljepa-demo"), data = window.vljepaDemo;
  if (!root || !data) return;

  const [ROWS, COLS] = data.grid, SIZE = 512, CELL = SIZE / COLS;      // of a canvas and of a patch on it, in pixels
  const KINDS = { right: "Its own caption", empty: "No caption", shuffled: "Another image’s caption", own: "Your own words",
    target: "A perfect prediction" };
  const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
  const places = COLS - data.sides[0] + 1, start = data.scenes[1].start;   // of the larger block: where it covers most
  const state = { scene: 1, side: data.sides[0], row: Math.floor(start / places), col: start % places, caption: "right" };
  const own = { text: "" }, here = document.currentScript.src;          // the model, once somebody writes to it

  const STYLE = `
    #vljepa-demo { --see: #0072B2; --hide: #E69F00; --predict: #009E73; --words: #CC79A7; --faint: rgba(128,128,128,.25);
      container-type: inline-size; margin: 1.5rem 0; line-height: 1.4; }
    #vljepa-demo .demo { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; }
    #vljepa-demo .demo > * { min-width: 0; }
    #vljepa-demo .choices { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center;
      justify-content: space-between; font-size: .9em; }
    #vljepa-demo .choices > div { display: flex; align-items: center; gap: .4rem; }
    #vljepa-demo .name { font-weight: 600; font-size: .95em; margin: 0 0 .3rem; }
    #vljepa-demo .name::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 50%;
      background: var(--dot); margin-right: .4em; }
    #vljepa-demo .note { font-size: .8em; opacity: .85; margin: .35rem 0 0; }
    #vljepa-demo .picture { position: relative; aspect-ratio: 1; border-radius: 4px; overflow: hidden; background: #999; }
    #vljepa-demo canvas { display: block; width: 100%; height: 100%; }
    #vljepa-demo .block { position: absolute; box-sizing: border-box; border: 3px solid var(--hide); border-radius: 3px; }
    #vljepa-demo .hole { border-color: var(--predict); pointer-events: none; }
    #vljepa-demo #vljepa-demo-block { background: rgba(110,110,110,.86); cursor: grab; touch-action: none; color: #fff;
      display: grid; place-items: center; user-select: none; -webkit-user-select: none; transition: left .12s, top .12s; }
    #vljepa-demo .hole { transition: left .12s, top .12s; }
    #vljepa-demo #vljepa-demo-block:active { cursor: grabbing; }
    #vljepa-demo #vljepa-demo-block:focus-visible { outline: 3px solid #fff; outline-offset: -9px; box-shadow: inset 0 0 0 6px var(--see); }
    #vljepa-demo #vljepa-demo-block svg { width: 2.2rem; pointer-events: none; }
    #vljepa-demo .legend { display: flex; align-items: center; gap: .4em; font-size: .8em; margin-top: .35rem; }
    #vljepa-demo .legend i { flex: 1; height: .6em; border-radius: 3px; background: linear-gradient(90deg, ${VIRIDIS}); }
    #vljepa-demo .score { border-left: 4px solid var(--predict); padding-left: .8rem; align-self: start; }
    #vljepa-demo .score b { font-size: 2.6rem; line-height: 1; font-variant-numeric: tabular-nums; display: block; }
    #vljepa-demo .score .guess { font-size: 1.5rem; margin-top: .6rem; font-weight: 600; opacity: .8; }
    #vljepa-demo .score span { font-size: .8em; display: block; }
    #vljepa-demo .captions { grid-column: span 2; display: grid; gap: .5rem; align-content: start; }
    #vljepa-demo .captions label { display: grid; grid-template-columns: auto 1fr 3em; gap: 0 .5rem; padding: .4rem .6rem;
      border: 1px solid var(--faint); border-left: 4px solid var(--faint); border-radius: 4px; cursor: pointer; margin: 0; }
    #vljepa-demo .captions label:has(:checked) { border-color: var(--words); }
    #vljepa-demo label:has(:focus-visible) { outline: 2px solid var(--see); outline-offset: 2px; }
    #vljepa-demo .captions input { margin: .25em 0 0; accent-color: var(--words); }
    #vljepa-demo .captions q { font-size: .85em; grid-column: 2 / -1; quotes: "“" "”"; }
    #vljepa-demo .captions textarea { grid-column: 2 / -1; font: inherit; font-size: .85em; color: inherit; background: transparent;
      border: 1px solid var(--faint); border-radius: 4px; }
    #vljepa-demo .captions small { grid-column: 2 / -1; }
    #vljepa-demo .captions output { grid-row: 1; grid-column: 3; text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; }
    #vljepa-demo .captions strong { font-size: .95em; }
    #vljepa-demo .captions u { text-decoration: underline 3px var(--hide); text-underline-offset: 3px; text-decoration-skip-ink: none; }
    #vljepa-demo .bar { grid-column: 2 / -1; position: relative; height: .5em; border-radius: 3px; background: var(--faint); margin-top: .35em; }
    #vljepa-demo .bar i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: var(--predict); transition: width .12s; }
    #vljepa-demo .bar s { position: absolute; top: -.25em; bottom: -.25em; width: 2px; background: currentColor; }
    #vljepa-demo .scene { position: relative; display: block; margin: 0; cursor: pointer; line-height: 0; }
    #vljepa-demo .scene img { width: 44px; height: 44px; border-radius: 4px; image-rendering: pixelated; border: 2px solid transparent; }
    #vljepa-demo .scene :checked + img { border-color: var(--see); box-shadow: 0 0 0 2px var(--see); }
    #vljepa-demo .scene input { position: absolute; opacity: 0; inset: 0; width: 100%; height: 100%; margin: 0; cursor: pointer; }
    #vljepa-demo .size { display: inline-flex; align-items: center; gap: .25em; margin: 0 .3em; cursor: pointer; }
    @container (max-width: 560px) {
      #vljepa-demo .demo { grid-template-columns: 1fr 1fr; gap: .8rem; }
      #vljepa-demo .captions { grid-column: 1 / -1; }
      #vljepa-demo .score { grid-row: 3; grid-column: 2; }
      #vljepa-demo .score b { font-size: 2.2rem; }
    }
    @media (prefers-reduced-motion: reduce) { #vljepa-demo * { transition: none !important; } }`;

  const ARROWS = `<svg viewBox="0 0 24 24" fill="currentColor" aria-hidden="true"><path d="M12 1l4 4h-3v6h6V8l4 4-4 4v-3h-6v6h3l-4
    4-4-4h3v-6H5v3l-4-4 4-4v3h6V5H8z"/></svg>`;
  const WRITE = `<textarea rows="2" spellcheck="false" placeholder="a large red star in the center" aria-label="Your own words"></textarea>
    <small role="status"></small>`;
  const radios = (name, items) => items.map(([value, html, cls]) => `<label class="${cls}"><input type="radio" name="vljepa-demo-${name}"
    value="${value}" ${String(state[name]) === String(value) ? "checked" : ""}>${html}</label>`).join("");

  const panel = document.createElement("div");
  panel.className = "demo";
  panel.innerHTML = `
    <div class="choices">
      <div role="radiogroup" aria-label="Scene">Scene ${radios("scene", data.scenes.map((s, i) =>
        [i, `<img src="${s.picture}" alt="Scene ${i + 1}">`, "scene"]))}</div>
      <div role="radiogroup" aria-label="How much is hidden">Hide ${radios("side", data.sides.map(n =>
        [n, `${n * n} of ${ROWS * COLS} patches`, "size"]))}</div>
    </div>
    <div><p class="name" style="--dot: var(--see)">What it sees</p>
      <div class="picture"><canvas data-part="sees" width="${SIZE}" height="${SIZE}"></canvas>
        <div id="vljepa-demo-block" class="block" role="slider" tabindex="0" aria-label="Hidden block: move it with the arrow keys"
          aria-valuemin="1">${ARROWS}</div></div>
      <p class="note">Drag the block. You see a shimmer of what it hides; the model sees nothing of it.</p></div>
    <div><p class="name" style="--dot: var(--predict)">What it predicts</p>
      <div class="picture"><canvas data-part="predicts" width="${SIZE}" height="${SIZE}" role="img"></canvas><div class="block hole"></div></div>
      <p class="note">Each predicted vector, drawn as the real patch whose vector is nearest.</p></div>
    <div><p class="name" style="--dot: var(--hide)">How close it is</p>
      <div class="picture"><canvas data-part="cosines" width="${SIZE}" height="${SIZE}" role="img"></canvas></div>
      <div class="legend"><span>0</span><i></i><span>1 cosine with the truth</span></div></div>
    <div class="score" role="status"><b id="vljepa-demo-cosine"></b><span>mean cosine of prediction and truth</span>
      <b class="guess" id="vljepa-demo-guess"></b><span>best guess without learning <span id="vljepa-demo-guess-name"></span></span></div>
    <div class="captions" role="radiogroup" aria-label="What the model reads">${radios("caption", Object.keys(KINDS).map(kind =>
      [kind, `<strong>${KINDS[kind]}</strong><output></output>${kind === "own" ? WRITE : "<q></q>"}<span class="bar"><i></i><s></s></span>`, ""]))}</div>`;

  const find = selector => panel.querySelector(selector);
  const block = find("#vljepa-demo-block"), hole = find(".hole");
  const pen = part => { const p = find(`[data-part=${part}]`).getContext("2d"); p.imageSmoothingEnabled = false; return p; };
  const picture = address => { const image = new Image(); image.src = address; return image; };
  const sprites = picture(data.sprites), scenes = data.scenes.map(s => picture(s.picture));

  const last = () => ROWS - state.side;                                 // the last row or column where the block fits
  const place = () => state.row * (last() + 1) + state.col;             // its number in the tables of demo_data.js
  const hidden = () => Array.from({ length: state.side ** 2 }, (_, i) =>
    [state.col + i % state.side, state.row + Math.floor(i / state.side)]);  // [x, y] of each hidden patch
  const color = value => {                                             // viridis from 0 to 1
    const at = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1), low = Math.floor(at), high = Math.min(low + 1, VIRIDIS.length - 1);
    const part = k => parseInt(VIRIDIS[low].slice(k, k + 2), 16) * (1 - at + low) + parseInt(VIRIDIS[high].slice(k, k + 2), 16) * (at - low);
    return `rgb(${part(1)}, ${part(3)}, ${part(5)})`;
  };

  const spot = () => [state.scene, state.side, state.row, state.col].join();
  function answer(kind) {                                               // patches of a sheet, cosines in the hole, their mean
    if (kind === "own") return own.told && own.told.spot === spot() ? own.told : null;
    const { patches, cosine, mean } = data.scenes[state.scene].blocks[state.side], at = place(), numbers = patches[kind][at];
    const told = { sheet: sprites, columns: data.columns, numbers };
    if (kind === "target") return { ...told, cosines: numbers.map(() => 1), mean: 1 };  // the truth is the truth
    return { ...told, cosines: cosine[kind][at].map(v => v / 100), mean: mean[kind][at] };
  }

  function load(name) {
    const script = Object.assign(document.createElement("script"), { src: new URL(name, here).href });
    return new Promise((done, failed) => { script.onload = done; script.onerror = failed; document.head.append(script); });
  }
  const sheet = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
  function ask() {                                                      // the model, about the reader's own words
    const at = spot(), id = at + own.text, size = scenes[state.scene].naturalWidth, pixels = sheet(size, size).getContext("2d");
    if (id === own.id) return;
    own.id = id;
    if (!own.ready) {
      find("small").textContent = "The model comes into this page, once: 4.5 MB.";
      own.ready = Promise.all(["model_data.js", "model.js"].map(load)).then(() => { own.send = vljepaAsk(window.vljepaModel, hear); });
    }
    pixels.drawImage(scenes[state.scene], 0, 0);
    const image = Uint8Array.from(pixels.getImageData(0, 0, size, size).data.filter((_, i) => i % 4 < 3));
    const hide = hidden().map(([x, y]) => y * COLS + x), keep = [...Array(ROWS * COLS).keys()].filter(p => !hide.includes(p));
    own.ready.then(() => { if (id === own.id) own.send({ id, spot: at, image, keep, hide, text: own.text, paint: "patches" }); },
                   () => { own.ready = own.id = null; find("small").textContent = "The model could not be fetched: try again."; });
  }
  function hear({ kind, id, spot, unknown, painted, cosine, cosines }) {
    if (kind !== "answer" || id !== own.id) return;
    const width = Math.sqrt(painted.length / 3 / cosines.length), patches = sheet(width, width * cosines.length);  // one above the other
    const image = new ImageData(width, patches.height);
    for (let p = 0; p < painted.length / 3; p++) image.data.set([painted[3 * p], painted[3 * p + 1], painted[3 * p + 2], 255], 4 * p);
    patches.getContext("2d").putImageData(image, 0, 0);
    own.told = { spot, sheet: patches, columns: 1, numbers: cosines.map((_, i) => i), cosines, mean: cosine };
    find("small").textContent = unknown.length ? `The model does not know ${unknown.map(w => `“${w}”`).join(", ")}.` : "";
    root.dataset.own = cosine;
    say();
    draw();
  }

  function draw() {
    const told = answer(state.caption);
    const [sees, predicts, cosines] = ["sees", "predicts", "cosines"].map(pen);
    for (const p of [sees, predicts, cosines]) p.drawImage(scenes[state.scene], 0, 0, SIZE, SIZE);
    cosines.fillStyle = "rgba(128, 128, 128, .7)"; cosines.fillRect(0, 0, SIZE, SIZE);
    if (!told) return hidden().forEach(([x, y]) => predicts.clearRect(x * CELL, y * CELL, CELL, CELL));  // not yet
    const width = told.sheet.width / told.columns;                      // of a patch, in pixels of the sheet
    hidden().forEach(([x, y], i) => {
      const n = told.numbers[i], left = n % told.columns, top = Math.floor(n / told.columns);
      predicts.drawImage(told.sheet, left * width, top * width, width, width, x * CELL, y * CELL, CELL, CELL);
      cosines.fillStyle = color(told.cosines[i]);
      cosines.fillRect(x * CELL, y * CELL, CELL + .5, CELL + .5);
    });
  }

  function say() {
    const scene = data.scenes[state.scene], { things, guess } = scene.blocks[state.side], at = place();
    const covered = things.filter(thing => thing.hidden[at] >= 50).map(thing => thing.words);
    const percent = n => `${100 * n / COLS}%`, two = number => isNaN(number) ? "…" : number.toFixed(2).replace("-", "−");
    const meanOf = kind => (answer(kind) ?? { mean: NaN }).mean;
    for (const box of [block, hole]) Object.assign(box.style,
      { left: percent(state.col), top: percent(state.row), width: percent(state.side), height: percent(state.side) });
    block.setAttribute("aria-valuemax", (last() + 1) ** 2);
    block.setAttribute("aria-valuenow", at + 1);
    block.setAttribute("aria-valuetext", `from row ${state.row + 1}, column ${state.col + 1}; it hides ${covered.join(", ") || "no object"}`);
    for (const label of panel.querySelectorAll(".captions label")) {
      const kind = label.querySelector("input").value, mean = meanOf(kind), quote = label.querySelector("q");
      if (quote) Object.assign(quote, { textContent: scene.captions[kind] ?? "", hidden: !scene.captions[kind] });
      if (kind === "right") for (const words of covered)                 // captions are made of letters, commas and spaces
        quote.innerHTML = quote.innerHTML.replace(words, `<u>${words}</u>`);
      label.querySelector("output").textContent = two(mean);
      label.querySelector("i").style.width = `${100 * Math.max(mean || 0, 0)}%`;
      label.querySelector("s").style.left = `${100 * guess.mean[at]}%`;
    }
    find("#vljepa-demo-cosine").textContent = two(meanOf(state.caption));
    find("#vljepa-demo-guess").textContent = two(guess.mean[at]);
    find("#vljepa-demo-guess-name").textContent = `(${guess.name}), the mark on the bars`;
    find("[data-part=predicts]").setAttribute("aria-label", `The picture, and in the hole the prediction: ${KINDS[state.caption].toLowerCase()}`);
    find("[data-part=cosines]").setAttribute("aria-label", `Cosines of the ${state.side ** 2} hidden patches, mean ${two(meanOf(state.caption))}`);
    Object.assign(root.dataset, state);                                // for tests, and for who looks with the inspector
  }

  function show(change) {
    Object.assign(state, change);
    for (const axis of ["row", "col"]) state[axis] = Math.min(Math.max(state[axis], 0), last());
    if (state.caption === "own") ask();
    say();
    draw();
  }

  const field = find("textarea");
  for (const what of ["focus", "input"]) field.addEventListener(what, () => {
    own.text = field.value;
    find("input[value=own]").checked = true;
    show({ caption: "own" });
  });
  panel.addEventListener("change", ({ target }) => {
    if (target === field) return;
    const name = target.name.replace("vljepa-demo-", "");
    const shift = name === "side" ? (state.side - target.value) / 2 : 0;  // the block keeps its centre
    show({ [name]: name === "caption" ? target.value : Number(target.value),
           row: state.row + Math.trunc(shift), col: state.col + Math.trunc(shift) });
  });
  block.addEventListener("keydown", event => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [-ROWS, -COLS], End: [ROWS, COLS] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [down, right] = moves[event.key];
    show({ row: state.row + down, col: state.col + right });
  });
  let grip = null;                                                      // where the pointer holds the block, in patches
  const patchAt = event => {
    const box = block.parentElement.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width * COLS, y: (event.clientY - box.top) / box.height * ROWS };
  };
  block.addEventListener("pointerdown", event => {
    const { x, y } = patchAt(event);
    grip = { x: x - state.col, y: y - state.row };
    block.setPointerCapture(event.pointerId);
  });
  block.addEventListener("pointermove", event => {
    if (!grip) return;
    const { x, y } = patchAt(event), row = Math.round(y - grip.y), col = Math.round(x - grip.x);
    if (row !== state.row || col !== state.col) show({ row, col });
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) block.addEventListener(end, () => { grip = null; });

  const style = document.createElement("style");
  style.textContent = STYLE;
  const still = [...root.children];
  root.append(style, panel);
  say();
  for (const child of still) child.hidden = true;                       // the picture for pages where nothing moves
  Promise.all([sprites, ...scenes].map(image => image.decode())).then(draw);
})();
