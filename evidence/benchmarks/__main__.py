"""All benchmarks, one after the other, each in a process of its own, and then a table of their ratios. An hour on two quiet cores.

    python evidence/benchmarks
    python evidence/benchmarks speed waiting

Results go to evidence/benchmarks/results, each with seed, commit and hardware."""
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPTIONS = dict(speed=["--batch", "8"], features=["--name", "tiny"], memory=[], waiting=[])

if __name__ == "__main__":
    for name in sys.argv[1:] or OPTIONS: subprocess.run([sys.executable, HERE/f"{name}.py", *OPTIONS[name]], check=True)
    read = lambda name: json.loads((HERE/"results"/f"{name}.json").read_text(encoding="utf-8"))
    for place, found in read("speed").items():
        print(f"\n{place} (commit {found['provenance']['commit']})\n{'':<52}times the origin  over the bound")
        for name, row in found["steps"].items():
            if name.startswith(("origin", "bound")): continue
            over = found["over_the_bound"].get(name)
            print(f"{name:<52}{row['times_as_fast_as_origin']:16.2f}" + (f"{over:16.2f}" if over else ""))
    for name, row in read("features").items(): print(f"\n{name}: a stored step is {row['cached_over_bare']:.3f} times the bare predictor's")
    cases = read("memory")["cases"].values()
    print(f"\nthe plan is {min(c['planned_over_measured'] for c in cases):.2f} to {max(c['planned_over_measured'] for c in cases):.2f} times what steps took")
    print("waiting passively:", {k: v["passive_over_default"] for k, v in read("waiting").items() if k.endswith("busy")}, "times the default")
