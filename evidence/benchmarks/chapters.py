"""Time every chapter and measure its peak memory, each in a fresh process, and write both into the chapter's box, with the
minutes of reading that tools/count.py counts; minutes and seconds also into the table of the home page.

    python evidence/benchmarks/chapters.py [NAME ...]
    python evidence/benchmarks/chapters.py --read  # run nothing: write the minutes of reading, and the seconds as they were measured

Then: python tools/checks.py --write-readme. Slow and GPU cells are left out, as in the test suite. Results go to evidence/benchmarks/results/chapters.json with commit and hardware."""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from vljepa.engine.runs import provenance

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT/"tools"))  # behind Python's own: a script there is called site

from count import reading_minutes

BOX = re.compile(r"Reading(?: time)?:? about \d+ minutes[^<]*<!-- cost -->")

def measure(
    notebook: Path,  # a chapter
) -> dict[str, float]:  # seconds and gigabytes
    "Wall time and largest resident size of `nbdev_test` on one notebook, with one thread."
    command = ["nbdev_test", "--path", str(notebook), "--n_workers", "0"]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(OMP_NUM_THREADS="1"), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status: sys.exit(f"{notebook.name} fails its tests; mend it first")
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kilobytes elsewhere
    return dict(seconds=round(time.perf_counter() - start, 1), gigabytes=round(usage.ru_maxrss * scale / 1e9, 2))

def label(
    notebook: Path,  # a chapter, changed in place
    cost: dict[str, float] | None,  # from `measure`, if it was measured
):
    "Write reading time and cost into the chapter's box."
    running = f" Running it took {cost['seconds']:.0f} s and {cost['gigabytes']:.1f} GB of memory with one thread." if cost else ""
    for _ in range(2):  # the line itself is read, too
        text = notebook.read_text(encoding="utf-8")
        prose, both = reading_minutes(json.loads(text))
        line = f"Reading: about {prose} minutes of prose, {both} with its code.{running} <!-- cost -->"
        text, boxes = BOX.subn(line, text)
        if boxes != 1: sys.exit(f"{notebook.name} has {boxes} boxes with a reading time, not one")
        notebook.write_text(text, encoding="utf-8", newline="\n")

def list_at_home(
    name: str,  # of a chapter
    cost: dict[str, float] | None,  # from `measure`, if it was measured
):
    "Write the minutes of reading and the seconds into the chapter's row of the home page, where it has one."
    home, chapter = ROOT/"nbs"/"index.ipynb", ROOT/"nbs"/f"{name}.ipynb"
    prose, both = reading_minutes(json.loads(chapter.read_text(encoding="utf-8")))
    row = re.compile(rf"(\({name}\.ipynb\) \|[^\n]*?)(?: \| *\d*){{3}} \|(?=\\n)")
    costs = f" | {prose} | {both} | {cost['seconds']:.0f} |" if cost else f" | {prose} | {both} | |"
    home.write_text(row.sub(lambda found: found[1] + costs, home.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")

if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--read"]
    names = names or [p.stem for p in sorted((ROOT/"nbs").glob("*.ipynb")) if BOX.search(p.read_text(encoding="utf-8"))]
    path = ROOT/"evidence"/"benchmarks"/"results"/"chapters.json"
    chapters = json.loads(path.read_text(encoding="utf-8"))["chapters"] if path.exists() else {}
    made = provenance()  # before the boxes change
    for name in names:
        if "--read" not in sys.argv: chapters[name] = measure(ROOT/"nbs"/f"{name}.ipynb")
        label(ROOT/"nbs"/f"{name}.ipynb", chapters.get(name))
        list_at_home(name, chapters.get(name))
        if "--read" not in sys.argv: print(f"{name:<18} {chapters[name]['seconds']:6.1f} s {chapters[name]['gigabytes']:5.2f} GB", flush=True)
    if "--read" not in sys.argv:
        path.write_text(json.dumps(dict(chapters=chapters, provenance=made), indent=2) + "\n", encoding="utf-8")
