"""Folds the code that a reader may skip. `python tools/fold.py` marks the cells for Jupyter; nbdev calls `fold` for the site.

A cell is folded where it has the tag `fold` (figures, tests, plumbing) or the directive `#| hide`. The site shows a line to open
for the first and nothing for the second; JupyterLab collapses both, which it reads from the cell's metadata.
"""
import json
import re

SUMMARIES = {r"^#\| *fig-cap:": "Draw the figure", r"^ *(assert|test_\w+\(|torch\.testing|def check_|check_\w+\(|@given)": "Test"}
GONE = {"hide", "export", "default_exp"}  # of the directives of nbdev's own rm_export those without exporti, whose code is shown

def fold(cell):
    "Hide or fold a cell of the site; a step of `nbdev_proc_nbs`, see `procs` in settings.ini."
    if cell.cell_type == "code" and GONE & set(cell.directives_ or ()): del cell["source"]
    elif cell.cell_type == "code" and "fold" in cell.metadata.get("tags", ()):
        said = "Part of the library" if {"exports", "exporti"} & set(cell.directives_) else next(
            (text for pattern, text in SUMMARIES.items() if re.search(pattern, cell.source, re.M)), "Code")
        cell.source = f'#| code-fold: true\n#| code-summary: "{said}"\n{cell.source}'

def is_folded(cell):
    "Whether JupyterLab should collapse a cell."
    return cell["cell_type"] == "code" and ("fold" in cell["metadata"].get("tags", ()) or
                                            bool(re.search(r"^#\| *(hide|echo: *false)\b", "".join(cell["source"]), re.M)))

def marked(nb):
    "A notebook whose folded cells, and no others, are collapsed."
    for cell in nb["cells"]:
        cell["metadata"].pop("jupyter", None)
        if is_folded(cell): cell["metadata"]["jupyter"] = {"source_hidden": True}
    return nb

if __name__ == "__main__":
    from checks import notebook_paths
    for path in notebook_paths():
        text = path.read_text(encoding="utf-8")
        new = json.dumps(marked(json.loads(text)), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if new != text: path.write_text(new, encoding="utf-8", newline="\n")
