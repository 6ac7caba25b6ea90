"""Checks of what the notebooks' own tests cannot see. `python tools/checks.py` runs all, `--help` tells the rest."""
import argparse
import ast
import functools
import io
import json
import os
import re
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/"nbs"
PACKAGE = ROOT/"vljepa"
MAX_BYTES = 2_000_000  # of a notebook; a page that is heavier loads slowly and makes the repository grow
TEST_COMMAND = re.compile(r"<!-- test command -->\s*```bash\n(.+?)\n```", re.S)
# What smalldocs says of keys that are there for nbdev and real Quarto; nothing to mend.
EXPECTED_NOTES = re.compile(r"execute\.enabled is ignored|format\.html\.\S+ is ignored|\S+: output-file is not read|\d+ page\(s\)")

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}  # reading their files runs code
UNSAFE = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "pandas.read_pickle"}
EXTRACT = {"extract", "extractall", "unpack_archive"}
# What the check of these must find, one problem each: it tries itself on them.
BAD_LINES = ["import pickle", "from joblib import load", "eval(x)", "import os as o; o.system(x)",
             "from os import system; system(x)", "import yaml; yaml.load(x)", "import subprocess; subprocess.run(x, shell=True)", "import torch; torch.load(x)",
             "from torch import load; load(x, weights_only=no)", "import numpy as np; np.load(x, allow_pickle=yes)",
             "file.extractall(x)", "import shutil; shutil.unpack_archive(x)"]
SECRETS = ["WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "ANY_OTHER"]

NOTHING = {"cells": []}  # stands for a notebook that is not there


# Reading the book

def notebook_paths():
    "Every notebook that is written by hand: the book, then the engine room."
    return [*sorted(NBS.glob("*.ipynb")), *sorted((NBS/"engine").glob("*.ipynb"))]

def notebooks():
    "Every notebook by name."
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in notebook_paths()}

def sources(nb, kind):
    "The text of all cells of one kind, `code` or `markdown`."
    return ["".join(cell["source"]) for cell in nb["cells"] if cell["cell_type"] == kind]

def prose(nb):
    "All markdown of a notebook."
    return "\n\n".join(sources(nb, "markdown"))

def table(text):
    "Rows of the markdown tables in `text`, each a list of cells, without headers' rulers."
    rows = [re.split(r"\s*\|\s*", line.strip()[1:-1].strip()) for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if not set("".join(row)) <= set("-:")]

def module_order():
    "Names of the exported modules, chapters first, each with its notebook's; the engine's begin with `engine.`."
    exported = {name: re.search(r"^#\| *default_exp +([\w.]+)", "\n".join(sources(nb, "code")), re.M)
                for name, nb in notebooks().items()}
    return {found[1]: name for name, found in exported.items() if found}

