// The tiny model of this book in plain JavaScript: encoders and predictor, one picture at a time, as `engine.export` packs it. Below it the worker that
// asks it for a page, and the one question at a time that a page may ask the worker.
"use strict"
function vljepaEngine() {                      // one function, so that a page can hand it to a worker as text
function half(bits) {                          // a number of 16 bits, as float16 has them
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, digits = bits & 1023
  return exponent ? sign * (1 + digits / 1024) * 2 ** (exponent - 15) : sign * digits * 2 ** -24
}
function weights(places, bytes) {              // {name: [first number, shape, first step; -1: halves]} -> {name: Float32Array}
  const { steps: [cut, [count]], ...parts } = places, found = {}
  const numbers = new Int16Array(bytes.buffer, bytes.byteOffset, cut / 2), steps = new Float32Array(bytes.buffer, bytes.byteOffset + cut, count)
  for (const [name, [first, shape, step]] of Object.entries(parts)) {
    const size = shape.reduce((a, b) => a * b, 1), wide = shape.length > 1 ? size / shape[0] : size, x = found[name] = new Float32Array(size)
    for (let i = 0; i < size; i++) x[i] = step < 0 ? half(numbers[first + i]) : numbers[first + i] * steps[step + Math.floor(i / wide)]
  }
  return found
}
function linear(x, W, b, wide) {               // [n, wide] -> [n, high]; W [high, wide], b [high] or nothing
  const n = x.length / wide, high = W.length / wide, y = new Float32Array(n * high)
  let t = 0
  for (; t + 3 < n; t += 4) {
    const x0 = t * wide, x1 = x0 + wide, x2 = x1 + wide, x3 = x2 + wide
    for (let o = 0; o < high; o++) {
      let s0 = b ? b[o] : 0, s1 = s0, s2 = s0, s3 = s0
      for (let i = 0, w = o * wide; i < wide; i++, w++) {
        const v = W[w]
        s0 += v * x[x0 + i]; s1 += v * x[x1 + i]; s2 += v * x[x2 + i]; s3 += v * x[x3 + i]
      }
      const at = t * high + o
      y[at] = s0; y[at + high] = s1; y[at + 2 * high] = s2; y[at + 3 * high] = s3
    }
  }
  for (; t < n; t++) for (let o = 0; o < high; o++) {
    let s = b ? b[o] : 0
    for (let i = 0, w = o * wide, at = t * wide; i < wide; i++) s += W[w + i] * x[at + i]
    y[t * high + o] = s
  }
  return y
}
function layerNorm(x, wide, scale, shift, eps) {
  const y = new Float32Array(x.length)
  for (let at = 0; at < x.length; at += wide) {
    let mean = 0, spread = 0
    for (let i = 0; i < wide; i++) mean += x[at + i]
    mean /= wide
    for (let i = 0; i < wide; i++) spread += (x[at + i] - mean) ** 2
    const by = 1 / Math.sqrt(spread / wide + eps)
    for (let i = 0; i < wide; i++) y[at + i] = (x[at + i] - mean) * by * (scale ? scale[i] : 1) + (shift ? shift[i] : 0)
  }
  return y
}
function erf(x) {                              // Abramowitz and Stegun, 7.1.26: within 1.5e-7
  const t = 1 / (1 + .3275911 * Math.abs(x))
  const r = 1 - t * (.254829592 + t * (-.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x)
  return x >= 0 ? r : -r
}
function gelu(x) { for (let i = 0; i < x.length; i++) x[i] *= .5 * (1 + erf(x[i] * Math.SQRT1_2)); return x }
function add(x, y) { for (let i = 0; i < x.length; i++) x[i] += y[i]; return x }
function join(...parts) {
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) { all.set(part, at); at += part.length }
  return all
}
function rows(x, wide, which) {
  const y = new Float32Array(which.length * wide)
  which.forEach((r, k) => y.set(x.subarray(r * wide, (r + 1) * wide), k * wide))
  return y
}
function attend(q, k, v, wide, heads) {        // every row of q [n, wide] reads from all rows of k and v [m, wide]
  const n = q.length / wide, m = k.length / wide, d = wide / heads, out = new Float32Array(q.length), p = new Float64Array(m)
  for (let h = 0; h < heads; h++) for (let a = 0; a < n; a++) {
    const qa = a * wide + h * d
    let top = -Infinity, sum = 0
    for (let b = 0; b < m; b++) {
      let s = 0
      for (let i = 0, kb = b * wide + h * d; i < d; i++) s += q[qa + i] * k[kb + i]
      p[b] = s / Math.sqrt(d)
      if (p[b] > top) top = p[b]
    }
    for (let b = 0; b < m; b++) sum += p[b] = Math.exp(p[b] - top)
    for (let b = 0; b < m; b++) {
      const share = p[b] / sum
      for (let i = 0, vb = b * wide + h * d; i < d; i++) out[qa + i] += share * v[vb + i]
    }
  }
  return out
}
function columns(x, wide, first, count) {      // some columns of [n, wide]
  const n = x.length / wide, y = new Float32Array(n * count)
  for (let r = 0; r < n; r++) y.set(x.subarray(r * wide + first, r * wide + first + count), r * count)
  return y
}

class Model {
  constructor(settings, places, bytes) { this.s = settings; this.w = weights(places, bytes) }

  encode(pixels, keep) {                       // bytes [S, S, 3]; patches that are seen, or all -> latents [n, D]
    const { size, patch, dim, heads, depth, mean, std } = this.s.vision, w = this.w, side = size / patch, flat = 3 * patch * patch
    const seen = keep || [...Array(side * side).keys()], x = new Float32Array(seen.length * flat)
    seen.forEach((place, k) => {
      const top = Math.floor(place / side) * patch, left = place % side * patch
      for (let c = 0, i = 0; c < 3; c++) for (let a = 0; a < patch; a++) for (let b = 0; b < patch; b++, i++)
        x[k * flat + i] = (pixels[3 * ((top + a) * size + left + b) + c] / 255 - mean[c]) / std[c]
    })
    let z = linear(x, w["vision.patch_embed.proj.weight"], w["vision.patch_embed.proj.bias"], flat)
    add(z, rows(w["vision.pos_embed"], dim, seen))
    for (let l = 0; l < depth; l++) {
      const of = name => w[`vision.blocks.${l}.${name}`]
      const qkv = linear(layerNorm(z, dim, of("norm1.weight"), of("norm1.bias"), 1e-6), of("attn.qkv.weight"), of("attn.qkv.bias"), dim)
      const [q, k, v] = [0, 1, 2].map(i => columns(qkv, 3 * dim, i * dim, dim))
      add(z, linear(attend(q, k, v, dim, heads), of("attn.proj.weight"), of("attn.proj.bias"), dim))
      const h = gelu(linear(layerNorm(z, dim, of("norm2.weight"), of("norm2.bias"), 1e-6), of("mlp.fc1.weight"), of("mlp.fc1.bias"), dim))
      add(z, linear(h, of("mlp.fc2.weight"), of("mlp.fc2.bias"), h.length / (z.length / dim)))
    }
    return layerNorm(z, dim, w["vision.norm.weight"], w["vision.norm.bias"], 1e-6)
  }

  pieces(word) {                               // the longest pieces of a word that the vocabulary has, from the left
    const { vocab } = this.s.text, found = []
    for (let at = 0; at < word.length;) {
      let end = word.length
      while (end > at && !Object.hasOwn(vocab, (at ? "##" : "") + word.slice(at, end))) end--
      if (end === at || word.length > 100) return [vocab["[UNK]"]]
      found.push(vocab[(at ? "##" : "") + word.slice(at, end)])
      at = end
    }
    return found
  }

  tokens(caption) {                            // -> ids; words and signs, where each begins and ends in the ids, and those it has to spell
    const { vocab, most } = this.s.text, sign = /([!-\/:-@[-`{-~]|\p{P}|\p{Script=Han})/gu, ids = [vocab["[CLS]"]], words = [], spans = []
    const plain = caption.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase().replace(sign, " $1 ")
    for (const word of plain.split(/\s+/).filter(Boolean)) {
      const own = this.pieces(word).slice(0, most - 1 - ids.length)
      if (!own.length) break
      words.push(word); spans.push([ids.length, ids.length + own.length])
      ids.push(...own)
    }
    return { ids: [...ids, vocab["[SEP]"]], words, spans, unknown: words.filter(word => !Object.hasOwn(vocab, word)) }
  }

  read(ids) {                                  // -> latents [T, D]
    const { dim, heads, depth } = this.s.text, w = this.w, of = name => w[`text.${name}`], place = [...ids.keys()]
    let z = rows(of("embeddings.word_embeddings.weight"), dim, ids)
    add(z, rows(of("embeddings.position_embeddings.weight"), dim, place))
    add(z, rows(of("embeddings.token_type_embeddings.weight"), dim, ids.map(() => 0)))
    z = layerNorm(z, dim, of("embeddings.LayerNorm.weight"), of("embeddings.LayerNorm.bias"), 1e-12)
    for (let l = 0; l < depth; l++) {
      const at = name => of(`encoder.layer.${l}.${name}`), step = (x, name, wide) => linear(x, at(name + ".weight"), at(name + ".bias"), wide)
      const [q, k, v] = ["query", "key", "value"].map(name => step(z, "attention.self." + name, dim))
      z = layerNorm(add(step(attend(q, k, v, dim, heads), "attention.output.dense", dim), z), dim,
        at("attention.output.LayerNorm.weight"), at("attention.output.LayerNorm.bias"), 1e-12)
      const h = gelu(step(z, "intermediate.dense", dim))
      z = layerNorm(add(step(h, "output.dense", h.length / ids.length), z), dim, at("output.LayerNorm.weight"), at("output.LayerNorm.bias"), 1e-12)
    }
    return z
  }

  predict(context, keep, hide, words) {        // latents of what is seen and of a caption's words -> of what is hidden [n, D]
    const { dim, heads, depth } = this.s.predictor, w = this.w, of = name => w[`predictor.${name}`]
    const [image, text] = [0, 1].map(i => of("type_embed").subarray(i * dim, (i + 1) * dim))
    const spread = (x, row) => { for (let i = 0; i < x.length; i++) x[i] += row[i % dim]; return x }
    const bring = (x, name, wide) => linear(layerNorm(x, wide, null, null, 1e-5), of(name + ".1.weight"), null, wide)
    let x = spread(spread(rows(of("pos"), dim, hide), of("mask_token")), image)
    let known = add(spread(bring(context, "read_context", this.s.vision.dim), image), rows(of("pos"), dim, keep))
    if (words) known = join(known, spread(bring(words, "read_text", this.s.text.dim), text))
    known = layerNorm(known, dim, of("norm_known.weight"), of("norm_known.bias"), 1e-5)
    for (let l = 0; l < depth; l++) {
      const at = name => of(`blocks.${l}.${name}`), norm = name => layerNorm(x, dim, at(name + ".weight"), at(name + ".bias"), 1e-5)
      const look = (name, a, b) => {
        const kv = linear(b, at(name + ".key_value.weight"), at(name + ".key_value.bias"), dim)
        const q = linear(a, at(name + ".query.weight"), at(name + ".query.bias"), dim)
        return linear(attend(q, columns(kv, 2 * dim, 0, dim), columns(kv, 2 * dim, dim, dim), dim, heads), at(name + ".out.weight"), at(name + ".out.bias"), dim)
      }
      const h = norm("norm1")
      add(x, look("attend", h, h))
      add(x, look("read", norm("norm2"), known))
      const m = gelu(linear(norm("norm3"), at("mlp.0.weight"), at("mlp.0.bias"), dim))
      add(x, linear(m, at("mlp.2.weight"), at("mlp.2.bias"), m.length / hide.length))
    }
    return linear(layerNorm(x, dim, of("norm.weight"), of("norm.bias"), 1e-5), of("head.weight"), of("head.bias"), dim)
  }

  paint(latents) {                             // [n, D] -> bytes of n patches, by a linear map
    const { dim } = this.s.vision, x = layerNorm(latents, dim, null, null, 1e-5)
    return Uint8Array.from(linear(x, this.w["decoder.weight"], this.w["decoder.bias"], dim), v => Math.min(Math.max(v, 0), 255))
  }

  targets(pixels) { return layerNorm(this.encode(pixels), this.s.vision.dim, null, null, 1e-5) }
}

// ShapesWorld, drawn as the library draws it
const DRAW = {
  circle: (u, v) => Math.hypot(u, v) - 1,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) - .86,
  triangle: (u, v) => Math.max(v - .8, (1.8 * Math.abs(u) - .95 * (v + 1)) / 2.035),
  diamond: (u, v) => (1.4 * Math.abs(u) + Math.abs(v) - 1) / 1.72,
  cross: (u, v) => Math.max(Math.min(Math.abs(u), Math.abs(v)) - .3, Math.max(Math.abs(u), Math.abs(v)) - .95),
  ring: (u, v) => Math.abs(Math.hypot(u, v) - .72) - .27,
  star: (u, v) => {
    const fifth = 2 * Math.PI / 5, notch = .42, turned = Math.atan2(u, -v) + Math.PI / 5
    const angle = Math.abs((turned % fifth + fifth) % fifth - Math.PI / 5)
    const x = Math.hypot(u, v) * Math.cos(angle), y = Math.hypot(u, v) * Math.sin(angle)
    const a = notch * Math.sin(Math.PI / 5), b = 1 - notch * Math.cos(Math.PI / 5)
    return ((x - 1) * a + y * b) / Math.hypot(a, b)
  },
  heart: (u, v) => {
    const lobes = Math.hypot(Math.abs(u) - .48, v + .38) - .5
    const wedge = Math.max((Math.abs(u) + .98 * v - .88) / 1.4, -v - .38)
    return Math.min(lobes, Math.max(wedge, Math.abs(u) - .98))
  } }
function render(things, tone, size, world) {   // things {shape, color, size, y, x}, tone of the ground -> bytes [S, S, 3]
  const { colors, sizes } = world, image = new Float32Array(size * size * 3).fill(tone)
  for (const t of things) {
    const r = sizes[t.size] * size, cy = t.y * size, cx = t.x * size, color = colors[t.color]
    const from = c => Math.max(Math.trunc(c - r) - 1, 0), to = c => Math.min(Math.trunc(c + r) + 2, size)
    for (let y = from(cy); y < to(cy); y++) for (let x = from(cx); x < to(cx); x++) {
      const distance = DRAW[t.shape]((x + .5 - cx) / r, (y + .5 - cy) / r) * r
      const cover = Math.min(Math.max(.5 - distance, 0), 1)
      for (let c = 0; c < 3; c++) {
        const at = 3 * (y * size + x) + c
        image[at] = image[at] + cover * Math.fround(color[c] - image[at])
      }
    }
  }
  return Uint8Array.from(image, v => Math.min(Math.max(v, 0), 255))
}
return { Model, render }
}
function vljepaWorker({ Model, render }) {                            // runs elsewhere: it knows only what it is sent
  let model, library, seen = {}, newest
  const cos = (a, b, i, j, n) => { let ab = 0, aa = 0, bb = 0; for (let k = 0; k < n; k++) { ab += a[i + k] * b[j + k]; aa += a[i + k] ** 2; bb += b[j + k] ** 2 } return ab / Math.sqrt(aa * bb) }
  const each = (a, b, n) => Array.from({ length: a.length / n }, (_, i) => cos(a, b, i * n, i * n, n))
  const mean = (...given) => { const all = each(...given); return all.reduce((sum, x) => sum + x, 0) / all.length }
  const memo = (what, key, make) => { if (!seen[what] || seen[what].key !== key) seen[what] = { key, value: make() }; return seen[what].value }
  function nearest(z, n) {                                            // of each predicted vector the real patch
    const { vectors, pixels } = library, count = vectors.length / n, bytes = pixels.length / count, out = new Uint8Array(z.length / n * bytes)
    for (let i = 0; i < z.length; i += n) {
      let best = -2, found = 0
      for (let p = 0; p < count; p++) { const c = cos(z, vectors, i, p * n, n); if (c > best) { best = c; found = p } }
      out.set(pixels.subarray(found * bytes, (found + 1) * bytes), i / n * bytes)
    }
    return out
  }
  onmessage = ({ data }) => {
    if (data.settings) {
      const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))
      model = new Model(data.settings, data.places, bytes(data.text))
      library = { vectors: Int8Array.from(bytes(data.library.vectors)), pixels: bytes(data.library.pixels) }
      return postMessage({ kind: "ready" })
    }
    const { image, other, keep, hide, text, paint, ...asked } = data, { id } = asked, n = model.s.vision.dim, hole = hide.join()
    const whole = memo("targets", image.join(), () => model.targets(image)), take = x => { const y = new Float32Array(hide.length * n); hide.forEach((p, k) => y.set(x.subarray(p * n, (p + 1) * n), k * n)); return y }
    const context = memo("context", image.join() + hole, () => model.encode(image, keep)), truth = take(whole)
    const guess = ids => model.predict(context, keep, hide, model.read(ids))
    const { ids, unknown, words, spans } = model.tokens(text), z = guess(ids)
    const without = memo("without", image.join() + hole, () => mean(guess(model.tokens("").ids), truth, n))
    const cosines = each(z, truth, n), cosine = mean(z, truth, n)
    postMessage({ ...asked, kind: "answer", cosine, cosines, without, unknown, words, painted: paint === "patches" ? nearest(z, n) : model.paint(z) })
    newest = id
    const matter = [], next = () => {                                 // a word at a time, so that a new sentence need not wait
      if (newest !== id) return
      if (matter.length === words.length) {
        const toward = other ? mean(z, take(memo("said", other.join(), () => model.targets(other))), n) : null
        return postMessage({ ...asked, kind: "words", matter, toward })
      }
      const [from, to] = spans[matter.length]
      matter.push(cosine - mean(guess([...ids.slice(0, from), ...ids.slice(to)]), truth, n))
      setTimeout(next)
    }
    setTimeout(next, 100)
  }
}
function vljepaAsk(pack, hear) {               // a function that asks the worker; while it is busy only the newest question waits
  const source = `(${vljepaWorker})((${vljepaEngine})())`
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })))
  let busy = true, waiting = null
  const send = job => { busy = true; worker.postMessage(job) }
  send({ settings: pack.settings, places: pack.places, text: pack.bytes, library: pack.library })
  worker.onmessage = ({ data }) => {
    if (data.kind !== "words") busy = false
    if (data.kind !== "ready") hear(data)
    if (waiting && !busy) { const next = waiting; waiting = null; send(next) }
  }
  return job => { if (busy) waiting = job; else send(job) }
}
