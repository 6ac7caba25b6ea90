// "Write the caption": the tiny model runs in this page. model.js computes, in a worker; model_data.js holds its weights.
// Without scripts the page shows a picture instead.
(() => {
  const root = document.getElementById("vljepa-write"), pack = window.vljepaModel;
  if (!root || !pack || !window.Worker) return;

  const { size: PIXELS, patch } = pack.settings.vision, SIDE = PIXELS / patch, { colors, sizes } = pack.settings.world;
  const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "ring", "star", "heart"];
  const PLACES = ["top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"];
  const KINDS = { size: Object.keys(sizes), color: Object.keys(colors), shape: SHAPES, place: PLACES };
  const where = place => (place === "center" ? "in" : "at") + " the " + place;
  const name = t => `${t.size} ${t.color} ${t.shape}`;
  const seat = (place, old) => old && old.place === place ? { y: old.y, x: old.x }
    : { y: (Math.floor(PLACES.indexOf(place) / 3) + .5) / 3, x: (PLACES.indexOf(place) % 3 + .5) / 3 };
  const tell = things => {
    const parts = things.map(t => `a ${name(t)} ${where(t.place)}`);
    return parts.length > 1 ? parts.slice(0, -1).join(", ") + " and " + parts[parts.length - 1] : parts[0] || "";
  };
  const any = (...words) => "(" + words.sort((a, b) => b.length - a.length).join("|") + ")";
  function understand(text) {                                           // a sentence of this world -> its things, or nothing
    const plain = text.toLowerCase().replace(/\s+/g, " ").replace(/\bis (above|below|left of|right of)\b/g, ",");
    const find = pattern => [...plain.matchAll(new RegExp(`\\b${pattern}\\b`, "g"))];
    const names = find(`${any(...KINDS.size)} ${any(...KINDS.color)} ${any(...SHAPES)}`), places = find(any(...PLACES));
    if (!names.length || names.length !== places.length || new Set(places.map(p => p[0])).size < places.length) return null;
    return names.map((n, i) => ({ size: n[1], color: n[2], shape: n[3], place: places[i][0] }));
  }

  const state = { things: [], tone: 210, top: 1, left: 1, height: 6, width: 6, text: "", paint: "decoder" };
  const examples = pack.scenes, copy = things => things.map(t => ({ ...t }));

  const STYLE = `
    #vljepa-write { --see: #0072B2; --hide: #E69F00; --predict: #009E73; --words: #CC79A7; --faint: rgba(128,128,128,.3);
      container-type: inline-size; margin: 1.5rem 0; line-height: 1.4; }
    #vljepa-write .write { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; }
    #vljepa-write .write > * { min-width: 0; }
    #vljepa-write .all { grid-column: 1 / -1; }
    #vljepa-write .name { font-weight: 600; margin: 0 0 .3rem; }
    #vljepa-write .name::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 50%; background: var(--dot); margin-right: .4em; }
    #vljepa-write .note { font-size: .85em; margin: .35rem 0 0; }
    #vljepa-write .picture { position: relative; aspect-ratio: 1; border-radius: 4px; overflow: hidden; background: #999; }
    #vljepa-write canvas { display: block; width: 100%; height: 100%; image-rendering: pixelated; }
    #vljepa-write .block { position: absolute; box-sizing: border-box; border: 3px solid var(--hide); border-radius: 3px; background: rgba(110,110,110,.8);
      cursor: grab; touch-action: none; padding: 0; }
    #vljepa-write .hole { border-color: var(--predict); background: none; pointer-events: none; }
    #vljepa-write textarea { width: 100%; font: inherit; padding: .5rem .6rem; border: 1px solid var(--faint); border-left: 4px solid var(--words);
      border-radius: 4px; background: transparent; color: inherit; box-sizing: border-box; field-sizing: content; min-height: 6.2em; }
    #vljepa-write button, #vljepa-write select { font: inherit; font-size: .9em; color: inherit; background: transparent; border: 1px solid var(--faint); border-radius: 4px; padding: .25em .5em; max-width: 100%; }
    #vljepa-write option { color: #222; background: #fff; }
    #vljepa-write button { cursor: pointer; }
    #vljepa-write :is(button, select, textarea, input):focus-visible { outline: 2px solid var(--see); outline-offset: 2px; }
    #vljepa-write .line { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center; font-size: .95em; }
    #vljepa-write .numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; }
    #vljepa-write .numbers b { display: block; font-size: 1.7rem; line-height: 1.1; font-variant-numeric: tabular-nums; }
    #vljepa-write .numbers span { font-size: .85em; }
    #vljepa-write .numbers small { display: block; min-height: 1.4em; }
    #vljepa-write .picture:has([data-part=said]) { background: none; }
    #vljepa-write .words { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; padding: 0; margin: .4rem 0; }
    #vljepa-write .words li { border: 1px solid var(--faint); border-radius: 4px; padding: .1em .45em; font-size: .9em; }
    #vljepa-write .words li[data-unknown] { border: 2px dashed #D55E00; }
    #vljepa-write .words small { display: block; font-variant-numeric: tabular-nums; }
    #vljepa-write fieldset { border: 1px solid var(--faint); border-radius: 4px; margin: 0; padding: .5rem .8rem; min-width: 0; }
    #vljepa-write legend { float: none; width: auto; font-size: .9em; font-weight: 600; padding: 0 .3em; margin: 0; }
    #vljepa-write .line > label { min-width: 0; max-width: 100%; }
    #vljepa-write [data-busy] .numbers b::after { content: " …"; }
    @container (max-width: 460px) { #vljepa-write .write { grid-template-columns: 1fr 1fr; } #vljepa-write .third { grid-column: 1 / -1; max-width: 50%; } }`;

  const panel = document.createElement("div");
  panel.className = "write";
  panel.innerHTML = `
    <div class="all line"><span>Begin with</span>${examples.map((_, i) => `<button type="button" data-example="${i}">scene ${i + 1}</button>`).join("")}
      <button type="button" data-do="another">draw another</button></div>
    <div class="all"><label class="name" style="--dot: var(--words)" for="vljepa-write-text">The sentence that the model reads</label>
      <textarea id="vljepa-write-text" rows="4" spellcheck="false" autocomplete="off"></textarea>
      <div class="line"><button type="button" data-do="true">tell the truth</button><button type="button" data-do="empty">say nothing</button>
        <button type="button" data-do="color">change a colour</button><button type="button" data-do="swap">swap two things</button>
        <button type="button" data-do="whale">say what it does not know</button></div>
      <p class="note" data-say="unknown" role="status"></p></div>
    <div class="all numbers" role="status" aria-live="polite">
      <div><b data-say="cosine">…</b><span>mean cosine of predicted and true vectors</span><small data-say="before"></small></div>
      <div><b data-say="without"></b><span>without a sentence</span></div>
      <div><b data-say="gain"></b><span>what the sentence brings</span></div>
      <div><b data-say="toward"></b><span>cosine with the scene that the sentence describes</span></div></div>
    <div><p class="name" style="--dot: var(--see)">What it sees</p>
      <div class="picture"><canvas data-part="scene" width="${PIXELS}" height="${PIXELS}" role="img"></canvas>
        <button type="button" class="block" data-part="block"></button></div>
      <p class="note">Drag the block, or move it with the arrow keys. You see what it hides as a shimmer; the model sees nothing of it.</p>
      <div class="line"><label>rows <select data-side="height">${[1, 2, 3, 4, 5, 6, 7, 8].map(n => `<option>${n}</option>`).join("")}</select></label>
        <label>columns <select data-side="width">${[1, 2, 3, 4, 5, 6, 7, 8].map(n => `<option>${n}</option>`).join("")}</select></label>
        <span data-say="share"></span></div></div>
    <div><p class="name" style="--dot: var(--predict)">What it predicts</p>
      <div class="picture"><canvas data-part="guess" width="${PIXELS}" height="${PIXELS}" role="img"></canvas><div class="block hole"></div></div>
      <div class="line"><label>drawn as <select data-side="paint"><option value="decoder">a linear map to pixels</option>
        <option value="patches">the nearest real patches</option></select></label></div></div>
    <div class="third"><p class="name" style="--dot: var(--words)">The sentence, drawn</p>
      <div class="picture"><canvas data-part="said" width="${PIXELS}" height="${PIXELS}" role="img"></canvas></div>
      <p class="note" data-say="said"></p></div>
    <div class="all"><p class="name" style="--dot: var(--words)">Which words matter</p>
      <ul class="words"></ul><p class="note">Below each word: how much lower the cosine is without it; where it is negative, higher. Computed a moment after the picture.</p></div>
    <fieldset class="all"><legend>The scene</legend><div data-part="things"></div>
      <div class="line"><button type="button" data-do="add">add a thing</button></div></fieldset>`;
  const find = selector => panel.querySelector(selector), say = (what, text) => { find(`[data-say=${what}]`).textContent = text; };
  const block = find("[data-part=block]"), hole = find(".hole"), field = find("textarea");
  const { render } = vljepaEngine(), two = x => x.toFixed(2).replace("-", "−"), three = x => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(3);
  const picture = (part, bytes, text) => {
    const canvas = find(`[data-part=${part}]`), image = new ImageData(PIXELS, PIXELS);
    for (let i = 0; i < PIXELS * PIXELS; i++) image.data.set([bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2], 255], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", text);
  };
  const draw = things => render(things, state.tone, PIXELS, pack.settings.world);
  function hidden() {
    const hide = [];
    for (let r = 0; r < state.height; r++) for (let c = 0; c < state.width; c++) hide.push((state.top + r) * SIDE + state.left + c);
    return hide;
  }

  let asked = 0, last = null;
  const send = vljepaAsk(pack, data => { if (data.id === asked) (data.kind === "words" ? showWords : show)(data); });

  function ask() {
    const hide = hidden(), image = draw(state.things), said = understand(state.text), like = t => state.things.find(o => name(o) === name(t) && o.place === t.place);
    const other = said && draw(said.map(t => ({ ...t, ...seat(t.place, like(t)) })));
    const keep = [...Array(SIDE * SIDE).keys()].filter(p => !hide.includes(p));
    picture("scene", image, `The scene: ${tell(state.things) || "nothing"}`);
    const percent = n => `${100 * n / SIDE}%`;
    for (const box of [block, hole]) Object.assign(box.style, { left: percent(state.left), top: percent(state.top), width: percent(state.width), height: percent(state.height) });
    block.setAttribute("aria-label", `Hidden block, from row ${state.top + 1}, column ${state.left + 1}, ${state.height} by ${state.width} patches: move it with the arrow keys`);
    say("share", `${hide.length} of ${SIDE * SIDE} patches hidden`);
    if (other) picture("said", other, `The scene that the sentence describes: ${tell(said)}`);
    else find("[data-part=said]").getContext("2d").clearRect(0, 0, PIXELS, PIXELS);
    find("[data-part=said]").style.visibility = other ? "" : "hidden";
    say("said", other ? (tell(said) === tell(state.things) ? "That is the true scene." : "Drawn from your words alone.")
      : state.text.trim() ? "Nothing that can be drawn: it takes size, colour, shape and place of each thing." : "There is no sentence.");
    const spot = [image, hide].join(";"), gray = new Uint8Array(hide.length * 3 * patch * patch).fill(128);
    if (!last || last.spot !== spot) fill(image, hide, gray, "The picture; the prediction is being computed");
    last = { image, hide, spot, before: last && last.spot === spot ? root.dataset.cosine : "" };
    panel.dataset.busy = "";
    send({ id: ++asked, image, other, keep, hide, text: state.text, paint: state.paint, start: performance.now() });
  }

  function fill(image, hide, patches, text) {                            // the picture with patches in the hole
    const bytes = image.slice();
    hide.forEach((place, k) => {
      const top = Math.floor(place / SIDE) * patch, left = place % SIDE * patch;
      for (let y = 0; y < patch; y++) for (let x = 0; x < 3 * patch; x++)
        bytes[3 * ((top + y) * PIXELS + left) + x] = patches[k * 3 * patch * patch + y * 3 * patch + x];
    });
    picture("guess", bytes, text);
  }
  function show(told) {
    fill(last.image, last.hide, told.painted, `The picture, and in the hole the prediction, cosine ${two(told.cosine)}`);
    delete panel.dataset.busy;
    say("before", last.before ? `before: ${two(Number(last.before))}` : "");
    say("cosine", two(told.cosine)); say("without", two(told.without)); say("gain", three(told.cosine - told.without));
    say("toward", "…");
    say("unknown", told.unknown.length ? `The model does not know ${told.unknown.map(w => `“${w}”`).join(", ")}: it reads letters there, of which it has learned nothing.` : "");
    find(".words").replaceChildren(...told.words.map(w => {
      const li = document.createElement("li"), value = document.createElement("small");
      li.textContent = w; value.textContent = "…";
      if (told.unknown.includes(w)) li.dataset.unknown = "";
      li.append(value);
      return li;
    }));
    Object.assign(root.dataset, { cosine: told.cosine, without: told.without, milliseconds: performance.now() - told.start, answered: told.id });
  }
  function showWords({ matter, toward }) {
    say("toward", toward === null ? "–" : two(toward));
    const items = [...panel.querySelectorAll(".words li")];
    if (items.length === matter.length) items.forEach((li, i) => {
      li.querySelector("small").textContent = "unknown" in li.dataset ? "unknown" : three(matter[i]);
      li.style.background = matter[i] > 0 && !("unknown" in li.dataset) ? `rgba(204, 121, 167, ${Math.min(matter[i] * 4, .5)})` : "";
    });
    root.dataset.words = matter.length;
  }

  const options = (kind, chosen) => KINDS[kind].map(v => `<option${v === chosen ? " selected" : ""}>${v}</option>`).join("");
  function list() {
    find("[data-part=things]").innerHTML = state.things.map((t, i) => `<div class="line" style="margin-bottom: .4rem">${Object.keys(KINDS).map(kind =>
      `<select data-thing="${i}" data-kind="${kind}" aria-label="${kind} of thing ${i + 1}">${options(kind, t[kind])}</select>`).join("")}
      <button type="button" data-drop="${i}" aria-label="remove thing ${i + 1}">remove</button></div>`).join("");
    for (const side of ["height", "width", "paint"]) find(`[data-side=${side}]`).value = state[side];
  }
  function write(text) { state.text = field.value = text; ask(); }
  function begin({ things, tone }) {
    Object.assign(state, { things: copy(things), tone, top: 1, left: 1, height: 6, width: 6 });
    list(); write(tell(state.things));
  }
  const pick = items => items[Math.floor(Math.random() * items.length)];
  const free = () => PLACES.filter(p => !state.things.some(t => t.place === p));
  const fresh = place => ({ size: pick(KINDS.size), color: pick(KINDS.color), shape: pick(SHAPES), place, ...seat(place) });
  const DO = {
    another: () => { state.things = []; for (let i = 0; i < 4; i++) state.things.push(fresh(pick(free()))); begin({ things: state.things, tone: 175 + 60 * Math.random() }); },
    true: () => write(tell(state.things)), empty: () => write(""),
    color: () => {
      const covered = t => last.hide.includes(Math.floor(t.y * SIDE) * SIDE + Math.floor(t.x * SIDE)), things = copy(state.things);
      const t = things.find(covered) || things[0];
      if (t) { t.color = pick(KINDS.color.filter(c => c !== t.color)); write(tell(things)); }
    },
    whale: () => write("a tiny pink whale"),
    swap: () => { const things = copy(state.things); if (things.length > 1) { [things[0].place, things[1].place] = [things[1].place, things[0].place]; write(tell(things)); } },
    add: () => { if (free().length) { state.things.push(fresh(pick(free()))); list(); write(tell(state.things)); } } };

  panel.addEventListener("click", ({ target }) => {
    const { do: what, example, drop } = target.dataset;
    if (what) DO[what]();
    if (example) begin(examples[example]);
    if (drop) { state.things.splice(drop, 1); list(); write(tell(state.things)); }
  });
  panel.addEventListener("change", ({ target }) => {
    const { side, thing, kind } = target.dataset;
    if (side) {
      state[side] = side === "paint" ? target.value : Number(target.value);
      if (state.height * state.width === SIDE * SIDE) state.height = SIDE - 1;  // something must be seen
      move(0, 0); list();
    }
    if (kind) {
      const t = state.things[thing];
      if (kind === "place" && !free().includes(target.value)) return list();     // somebody sits there
      t[kind] = target.value;
      if (kind === "place") Object.assign(t, seat(t.place));
      list(); write(tell(state.things));
    }
  });
  field.addEventListener("input", () => { state.text = field.value; ask(); });
  function move(down, right) {
    state.top = Math.min(Math.max(state.top + down, 0), SIDE - state.height);
    state.left = Math.min(Math.max(state.left + right, 0), SIDE - state.width);
    ask();
  }
  block.addEventListener("keydown", event => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    move(...moves[event.key]);
  });
  let grip = null;
  const at = event => {
    const box = block.parentElement.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width * SIDE, y: (event.clientY - box.top) / box.height * SIDE };
  };
  block.addEventListener("pointerdown", event => { const { x, y } = at(event); grip = { x: x - state.left, y: y - state.top }; block.setPointerCapture(event.pointerId); });
  block.addEventListener("pointermove", event => {
    if (!grip) return;
    const { x, y } = at(event), down = Math.round(y - grip.y) - state.top, right = Math.round(x - grip.x) - state.left;
    if (down || right) move(down, right);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) block.addEventListener(end, () => { grip = null; });

  const style = document.createElement("style"), still = [...root.children];
  style.textContent = STYLE;
  root.append(style, panel);
  for (const child of still) child.hidden = true;                       // the picture for pages where nothing moves
  begin(examples[0]);
})();
