"""Writes the pages that are made from other files: `python tools/pages.py`. The check generated_pages_are_in_step repeats it.

    nbs/api/*.ipynb       from vljepa/*.py: what each module exports, without running it
    vljepa/__init__.py    the public names of all modules, imported when they are asked for
    nbs/references.ipynb  from nbs/references.bib, CITATION.cff and the links of the chapters
    nbs/changelog.ipynb   from CHANGELOG.md
    nbs/glossary.ipynb    only its links, where they do not lead to a section that uses the term
    nbs/images/idea_*.svg from idea.svg, with the part of a chapter lit
"""
import ast
import io
import json
import re
import textwrap
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS, PACKAGE = ROOT/"nbs", ROOT/"vljepa"
PAPER = re.compile(r"https?://(?:www\.)?(?:arxiv\.org/(?:abs|pdf|html)/(\d{4}\.\d{4,5})|(?:dx\.)?doi\.org/([^\s)>\"]+))")
ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "c": "\u0327"}
QUOTES = "'\""
METADATA = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}


# Reading

def read_notebook(path):
    "A notebook as a dictionary."
    return json.loads(path.read_text(encoding="utf-8"))

def markdown(nb):
    "The markdown cells of a notebook, as one text."
    return "\n\n".join("".join(cell["source"]) for cell in nb["cells"] if cell["cell_type"] == "markdown")

def is_written(name):
    "Whether a notebook's text is written by hand and may cite papers: all but those this script makes."
    return name not in ("references", "changelog")

def books():
    "The notebooks that are written by hand, by name, in the order of the book."
    paths = [*sorted(NBS.glob("*.ipynb")), *sorted((NBS/"engine").glob("*.ipynb"))]
    found = {p.stem: read_notebook(p) for p in paths if is_written(p.stem)}
    sidebar = re.findall(r"(\w+)\.ipynb", (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2])
    return dict(sorted(found.items(), key=lambda item: (sidebar + [item[0]]).index(item[0])))

def title(nb):
    "The title of a notebook, short: up to the first colon."
    return re.match(r"# (.+)", "".join(nb["cells"][0]["source"]))[1].partition(":")[0]

def summary(nb):
    "The one-line summary of a notebook."
    return re.search(r"^> (.+)", "".join(nb["cells"][0]["source"]), re.M)[1]

def slug(heading):
    "The identifier that Pandoc gives a heading."
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[^\w\s.-]", "", text).lower()
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", text.strip())) or "section"

def sections(nb):
    "Heading identifiers of a notebook with the prose below each, in order; the text above the first is under ''."
    found, fenced = [("", [])], False
    for line in markdown(nb).splitlines():
        if line.startswith("```"): fenced = not fenced
        heading = None if fenced else re.match(r"#{2,4} +(.+)", line)
        if heading: found.append((slug(heading[1]), [line]))
        elif not fenced: found[-1][1].append(line)
    return [(name, "\n".join(lines)) for name, lines in found]


# The interface of a module, read from its text

def comments(text):
    "The comment on each line of a module."
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}

def signature(function, name, bound):
    "One line `name(parameters)`, broken up where it is long; `bound` leaves out the first parameter, self or cls."
    args = ast.parse("f = lambda: 0").body[0].value.args
    for key in ("posonlyargs", "args", "vararg", "kwonlyargs", "kw_defaults", "kwarg", "defaults"):
        setattr(args, key, getattr(function.args, key))
    if bound: args.args = args.args[1:]
    parts, plain = [], [*args.posonlyargs, *args.args]
    values = [None] * (len(plain) - len(args.defaults)) + args.defaults
    show = lambda arg, value: arg.arg + (f"={ast.unparse(value)}" if value else "")
    parts += [show(arg, value) for arg, value in zip(plain, values)]
    if args.vararg: parts.append("*" + args.vararg.arg)
    elif args.kwonlyargs: parts.append("*")
    parts += [show(arg, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults)]
    if args.kwarg: parts.append("**" + args.kwarg.arg)
    line = f"{name}({', '.join(parts)})"
    return line if len(line) <= 72 else f"{name}(\n    " + ",\n    ".join(parts) + ")"

def item(name, annotation, said, value=None):
    "One parameter, field, constant or return value as a list item."
    kind = f" `{ast.unparse(annotation).strip(QUOTES)}`" if annotation else ""
    text = ast.unparse(value) if value else ""
    default = f" = `{text if len(text) <= 100 else text[:80] + ' ...'}`" if text else ""
    return f"- {name}{kind}{default}{': ' + said if said else ''}"

