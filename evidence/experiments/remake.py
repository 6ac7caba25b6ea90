"""Remakes what the book shows of its own runs, each part from nothing: weights, tables and pictures.

    python evidence/experiments/remake.py [PART ...]

    short    three runs as the home page's command makes them     tiny/seed*.json
    probe    a probe of each of them, which needs `short`          tiny_probe/seed*.json
    long     one run of 1,500 steps, seed 0                       tiny_long/, and the model that ships, vljepa/weights/tiny
    demo     the home page's picture of that run                  home_demo/demo.json, nbs/images/demo*
    page     the model that ships, packed for a page              nbs/images/model_data.js
    studies  every ablation                                       ablations/

Without parts all of them, about six hours on two cores, of which the studies are five. Run it in a clean checkout, so that the files name
its commit; the chapters that read the files are executed afterwards."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS, SEEDS = ROOT/"runs"/"remake", range(3)

def call(*command: object):
    "Run a command of this environment in the project's folder."
    print("+", *command, flush=True)
    subprocess.run([str(Path(sys.executable).parent/str(command[0])), *map(str, command[1:])], cwd=ROOT, check=True)

def train(run: Path, *options: object):
    "Train in a new folder."
    shutil.rmtree(run, ignore_errors=True)
    call("vljepa_train", "--run", run, *options)

def short():
    for seed in SEEDS:
        train(RUNS/f"seed{seed}", "--seed", seed)
        shutil.copy(RUNS/f"seed{seed}"/"results.json", HERE/"tiny"/f"seed{seed}.json")

def probe():
    for seed in SEEDS:
        call("vljepa_probe", RUNS/f"seed{seed}")
        shutil.copy(RUNS/f"seed{seed}"/"probe.json", HERE/"tiny_probe"/f"seed{seed}.json")

def long():
    from vljepa.model import VLJEPA
    train(RUNS/"long", "--seed", 0, "--steps", 1500, "--eval-every", 100)
    for name in ("metrics.csv", "results.json"): shutil.copy(RUNS/"long"/name, HERE/"tiny_long"/name)
    model, weights = VLJEPA.from_pretrained(RUNS/"long"), ROOT/"vljepa"/"weights"/"tiny"
    shutil.rmtree(weights, ignore_errors=True)
    model.half().save_pretrained(weights)
    made = json.loads((RUNS/"long"/"results.json").read_text(encoding="utf-8"))
    (weights/"made.json").write_text(json.dumps({k: made[k] for k in ("seed", "steps", "provenance")}, indent=2) + "\n", encoding="utf-8")

def demo(): call("python", HERE/"home_demo"/"make.py", RUNS/"long")

def page():
    from vljepa.engine.export import write_pack
    from vljepa.model import VLJEPA
    write_pack(VLJEPA.from_pretrained("tiny"), ROOT/"nbs"/"images"/"model_data.js")

def studies(): call("vljepa_ablate", "--out", HERE/"ablations")

PARTS = dict(short=short, probe=probe, long=long, demo=demo, page=page, studies=studies)

if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(PARTS): sys.exit(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in sys.argv[1:] or PARTS: PARTS[name]()
