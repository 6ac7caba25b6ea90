"""Finishes a rendered site: `python tools/site.py _docs`. The same for Quarto and for smalldocs; running it again changes nothing.

- writes llms.txt, a list of the pages with their summaries;
- turns TeX that the builder left to a script from elsewhere into MathML, which browsers draw by themselves;
- leads the links that nbdev makes of names in backticks to the pages of the interface;
- puts the number of the sidebar before a chapter's title, and the card into what other sites show of a page;
- writes the index of the search anew: sections without code and formulas, the rows of the glossary and the questions of the home
  page; and lets the search show chapters before the interface;
- takes out scripts, styles and fonts that a page would load from other hosts, so that it reads the same without a network.
"""
import html
import json
import posixpath
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/"nbs"
CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.S)
ROW = re.compile(r"<tr(?P<had>[^>]*)>(?P<cells>\s*<td.*?)</tr>", re.S)
TITLE = re.compile(r'(<title>|<h1[^>]*\bclass="[^"]*title[^"]*"[^>]*>|<meta (?:property|name)="(?:og|twitter):title" content=")(.*?)(?=[<"])')
CARD = re.compile(r'<meta (?:property|name)="(?:og|twitter):image[^>]*>\s*')
# Appended to the library that both builders search with.
SEARCH = """
/* vljepa: chapters first, then the engine room, then the interface; all words of a question count, in any order */
(() => {
  const search = Fuse.prototype.search
  const small = new Set("a an and are can do does for from how i in is it me my of on or should the this to what when where which why will with".split(" "))
  const plain = text => (text || "").toLowerCase().replace(/[-\u2013]/g, " ")
  Fuse.prototype.search = function (query, options) {
    const limit = (options || {}).limit || 20, found = search.call(this, query, {...options, limit: -1})
    const words = (plain(query).match(/[^\s?!.,;:]+/g) || []).filter(word => !small.has(word))
    const has = text => words.length && words.every(word => plain(text).includes(word))
    const known = new Set(found.map(hit => hit.item))
    for (const item of this._docs || []) if (!known.has(item) && has(`${item.title} ${item.section} ${item.text}`)) found.push({item, matches: []})
    const term = item => item.row && item.section.toLowerCase().split(/, | or /).includes(query.trim().toLowerCase())
    const place = ({item}) => term(item) ? -1 : 2 * (item.rank ?? 1) + (has(item.section) ? 0 : 1)
    const order = found.map((hit, i) => [place(hit), i, hit]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , hit]) => hit)
    const book = order.filter(hit => (hit.item.rank ?? 1) <= 1).slice(0, limit - 6)
    return [...book, ...order.filter(hit => (hit.item.rank ?? 1) > 1)].slice(0, limit)
  }
})()
"""
TEX = re.compile(r'<span class="math (inline|display)">\s*\\[(\[](.*?)\\[)\]]\s*</span>', re.S)
ELSEWHERE = {
    ".html": [re.compile(r'<script[^>]*\bsrc="(?:https?:)?//[^>]*>\s*</script>\s*'),
              re.compile(r"<script[^>]*>\s*define\('jquery'.*?</script>\s*", re.S),  # needs a script of the line above
              re.compile(r'<link(?=[^>]*\brel="(?:stylesheet|preconnect|preload)")[^>]*\bhref="(?:https?:)?//[^>]*>\s*')],
    ".css": [re.compile(r"""@import\s*(?:url\(\s*["']?(?:https?:)?//[^)]*\)|["'](?:https?:)?//[^"']*["'])[^;]*;""")],
}


def setting(key):
    "A value of settings.ini."
    return re.search(rf"^{key} *= *(.+)$", (ROOT/"settings.ini").read_text(encoding="utf-8"), re.M)[1]

def address():
    "Where the site is published."
    return f"https://{setting('user')}.github.io/{setting('repo')}"

def short_name(name):
    "The name that nbdev gives a chapter's page, where the builder follows it: without the number."
    return re.sub(r"^\d+[a-z0-9]*_", "", name.lower())

def page_of(docs, path):
    "The HTML file of a notebook in a rendered site: nbdev may drop the number in front of the name."
    folder = docs/path.parent.relative_to(NBS)
    names = [path.stem, short_name(path.stem)]
    return next((folder/f"{name}.html" for name in names if (folder/f"{name}.html").exists()), None)