def parameters(function, said, bound):
    "List items for the parameters of a function and its return value."
    args = function.args
    named = [*args.posonlyargs, *args.args, *filter(None, [args.vararg]), *args.kwonlyargs, *filter(None, [args.kwarg])]
    lines = [item(f"**{arg.arg}**".replace("**_", r"**\_"), arg.annotation, said.get(arg.end_lineno, "")) for arg in named[bound:]
             if arg.annotation or arg.end_lineno in said]  # a method that only fills in its base class's says nothing
    if function.returns and ast.unparse(function.returns) != "None":
        lines.append(item("*returns*", function.returns, said.get(function.returns.end_lineno, "")))
    return lines

def block(heading, code, doc, items):
    "A heading, the call, the docstring and the list below it."
    parts = [heading, f"```python\n{code}\n```", doc and " ".join(doc.split()), "\n".join(items)]
    return "\n\n".join(filter(None, parts))

def bound_to(function):
    "Whether a method gets its object or class as first parameter."
    return not any(ast.unparse(d) == "staticmethod" for d in function.decorator_list)

def describe_class(node, said):
    "The text about a class: its call, its fields or parameters, its public methods."
    methods = {f.name: f for f in node.body if isinstance(f, ast.FunctionDef)}
    fields = [f for f in node.body if isinstance(f, ast.AnnAssign)]
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    items = [item(f"**{f.target.id}**", f.annotation, said.get(f.end_lineno, ""), f.value) for f in fields]
    call = f"{node.name}({', '.join(f.target.id for f in fields)})" if len(fields) < 8 else f"{node.name}(...)"
    if "__init__" in methods:
        call = signature(methods["__init__"], node.name, bound=True)
        items += parameters(methods["__init__"], said, bound=True)
    doc = (ast.get_docstring(node) or "") + (f" Inherits from `{bases}`." if bases else "")
    parts = [block(f"## {node.name}", call, doc, items)]
    for name, f in methods.items():
        if name.startswith("_") and name != "__call__": continue
        head = f"### {node.name}, called" if name == "__call__" else f"### {node.name}.{name}"
        is_property = any(ast.unparse(d) in ("property", "cached_property", "functools.cached_property") for d in f.decorator_list)
        call = name if is_property else signature(f, "object" if name == "__call__" else name, bound_to(f))
        parts.append(block(head, call, ast.get_docstring(f), parameters(f, said, bound_to(f))))
    return "\n\n".join(parts)

def module_text(module):
    "The text of an exported module."
    return (PACKAGE/f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")

def exported_names(tree):
    "What a module exports."
    return next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")

def describe_module(module):
    "The parts of a module's page: constants first, then what it exports in the order of the chapter."
    text = module_text(module)
    tree, said = ast.parse(text), comments(text)
    exported, constants, parts = exported_names(tree), [], []
    later = [f for f in tree.body if isinstance(f, ast.FunctionDef) and any(ast.unparse(d) == "patch" for d in f.decorator_list)]
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "__all__") in set(exported):
            comment = said.get(node.lineno) or said.get(node.end_lineno, "")
            constants.append(item(f"**{node.targets[0].id}**", None, comment, node.value))
        elif getattr(node, "name", None) not in exported: continue
        elif isinstance(node, ast.ClassDef):
            node.body += [f for f in later if ast.unparse(f.args.args[0].annotation) == node.name]
            parts.append(describe_class(node, said))
        else: parts.append(block(f"## {node.name}", signature(node, node.name, False), ast.get_docstring(node),
                                 parameters(node, said, False)))
    return (["## Constants\n\n" + "\n".join(constants)] if constants else []) + parts

def modules():
    "Each exported module with the name and content of the notebook that it comes from."
    for name, nb in books().items():
        code = "\n".join("".join(cell["source"]) for cell in nb["cells"] if cell["cell_type"] == "code")
        if found := re.search(r"^#\| *default_exp +([\w.]+)", code, re.M): yield found[1], name, nb

def link_to(name, nb, up=""):
    "Where a notebook is, from the top folder of the notebooks or from `up`."
    return f"[{title(nb)}]({up}{'engine/' * bool(re.match(r'E[0-9]', name))}{name}.ipynb)"

def api_pages():
    "A page for each module: path and cells."
    for module, name, nb in modules():
        package, _, own = f"vljepa.{module}".rpartition(".")
        intro = (f"Made from the code of `vljepa/{module.replace('.', '/')}.py`. {link_to(name, nb, '../')} builds it step by "
                 f"step, with its source and tests.\n\n```python\nfrom {package} import {own}\n```")
        head = f"# vljepa.{module}\n\n> {summary(nb)}"
        yield NBS/"api"/f"{module.replace('.', '_')}.ipynb", [head, intro, *describe_module(module)]


# The front door

def front_door():
    "The text of vljepa/__init__.py: where each public name is, so that none is imported before it is asked for."
    words = [word for module, _, _ in modules() for word in (f"{module}:", *exported_names(ast.parse(module_text(module))))]
    version = re.search(r"^version *= *(.+)$", (ROOT/"settings.ini").read_text(encoding="utf-8"), re.M)[1]
    return FRONT_DOOR.format(version=version, names=textwrap.fill(" ".join(words), 110))

