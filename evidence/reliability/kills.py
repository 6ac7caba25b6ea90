"""Kill runs at random moments with SIGKILL, start them again with the same command and `--resume`, and compare what comes out with
a run that was left alone: weights and optimiser to the last bit, and the rows of metrics.csv.

Four kinds of kill: at any moment of training; before a random file operation while checkpoints are written (one at every step);
while a feature cache is filled; at any moment of a study. A start is a fork of a process that has imported the library and done
nothing else, which saves the seconds of the imports; `--fresh` starts a new interpreter each time.

    python evidence/reliability/kills.py --kills 52          writes evidence/reliability/results/kills.json
"""
import argparse
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same sums in every process
os.environ.update(TQDM_DISABLE="1", MPLBACKEND="Agg", TOKENIZERS_PARALLELISM="false")
import psutil
import torch
from vljepa.ablations import read_table
from vljepa.learn import param_groups
from vljepa.engine.checkpoints import load_checkpoint, newest_checkpoint
from vljepa.engine.cli import vljepa_train
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json
from vljepa.engine.hub import load_model
from vljepa.engine.sweep import vljepa_ablate
from vljepa.engine.runs import provenance, read_config, read_metrics

RESULTS = Path(__file__).resolve().parent/"results"/"kills.json"
COMMANDS = dict(train=vljepa_train, ablate=vljepa_ablate)
SMALL = dict(dim=32, depth=1, heads=2, batch_size=8, val_images=8, device="cpu", steps=24, log_every=1, save_every=4, eval_every=8)

# One process, killed or not

def die_at(
    operation: int,  # Which of those to come, from 1
    folder: Path,  # Where files are opened, made, renamed or removed
):
    "Let this process be killed before a file operation."
    left = itertools.count(operation - 1, -1)
    def hook(event, args):
        if event not in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"): return
        name = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
        inside = name.startswith(str(folder)) or event in ("os.remove", "os.rmdir") and not os.path.isabs(name)
        if inside and next(left) == 0: os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def work(command, argv, log, environment, operation, folder):
    "What the child does: the real command, its words in a file."
    if hasattr(os, "fork"): multiprocessing.set_start_method("fork", force=True)  # of data-loading processes
    with open(log, "a") as file: os.dup2(file.fileno(), 1); os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    if operation: die_at(operation, folder)
    COMMANDS[command](argv)

def start(
    command: str,  # "train" or "ablate"
    argv: list[str],  # Its options
    log: Path,  # Receives what it says
    environment: dict[str, str] = {},  # Variables to set
    operation: int = 0,  # Die before this file operation; 0 does not
    folder: Path = Path("/"),  # Whose file operations count
    fresh: bool = False,  # A new interpreter in the place of a fork
) -> multiprocessing.Process:
    "Start a command."
    context = multiprocessing.get_context("spawn" if fresh else "forkserver")
    if not fresh: context.set_forkserver_preload(["vljepa.engine.cli"])
    child = context.Process(target=work, args=(command, argv, log, environment, operation, folder))
    child.start()
    return child

def finish(child, seconds=None, killed_ok=True):
    "Wait so long, then kill; True where it was killed, by us or itself."
    child.join(seconds)
    if child.is_alive():
        workers = []
        with suppress(psutil.NoSuchProcess): workers = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        if psutil.wait_procs(workers, 20)[1]: raise AssertionError("a data-loading process lives on")
    child.join()
    if child.exitcode not in ((0, -signal.SIGKILL) if killed_ok else (0,)): raise AssertionError(f"exit code {child.exitcode}")
    return child.exitcode != 0

class Pace:
    "How long a run takes on this machine, today; kills fall into this time."
    def __init__(self,
        begin: Callable[[], multiprocessing.Process],  # Starts a run that is left alone
    ):
        start = time.time()
        finish(begin(), killed_ok=False)
        self.seconds = time.time() - start

    def finish(self, child, rng, kill): # True where it was killed
        start = time.time()
        killed = finish(child, rng.uniform(0, self.seconds) if kill else None, kill)
        if not killed: self.seconds = (self.seconds + time.time() - start) / 2
        return killed

def torment(
    kills: int,  # How many
    run: Callable[[Path, bool], bool],  # Runs a command in a folder until its end, or until it is killed; True where it was
    check: Callable[[Path], dict[str, int]],  # After each kill: what was lost, what is damaged
    same: Callable[[Path], bool],  # At the end: whether all is as if nothing had happened
    folder: Path,  # For runs
) -> dict[str, int]:  # Counts
    "Kill and start again until there were so many kills, then let the last run come to its end."
    counts = dict(kills=0, runs=0, lost_beyond_interval=0, damaged=0, different=0)
    while counts["kills"] < kills:
        place = folder/f"run{counts['runs']}"
        while run(place, counts["kills"] < kills):
            counts["kills"] += 1
            for name, number in check(place).items(): counts[name] += number
        counts["runs"] += 1; counts["different"] += not same(place)
    return counts

