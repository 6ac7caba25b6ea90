"""What do threads that wait for each other cost? A training step on all cores, alone and beside a program that keeps one core busy,
with OpenMP's own way of waiting (spin a while, then sleep) and with OMP_WAIT_POLICY=passive (sleep), in turn.

    python evidence/benchmarks/waiting.py

The losses must be the same to the bit. Results go to evidence/benchmarks/results/waiting.json with seed, commit and hardware."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json
from vljepa.engine.runs import TRAIN_PRESETS, provenance
from vljepa.engine.trainer import Trainer

RESULTS = Path(__file__).resolve().parent/"results"/"waiting.json"
KINDS = dict(default={}, passive=dict(OMP_WAIT_POLICY="passive"))
STEPS = 3  # at once

def answer(
    folder: Path,  # with the scenes
    seed: int,  # of the run
):
    "In a process of its own: for each line that comes in, seconds of a step and its losses."
    run = Path(tempfile.mkdtemp(dir=folder))
    trainer = Trainer(run, None, replace(TRAIN_PRESETS["tiny"], data=str(folder/"scenes"), val_images=32, device="cpu", seed=seed))
    feed = trainer.endless()
    for _ in sys.stdin:
        batches = [[next(feed)] for _ in range(STEPS)]
        start = time.perf_counter(); losses = [trainer.train_step(b)["loss"].item() for b in batches]
        print(json.dumps([(time.perf_counter() - start) / STEPS, losses]), flush=True)

def compare(
    folder: Path,  # for scenes and runs
    rounds: int,  # that count
    seed: int,  # of scenes and runs
) -> dict:  # milliseconds by program beside it and kind; the ratio
    "Both kinds in turn, alone and beside a busy core."
    make_shapes_coco(folder/"scenes", train=256, val=32, seed=seed)
    command = [sys.executable, __file__, "--answer", str(folder), "--seed", str(seed)]
    clean = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    helpers = {name: subprocess.Popen(command, env=clean | more, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for name, more in KINDS.items()}
    def ask(helper):
        helper.stdin.write("\n"); helper.stdin.flush()
        return json.loads(helper.stdout.readline())
    found = {}
    for busy in (0, 1):
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        times = {name: [] for name in KINDS}
        for k in range(rounds + 1):
            answers = {name: ask(helpers[name]) for name in sorted(KINDS, reverse=k % 2)}
            assert answers["default"][1] == answers["passive"][1]  # the same losses, to the bit
            if k: [times[name].append(1e3 * seconds) for name, (seconds, _) in answers.items()]
        for other in others: other.kill()
        found[f"{busy} busy"] = {name: round(float(np.median(t)), 1) for name, t in times.items()} | dict(
            passive_over_default=round(float(np.median(np.array(times["passive"]) / np.array(times["default"]))), 3))
    for helper in helpers.values(): helper.communicate()
    return found

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer: answer(args.answer, args.seed)
    else:
        with tempfile.TemporaryDirectory() as folder: found = compare(Path(folder), args.rounds, args.seed)
        for name, row in found.items(): print(name, row)
        write_json(RESULTS, found | dict(rounds=args.rounds, seed=args.seed, threads=torch.get_num_threads(), provenance=provenance()))
