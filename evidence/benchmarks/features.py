"""What does the feature cache save? Compare in one run, batch by batch: a training step that runs the frozen encoders, the same
step from the cache, and the bare predictor's forward, backward and optimiser step on the same tensors.

    python evidence/benchmarks/features.py --name tiny
    python evidence/benchmarks/features.py --name photos --data FOLDER --train-split val2017 --val-split train2017 \\
        --vision vit_small_patch14_dinov2 --vision-weights FILE --image-size 224 --text FOLDER --dim 192 --batch-size 4

Takes the options of vljepa_train. Results are added to evidence/benchmarks/results/features.json with commit and hardware."""
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vljepa.losses import LOSSES
from vljepa.learn import param_groups
from vljepa.engine.cli import make_parser, resolve_run
from vljepa.engine.files import write_json
from vljepa.engine.runs import provenance
from vljepa.engine.trainer import Trainer

RESULTS = Path(__file__).resolve().parent/"results"/"features.json"

def clock(
    f,  # what to time
) -> tuple[float, object]:  # milliseconds, and what it returned
    "Time one call."
    if torch.cuda.is_available(): torch.cuda.synchronize()
    start = time.perf_counter()
    result = f()
    if torch.cuda.is_available(): torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start), result

def bare_step(
    trainer: Trainer,  # its predictor and loss
    optimizer: torch.optim.Optimizer,  # of the predictor
    tensors: tuple,  # context, keep, hide, text, text mask, target
):
    "Forward, backward, optimiser: nothing else."
    *inputs, target = tensors
    LOSSES[trainer.config.loss](trainer.model.predictor(*inputs), target).backward()
    optimizer.step()
    optimizer.zero_grad()

@torch.no_grad()
def gather(
    trainer: Trainer,  # with stored features
    batch,  # a training batch
) -> tuple:  # what `bare_step` takes
    "The tensors that a cached step will read."
    m, mask = trainer.model, trainer._draw_mask(batch, 0)
    return m.encode(batch.images, mask.keep), *mask, m.encode_text(batch), batch.text_mask, m.targets(batch.images, mask.hide)

def compare(
    model_config,  # architecture
    config,  # of training, without cache
    steps: int = 24,  # timed; as many batches as there are, over again
) -> dict:  # medians in milliseconds, ratios, largest difference between the losses
    "The three kinds of step, in turn, so that whatever else the machine does hits all three."
    folder = Path(tempfile.mkdtemp())
    plain, cached = (Trainer(folder/str(cache), model_config, replace(config, cache=cache)) for cache in (False, True))
    bare = Trainer(folder/"bare", model_config, replace(config, cache=True))
    optimizer = torch.optim.AdamW(param_groups(bare.model, config.weight_decay), lr=1e-3, betas=(.9, .98))
    feeds, times, gaps = [t.endless() for t in (plain, cached, bare)], [], []
    for k in range(steps + 2):  # two to warm up
        tensors = gather(bare, next(feeds[2]))
        bare.step += 1
        uncached_ms, slow = clock(lambda: plain.train_step([next(feeds[0])]))
        cached_ms, fast = clock(lambda: cached.train_step([next(feeds[1])]))
        bare_ms, _ = clock(lambda: bare_step(bare, optimizer, tensors))
        gaps.append(abs(float(slow["loss"]) - float(fast["loss"])))
        if k > 1: times.append((uncached_ms, cached_ms, bare_ms))
    uncached_ms, cached_ms, bare_ms = np.median(times, 0)
    ratio = lambda a, b: float(np.median(np.array(times)[:, a] / np.array(times)[:, b]))
    return dict(uncached_ms=round(float(uncached_ms), 2), cached_ms=round(float(cached_ms), 2), bare_ms=round(float(bare_ms), 2),
                cached_over_bare=round(ratio(1, 2), 3), uncached_over_cached=round(ratio(0, 1), 2),
                largest_loss_difference=max(gaps), first_loss_difference=gaps[0])

if __name__ == "__main__":
    parser = make_parser()
    parser.add_argument("--name", required=True, help="under which the result is kept")
    args = parser.parse_args()
    name = args.__dict__.pop("name")
    _, model_config, config = resolve_run(args, Path(tempfile.mkdtemp()))
    config = replace(config, masks=config.masks or 1, clip=0.)  # clipping is no part of a bare step
    result = compare(model_config, config)
    print(f"{name}: uncached {result['uncached_ms']} ms, cached {result['cached_ms']} ms, bare predictor {result['bare_ms']} ms: "
          f"cached / bare {result['cached_over_bare']}, uncached / cached {result['uncached_over_cached']}; "
          f"losses differ by at most {result['largest_loss_difference']:.1e}", file=sys.stderr)
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    setting = dict(vision=model_config.vision, text=Path(model_config.text).name, predictor=f"{model_config.depth} x {model_config.dim}",
                   batch_size=config.batch_size, threads=torch.get_num_threads(), seed=config.seed)
    write_json(RESULTS, kept | {name: result | dict(setting=setting, provenance=provenance())})
