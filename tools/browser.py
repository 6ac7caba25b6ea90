"""Opens every page of the rendered site in chromium, as readers see it: `python tools/browser.py [folder]`.

The folder may come from smalldocs (`_proc/_docs`, the default) or from Quarto (`_docs`), both finished by tools/site.py. It is
served from this machine and nothing else can be reached. Each page is opened on a desktop in light colours and on a phone in dark
ones, a page of each kind also the other way round. Problems are broken links, anchors and images, errors in the console, loads
from elsewhere, pages wider than a phone, code that is cut off or larger than what it prints, formulas that are not drawn or cut off,
Markdown that was not rendered, text with too little contrast (WCAG AA: 4.5) and icons (3), a search that does not find what a
reader looks for, and pages above 2 MB. Exit status 77: no chromium here.
"""
import argparse
import functools
import gzip
import importlib.util
import io
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 2_000_000  # of a page with all that it loads
MODEL_BYTES = 5_000_000  # of one in which the model runs
VIEWS = [("desktop", "light", 1280, 900), ("phone", "dark", 390, 844), ("desktop", "dark", 1280, 900), ("phone", "light", 390, 844)]
ALL = 2  # so many views open all pages, the others one of each kind
KINDS = ("index.html", "masking.html", "losses.html", "glossary.html", "api/model.html", "engine/e01_files.html")
ICONS = "i.bi:not(.code-copy-button > i), button svg, a svg, .aa-SubmitIcon, .navbar-toggler-icon, .code-copy-button, .callout-icon"
# What a reader looks for, and where one of the first five results must lead.
QUESTIONS = {"collapse": "targets|diagnostics|measure", "stop gradient": "targets|glossary|learn", "skill": "glossary", "within": "glossary",
             "how do I continue a run": "", "why is my loss rising": "diagnostics", "what GPU do I need": "coco",
             "train without captions": "", "my own encoder": "learn"}
NUMBER = re.compile(r"^\d+[a-z0-9]*_")  # nbdev drops what stands in front of a chapter's name

LOOK = """() => {
  const text = e => (e.textContent || '').trim().replace(/\\s+/g, ' ').slice(0, 60)
  const figures = [...document.querySelectorAll('main img')].filter(i => i.closest('figure, .cell-output, p'))
  return {
    links: [...document.querySelectorAll('a[href]')].map(a => [a.getAttribute('href'), text(a)]),
    ids: [...document.querySelectorAll('[id]')].map(e => e.id),
    images: [...document.images].map(i => [i.currentSrc.slice(0, 90), i.complete && i.naturalWidth > 0, i.alt]),
    figures: figures.length, described: figures.filter(i => i.alt.trim().length > 10).length,
    width: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
    wide: [...document.querySelectorAll('main *')].filter(e => {
      const r = e.getBoundingClientRect()
      if (r.width == 0 || r.right <= innerWidth + 1) return false
      for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX != 'visible') return false
      return true
    }).slice(0, 3).map(e => `${e.tagName.toLowerCase()}.${e.className} ${text(e)}`),
    formulas: document.querySelectorAll('math').length,
    undrawn: [...document.querySelectorAll('math')].filter(e => {
      const r = e.getBoundingClientRect()
      return e.checkVisibility() && (r.width < 2 || r.height < 4 || e.querySelector('merror'))
    }).map(text),
    clipped: [...document.querySelectorAll('math')].filter(e => {
      let top = Infinity, bottom = -Infinity
      for (const part of [e, ...e.querySelectorAll('*')]) {
        const r = part.getBoundingClientRect()
        if (r.height) { top = Math.min(top, r.top); bottom = Math.max(bottom, r.bottom) }
      }
      for (let p = e.parentElement; p && p.tagName != 'MAIN'; p = p.parentElement) {
        const r = p.getBoundingClientRect()
        if (getComputedStyle(p).overflowY != 'visible' && (top < r.top - .5 || bottom > r.bottom + .5)) return true
      }
      return false
    }).map(text),
    sums: [...document.querySelectorAll('math[display=block] :is(munderover, munder) > mo:first-child')].filter(e => e.textContent.trim() == '∑')
      .map(e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).fontSize)),
    sizes: ['main pre.sourceCode code', 'main .cell-output pre'].map(s => document.querySelector(s)).map(e => e && parseFloat(getComputedStyle(e).fontSize)),
    tex: [...document.querySelectorAll('.math')].filter(e => !e.querySelector('math')).map(text),
    raw: [...document.querySelectorAll('main p, main li, main td, main figcaption, main .cell-output pre')].map(e => {
      const t = e.cloneNode(true)
      t.querySelectorAll('code, math').forEach(c => { if (e.tagName != 'PRE') c.remove() })
      return (t.textContent.match(e.tagName == 'PRE' ? /^interactive\(children.{0,20}/ : /.{0,20}(\]\(|\*\*\w|\w\*\*|(^| )\*\w[^*]*\w\*|`\w).{0,20}/) ?? [''])[0]
    }).filter(t => t),
    cut: [...document.querySelectorAll('main pre.sourceCode')].filter(e => e.scrollWidth > e.clientWidth + 2).map(text),
  }
}"""