FRONT_DOOR = '''__version__ = "{version}"
from importlib import import_module as _import

# Made by `python tools/pages.py`: the public names behind their modules, imported when they are asked for.
_HOME, _module = {{}}, ""
for _word in """
{names}
""".split():
    if _word[-1] == ":": _module = f"vljepa.{{_word[:-1]}}"
    else: _HOME[_word] = _module

def __getattr__(name):
    if name in _HOME: return getattr(_import(_HOME[name]), name)
    raise AttributeError(f"module 'vljepa' has no attribute {{name!r}}")

def __dir__(): return sorted({{*globals(), *_HOME}})
'''


# References

def plain(text):
    "A BibTeX value as plain text: accents put together, braces dropped."
    import unicodedata
    text = re.sub(r"\{?\\([\'`\"^~c])\s*\{?(\w)\}?\}?", lambda m: m[2] + ACCENTS[m[1]], text)
    text = text.replace(r"{\L}", "Ł").replace(r"{\o}", "ø").replace(r"\&", "&")
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", text)).replace("--", "–")

def bibliography():
    "The entries of nbs/references.bib: key, and a dictionary of fields."
    text = (NBS/"references.bib").read_text(encoding="utf-8")
    entries = {}
    for key, body in re.findall(r"^@\w+\{([\w:-]+),\n(.*?)^\}", text, re.M | re.S):
        entries[key] = {name.lower(): plain(value) for name, value in re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", body, re.M)}
    if len(entries) != text.count("\n@"): raise ValueError("references.bib: an entry is not written like the others.")
    return entries

def papers(text):
    "What a text links to: arXiv numbers and DOIs."
    return {arxiv or doi.lower().rstrip(".,") for arxiv, doi in PAPER.findall(text)}

def identifiers(entry):
    "What a link to this paper may name."
    return {entry[key].lower() for key in ("eprint", "doi") if key in entry}

def people(names):
    "Authors in the order of reading: up to three, then et al."
    turned = [" ".join(reversed(name.split(", "))) if ", " in name else name for name in names.split(" and ")]
    if turned[-1] == "others" or len(turned) > 3: return f"{turned[0]} et al."
    return " and ".join([", ".join(turned[:-1]), turned[-1]] if len(turned) > 1 else turned)

def describe_entry(entry, cited):
    "One entry of the references page."
    where = entry.get("booktitle") or entry.get("journal") or ("arXiv" if "eprint" in entry else "")
    links = [f"[arXiv {entry['eprint']}](https://arxiv.org/abs/{entry['eprint']})"] if "eprint" in entry else []
    if "doi" in entry: links.append(f"[doi {entry['doi']}](https://doi.org/{entry['doi']})")
    if "url" in entry: links.append(f"[{re.sub('^https?://|/$', '', entry['url'])}]({entry['url']})")
    used = ", ".join(f"[{label}]({'engine/' * bool(re.match('E[0-9]', name))}{name}.ipynb)" for name, label in cited)
    place = ", ".join(filter(None, ["" if where == "arXiv" else where, entry["year"]]))
    return f"- {people(entry['author'])}: *{entry['title']}*. {place}. {', '.join(links)}." + (f" In {used}." if used else "")

def citation():
    "The book itself as a BibTeX entry, from CITATION.cff and the year in LICENSE; the home page shows the same."
    text = (ROOT/"CITATION.cff").read_text(encoding="utf-8")
    field = lambda name: re.search(rf'^(?:- )?\s*{name}: "?(.*?)"?$', text, re.M)[1]
    authors = " and ".join("{" + name + "}" for name in re.findall(r"^\s*- name: (.+)$", text, re.M))
    year = re.search(r"Copyright (\d{4})", (ROOT/"LICENSE").read_text(encoding="utf-8"))[1]
    return (f"@software{{vljepa_book,\n  title   = {{{field('title')}}},\n  author  = {{{authors}}},\n  year    = {{{year}}},\n"
            f"  version = {{{field('version')}}},\n  url     = {{{field('repository-code')}}},\n  license = {{{field('license')}}}\n}}")

def references_page():
    "The page of references: path and cells."
    linked = {name: papers(markdown(nb)) for name, nb in books().items()}
    labels = {name: "Home" if name == "index" else title(nb) for name, nb in books().items()}
    cited, further = [], []
    for entry in sorted(bibliography().values(), key=lambda entry: (entry["author"].lower(), entry["year"])):
        users = [(name, labels[name]) for name, found in linked.items() if found & identifiers(entry)]
        (cited if users else further).append(describe_entry(entry, users))
    cells = ["# References\n\n> The papers of the book with the chapters that use them, and how to cite the book itself.",
             "## How to cite\n\nThe version you used is printed by `import vljepa; print(vljepa.__version__)`.\n\n"
             f"```bibtex\n{citation()}\n```",
             "## Papers\n\nThe same list for your own work is the file "
             "[references.bib](https://github.com/vljepa/vljepa/blob/main/nbs/references.bib).\n\n" + "\n".join(cited)]
    if further: cells.append("## Further reading\n\nNo chapter links to these yet.\n\n" + "\n".join(further))
    return NBS/"references.ipynb", cells

def changelog_page():
    "The page of changes: path and cells."
    text = (ROOT/"CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.split(r"^(?=## )", text.partition("\n")[2].strip(), flags=re.M)
    return NBS/"changelog.ipynb", ["# Changelog\n\n> What changed from version to version.", *filter(None, map(str.strip, versions))]


# Glossary

def terms(cell):
    "The words of a glossary row's first column."
    return re.split(r", | or ", re.sub(r"[`*]", "", cell).lower())

def uses(text, words):
    "Whether a text uses one of the words, in any case and spelling: layer-norm, layer norm and layer-normalised are one."
    tidy = " ".join(re.sub("[`*]", "", text).lower().replace("-", " ").split())
    return any(re.search(rf"(?<![a-z]){re.escape(word.replace('-', ' '))}", tidy) for word in words)

def introduced(term_cell, nb, chosen=None):
    "The section that introduces a term: the `chosen` if it uses it, else where it is in italics, in a heading, or first used."
    looks_back = ("recap", "exercises", "further-reading")
    words, found = terms(term_cell), [(name, text) for name, text in sections(nb) if name and name not in looks_back]
    marked = [name for name, text in found if uses(" ".join(re.findall(r"\*+([^*]+)\*", text)), words)]
    named = [name for name, text in found if uses(text.partition("\n")[0], words)]
    used = [name for name, text in found if uses(text, words)]
    return chosen if chosen in used else next(iter(marked + named + used), "")

def glossary_cells():
    "The cells of the glossary, with each link to a section that uses the term."
    nb, found = read_notebook(NBS/"glossary.ipynb"), books()
    def mend(row):
        name = row["name"]
        anchor = introduced(row["term"], found[name], row["anchor"]) if name in found else ""
        return f"| {row['term']} |{row['middle']}| [{row['label']}]({row['folder']}{name}.ipynb{'#' + anchor if anchor else ''}) |"
    link = re.compile(r"^\| (?P<term>[^|]+) \|(?P<middle>.*)\| \[(?P<label>[^\]]+)\]\((?P<folder>(?:engine/)?)(?P<name>\w+)\.ipynb(?:#(?P<anchor>[^)]*))?\) \|$", re.M)
    return NBS/"glossary.ipynb", [link.sub(mend, "".join(cell["source"])) for cell in nb["cells"]]


# Writing

def as_notebook(cells):
    "The text of a notebook of markdown cells, as nbdev_clean leaves it."
    nb = {"cells": [{"cell_type": "markdown", "id": f"c{i:03}", "metadata": {}, "source": text.splitlines(keepends=True)}
                    for i, text in enumerate(cells)], "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n"

def pages():
    "Every page that this script writes: path and text."
    made = [*api_pages(), references_page(), changelog_page(), glossary_cells()]
    return {path: as_notebook(cells) for path, cells in made} | {PACKAGE/"__init__.py": front_door()} | lit_pictures()

def lit_pictures():
    "The picture of the whole with one part lit, for the chapter that builds it: path and text."
    whole = (NBS/"images"/"idea.svg").read_text(encoding="utf-8")
    parts = sorted(set(re.findall(r'<g class="(\w+)">', whole)))
    def lit(*names):
        faded = "".join(f".{part}{{opacity:.22}}" for part in parts if part not in names)
        return whole.replace("</title>", f"</title>\n<style>{faded}</style>", 1)
    chapters = dict(data=("data",), masking=("mask",), encoders=("vision", "text"), predictor=("predictor",),
                    targets=("target",), losses=("loss",), measure=("target", "predictor"), learn=("predictor", "loss"))
    return {NBS/"images"/f"idea_{name}.svg": lit(*names) for name, names in chapters.items()}

def stale():
    "Paths of pages that differ from what this script would write, and of pages of modules that are gone."
    made = pages()
    old = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return old + [path for path in sorted((NBS/"api").glob("*.ipynb")) if path not in made]

def main():
    "Write what is out of step."
    made = pages()
    for path in stale():
        path.parent.mkdir(exist_ok=True)
        if path in made: path.write_text(made[path], encoding="utf-8", newline="\n")
        else: path.unlink()
        print(path.relative_to(ROOT))

if __name__ == "__main__": main()
