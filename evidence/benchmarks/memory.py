"""Does the planner tell the truth? The peak memory of training steps, measured on the processor in a fresh process each, beside what
`vljepa.engine.plan.plan` says of them without allocating anything.

    python evidence/benchmarks/memory.py
    python evidence/benchmarks/memory.py --only "batch 8" "bf16, batch 8"

Encoders of the sizes of ViT-B/16 and BERT-base with random weights, written to a temporary folder; drawn scenes, nothing is
downloaded. Linux only: it reads /proc. Results go to evidence/benchmarks/results/memory.json with seed, commit and hardware."""
import argparse
import copy
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import timm
import torch
import transformers

from vljepa.encoders import freeze
from vljepa.model import PRESETS
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json
from vljepa.engine.plan import half_precision, measure_rate, plan, write_bert_base
from vljepa.engine.runs import TRAIN_PRESETS, provenance
from vljepa.engine.trainer import Trainer

RESULTS = Path(__file__).resolve().parent/"results"/"memory.json"

# glibc keeps what is freed, in one arena per thread, and so hides what a program needs. One arena, and pages of their own for
# whatever is larger than 64 KB, which go back to the system when it is freed, make the resident size honest.
HONEST = dict(MALLOC_ARENA_MAX="1", MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")

def copy_target(
    model,  # changed in place
):
    "Undo the sharing: a copy of the frozen encoder, as an EMA target would have one."
    model.target.average, model.target.shared = freeze(copy.deepcopy(model.vision)), False

# name: (fields of the model, fields of training, something to be done to the model)
CASES = {
    "batch 1": ({}, dict(batch_size=1), None),
    "batch 4": ({}, dict(batch_size=4), None),
    "batch 8": ({}, dict(batch_size=8), None),
    "batch 4, twice": ({}, dict(batch_size=4, accumulate=2), None),
    "a copied target, batch 8": ({}, dict(batch_size=8), copy_target),
    "context from the whole image, batch 8": (dict(context="full"), dict(batch_size=8), None),
    "recompute, batch 8": ({}, dict(batch_size=8, recompute=True), None),
    "targets and captions stored, batch 8": ({}, dict(batch_size=8, cache=True), None),
    "everything stored, batch 8": ({}, dict(batch_size=8, cache=True, masks=2), None),
    "bf16, batch 4": ({}, dict(batch_size=4, precision="bf16"), None),
    "bf16, batch 8": ({}, dict(batch_size=8, precision="bf16"), None),
    "bf16, weights kept in fp32, batch 8": (dict(pretrained=False), dict(batch_size=8, precision="bf16"), None),
    "bf16, recompute, batch 8": ({}, dict(batch_size=8, precision="bf16", recompute=True), None),
    "the vision encoder trains, batch 4": (dict(train_vision=True), dict(batch_size=4), None),
    "the vision encoder trains, recompute, batch 4": (dict(train_vision=True), dict(batch_size=4, recompute=True), None),
}

def write_encoders(
    folder: Path,  # gets vit, bert and shapes
    seed: int,  # of the weights
):
    "ViT-B/16 and BERT-base with random weights, and a small data set."
    torch.manual_seed(seed)
    vit = timm.create_model("vit_base_patch16_224", num_classes=0)
    timm.models.save_for_hf(vit, folder/"vit", model_config=dict(num_classes=0), safe_serialization=True)
    transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False).save_pretrained(write_bert_base(folder/"bert"))
    make_shapes_coco(folder/"shapes", train=32, val=8, seed=seed)

def configs(
    name: str,  # of a case
    folder: Path,  # from `write_encoders`
    seed: int,  # of the run
) -> tuple:  # of the model and of training
    "The preset `coco` on a processor, with local encoders and a few drawn scenes."
    model, training, _ = CASES[name]
    return (replace(PRESETS["coco"], vision=str(folder/"vit"), text=str(folder/"bert"), **model),
            replace(TRAIN_PRESETS["coco"], data=str(folder/"shapes"), train_split="train", val_split="val", train_images=16, val_images=4,
                    device="cpu", workers=0, drop_caption=0., seed=seed, **(dict(accumulate=1) | training)))

