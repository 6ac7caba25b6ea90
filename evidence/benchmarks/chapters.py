"""Time every chapter and measure its peak memory, each in a fresh process, and write both into the chapter's box, and the
time into the table of the home page (then: python tools/checks.py --write-readme).

    python evidence/benchmarks/chapters.py [NAME ...]

Slow and GPU cells are left out, as in the test suite. Results go to evidence/benchmarks/results/chapters.json with commit and hardware."""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from vljepa.engine.runs import provenance

ROOT = Path(__file__).resolve().parents[2]
BOX = re.compile(r"(Reading time about \d+ minutes\.).*?( <!-- cost -->)")

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
    cost: dict[str, float],  # from `measure`
):
    "Write the cost into the chapter's box."
    running = f" Running it took {cost['seconds']:.0f} s and {cost['gigabytes']:.1f} GB of memory with one thread."
    text, boxes = BOX.subn(lambda found: found[1] + running + found[2], notebook.read_text(encoding="utf-8"))
    if boxes != 1: sys.exit(f"{notebook.name} has {boxes} boxes with a reading time, not one")
    notebook.write_text(text, encoding="utf-8")

def list_at_home(
    name: str,  # of a chapter
    cost: dict[str, float],  # from `measure`
):
    "Write the running time into the chapter's row of the home page, where it has one."
    home = ROOT/"nbs"/"index.ipynb"
    row = re.compile(rf"(\({name}\.ipynb\) \|.*\| \d+ \|).*?( \|)(?=\\n)")
    home.write_text(row.sub(lambda found: f"{found[1]} {cost['seconds']:.0f}{found[2]}", home.read_text(encoding="utf-8")),
                    encoding="utf-8")

if __name__ == "__main__":
    names = sys.argv[1:] or [p.stem for p in sorted((ROOT/"nbs").glob("*.ipynb")) if BOX.search(p.read_text(encoding="utf-8"))]
    path = ROOT/"evidence"/"benchmarks"/"results"/"chapters.json"
    chapters = json.loads(path.read_text(encoding="utf-8"))["chapters"] if path.exists() else {}
    for name in names:
        chapters[name] = measure(ROOT/"nbs"/f"{name}.ipynb")
        label(ROOT/"nbs"/f"{name}.ipynb", chapters[name])
        list_at_home(name, chapters[name])
        print(f"{name:<18} {chapters[name]['seconds']:6.1f} s {chapters[name]['gigabytes']:5.2f} GB", flush=True)
    path.write_text(json.dumps(dict(chapters=chapters, provenance=provenance()), indent=2) + "\n", encoding="utf-8")