def sidebar():
    "The pages in the order of the sidebar, each with the part of the book in which it stands."
    part, found = "The book", []
    for line in (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2].splitlines():
        if section := re.search(r"section: *[\"']?([^\"'}]+)", line): part = section[1].strip()
        if page := re.search(r"([\w/]+\.ipynb)", line): found.append((part, NBS/page[1]))
    return found

def numbers(docs):
    "The number of each page that has one in the sidebar, such as 3, E07 or A1, by its address in the site."
    text = (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2]
    found = {page_of(docs, NBS/name): number for name, number in re.findall(r"href: ([\w/]+\.ipynb), text: ([AE]?\d+[a-z]?) ", text)}
    return {page.relative_to(docs).as_posix(): number for page, number in found.items() if page}

def with_number(text, number):
    "A page whose titles begin with its number."
    return TITLE.sub(lambda match: match[0] if match[2].startswith(f"{number} ") else f"{match[1]}{number} {match[2]}", text)

def with_card(text):
    "A page that shows the book's card where it is linked to, under its full address."
    card = f"{address()}/images/card.png"
    tags = f'<meta property="og:image" content="{card}"><meta name="twitter:image" content="{card}">'
    return CARD.sub("", text).replace("</head>", tags + "</head>", 1)

def llms_text(docs):
    "The text of llms.txt: what the site is, and its pages with their summaries."
    lines, here = [f"# {setting('title')}", "", f"> {setting('description')}", "",
                   f"Every page is a notebook: https://github.com/{setting('user')}/{setting('repo')}/tree/main/nbs"], None
    for part, path in sidebar():
        if part != here: lines += ["", f"## {part}", ""]
        here = part
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title, summary = re.search(r"^# (.+)", first)[1], re.search(r"^> (.+)", first, re.M)[1]
        page = page_of(docs, path)
        if page: lines.append(f"- [{title}]({address()}/{page.relative_to(docs).as_posix()}): {summary}")
    return "\n".join(lines) + "\n"

def lead_names(docs):
    "A function that leads nbdev's links to names to the pages of the interface; where none shows a name, the link goes."
    ids = {p.name: set(re.findall(r'\bid="([^"]+)"', p.read_text(encoding="utf-8"))) for p in (docs/"api").glob("*.html")}
    def lead(match, here):
        page, name, text = match.groups()
        page = re.sub(r"^engine/[eE]\d+_", "engine_", page)
        if name not in ids.get(page, ()): return text
        return f'<a href="{posixpath.relpath(f"api/{page}", posixpath.dirname(here) or ".")}#{name}">{text}</a>'
    link = re.compile(rf'<a href="{re.escape(address())}/((?:engine/)?\w+\.html)#([\w.]+)"[^>]*>(<code>.*?</code>)</a>')
    return lambda text, here: link.sub(lambda match: lead(match, here), text)

def mathml(match):
    "One formula as MathML; its TeX stays as text for those who copy it."
    from latex2mathml.converter import convert
    tex = html.unescape(match[2]).strip()
    drawn = convert(tex, display="block" if match[1] == "display" else "inline")
    thin = '<mspace width="0.17em"/>'  # TeX sets names of functions off, the converter does not
    drawn = re.sub(r"(</mi>)?(<mi>(?:sin|cos|exp|log|max|min|tanh)</mi>)", lambda m: (m[1] + thin if m[1] else "") + m[2] + thin, drawn)
    return f'<span class="math {match[1]}" title="{html.escape(tex)}">{drawn}</span>'

class Sections(HTMLParser):
    "The text of a page's main part by section, without code, formulas and what is folded away."
    SILENT = {"pre", "math", "script", "style", "nav", "button", "svg", "details", "h1", "table"}
    VOID = {"img", "br", "hr", "input", "meta", "link", "col", "wbr"}
    def __init__(self, tables):
        super().__init__()
        self.parts, self.inside, self.silent, self.heading, self.place = [["", "", []]], 0, [], False, ""
        self.SILENT = self.SILENT - ({"table"} if tables else set())
    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.inside |= tag == "main"
        if tag in self.VOID or not self.inside: return
        if self.silent or tag in self.SILENT or "math" in (given.get("class") or "").split(): self.silent.append(tag)
        if tag == "section": self.place = given.get("id") or ""
        if tag in ("h2", "h3", "h4") and not self.silent:
            self.heading = True
            self.parts.append([given.get("data-anchor-id") or given.get("id") or self.place, "", []])
    def handle_endtag(self, tag):
        if tag == "main": self.inside = False
        if self.silent and tag not in self.VOID: self.silent.pop()
        if tag in ("h2", "h3", "h4"): self.heading = False
        if tag in ("p", "li", "div", "td", "figcaption") and not self.silent: self.parts[-1][2].append(" ")
    def handle_data(self, data):
        if not self.inside or self.silent: return
        if self.heading: self.parts[-1][1] += data
        else: self.parts[-1][2].append(data)