def memory(
    key: str,  # VmRSS, now; VmHWM, the most since the last reset
) -> int:  # bytes
    "Resident memory of this process."
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024

def measure(
    name: str,  # of a case
    folder: Path,  # from `write_encoders`
    seed: int,  # of the run
) -> dict:  # bytes, seconds, tokens
    "In a process of its own: what training steps take, above what Python and its libraries took before the model was built."
    model_config, config = configs(name, folder, seed)
    # a step of the tiny model first: it loads the code of the libraries, which would count as memory of the step
    small = replace(config, batch_size=2, cache=False, masks=0)
    warm = Trainer(folder/f"warm-{os.getpid()}", PRESETS["tiny"], small)
    warm.train_step([next(warm.endless()) for _ in range(config.accumulate)])
    del warm
    gc.collect(); ctypes.CDLL(None).malloc_trim(0)
    before = memory("VmRSS")
    trainer = Trainer(folder/f"run-{os.getpid()}", model_config, config)
    if CASES[name][2]: CASES[name][2](trainer.model)
    feed = trainer.endless()
    batches = [next(feed) for _ in range(config.accumulate)]
    # BERT's weights are a mapped file: pages that nobody reads are not in memory, and those that were read stay as long as one
    # weight refers to the file, converted or not. In memory of their own they count once, as on a GPU.
    for p in trainer.model.parameters(): p.data = p.data.clone()
    trainer.train_step(batches)  # makes the optimiser's state
    gc.collect(); ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from VmRSS
    seconds = []
    for _ in range(2):
        start = time.perf_counter(); trainer.train_step(batches); seconds.append(time.perf_counter() - start)
    peak = memory("VmHWM") - before
    return dict(measured=peak, seconds=min(seconds), tokens=max(b.text_ids.shape[1] for b in batches),
                rate=measure_rate(half_precision(config), "cpu"))

def compare(
    name: str,  # of a case
    folder: Path,  # from `write_encoders`
    seed: int,  # of the run
) -> dict:  # measured beside planned
    "Measure in a fresh process, plan in this one."
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder), "--seed", str(seed)]
    done = subprocess.run(command, env=os.environ | HONEST, capture_output=True, text=True)
    if done.returncode: raise RuntimeError(done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    planned = plan(*configs(name, folder, seed), tokens=found["tokens"], change=CASES[name][2])
    bytes_planned = sum(planned.parts.values())
    return dict(measured_gb=round(found["measured"] / 1e9, 3), planned_gb=round(bytes_planned / 1e9, 3),
                planned_over_measured=round(bytes_planned / found["measured"], 3),
                parts_gb={part: round(size / 1e9, 3) for part, size in planned.parts.items()}, tokens=found["tokens"],
                seconds=round(found["seconds"], 2), gflop=round(planned.flops / 1e9, 1), gflops_matmul=round(found["rate"] / 1e9, 1),
                time_over_planned=round(found["seconds"] * found["rate"] / planned.flops, 2))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help="measure these, keep the rest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.folder, args.seed)))
        sys.exit()
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["cases"] if RESULTS.exists() and len(args.only) < len(CASES) else {}
    origin = provenance()  # before the results file changes
    with tempfile.TemporaryDirectory() as folder:
        write_encoders(Path(folder), args.seed)
        for name in args.only:
            r = results[name] = compare(name, Path(folder), args.seed)
            print(f"{name:47} measured {r['measured_gb']:.2f} GB, planned {r['planned_gb']:.2f}: {r['planned_over_measured']:.2f}; "
                  f"{r['seconds']:.1f} s, {r['time_over_planned']:.1f} times the plan's", flush=True)
            write_json(RESULTS, dict(cases={n: results[n] for n in CASES if n in results}, seed=args.seed,
                                     threads=torch.get_num_threads(), provenance=origin))
    worst = max(results.values(), key=lambda r: abs(r["planned_over_measured"] - 1))
    print(f"the plan is within {abs(worst['planned_over_measured'] - 1):.0%} of the measurement in all {len(results)} cases")
