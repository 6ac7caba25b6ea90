"""Counts what a reader pays: `python tools/count.py`. With --json the same for scripts.

Of each notebook: words of prose; open and folded lines of code and statements in them (what a page folds away: hidden cells, cells
of solutions, the tag `fold`); and what stands before its first own result, the first code cell with the tag `result`: words and open
lines; and the minutes of reading, without and with the open code. Of each module: lines, public names, and the largest class in
one cell. At the end the sums that the house is measured by.
"""
import argparse
import ast
import json
import re
from pathlib import Path

from checks import exported_cells, module_order, module_text, notebooks, public_names
from fold import is_folded

STARTER = re.compile(r"^#\| *eval: *false\b", re.M)  # of an exercise: the reader's own lines
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20  # of prose, and of open code
TO_THE_FIRST_MODEL = "shapes data masking encoders predictor targets losses model measure learn".split()

def code_of(text):
    "The lines of a cell that are code: no directives, no magics, no blank lines."
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("#|", "%", "!"))]

def statements(lines):
    "How many statements there are, also within functions and lambdas' neighbours on one line."
    try: tree = ast.parse("\n".join(lines))
    except SyntaxError: return 0
    return sum(isinstance(node, ast.stmt) for node in ast.walk(tree))

def words_of(text):
    "Words of prose, without folded solutions, code and HTML."
    text = re.sub(r"^<details>.*?^</details>", "", text, flags=re.M | re.S)
    return len(re.sub(r"```.*?```|<[^>]*>", "", text, flags=re.S).split())

def count_notebook(nb):
    "What a reader pays for one notebook."
    total = dict(words=0, open=0, open_statements=0, folded=0, folded_statements=0, words_before=None, lines_before=None)
    for cell in nb["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown": total["words"] += words_of(text)
        if cell["cell_type"] != "code": continue
        lines, kind = code_of(text), "folded" if is_folded(cell) or STARTER.search(text) else "open"
        if "result" in cell["metadata"].get("tags", ()) and total["words_before"] is None:
            total |= dict(words_before=total["words"], lines_before=total["open"])
        total[kind] += len(lines)
        total[f"{kind}_statements"] += statements(lines)
    return total

def reading_minutes(nb):
    "How long a notebook takes to read, in whole minutes: its prose, and its prose with its open code."
    counted = count_notebook(nb)
    prose = counted["words"] / WORDS_A_MINUTE
    return round(prose), round(prose + counted["open"] / LINES_A_MINUTE)

def count_module(module, name):
    "The size of one module."
    classes = [c.end_lineno - c.lineno + 1 for code in exported_cells(notebooks()[name])
               for c in ast.parse(code).body if isinstance(c, ast.ClassDef)]
    return dict(lines=module_text(module).count("\n"), public=len(public_names(module)), class_lines=max(classes, default=0))

def main():
    "Print both tables and the sums."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    books = {name: count_notebook(nb) | dict(minutes=reading_minutes(nb)) for name, nb in notebooks().items()
             if re.match(r"\d\d|A\d|E\d", name)}
    modules = {module: count_module(module, name) for module, name in module_order().items()}
    sums = {"exported lines": sum(m["lines"] for m in modules.values()), "public names": sum(m["public"] for m in modules.values()),
            "exported lines up to the first trained model": sum(modules[m]["lines"] for m in TO_THE_FIRST_MODEL if m in modules),
            "longest chapter module": max(m["lines"] for name, m in modules.items() if "." not in name),
            "longest engine module": max((m["lines"] for name, m in modules.items() if "." in name), default=0),
            "largest class in a cell": max(m["class_lines"] for m in modules.values())}
    if args.json: print(json.dumps(dict(notebooks=books, modules=modules, sums=sums), indent=1)); return
    print(f"{'notebook':<20}{'words':>7}{'open':>7}{'stmts':>7}{'folded':>8}{'stmts':>7}{'minutes':>9}   before its own result: words, lines")
    for name, c in books.items():
        before = "" if c["words_before"] is None else f"{c['words_before']:>7}{c['lines_before']:>7}"
        print(f"{name:<20}{c['words']:>7}{c['open']:>7}{c['open_statements']:>7}{c['folded']:>8}{c['folded_statements']:>7}{'{}, {}'.format(*c['minutes']):>9}   {before}")
    print(f"\n{'module':<22}{'lines':>7}{'public':>8}{'largest class':>15}")
    for name, m in modules.items(): print(f"{name:<22}{m['lines']:>7}{m['public']:>8}{m['class_lines']:>15}")
    print()
    for name, value in sums.items(): print(f"{name:<48}{value:>7,}")

if __name__ == "__main__": main()
