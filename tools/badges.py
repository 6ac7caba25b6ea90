"""Puts an "Open in Colab" badge and a set-up cell into every chapter: `python tools/badges.py`. Running it again changes nothing.

On Colab the set-up cell fetches the book, installs its library with what the chapter's tests need, and works in the folder
of the notebooks; everywhere else it does nothing. The site hides it, and no import stands in it, so that building the site
does not execute it.
"""
import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/"nbs"
CHAPTER = re.compile(r"(\d\d[a-z]?|A\d)_\w+")
BADGE = ('<a href="https://colab.research.google.com/github/{repo}/blob/main/nbs/{name}.ipynb">'
         '<img src="images/colab.svg" alt="Open in Colab"></a>')  # not Markdown, of which Quarto makes a figure with a caption
SETUP = """#| hide
if "google.colab" in str(get_ipython()):  # on Colab: fetch the book, install its library; elsewhere this does nothing
    get_ipython().system("test -d /content/{folder} || git clone -q --depth 1 https://github.com/{repo} /content/{folder}")
    get_ipython().run_line_magic("pip", "install -q {packages}")
    get_ipython().run_line_magic("cd", "-q /content/{folder}/nbs")"""
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "IPython": "ipython", "huggingface_hub": "huggingface_hub"}


def settings(key):
    "A value of settings.ini."
    return re.search(rf"^{key} *= *(.+)$", (ROOT/"settings.ini").read_text(encoding="utf-8"), re.M)[1]

def chapters():
    "Paths of the chapters and the appendix."
    return [path for path in sorted(NBS.glob("*.ipynb")) if CHAPTER.fullmatch(path.stem)]

def imported(nb):
    "Packages that a notebook imports, without Python's own and the book's."
    code = ["".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code" and c["id"] != "colab-setup"]
    lines = [line for text in code for line in text.splitlines() if re.match(r"\s*(import|from) \w", line)]
    found = set()
    for line in lines:
        try: tree = ast.parse(line.strip())
        except SyntaxError: tree = ast.parse(line.strip().rstrip("(") + " x" if line.rstrip().endswith("(") else "")
        for node in ast.walk(tree):
            if isinstance(node, ast.Import): found |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom): found.add(node.module.split(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and name != "vljepa"}

def extra_packages(nb):
    "What a notebook imports that the library does not require, as pip calls it."
    required = {re.split(r"[><=;]", word)[0] for word in settings("requirements").split()} | {"ipython"}
    named = {PACKAGES.get(name, name) for name in imported(nb)}
    return sorted(name for name in named if name not in required and name.replace("_", "-") not in required)

def badge_cells(name, nb):
    "The two cells of a chapter: the badge, and the set-up cell."
    folder = settings("repo")
    repo = f"{settings('user')}/{folder}"
    setup = SETUP.format(repo=repo, folder=folder, packages=" ".join([f"/content/{folder}", *extra_packages(nb)]))
    cell = lambda kind, key, text: {"cell_type": kind, "id": key, "metadata": {}, "source": text.splitlines(keepends=True)}
    return [cell("markdown", "colab-badge", BADGE.format(repo=repo, name=name)),
            {**cell("code", "colab-setup", setup), "execution_count": None, "outputs": [], "metadata": {"jupyter": {"source_hidden": True}}}]

def with_badge(path):
    "The text of a chapter with its two cells after the title, as nbdev_clean leaves it."
    nb = json.loads(path.read_text(encoding="utf-8"))
    rest = [cell for cell in nb["cells"] if cell["id"] not in ("colab-badge", "colab-setup")]
    nb["cells"] = rest[:1] + badge_cells(path.stem, nb) + rest[1:]
    return json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n"

def stale():
    "Chapters whose badge or set-up cell is missing or differs from what this script would write."
    return [path for path in chapters() if path.read_text(encoding="utf-8") != with_badge(path)]

def main():
    "Write them."
    for path in stale():
        path.write_text(with_badge(path), encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT))

if __name__ == "__main__": main()