# What is compared

def line(**options):
    "Options of a command line."
    return [text for name, value in options.items() for text in
            ([f"--{name.replace('_', '-')}", str(value)] if value is not True else [f"--{name.replace('_', '-')}"])]

def state_of(run):
    "Everything that must not depend on kills: weights, optimiser, rows."
    newest = newest_checkpoint(run/"checkpoint")
    saved = torch.load(newest/"optimizer.pt", weights_only=True)["optimizer"]["state"]
    rows = [{k: v for k, v in r.items() if k != "seconds"} for r in read_metrics(run/"metrics.csv")]
    model = load_model(read_config(run)[0]); load_checkpoint(run/"checkpoint", model)
    return dict(step=newest.name, weights=model.trainable_state(), optimizer=saved, rows=rows)

def equal(a, b):
    "To the last bit."
    if isinstance(a, torch.Tensor): return a.equal(b)
    if isinstance(a, dict): return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    return a == b

def check_run(run, save_every):
    "Is the newest checkpoint whole, and not older than the interval allows?"
    if not (run/"config.json").exists(): return {}
    try:
        model = load_model(read_config(run)[0])
        step = load_checkpoint(run/"checkpoint", model, torch.optim.AdamW(param_groups(model, .05)))["step"]
    except Exception as error: print(f"{run}: {error}"); return dict(damaged=1)
    rows = read_metrics(run/"metrics.csv") if (run/"metrics.csv").exists() else []
    done = max((int(r["step"]) for r in rows), default=0)  # a row is written at every step
    return dict(lost_beyond_interval=max(0, done - step - save_every))

# The four kinds

def kill_training(kills, seed, folder, fresh=False):
    "At any moment of a run, also before its first step and in its last evaluation."
    rng, data = random.Random(seed), make_shapes_coco(folder/"shapes", train=64, val=16)
    options = lambda run, workers=0: line(run=run, data=data, resume=True, workers=workers, **SMALL)
    pace = Pace(lambda: start("train", options(folder/"whole"), folder/"log", fresh=fresh))
    whole = state_of(folder/"whole")
    def run(place, kill):
        workers = int(place.name[3:]) % 2  # runs take turns: none, one
        child = start("train", options(place, workers), folder/"log", fresh=fresh)
        return pace.finish(child, rng, kill)
    same = lambda place: equal(state_of(place), whole) and (place/"results.json").exists()
    return torment(kills, run, partial(check_run, save_every=SMALL["save_every"]), same, folder/"runs")

def kill_checkpoints(kills, seed, folder, fresh=False):
    "Before a random file operation of a run that saves at every step."
    rng, data = random.Random(seed), make_shapes_coco(folder/"shapes", train=64, val=16)
    options = lambda run: line(run=run, data=data, resume=True, **SMALL | dict(save_every=1))
    finish(start("train", options(folder/"whole"), folder/"log", fresh=fresh), killed_ok=False)
    whole = state_of(folder/"whole")
    def run(place, kill):
        operation = rng.randint(1, 80) if kill else 0
        return finish(start("train", options(place), folder/"log", {}, operation, place, fresh), None, kill)
    same = lambda place: equal(state_of(place), whole) and (place/"results.json").exists()
    return torment(kills, run, partial(check_run, save_every=1), same, folder/"runs")

def kill_cache(kills, seed, folder, fresh=False):
    "While the features are encoded, and at every step of how they get their names."
    rng, data = random.Random(seed), make_shapes_coco(folder/"shapes", train=512, val=64)
    small = SMALL | dict(val_images=64, steps=2, masks=2, cache=True)
    options = lambda place: line(run=place/"run", data=data, resume=True, **small)
    cache = lambda place: place/"cache"/"features"
    finish(start("train", options(folder/"whole"), folder/"log", dict(VLJEPA_CACHE=str(folder/"whole"/"cache")), fresh=fresh), killed_ok=False)
    whole, files = state_of(folder/"whole"/"run"), {p.name: p.read_bytes() for p in cache(folder/"whole").glob("*.npy")}
    def run(place, kill):
        operation = rng.choice((0, rng.randint(1, 24))) if kill else 0
        place.mkdir(parents=True, exist_ok=True)
        child = start("train", options(place), folder/"log", dict(VLJEPA_CACHE=str(place/"cache")), operation, cache(place), fresh)
        if operation or not kill: return finish(child, None, kill)
        old = set(cache(place).glob(".partial-*"))
        while child.is_alive() and not set(cache(place).glob(".partial-*")) - old: time.sleep(.001)
        return finish(child, rng.uniform(0, 2.), kill)
    def check(place):
        return dict(damaged=sum(p.read_bytes() != files.get(p.name) for p in cache(place).glob("*.npy")))
    def same(place):
        return equal(state_of(place/"run"), whole) and files == {p.name: p.read_bytes() for p in cache(place).glob("*.npy")}
    return torment(kills, run, check, same, folder/"runs")