# The colours of every text that can be seen, with what lies behind it, against WCAG AA: 4.5, or 3 for large text.
CONTRAST = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true})
  const known = {}
  const rgba = color => known[color] ??= (() => {
    const m = color.match(/^rgba?\\(([\\d.]+), ([\\d.]+), ([\\d.]+)(?:, ([\\d.]+))?\\)$/)
    if (m) return [+m[1], +m[2], +m[3], m[4] === undefined ? 1 : +m[4]]
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1)
    const d = canvas.getImageData(0, 0, 1, 1).data
    return [d[0], d[1], d[2], d[3] / 255]
  })()
  const over = (top, under) => { const a = top[3]; return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]).concat(1) }
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
                       return .2126 * r + .7152 * g + .0722 * b }
  const styles = new Map(), style = e => styles.get(e) ?? (styles.set(e, getComputedStyle(e)), styles.get(e))
  const backs = new Map()
  const behind = e => {                                     // the colour behind an element's text, null over a picture
    if (!e) return style(document.documentElement).colorScheme.includes('dark') ? [18, 18, 18, 1] : [255, 255, 255, 1]
    if (backs.has(e)) return backs.get(e)
    const s = style(e), own = rgba(s.backgroundColor)
    const below = own[3] == 1 ? own : behind(e.parentElement)
    const back = s.backgroundImage.includes('url(') || s.backgroundImage.includes('gradient') ? null : below && over(own, below)
    backs.set(e, back)
    return back
  }
  const seen = new Map(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  let pictures = 0
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !e || e.closest('svg, script, style, noscript, [hidden], :disabled')) continue
    if (!e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue
    const box = e.getBoundingClientRect()
    if (box.width <= 1 || box.height <= 1) continue          // text for screen readers only
    const s = style(e), back = behind(e)
    if (!back) { pictures++; continue }
    let opacity = 1
    for (let p = e; p; p = p.parentElement) opacity *= +style(p).opacity
    const color = rgba(s.color), front = over([...color.slice(0, 3), color[3] * opacity], back)
    const [a, b] = [light(front), light(back)], ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05)
    const size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && +s.fontWeight >= 700)
    const key = `${front.map(Math.round)} on ${back.map(Math.round)} ${large}`
    if (!seen.has(key)) seen.set(key, {ratio, enough: ratio >= (large ? 3 : 4.5) - .005,
      where: `${e.tagName.toLowerCase()}${e.className ? '.' + String(e.className).trim().split(/\\s+/).join('.') : ''}`,
      text: walker.currentNode.data.trim().slice(0, 40), front: front.slice(0, 3).map(Math.round), back: back.slice(0, 3).map(Math.round)})
  }
  return {pairs: [...seen.values()], pictures}
}"""


@functools.cache
def compressed(path):
    "The content of a file as it travels."
    return gzip.compress(path.read_bytes(), 6)

class Quiet(SimpleHTTPRequestHandler):
    "Serves files, text compressed as GitHub Pages sends it, and says nothing."
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in (".html", ".css", ".js", ".json", ".svg") or not path.is_file(): return super().do_GET()
        content = compressed(path)
        self.send_response(200)
        for name, value in [("Content-Type", self.guess_type(str(path))), ("Content-Encoding", "gzip"),
                            ("Content-Length", str(len(content)))]: self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def serve(folder):
    "Serve a folder from a thread; return its address."
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    server.handle_error = lambda *args: None  # a page that closes before all has arrived
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"

def site_address():
    "Where the site is published, so that full links to it can be followed here."
    text = (ROOT/"nbs"/"nbdev.yml").read_text(encoding="utf-8")
    return re.search(r'site-url: *"?([^"\s]+)', text)[1].rstrip("/") + "/"

def launch(playwright):
    "Start chromium: the one of the system, else playwright's own; None where there is neither."
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try: return playwright.chromium.launch(executable_path=found, args=[
        "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"])
    except Exception as error:
        print(str(error).strip().splitlines()[0])
        return None

def open_page(context, base, name, picture=None):
    "Open a page; return what it looks like, with its problems so far."
    page, said, weight, elsewhere = context.new_page(), [], [], []
    watch = context.new_cdp_session(page)
    watch.send("Network.enable")
    watch.send("Network.setCacheDisabled", {"cacheDisabled": True})  # as on a first visit
    watch.on("Network.loadingFinished", lambda event: weight.append(event["encodedDataLength"]))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith((base, "data:", "blob:")) else None)
    page.goto(base + name, wait_until="load")
    page.evaluate("""async () => { for (const i of document.images) { i.loading = 'eager'; await i.decode().catch(() => {}) } }""")
    found = page.evaluate(LOOK)
    found["contrast"] = page.evaluate(CONTRAST)
    if picture: page.screenshot(path=picture, full_page=False)
    found["icons"] = icons(page) if kind(name) in KINDS else []
    found["bytes"] = sum(weight)  # before the home page is asked for its model
    if name == "index.html": said += play(page) + search(page)
    if page.locator("#vljepa-masks").count(): said += slide(page)
    found["model"] = page.locator("#vljepa-write").count()
    if found["model"]: said += write(page)
    found |= {"console": [text for text in said if "ERR_NAME_NOT_RESOLVED" not in text],
              "elsewhere": sorted(set(elsewhere))}
    page.close()
    return found

def play(page):
    "Use the home page's picture by keyboard and by its buttons; return what does not answer."
    state = lambda: page.evaluate("() => JSON.stringify(document.querySelector('#vljepa-demo').dataset)")
    problems, before = [], state()
    for what, use in {"arrow keys": lambda: (page.focus("#vljepa-demo-block"), page.keyboard.press("ArrowRight"), page.keyboard.press("ArrowLeft"),
                                             page.keyboard.press("ArrowDown")),
                      "the choice of a caption": lambda: page.check("input[name=vljepa-demo-caption][value=empty]", force=True)}.items():
        use(); after = state()
        if after == before: problems.append(f"the picture does not answer to {what}")
        before = after
    page.check("#vljepa-demo [value=right]", force=True)
    shown = lambda: float(page.inner_text("#vljepa-demo-cosine").replace("\u2212", "-"))
    prepared, caption = shown(), page.inner_text("#vljepa-demo label:has([value=right]) q").strip("\u201c\u201d\n ")
    page.fill("#vljepa-demo textarea", caption)
    page.wait_for_function("document.querySelector('#vljepa-demo').dataset.own", timeout=20_000)
    if abs(shown() - prepared) > .011: problems.append(f"the model in the page says {shown()} of the scene's caption, {prepared} was prepared")
    return problems

def slide(page):
    "Use the sliders of the chapter on masking by keyboard; return what does not answer, or answers what the chapter does not."
    score = lambda: float(page.evaluate("() => document.querySelector('#vljepa-masks').dataset.score"))
    page.check("#vljepa-masks [value=random]")
    problems, first = [], score()
    if not .75 < first < .95: problems.append(f"random masks of 60% score {first}, in the chapter .85")
    for kind in ("block", "multiblock"):
        page.check(f"#vljepa-masks [value={kind}]")
        if not .15 < score() < .4: problems.append(f"{kind} masks of 60% score {score()}, in the chapter .26")
    for slider in ("share", "seed"):
        before = score()
        page.focus(f"#vljepa-masks [name={slider}]"); page.keyboard.press("ArrowRight")
        if score() == before: problems.append(f"the slider {slider} does not answer to the arrow keys")
    return problems

def write(page):
    "Write captions for the model that runs in the page; print its times; return what it answers not, or otherwise than it should."
    told, problems = page.locator("#vljepa-write"), []
    value = lambda name: float(told.get_attribute(f"data-{name}") or 0)
    def after(use):
        "Cosine with the sentence and without, and milliseconds, once there is an answer to what was done."
        before = value("answered"); use()
        page.wait_for_function(f"Number(document.querySelector('#vljepa-write').dataset.answered || 0) > {before}", timeout=20_000)
        return value("cosine"), value("without"), value("milliseconds")
    page.wait_for_function("document.querySelector('#vljepa-write').dataset.answered", timeout=20_000)
    right, without, first = value("cosine"), value("without"), value("milliseconds")
    if right < without + .05: problems.append(f"the first scene's own sentence brings {right - without:.3f}")
    wrong, _, edit = after(lambda: page.click("#vljepa-write [data-do=color]"))
    if wrong > right - .05: problems.append(f"a wrong colour of a hidden thing leaves {wrong:.3f} of {right:.3f}")
    after(lambda: page.fill("#vljepa-write textarea", "a tiny pink whale"))
    if "whale" not in page.inner_text("#vljepa-write [data-say=unknown]"): problems.append("an unknown word is not said to be unknown")
    after(lambda: (page.focus("#vljepa-write .block"), page.keyboard.press("ArrowDown")))
    after(lambda: (page.focus("#vljepa-write .block"), page.keyboard.press("ArrowUp"), page.click("#vljepa-write [data-do=true]")))
    page.wait_for_timeout(300)
    if abs(value("cosine") - right) > 1e-6: problems.append(f"the truth has cosine {value('cosine'):.4f} now and had {right:.4f}")
    print(f"the model in the page: first prediction {first:.0f} ms after the question, one after an edit {edit:.0f} ms")
    return problems

def kind(name):
    "A page's name without the number of its chapter, which nbdev drops for Quarto."
    return NUMBER.sub("", name.lower())

def icons(page):
    "The contrast of each kind of icon with what is behind it, measured on the screen, and what it is."
    import numpy as np
    from PIL import Image
    found, seen = [], set()
    for icon in page.locator(ICONS).all():
        what = icon.evaluate("""e => {
            const up = e.closest('[class*=toggle], [class*=search], nav, main, footer') || e.parentElement
            return [up.className.toString().slice(0, 30), e.className.baseVal ?? e.className].join(' ').trim()
        }""")
        if what in seen: continue
        seen.add(what)
        try:
            if not icon.is_visible(): continue
            icon.scroll_into_view_if_needed(timeout=1000)
            if "copy" in what: icon.locator("xpath=ancestor::pre | ancestor::div[contains(@class, 'sourceCode')]").first.hover(timeout=1000)
            if "copy" in what: page.wait_for_timeout(300)
            on_top = """e => { const r = e.getBoundingClientRect(), top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)
                return r.width >= 6 && r.height >= 6 && !!top && (e.parentElement.contains(top) || top.contains(e)) }"""
            if not icon.evaluate(on_top): continue
        except Exception: continue  # it cannot be brought to the screen
        try: pixels = np.asarray(Image.open(io.BytesIO(icon.screenshot(timeout=3000))).convert("RGB")).reshape(-1, 3)
        except Exception: continue  # it lies outside of what can be scrolled to
        colors, counts = np.unique(pixels, axis=0, return_counts=True)
        shares = colors / 255
        light = np.where(shares <= .04045, shares / 12.92, ((shares + .055) / 1.055)**2.4) @ [.2126, .7152, .0722]
        back = light[counts.argmax()]
        found.append((float(((np.maximum(light, back) + .05) / (np.minimum(light, back) + .05)).max()), what))
    return found

def search(page):
    "Look for what readers look for, in the search of either builder; return what is wrong with what is found."
    small, problems = page.locator(".smalldocs-search input:visible"), []
    hits = "a.search-result" if small.count() else ".aa-Panel .aa-Item a, .aa-DetachedContainer .aa-Item a"
    if not small.count():
        button = page.locator("#quarto-search button:visible")
        if not button.count(): return []
        button.first.click()
    box = small if small.count() else page.locator(".aa-Input:visible")
    for question, wanted in QUESTIONS.items():
        box.first.fill(""); box.first.fill(question)
        page.wait_for_timeout(400)
        try: page.wait_for_selector(hits, timeout=4000)
        except Exception:
            problems.append(f"the search finds nothing for {question!r}")
            continue
        links = page.locator(hits).evaluate_all("found => found.map(a => a.getAttribute('href') || '')")
        if "api/" in links[0]: problems.append(f"the search for {question!r} shows the interface first")
        if not any(re.search(wanted, link) for link in links[:5]): problems.append(f"the search for {question!r} finds {links[:5]}")
    return problems + [f"contrast {pair['ratio']:.2f} in what the search finds: {pair['text']!r}" for pair in page.evaluate(CONTRAST)["pairs"]
                       if not pair["enough"]][:3]

def check_links(pages, base, folder):
    "Follow the links of all pages; return the problems and how many links were internal and external."
    address, problems, count = site_address(), [], Counter()
    ids = {name: {*found["ids"], "top"} for name, found in pages.items()}
    by_name = {NUMBER.sub("", name.lower()): name for name in pages}
    for name, found in pages.items():
        for href, text in found["links"]:
            if href.startswith(("mailto:", "javascript:", "data:")) or href in ("", "#"): continue
            full, anchor = urldefrag(urljoin(base + name, href))
            if full.startswith(address): full = base + full[len(address):]
            if not full.startswith(base):
                count["external"] += 1
                continue
            count["internal"] += 1
            target = unquote(urlsplit(full).path).lstrip("/") or "index.html"
            if target.endswith("/"): target += "index.html"
            target = target if target in pages else by_name.get(target, target)
            if target not in pages:
                if not (folder/target).is_file(): problems.append(f"{name}: broken link {href!r} ({text})")
            elif anchor and unquote(anchor) not in ids[target]:
                problems.append(f"{name}: no place {anchor!r} in {target} ({text})")
    return problems, count

@functools.cache
def math_font():
    "Whether this system has a font for formulas; without one every sum is small."
    lister = shutil.which("fc-list")
    return bool(lister) and "math" in subprocess.run([lister], capture_output=True, text=True).stdout.lower()

def problems_of(name, view, found):
    "What is wrong with a page as one view shows it."
    say = lambda text: f"{name} ({view}): {text}"
    problems = [say(f"broken image {src}") for src, drawn, alt in found["images"] if not drawn]
    problems += [say(f"console: {text[:200]}") for text in found["console"]]
    problems += [say(f"loads from elsewhere: {url[:120]}") for url in found["elsewhere"]]
    problems += [say(f"shows TeX: {text}") for text in found["tex"][:3]]
    problems += [say(f"shows Markdown or a widget as text: {text}") for text in found["raw"][:3]]
    problems += [say(f"code is cut off: {text}") for text in found["cut"][:3]]
    problems += [say(f"a formula is not drawn: {text}") for text in found["undrawn"][:3]]
    problems += [say(f"a formula is cut off: {text}") for text in found["clipped"][:3]]
    problems += [say("a sum is as small as a letter") for height in found["sums"][:1] if height < 1.25 and math_font()]
    problems += [say(f"an icon with contrast {ratio:.2f}: {what}") for ratio, what in found["icons"] if ratio < 3]
    code, printed = found["sizes"]
    if code and printed and code > printed + .5: problems.append(say(f"code has letters of {code} px, what it prints of {printed} px"))
    if found["width"] > found["window"]:
        problems.append(say(f"is {found['width']} px wide, the window {found['window']}: {'; '.join(found['wide'])}"))
    most = MODEL_BYTES if found["model"] else MAX_BYTES
    if found["bytes"] > most: problems.append(say(f"has {found['bytes']:,} bytes, more than {most:,}"))
    return problems

def look(folder, base, names, view, pictures):
    "Open all pages as one view shows them; return what each looks like by name, or nothing where there is no chromium."
    from playwright.sync_api import sync_playwright
    label, scheme, width, height = view
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if not browser: return {}
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
        picture = lambda name: pictures and pictures/f"{name.replace('/', '-')[:-5]}-{label}-{scheme}.png"
        found = {name: open_page(context, base, name, picture(name)) for name in names}
        browser.close()
    return found

def weak_contrasts(views):
    "One line for each pair of colours that is too close, with where it was seen."
    weak = {}
    for (label, scheme, *_), pages in views:
        for name, found in pages.items():
            for pair in found["contrast"]["pairs"]:
                if not pair["enough"]:
                    key = scheme, tuple(pair["front"]), tuple(pair["back"])
                    weak.setdefault(key, (pair, []))[1].append(f"{name} ({label})")
    return [f"contrast {pair['ratio']:.2f} in {scheme}: {front} on {back}, {pair['where']} {pair['text']!r}, on {len(where)} pages, "
            f"first {where[0]}" for (scheme, front, back), (pair, where) in weak.items()]

def main():
    "Look at the site and say what was seen."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT/"_proc"/"_docs", help="the rendered site")
    parser.add_argument("--only", metavar="PATTERN", default="", help="only the pages whose name has this; links are not followed")
    parser.add_argument("--pictures", type=Path, help="save a picture of the top of each page in this folder")
    args = parser.parse_args()
    if not importlib.util.find_spec("playwright"): sys.exit(print("skipped: no playwright") or 77)
    names = sorted(p.relative_to(args.folder).as_posix() for p in args.folder.rglob("*.html")
                   if "site_libs" not in p.parts and re.search(args.only, p.relative_to(args.folder).as_posix()))
    if not names: sys.exit(f"{args.folder} holds no pages: run python tools/checks.py site_renders")
    start, base = time.perf_counter(), serve(args.folder)
    with ThreadPoolExecutor(2) as pool:
        some = [name for name in names if kind(name) in KINDS]
        looks = pool.map(lambda i: look(args.folder, base, names if i < ALL else some, VIEWS[i], args.pictures), range(len(VIEWS)))
        views = list(zip(VIEWS, looks))
    if not all(pages for view, pages in views[:ALL]): sys.exit(print("skipped: no chromium") or 77)
    pages = views[0][1]
    problems = [line for view, found in views for name in found
                for line in problems_of(name, " ".join(view[:2]), found[name])]
    broken, links = check_links(pages, base, args.folder) if not args.only else ([], Counter())
    problems += weak_contrasts(views) + broken
    total = lambda key: sum(found[key] for found in pages.values())
    pairs = sum(len(found["contrast"]["pairs"]) for view, pages in views for found in pages.values())
    heaviest, name = max((found["bytes"], name) for view, pages in views for name, found in pages.items())
    for problem in problems: print(f"- {problem}")
    print(f"{len(pages)} pages in {len(VIEWS)} views: {links['internal']} links inside followed, {links['external']} outside counted; "
          f"{sum(len(found['images']) for found in pages.values())} images; {total('figures')} figures, {total('described')} with "
          f"alt text; {total('formulas')} formulas; {pairs} contrast pairs; "
          f"{sum(len(found['icons']) for view, pages in views for found in pages.values())} icons; heaviest page {name} with {heaviest / 1e6:.2f} MB; "
          f"{time.perf_counter() - start:.0f} s")
    print(f"browser: {len(problems)} problems")
    sys.exit(bool(problems))

if __name__ == "__main__": main()
