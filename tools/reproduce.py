"""Run every notebook again in a fresh kernel and compare what it prints with the saved outputs.

    python tools/reproduce.py [NAME ...]

Cells that `nbdev_test` leaves out (`eval: false`, `slow`, `gpu`) stay out. Compared is text: streams, plain text, markdown.

- A number with decimals may differ by 1% or by 2 units of its last printed digit, whichever is more; a percentage by 2
  units. Other whole numbers and all words must be the same. Torch promises the same bits only for the same CPU and
  versions. Chapters 3, 5 and 8 run with SSE instructions alone stayed within the tolerance of outputs saved with AVX-512.
- Seconds, milliseconds and rates per second, known by the unit behind the number, are exempt.
- `#| varies REASON` in a cell exempts its numbers, not its words: memory measured, rates in tables, rounding noise.
- `#| needs NAME` leaves a cell out unless the environment variable NAME is set: data that is not in the repository.
- Names of the machine, versions and commits, temporary folders and progress bars are not compared.

The exit status is 1 if anything differs. Results, of the notebooks named or of all: evidence/reliability/results/reproduce.json."""
import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT/"evidence"/"reliability"/"results"/"reproduce.json"
LEFT_OUT = re.compile(r"^#\| *(eval: *false|slow|gpu)\b|nbdev_export\(", re.M)
MARK = re.compile(r"^#\| *(varies|needs) +(.+)$", re.M)
NUMBER = re.compile(r"(?<![\w.])(?:(?<![\d)])[-+])?(?:\d+(?:,\d{3})*)(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)")
TIME = re.compile(r" ?(s|ms|seconds)\b|[ \w]*(/s|per second)\b")  # behind a number
ELSEWHERE = [(re.compile(pattern), word) for pattern, word in (
    (r"\x1b\[[\d;]*[mA]", ""), (r"\S*/tmp\w{8}\b", "FOLDER"), (r"(commit\W{1,4})[0-9a-f]{7,}(-dirty)?", r"\1COMMIT"),
    (r"[^\r\n]*%\|[^\r\n]*\[[^\r\n]*\][\r\n]*", ""),
    (r"(Linux|Darwin|Windows) \w+, \d+ cores(, \d+ thread\(s\))?", "MACHINE"), (r"torch \d\S+", "torch VERSION"))]

def text(
    cell: dict,  # a code cell
) -> str:  # everything it printed
    "The text of a cell's outputs without what belongs to the machine."
    parts = []
    for out in cell["outputs"]:
        data = out.get("data", {})
        if "application/vnd.jupyter.widget-view+json" in data: continue
        shown = out.get("text") or data.get("text/markdown") or data.get("text/plain") or ""
        parts.append("".join(shown))
    whole = "".join(part if part.endswith("\n") else part + "\n" for part in parts)
    for pattern, word in ELSEWHERE: whole = pattern.sub(word, whole)
    return whole

def split(
    text: str,  # from `text`
) -> tuple[str, list[tuple[str, bool]]]:  # the words with # for each number; the numbers, and whether each is a time
    "Words and numbers of a text; spaces and rulers count for nothing."
    numbers = [(hit[0] + "%" * text.startswith("%", hit.end()), bool(TIME.match(text, hit.end())))
               for hit in NUMBER.finditer(text)]
    words = re.sub(r"-{3,}:?", "---", NUMBER.sub("#", text))
    return " ".join(words.split()), numbers

def close(
    old: str,  # a number as printed
    new: str,  # the same in the new run
) -> bool:  # whether they agree
    "Equal, or within the tolerance of the module's docstring."
    if old == new: return True
    if not re.search(r"[.e%]", old + new): return False
    mantissa, _, power = old.rstrip("%").partition("e")
    unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    a, b = (float(x.rstrip("%").replace(",", "")) for x in (old, new))
    return abs(a - b) <= max(2.001 * unit, 0.01 * abs(a) * ("%" not in old))

def compare(
    old: str,  # text of a saved cell
    new: str,  # text of the same cell, run again
    varies: bool,  # whether its numbers are exempt
) -> tuple[int, int, list[str]]:  # numbers compared, numbers exempt, problems
    "What differs between two texts."
    (words, numbers), (new_words, new_numbers) = split(old), split(new)
    if words != new_words:
        at = next((i for i, (a, b) in enumerate(zip(words, new_words)) if a != b), min(len(words), len(new_words)))
        part = slice(max(0, at - 20), at + 60)
        return 0, 0, [f"words differ: {words[part]!r} is now {new_words[part]!r}"]
    exempt = [varies or time for _, time in numbers]
    pairs = [(a, b) for (a, _), (b, _), free in zip(numbers, new_numbers, exempt) if not free]
    return len(pairs), sum(exempt), [f"{a} is now {b}" for a, b in pairs if not close(a, b)]

def execute(
    path: Path,  # a notebook
) -> dict:  # it with new outputs; cells left out have none
    "Run a notebook as `nbdev_test` does, but in a kernel of Jupyter."
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code" and LEFT_OUT.search(cell.source): cell.source = ""
    NotebookClient(nb, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return nb

def check(
    path: Path,  # a notebook
) -> dict:  # counts and problems
    "Compare a notebook with itself, run again."
    result = dict(cells=0, compared=0, exempt=0, left_out=0, problems=[])
    saved = nbformat.read(path, as_version=4)
    try: fresh = execute(path)
    except Exception as error: return result | dict(problems=[f"does not run: {str(error).strip().splitlines()[-1]}"])
    for old, new in zip(saved.cells, fresh.cells):
        if old.cell_type != "code": continue
        marks = dict(MARK.findall(old.source))
        if LEFT_OUT.search(old.source) or not os.environ.get(marks.get("needs", "PATH")):
            result["left_out"] += bool(text(old)); continue
        if not text(old) and not text(new): continue
        compared, exempt, problems = compare(text(old), text(new), "varies" in marks)
        result["cells"] += 1; result["compared"] += compared; result["exempt"] += exempt
        result["problems"] += [f"{old.id}: {problem}" for problem in problems]
    return result

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks, such as 03_masking; all when none is named")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from vljepa.engine.runs import provenance
    os.environ |= dict(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    os.environ.pop("MPLBACKEND", None)
    saved = json.loads(RESULTS.read_text(encoding="utf-8"))["notebooks"] if args.names and RESULTS.exists() else {}
    notebooks, made = {}, provenance()
    paths = {path.stem: path for folder in ("nbs", "nbs/engine") for path in sorted((ROOT/folder).glob("*.ipynb"))}
    for path in [paths[name] for name in args.names] or paths.values():
        start = time.perf_counter()
        found = notebooks[path.stem] = check(path)
        found |= dict(seconds=round(time.perf_counter() - start), commit=made["commit"])
        print(f"{path.stem:18} {found['cells']:3} cells, {found['compared']:4} numbers compared, {found['exempt']:3} exempt, "
              f"{found['left_out']} cells left out, {len(found['problems'])} differences", flush=True)
        for problem in found["problems"]: print(f"    {problem}", flush=True)
    everything = dict(sorted((saved | notebooks).items()))
    total = {key: sum(nb[key] for nb in everything.values()) for key in ("cells", "compared", "exempt", "left_out")}
    total |= dict(notebooks=len(everything), differences=sum(len(nb["problems"]) for nb in everything.values()))
    RESULTS.write_text(json.dumps(dict(total=total, notebooks=everything, provenance=made), indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{value} {key.replace('_', ' ')}" for key, value in total.items()))
    sys.exit(any(nb["problems"] for nb in notebooks.values()))

if __name__ == "__main__": main()
