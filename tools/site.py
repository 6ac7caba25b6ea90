"""Finishes a rendered site: `python tools/site.py _docs`. The same for Quarto and for smalldocs; running it again changes nothing.

- writes llms.txt, a list of the pages with their summaries;
- turns TeX that the builder left to a script from elsewhere into MathML, which browsers draw by themselves;
- leads the links that nbdev makes of names in backticks to the pages of the interface;
- takes out scripts, styles and fonts that a page would load from other hosts, so that it reads the same without a network.
"""
import html
import json
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/"nbs"
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
    return f'<span class="math {match[1]}" title="{html.escape(tex)}">{drawn}</span>'

def finish(docs):
    "Finish the site in a folder; return how many formulas and how many loads from elsewhere were replaced."
    formulas, loads, lead = 0, 0, lead_names(docs)
    for path in [*docs.rglob("*.html"), *docs.rglob("*.css")]:
        text = before = path.read_text(encoding="utf-8")
        text, drawn = TEX.subn(mathml, text)
        formulas += drawn
        if path.suffix == ".html": text = lead(text, path.relative_to(docs).as_posix())
        for pattern in ELSEWHERE[path.suffix]:
            text, taken = pattern.subn("", text)
            loads += taken
        if text != before: path.write_text(text, encoding="utf-8", newline="\n")
    (docs/"llms.txt").write_text(llms_text(docs), encoding="utf-8", newline="\n")
    return formulas, loads

if __name__ == "__main__":
    formulas, loads = finish(Path(sys.argv[1]).resolve())
    print(f"{formulas} formulas drawn, {loads} loads from elsewhere taken out, llms.txt written")