def words(text):
    "The words of a piece of HTML."
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())

def rank(page):
    "In which order the search shows pages: chapters, the engine room and lists, the interface."
    return 3 if page.startswith("api/") else 2 if re.match(r"engine/|changelog|references", page) else 1

def rows_of(text):
    "The rows of a page's tables: the words of the first cell, of the others, and where the row leads."
    for row in ROW.finditer(text):
        cells = CELL.findall(row["cells"])
        link = re.search(r'href="([^"]+)"', " ".join(cells[1:]))
        yield words(cells[0]), " ".join(map(words, cells[1:])), link and link[1]

def with_places(text):
    "The glossary with a place for each of its rows, so that the search leads to it."
    def place(match):
        term = re.sub(r"[^a-z0-9]+", "-", words(CELL.findall(match["cells"])[0]).lower()).strip("-")
        return match[0] if " id=" in match["had"] else f'<tr id="term-{term}"{match["had"]}>{match["cells"]}</tr>'
    return ROW.sub(place, text)

def search_index(docs, pages):
    "The entries of the search, from the pages by their addresses."
    path, entries = docs/"search.json", []
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    crumbs = {entry["href"].partition("#")[0]: entry["crumbs"] for entry in old if entry.get("crumbs")}
    title = {page: words(re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S)[1]) for page, text in pages.items() if "<h1" in text}
    def add(page, place, section, text, **more):
        href = f"{page}#{place}" if place else page
        entry = dict(objectID=f"{href}/{section}", href=href, title=title[page], section=section, text=text, rank=rank(page), **more)
        entries.append(entry | ({"crumbs": crumbs[page]} if page in crumbs else {}))
    for page, text in pages.items():
        if page not in title: continue
        reader = Sections(tables=page not in ("glossary.html", "index.html"))
        reader.feed(text)
        for place, heading, said in reader.parts: add(page, place, " ".join(heading.split()), " ".join("".join(said).split()))
        if page == "glossary.html":
            for match in ROW.finditer(text):
                term, *said = map(words, CELL.findall(match["cells"]))
                add(page, re.search(r'id="([^"]+)"', match["had"])[1], term, " ".join(said), row=True)
        if page == "index.html":
            for question, answer, link in rows_of(text):
                target, _, place = posixpath.normpath(link or "").partition("#")
                if question.endswith("?") and target in title: add(target, place, question, answer)
    return entries

def finish(docs):
    "Finish the site in a folder; return how many formulas and how many loads from elsewhere were replaced."
    formulas, loads, lead, number, pages = 0, 0, lead_names(docs), numbers(docs), {}
    for path in [*sorted(docs.rglob("*.html")), *docs.rglob("*.css")]:
        text = before = path.read_text(encoding="utf-8")
        here = path.relative_to(docs).as_posix()
        text, drawn = TEX.subn(mathml, text)
        formulas += drawn
        for pattern in ELSEWHERE[path.suffix]:
            text, taken = pattern.subn("", text)
            loads += taken
        if path.suffix == ".html" and "<main" in text:
            text = with_card(lead(text, here))
            if here in number: text = with_number(text, number[here])
            if here == "glossary.html": text = with_places(text)
            pages[here] = text
        if text != before: path.write_text(text, encoding="utf-8", newline="\n")
    (docs/"search.json").write_text(json.dumps(search_index(docs, pages), ensure_ascii=False), encoding="utf-8", newline="\n")
    for path in docs.rglob("fuse.min.js"):
        text = path.read_text(encoding="utf-8")
        if "vljepa: chapters first" not in text: path.write_text(text + SEARCH, encoding="utf-8", newline="\n")
    (docs/"llms.txt").write_text(llms_text(docs), encoding="utf-8", newline="\n")
    return formulas, loads

if __name__ == "__main__":
    formulas, loads = finish(Path(sys.argv[1]).resolve())
    print(f"{formulas} formulas drawn, {loads} loads from elsewhere taken out, llms.txt and search.json written")