def module_text(module):
    "The text of an exported module."
    return (PACKAGE/f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")

def public_names(module):
    "What a module exports."
    return next(ast.literal_eval(n.value) for n in ast.parse(module_text(module)).body
                if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")

def exported_cells(nb):
    "The text of the cells that are exported."
    return [code for code in sources(nb, "code") if re.search(r"^#\| *export", code, re.M)]

def own_files():
    "Every text file that is or could be committed."
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        path = ROOT/name
        if path.is_file() and b"\0" not in (content := path.read_bytes())[:8192]:
            yield name, content.decode("utf-8", errors="replace")

def tool(name, *args, cwd=ROOT, **environment):
    "Run a command of this environment; return its exit status and what it printed."
    command = shutil.which(name, path=str(Path(sys.executable).parent)) or name
    done = subprocess.run([command, *args], cwd=cwd, capture_output=True, text=True, encoding="utf-8",
                          env=os.environ | environment)
    return done.returncode, done.stdout + done.stderr

def changed_by(folder, *command):
    "Names of the files in `folder` that a command adds, removes or changes."
    state = lambda: {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    before = state()
    status, said = tool(*command)
    after = state()
    if status: return [f"{command[0]} failed: {said.strip()[-2000:]}"]
    return [str(p.relative_to(ROOT)) for p in sorted(before.keys() | after.keys()) if before.get(p) != after.get(p)]

def undocumented(function, comments, known=""):
    "Parameters with no docment that no docstring or comment names in backticks, and `return` without comment; `comments` by line."
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    named = [arg for arg in named if arg.arg not in ("self", "cls")]
    lines = [arg.lineno for arg in named]
    inside = " ".join(comments.get(line, "") for line in range(function.lineno, function.body[0].lineno + 1))
    told = f"{ast.get_docstring(function) or ''} {inside} {known}"
    missing = [arg.arg for arg, line in zip(named, lines)
               if not (line in comments and lines.count(line) == 1) and not re.search(rf"`{arg.arg}s?`", told)]
    if len(named) > 4 and len(set(lines)) < len(named): missing.append("more than four parameters, which want a line each")
    own = [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
    if function.returns: own = [] if function.returns.end_lineno in comments else own
    return missing + ["return"] * bool(own)

def patched(function):
    "The full name of a method that `patch` puts into a class; empty for any other function."
    if not any(ast.unparse(d) == "patch" for d in function.decorator_list): return ""
    return f"{ast.unparse(function.args.args[0].annotation)}.{function.name}"

def public_functions(tree):
    "Public functions and methods of a module with their names; not methods that only fill in a base class's."
    methods = lambda node: {f.name: f for f in node.body if isinstance(f, ast.FunctionDef)}
    classes = {node.name: node for module in module_order() for node in ast.parse(module_text(module)).body
               if isinstance(node, ast.ClassDef)}  # a base may be in another module
    for node in tree.body:
        if isinstance(node, ast.FunctionDef): yield patched(node) or node.name, node
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"): continue
        bases = [classes[base.id] for base in node.bases if getattr(base, "id", None) in classes]
        inherited = {name for base in bases for name in methods(base)}
        for name, function in methods(node).items():
            if name not in inherited - {"__init__"}: yield f"{node.name}.{name}", function

def full_names(tree):
    "What each imported name of a module stands for: `np` for numpy, `load` for torch.load."
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): names |= {a.asname or a.name: a.name for a in node.names}
        if isinstance(node, ast.ImportFrom): names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names

def unsafe(tree, may_extract=()):
    "Lines and names of what can run foreign code, or write outside its folder; archives only in functions named."
    names, bad = full_names(tree), []
    allowed = {id(node) for f in ast.walk(tree) if getattr(f, "name", None) in may_extract for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [getattr(node, "module", None)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            bad += [(node.lineno, f"import {module}") for module in modules if str(module).split(".")[0] in PICKLES]
        if not isinstance(node, ast.Call): continue
        first, _, rest = ast.unparse(node.func).partition(".")
        called = f"{names.get(first, first)}.{rest}".rstrip(".")
        given = {keyword.arg: getattr(keyword.value, "value", ...) for keyword in node.keywords}
        if (called in UNSAFE or given.get("shell", False) is not False or given.get("allow_pickle", False) is not False
            or called == "torch.load" and given.get("weights_only") is not True
            or called.split(".")[-1] in EXTRACT and id(node) not in allowed): bad.append((node.lineno, called))
    return bad


# README

def make_readme():
    "The text of README.md: the home page as markdown, with links that work from the top folder."
    import nbformat
    from nbconvert import MarkdownExporter
    nb = nbformat.read(NBS/"index.ipynb", as_version=4)
    nb.metadata["language_info"] = {"name": "python"}  # colours the code
    nb.cells = [cell for cell in nb.cells if not re.match(r"#\| *hide\b", cell.source)]
    for cell in nb.cells:
        if re.match(r"#\| *echo: false\b", cell.source): cell.metadata["transient"] = {"remove_source": True}
        if cell.cell_type == "code": cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
    text, resources = MarkdownExporter().from_notebook_node(nb)
    if resources.get("outputs"):
        raise ValueError("nbs/index.ipynb draws a figure; save it in nbs/images and link to it, as README.md must.")
    text = re.sub(r"<script.*?</script>\n", "", text)  # GitHub shows the picture that they would replace
    text = re.sub(r'(\]\(|src=")(?!https?:|#)', r"\1nbs/", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    origin = "<!-- Made from nbs/index.ipynb by `python tools/checks.py --write-readme`: edit the notebook. -->"
    return f"{origin}\n\n{text}\n"

def oldest():
    "The lower bounds of the requirements, as a constraints file for pip."
    from configparser import ConfigParser
    config = ConfigParser(delimiters=["="])
    config.read(ROOT/"settings.ini", encoding="utf-8")
    return config["DEFAULT"]["requirements"].replace(">=", "==").replace(" ", "\n")

def test_command():
    "The second command of README.md, which installs the project and runs all its tests."
    found = TEST_COMMAND.findall((ROOT/"README.md").read_text(encoding="utf-8"))
    if len(found) != 1: raise ValueError(f"README.md has {len(found)} test commands; there must be exactly one.")
    return found[0]


# The checks: each returns a list of problems, one line each

def exported_modules_match():
    "`nbdev_export` changes nothing: every module is what its notebook says."
    return [f"{p} differs from its notebook: run nbdev_export" for p in changed_by(PACKAGE, "nbdev_export")]

def notebooks_are_clean():
    "`nbdev_clean` changes nothing: no execution counts, no stray metadata."
    return [f"{p} is not clean: run nbdev_clean" for p in changed_by(NBS, "nbdev_clean")]

def readme_is_in_step():
    "README.md is what `--write-readme` would write, and holds one test command."
    test_command()
    same = (ROOT/"README.md").read_text(encoding="utf-8") == make_readme()
    return [] if same else ["README.md differs from nbs/index.ipynb: run python tools/checks.py --write-readme"]

def outputs_are_saved():
    "A notebook with code has outputs, and none of them is an error."
    problems = []
    for name, nb in notebooks().items():
        code = [cell for cell in nb["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
        outputs = [out for cell in code for out in cell["outputs"]]
        if code and not outputs: problems.append(f"{name} has no saved outputs: run it before you commit")
        problems += [f"{name} shows an error: {out['ename']}: {out['evalue'][:100]}"
                     for out in outputs if out["output_type"] == "error"]
    return problems

def folded_cells_are_marked():
    "JupyterLab collapses the cells that the site folds or hides, and no others."
    marked = beside("fold").marked
    return [f"{name}: cells are folded that are not marked, or marked that are not folded: run python tools/fold.py"
            for name, nb in notebooks().items() if marked(json.loads(json.dumps(nb))) != nb]

def notebooks_are_light():
    "No notebook is larger than 2 MB."
    return [f"{path.name} has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}: make its figures smaller"
            for path in notebook_paths() if path.stat().st_size > MAX_BYTES]

def no_machine_paths():
    "No file names a folder of the machine that it was written on."
    machine = re.compile(r"(?<![\w.~$])/(?:work|farm|root|home/\w+|Users/\w+|tmp/bash_jobs)/")
    return [f"{name}: {text[max(0, hit.start() - 30):hit.end() + 30]!r}" for name, text in own_files()
            for hit in [machine.search(text)] if hit]

def figures_have_alt_text():
    "Every figure with a caption, and every image in the prose, says in words what it shows."
    problems = []
    for name, nb in notebooks().items():
        for code in sources(nb, "code"):
            if re.search(r"^#\| *fig-cap:", code, re.M) and not re.search(r"^#\| *fig-alt: *\S", code, re.M):
                problems.append(f"{name}: a figure without fig-alt: {code.splitlines()[0]}")
        bare = re.findall(r"!\[\s*\]\([^)]*\)", prose(nb))
        problems += [f"{name}: an image without alt text: {image}" for image in bare]
    return problems

def figures_share_a_style():
    "Every notebook that draws uses the style vljepa/book.mplstyle, and no letter of a figure is smaller than 8 points."
    problems = []
    for name, nb in notebooks().items():
        code = "\n".join(sources(nb, "code"))
        if "plt." in code and 'plt.style.use("vljepa.book")' not in code: problems.append(f"{name} draws without the book's style")
        small = [size for size in re.findall(r"fontsize=([\d.]+)", code) if float(size) < 8]
        if small: problems.append(f"{name} has letters of {', '.join(small)} points")
    return problems

def titles_are_whole():
    "Every notebook begins with a title and a summary of one line; nbdev shows no more than one."
    return [f"{name} must begin with a cell of '# Title', an empty line and '> summary' on one line"
            for name, nb in notebooks().items()
            if not re.fullmatch(r"# .+\n\n> .+\n*", "".join(nb["cells"][0]["source"]))]

def imports_stand_alone():
    "A cell that imports does nothing else, so that what a chapter needs is seen at once."
    problems = []
    for name, nb in notebooks().items():
        for code in sources(nb, "code"):
            if re.search(r"^(#\| *(exports?|exporti|eval: *false)\b|%%)", code, re.M): continue
            lines = [line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))]
            nodes = list(ast.walk(ast.parse("\n".join(lines))))
            has = lambda *kinds: any(isinstance(node, kinds) for node in nodes)
            if has(ast.Import, ast.ImportFrom) and has(ast.Expr, ast.Assign):
                problems.append(f"{name}: imports and other code in one cell: {code.strip().splitlines()[-1]}")
    return problems

def the_house_holds():
    "Imports walk down and no chapter's leads into the engine; modules, classes and lines keep their size; one statement a line."
    order, problems = list(module_order()), []
    for position, (module, name) in enumerate(module_order().items()):
        engine, text = module.startswith("engine."), module_text(module)
        used = set()
        for dots, found in re.findall(r"^\s*from (\.+|vljepa\.)([\w.]*) import", text, re.M):
            used.add(f"engine.{found}" if engine and dots == "." else found)
        problems += [f"vljepa.{module} imports vljepa.{other}, which no earlier notebook exports" for other in sorted(used - {""})
                     if other not in order[:position]]
        problems += [f"vljepa.{module} is a chapter and imports the engine" for other in used if "engine" in other and not engine]
        most, lines = (300 if engine else 230), text.count("\n")
        if lines > most: problems.append(f"vljepa.{module} has {lines} lines, {most} are the most")
        for code in exported_cells(notebooks()[name]):
            long = [line for line in code.splitlines() if len(line) > 110]
            problems += [f"{name}: a line of {len(line)} characters: {line[:60]}..." for line in long]
            marks = [t for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.exact_type == tokenize.SEMI]
            problems += [f"{name}: two statements in one line: {mark.line.strip()[:80]}" for mark in marks]
            problems += [f"{name}: class {c.name} has {c.end_lineno - c.lineno + 1} lines in one cell, 80 are the most"
                         for c in ast.parse(code).body if isinstance(c, ast.ClassDef) and c.end_lineno - c.lineno >= 80]
    return problems

def public_names_are_documented():
    "Every public name has a docstring, and every parameter, return value and field a comment that says what it is."
    problems = []
    for module in module_order():
        text, public = module_text(module), public_names(module)
        tree = ast.parse(text)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        commented = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
        classes = {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.ClassDef)}
        for name, function in public_functions(tree):
            own = name.split(".")[-1]
            if name.split(".")[0] not in public: continue  # nobody should call it
            if own.startswith("_") and own != "__init__": continue
            known = classes.get(name.split(".")[0], "") if own == "__init__" else ""
            missing = undocumented(function, commented, known)
            if own != "__init__" and not ast.get_docstring(function): missing.append("docstring")
            if missing: problems.append(f"vljepa/{module}.py, {name}: not documented: {', '.join(missing)}")
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or node.name not in public: continue
            fields = [f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and f.end_lineno not in commented]
            missing = fields + ["docstring"] * (not ast.get_docstring(node))
            if missing: problems.append(f"vljepa/{module}.py, {node.name}: not documented: {', '.join(missing)}")
    return problems

def import_is_light():
    "`import vljepa` alone loads none of the heavy packages."
    heavy = "{'torch', 'numpy', 'transformers', 'timm', 'matplotlib'}"
    status, said = tool(sys.executable, "-c", f"import sys, vljepa; print(sorted({heavy} & set(sys.modules)))")
    return [] if said.strip() == "[]" else [f"import vljepa loads {said.strip()}"]

def sidebar_is_complete():
    "Every notebook has its place in the sidebar of the site."
    sidebar = (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2]
    listed = set(re.findall(r"(\w+)\.ipynb", sidebar))
    return [f"{name}.ipynb is not in the sidebar of _quarto.yml" for name in notebooks() if name not in listed]

def reading_times_agree():
    "Each chapter's box and its row at home state the minutes of reading that tools/count.py counts, and the seconds measured."
    measured = json.loads((ROOT/"evidence"/"benchmarks"/"results"/"chapters.json").read_text(encoding="utf-8"))["chapters"]
    books, problems, minutes = notebooks(), [], beside("count").reading_minutes
    rows = {link[1]: row for row in table(prose(books["index"])) if len(row) == 6 for link in [re.search(r"\((\w+)\.ipynb\)", row[0])] if link}
    for name, nb in books.items():
        stated = re.search(r"Reading: about (\d+) minutes of prose, (\d+) with its code\.", prose(nb))
        if not stated and name not in rows and "<!-- cost -->" not in prose(nb): continue
        counted = [str(number) for number in minutes(nb)]
        if not stated or list(stated.groups()) != counted:
            problems.append(f"{name} states {stated and stated.groups()} minutes, counted were {counted}: run python evidence/benchmarks/chapters.py --read")
        ran = f"{measured[name]['seconds']:.0f}" if name in measured else ""
        if rows.get(name, [])[3:] != [*counted, ran]: problems.append(f"index says {rows.get(name, [])[3:]} of {name}, counted and measured were {[*counted, ran]}")
    return problems

def notation_is_true():
    "Each name in the last column of the notation page's tables stands in some module."
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    names = {name for row in table(prose(notebooks()["notation"])) for name in re.findall(r"`(\w+)`", row[-1])}
    unused = [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)]
    return [f"notation: no module uses the name {name}" for name in unused]

def exercises_are_proved():
    "Each chapter but the first page has three exercises or more, with a check, a starter, a folded solution, and a hidden cell that proves both."
    problems, squeeze = [], lambda text: re.sub(r"\s", "", text)
    for name, nb in notebooks().items():
        if not re.match(r"(\d\d|A\d)", name) or name.startswith("00"): continue  # one page has no exercises
        parts = []  # cells of each exercise
        for cell in nb["cells"]:
            text, kind = "".join(cell["source"]), cell["cell_type"]
            if kind == "markdown" and re.search(r"^\*\*\d+\. ", text, re.M): parts.append([])
            elif kind == "markdown" and re.match(r"## ", text) and parts: break
            if parts: parts[-1].append((kind, text))
        if len(parts) < 3: problems.append(f"{name} has {len(parts)} exercises, three are the least")
        for number, cells in enumerate(parts, 1):
            code = [text for kind, text in cells if kind == "code"]
            solution = re.search(r"<summary>Solution.*?```python\n(.*?)```", "\n".join(t for k, t in cells if k == "markdown"), re.S)
            proof = [squeeze(text) for text in code if re.search(r"^#\| hide$", text, re.M)]
            missing = [what for what, found in {
                "a check": any(re.search(r"^def check_", text, re.M) for text in code),
                "a starter": any("eval: false" in text for text in code), "a folded solution": solution,
                "a hidden cell with the folded solution": solution and any(squeeze(solution[1]) in text for text in proof),
                "a call of the check in that cell, inside a function": any(re.search(r"^ +check_\w+\(", text, re.M) for text in code if "#| hide" in text),
                "a proof that the starter fails": any("test_fail(" in text for text in proof)}.items() if not found]
            if missing: problems.append(f"{name}, exercise {number} lacks {', '.join(missing)}")
    return problems

def chapters_are_joined():
    "Each chapter names the question that the next one answers, and links to it."
    chapters = [name for name in re.findall(r"(\w+)\.ipynb", (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2])
                if re.match(r"(\d\d|A\d)", name)]
    return [f"{name} must say at the end of its recap 'Next: [Title]({after}.ipynb), which ...'"
            for name, after in zip(chapters, chapters[1:])
            if not re.search(rf"^Next: \[[^]]+\]\({after}\.ipynb\)", prose(notebooks()[name]), re.M)]

def site_renders():
    "The site builds from the notebooks, and none of its links is broken."
    # nbdev_proc_nbs would first install Quarto; this is the part of it that makes the pages.
    from nbdev.quarto import proc_nbs, refresh_quarto_yml
    settings = NBS/"nbdev.yml"
    before = settings.read_text(encoding="utf-8") if settings.exists() else None
    refresh_quarto_yml()
    problems = [] if settings.read_text(encoding="utf-8") == before else ["nbs/nbdev.yml differed from settings.ini"]
    proc_nbs(n_workers=2, force=True)
    for path in (ROOT/"_proc").rglob("*.ipynb"):  # Quarto stops at a key that stands twice
        for code in sources(json.loads(path.read_text(encoding="utf-8")), "code"):
            keys = re.findall(r"^#\| *([\w-]+):", code, re.M)
            if len(set(keys)) < len(keys): problems.append(f"_proc/{path.name}: a key stands twice among {', '.join(keys)}")
    status, said = tool("smalldocs", "render", "--quiet", "_proc")
    if status: problems.append(f"smalldocs render: {said.strip()[-2000:]}")
    else: beside("site").finish(ROOT/"_proc"/"_docs")
    status, said = tool("smalldocs", "check", "_proc")
    return problems + [f"smalldocs check: {line}" for line in said.splitlines() if not EXPECTED_NOTES.match(line)]


# The site and its reference pages

def beside(name):
    "A script of this folder as a module. The name `site` belongs to Python, hence the long way."
    from importlib.util import module_from_spec, spec_from_file_location
    spec = spec_from_file_location(f"ci_{name}", Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def made_pages_are_in_step():
    "The interface, references and changelog are what `tools/pages.py` would write, and stand in the sidebar."
    pages = beside("pages")
    sidebar = (ROOT/"_quarto.yml").read_text(encoding="utf-8").partition("sidebar:")[2]
    return [f"{p.relative_to(ROOT)} is out of step: run python tools/pages.py" for p in pages.stale()] + \
           [f"{p.name} is not in the sidebar of _quarto.yml" for p in pages.pages()
            if p.suffix == ".ipynb" and p.relative_to(NBS).as_posix() not in sidebar] + \
           ["index cites the book in other words than references: paste what citation() of tools/pages.py says"
            for _ in range(pages.citation() not in prose(notebooks()["index"]))]

def papers_are_in_the_bibliography():
    "Every arXiv and DOI link of the notebooks has its entry in nbs/references.bib; no key and no paper stands there twice."
    pages = beside("pages")
    entries = pages.bibliography()
    names = [name for entry in entries.values() for name in pages.identifiers(entry)]
    problems = [f"{name} links to {paper}, which is not in references.bib" for name, nb in pages.books().items()
                for paper in sorted(pages.papers(prose(nb)) - set(names))]
    problems += [f"references.bib: {key} has no {field}" for key, entry in entries.items()
                 for field in ("title", "author", "year") if not entry.get(field)]
    problems += [f"references.bib: {key} has no eprint, doi or url" for key, entry in entries.items()
                 if not {"eprint", "doi", "url"} & set(entry)]
    return problems + [f"references.bib names {name} twice" for name in sorted(set(names)) if names.count(name) > 1]

def glossary_is_true():
    "Each term of the glossary is used in the chapter and the section that its row links to, and the rows are in order."
    pages, books, problems = beside("pages"), notebooks(), []
    rows = [row for row in table(prose(books["glossary"])) if "](" in row[-1]]
    for row in rows:
        name, anchor = re.search(r"\((?:engine/)?(\w+)\.ipynb(?:#([^)]*))?\)", row[-1]).groups()
        places = pages.sections(books.get(name, NOTHING))
        text = "\n".join(text for place, text in places if anchor in (None, place))
        if anchor and anchor not in dict(places): problems.append(f"glossary: {name} has no section {anchor}; run python tools/pages.py")
        elif not pages.uses(text, pages.terms(row[0])):
            problems.append(f"glossary: {name}, section {anchor or 'any'}, does not use the term {row[0]}")
    order = [re.sub("[`*]", "", row[0]).lower() for row in rows]
    return problems + [f"glossary: {b} comes after {a}" for a, b in zip(order, order[1:]) if a.split(",")[0] > b.split(",")[0]]

def notation_is_complete():
    "Each letter in the formulas of a chapter stands on the notation page, for all chapters or for this one."
    page, problems = prose(notebooks()["notation"]), []
    def letters(text):
        formulas = " ".join(re.findall(r"\$\$?([^$]+)\$\$?", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)))
        formulas = re.sub(r"\\(?:text|mathrm|operatorname|begin|end|mathbb)\s*\{[^}]*\}", " ", formulas)
        greek = set(re.findall(r"\\(tau|theta|xi|phi|lambda|mu|sigma|varepsilon|epsilon|alpha|beta|gamma|delta|eta|rho)\b", formulas))
        return greek | set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", re.sub(r"\\[A-Za-z]+", " ", formulas)))
    common, own = page.partition("## Letters of single chapters")[::2]
    rows = {}
    for row in table(own):
        if link := re.search(r"\((?:engine/)?(\w+)\.ipynb\)", row[0]): rows.setdefault(link[1], set()).update(letters(" ".join(row[1:])))
    for name, nb in notebooks().items():
        if name == "notation": continue
        missing = sorted(letters(prose(nb)) - letters(common) - rows.get(name, set()))
        if missing: problems.append(f"notation: the formulas of {name} use {', '.join(missing)}; add a row to the notation page")
    return problems

def colab_cells_work():
    "Every chapter has its Colab badge and set-up cell, which installs what the chapter imports on Colab and nothing elsewhere."
    badges = beside("badges")
    problems = [f"{path.name} lacks its Colab cells or has old ones: run python tools/badges.py" for path in badges.stale()]
    class Shell:
        def __init__(self, name): self.name, self.did = name, []
        def __str__(self): return self.name
        def system(self, line): self.did.append(line)
        def run_line_magic(self, magic, line): self.did.append(f"%{magic} {line}")
    for path in badges.chapters():
        badge, setup = badges.badge_cells(path.stem, json.loads(path.read_text(encoding="utf-8")))
        colab, other = Shell("<google.colab._shell.Shell object>"), Shell("<ipykernel.zmqshell.ZMQInteractiveShell object>")
        with tempfile.TemporaryDirectory() as folder:
            cell = Path(folder)/"cell.py"; cell.write_text("".join(setup["source"]), encoding="utf-8")
            for shell in (colab, other): runpy.run_path(str(cell), {"get_ipython": lambda: shell})
        does = [line.split()[0] for line in colab.did]
        if does != ["test", "%pip", "%cd"] or other.did: problems.append(f"{path.stem}: the set-up cell does {does} and {other.did}")
        if f"/{path.name}\"" not in "".join(badge["source"]): problems.append(f"{path.stem}: the badge opens another notebook")
    return problems

def costs_are_measured():
    "The running time and memory in each chapter's box, and their sum in README, are those of evidence/benchmarks/results/chapters.json."
    measured, problems = json.loads((ROOT/"evidence"/"benchmarks"/"results"/"chapters.json").read_text(encoding="utf-8"))["chapters"], []
    for name, nb in notebooks().items():
        stated = re.search(r"Running it took (\d+) s and ([\d.]+) GB .*<!-- cost -->", prose(nb))
        cost = measured.get(name)
        want = cost and (f"{cost['seconds']:.0f}", f"{cost['gigabytes']:.1f}")
        if ("<!-- cost -->" in prose(nb) or cost) and (not stated or stated.groups() != want):
            problems.append(f"{name} states {stated and stated.groups()}, measured was {want}: run `python evidence/benchmarks/chapters.py {name}`")
    said = f"The {len(measured)} chapters took {sum(cost['seconds'] for cost in measured.values()) / 60:.0f} minutes"
    if said not in (ROOT/"README.md").read_text(encoding="utf-8"): problems.append(f"README does not say '{said}': execute nbs/index.ipynb")
    return problems

def costs_hold(log):
    "No chapter's label is off by more than a factor of two from what a log of nbdev_test says, the machine's speed taken out."
    measured = json.loads((ROOT/"evidence"/"benchmarks"/"results"/"chapters.json").read_text(encoding="utf-8"))["chapters"]
    ran = {name: int(seconds) for name, seconds in re.findall(r"^(\w+)\.ipynb: (\d+) secs$", log, re.M)}
    ratios = [ran[name] / cost["seconds"] for name, cost in measured.items() if name in ran and cost["seconds"] >= 15]
    if not ratios: return ["the log holds no times: call nbdev_test with --timing"]
    speed, problems = statistics.median(ratios), []
    for name, cost in measured.items():  # loading the libraries, 5 s, is in the label, and not in the log of a process that had them
        if name in ran and not cost["seconds"] / 2 - 5 <= ran[name] / speed <= 2 * cost["seconds"]:
            problems.append(f"{name} took {ran[name]/speed:.0f} s at this machine's speed, its label says {cost['seconds']:.0f}: "
                            f"run `python evidence/benchmarks/chapters.py {name}`")
    return problems

def nothing_unsafe():
    "No code runs what a file or a string says, reads pickles, or unpacks archives outside vljepa/engine/fetch.py's `unpack`."
    problems = [f"this check is blind to: {line}" for line in BAD_LINES if len(unsafe(ast.parse(line))) != 1]
    for name, text in own_files():
        if not re.fullmatch(r"(vljepa|evidence|tools)/.*\.py|setup\.py", name): continue
        found = unsafe(ast.parse(text), may_extract=("unpack",) * (name == "vljepa/engine/fetch.py"))
        problems += [f"{name}:{line}: {what}: use safetensors, JSON, weights_only=True, a list of arguments, or `unpack`"
                     for line, what in found]
    return problems

def secrets_stay_out():
    "A run folder, trackers included, holds no value of an environment variable that could be a secret."
    from vljepa.engine.fetch import make_shapes_coco
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)/"run"
        make_shapes_coco(Path(folder)/"data", train=16, val=8)
        status, said = tool("vljepa_train", "--steps", "2", "--batch-size", "8", "--data", f"{folder}/data", "--run", str(run),
                            "--track", "tensorboard", **{name: f"secret-{name}" for name in SECRETS})
        files = {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    if status or "report.md" not in files: return [f"vljepa_train failed: {said.strip()[-500:]}"]
    files["what it prints"] = said.encode()
    return [f"{name} holds the value of {secret}: write no environment into a run" for name, content in files.items()
            for secret in SECRETS if f"secret-{secret}".encode() in content]

CHECKS = [exported_modules_match, notebooks_are_clean, readme_is_in_step, outputs_are_saved, notebooks_are_light, folded_cells_are_marked,
          no_machine_paths, figures_have_alt_text, figures_share_a_style, papers_are_in_the_bibliography, titles_are_whole,
          imports_stand_alone, the_house_holds, public_names_are_documented, import_is_light, sidebar_is_complete,
          reading_times_agree, costs_are_measured, notation_is_true, made_pages_are_in_step, glossary_is_true,
          notation_is_complete, exercises_are_proved, chapters_are_joined, colab_cells_work, nothing_unsafe, secrets_stay_out, site_renders]

def run(checks):
    "Run some checks, print what each finds and how long it took; return the number that failed."
    failed = 0
    for check in checks:
        start = time.perf_counter()
        try: problems = check()
        except Exception as error: problems = [f"{type(error).__name__}: {error}"]
        failed += bool(problems)
        print(f"{'FAILED' if problems else 'ok':6} {check.__name__} ({time.perf_counter() - start:.1f} s)", flush=True)
        for problem in problems: print(f"       - {problem}", flush=True)
    print(f"checks: {len(checks) - failed} passed, {failed} failed")
    return failed

def main():
    "The command line."
    listing = "\n".join(f"  {check.__name__:32} {check.__doc__}" for check in CHECKS)
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"the checks:\n{listing}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="check", help="run only these; all when none is named")
    parser.add_argument("--write-readme", action="store_true", help="write README.md from nbs/index.ipynb")
    parser.add_argument("--test-command", action="store_true", help="print the test command of README.md")
    parser.add_argument("--timings", type=Path, metavar="LOG", help="a log of nbdev_test --timing, to compare the chapters' labels with")
    parser.add_argument("--oldest", action="store_true", help="print the oldest versions that the requirements allow")
    args = parser.parse_args()
    known = {check.__name__: check for check in CHECKS}
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"no check is called {unknown[0]}; choose from {', '.join(known)}")
    os.chdir(ROOT)  # nbdev looks for settings.ini from here
    if args.test_command: print(test_command())
    elif args.oldest: print(oldest())
    elif args.write_readme: (ROOT/"README.md").write_text(make_readme(), encoding="utf-8", newline="\n")
    else:
        checks = [known[name] for name in args.names] or CHECKS
        if args.timings:
            log = args.timings.read_text(encoding="utf-8")
            checks = [*checks, functools.update_wrapper(functools.partial(costs_hold, log), costs_hold)]
        sys.exit(run(checks) > 0)

if __name__ == "__main__": main()