def kill_studies(kills, seed, folder, fresh=False):
    "At any moment of a study of two variants."
    rng, data = random.Random(seed), make_shapes_coco(folder/"shapes", train=64, val=16)
    changes = {k: v for k, v in SMALL.items()} | dict(steps=8, data=data, drop_caption=0.)
    options = lambda out: ["leak", "--seeds", "1", "--workers", "1", "--out", str(out),
                           *(text for k, v in changes.items() for text in ("--change", f"{k}={v}"))]
    environment = dict(VLJEPA_CACHE=str(folder/"cache"))
    pace = Pace(lambda: start("ablate", options(folder/"whole"), folder/"log", environment, fresh=fresh))
    def outcome(out):
        rows = [{k: v for k, v in r.items() if k not in ("seconds", "commit")} for r in read_table(out/"leak.csv")]
        return dict(rows=rows, **{p.name: state_of(p) for p in sorted((out/"runs").iterdir())})
    whole = outcome(folder/"whole")
    def run(place, kill):
        return pace.finish(start("ablate", options(place), folder/"log", environment, fresh=fresh), rng, kill)
    def check(place):
        found = [check_run(run, SMALL["save_every"]) for run in sorted((place/"runs").glob("*"))]
        return {name: sum(f.get(name, 0) for f in found) for name in ("lost_beyond_interval", "damaged")}
    return torment(kills, run, check, lambda place: equal(outcome(place), whole), folder/"runs")

KINDS = dict(training=(kill_training, 20), checkpoints=(kill_checkpoints, 12), cache=(kill_cache, 10), studies=(kill_studies, 10))

def share_out(
    kills: int,  # All together
    kinds: tuple[str, ...] = tuple(KINDS),  # Which of `KINDS`
) -> dict[str, int]:  # By kind
    "Many for training, some for the others."
    weights = {kind: KINDS[kind][1] for kind in kinds}
    total = sum(weights.values())
    shares = {kind: kills * w // total for kind, w in weights.items()}
    for kind in itertools.islice(itertools.cycle(kinds), kills - sum(shares.values())): shares[kind] += 1
    return {kind: n for kind, n in shares.items() if n}

def kill_all(
    kills: int = 52,  # All together
    seed: int = 0,  # Of the moments
    folder: Path | None = None,  # For runs; a temporary one when absent
    kinds: tuple[str, ...] = tuple(KINDS),  # Which of `KINDS`
    fresh: bool = False,  # A new interpreter for each start
    workers: int = 1,  # Kinds at the same time
) -> dict[str, dict[str, int]]:  # Counts by kind
    "Every kind of kill."
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(workers) as pool:
        start("train", ["--help"], Path(temporary)/"log", fresh=fresh).join()  # the imports, once
        def one(kind, n):
            place, begin = Path(folder or temporary)/kind, time.time()
            place.mkdir(parents=True)
            counts = KINDS[kind][0](n, seed, place, fresh) | dict(seconds=round(time.time() - begin, 1))
            print(kind, counts, flush=True)
            return counts
        waiting = {kind: pool.submit(one, kind, n) for kind, n in share_out(kills, kinds).items()}
        return {kind: done.result() for kind, done in waiting.items()}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=52)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=tuple(KINDS))
    parser.add_argument("--fresh", action="store_true", help="a new interpreter for each start")
    parser.add_argument("--workers", type=int, default=1, help="kinds of kill at the same time")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    facts, begin = provenance(), time.time()  # before anything can change
    kinds = kill_all(args.kills, args.seed, None, args.kinds, args.fresh, args.workers)
    total = {name: sum(k[name] for k in kinds.values()) for name in ("kills", "runs", "lost_beyond_interval", "damaged", "different")}
    args.results.parent.mkdir(exist_ok=True)
    write_json(args.results, dict(total=total, kinds=kinds, seed=args.seed, fresh_interpreters=args.fresh,
                                  seconds=round(time.time() - begin, 1), provenance=facts))
    print(total)
    sys.exit(any(total[name] for name in ("lost_beyond_interval", "damaged", "different")))
