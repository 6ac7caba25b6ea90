"""How often a model follows an edited caption: the model that ships, and longer runs, which it trains where they are not there yet.

    python evidence/experiments/edits.py [--steps 4000] [--pairs 500] [--seeds 0 ...]

Writes captions/edits.csv. A run of 4,000 steps takes about 20 minutes on one core. Its features are stored once, for eight masks an image."""
import argparse
import csv
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from vljepa.shapes import ShapesWorld
from vljepa.model import VLJEPA
from vljepa.captions import EDITS, edit_scores, edited_pair, wilson
from vljepa.engine.runs import provenance

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHIPPED = ROOT/"vljepa"/"weights"/"tiny"/"made.json"
HELD_OUT = range(4000, 5000)  # no run trains on these scenes

def train(seed: int, steps: int) -> Path:  # its folder
    "A run of the preset tiny, continued where it was broken off."
    run = ROOT/"runs"/"edits"/f"seed{seed}"
    command = [Path(sys.executable).parent/"vljepa_train", "--run", run, "--seed", seed, "--steps", steps, "--masks", 8, "--cache",
               "--eval-every", 1000, "--save-every", 500, "--log-every", 100, *["--resume"] * (run/"config.json").exists()]
    subprocess.run([*map(str, command)], cwd=ROOT, check=True)
    return run

def measure(model: VLJEPA, count: int) -> list[dict]:  # a row for each kind of edit
    "Accuracy on `count` held-out scenes of each kind."
    rows = []
    for kind in EDITS:
        pairs = [*islice(filter(None, (edited_pair(ShapesWorld(), i, kind) for i in HELD_OUT)), count)]
        accuracy = edit_scores(model, pairs).mean().item()
        low, high = wilson(accuracy, len(pairs))
        rows.append(dict(kind=kind, n=len(pairs), accuracy=round(accuracy, 4), low=round(low, 4), high=round(high, 4)))
    return rows

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000, help="of the longer runs (default: 4000)")
    parser.add_argument("--pairs", type=int, default=500, help="scenes of each kind (default: 500)")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of the longer runs (default: 0)")
    args = parser.parse_args()
    made, rows = provenance(), []
    models = [("tiny", json.loads(SHIPPED.read_text(encoding="utf-8")))]
    for seed in args.seeds:
        run = train(seed, args.steps)
        models.append((run, json.loads((run/"results.json").read_text(encoding="utf-8"))))
    for source, trained in models:
        facts = dict(seed=trained["seed"], steps=trained["steps"], commit=made["commit"], trained=trained["provenance"]["commit"],
                     hardware=made["machine"])
        rows += [facts | row for row in measure(VLJEPA.from_pretrained(source), args.pairs)]
        print(*rows[-len(EDITS):], sep="\n", flush=True)
    with open(HERE/"captions"/"edits.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

if __name__ == "__main__": main()
