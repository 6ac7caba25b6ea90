"""How fast is a training step? Compare in one run, step by step in turn, so that whatever else the machine does hits all alike:

- the recipe that this project grew from: two whole ViT passes, two BERTs, a predictor of 4 x 768 over all tokens, masks and loss
  in Python loops, moving averages of frozen weights;
- this library's step without a cache, with targets and captions stored, and with everything stored for fixed masks;
- the lower bound: bare timm and transformers calls and the predictor's forward, backward and AdamW on the same shapes;

and, by themselves, loading images, drawing masks, and what might make a step faster.

    python evidence/benchmarks/speed.py --batch 8 64                # 256, too, on a GPU
    python evidence/benchmarks/speed.py --quick

Encoders of the sizes of ViT-B/16 and BERT-base with random weights, noisy JPEGs of 500 x 375 pixels; nothing is downloaded.
Results go to evidence/benchmarks/results/speed.json, by hardware and batch, with seed and commit."""
import argparse
import copy
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from memory import write_encoders
from vljepa.masking import MASKS
from vljepa.encoders import gather_tokens
from vljepa.targets import normalize_targets
from vljepa.losses import cosine_loss
from vljepa.model import PRESETS
from vljepa.learn import count_trained, param_groups
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json
from vljepa.engine.runs import TRAIN_PRESETS, provenance
from vljepa.engine.trainer import Trainer

RESULTS = Path(__file__).resolve().parent/"results"/"speed.json"
PREDICTORS = {  # name: fields of the model; the first is the preset's
    f"{form} {depth} x {dim}": dict(form=form, depth=depth, dim=dim, heads=dim // 64) for form, depth, dim in (
        ("cross", 4, 256), ("cross", 2, 384), ("cross", 4, 192),
        ("joint", 4, 256), ("joint", 6, 384), ("joint", 4, 384), ("joint", 2, 384), ("joint", 6, 192))}

def write_photos(
    folder: Path,  # to be made
    images: int,  # in the training split
    seed: int,  # of scenes and noise
):
    "A COCO folder with noisy JPEGs of the size of photographs."
    make_shapes_coco(folder, train=images, val=8, seed=seed)
    noise = np.random.default_rng(seed)
    for path in (folder/"images").rglob("*.png"):
        pixels = np.asarray(Image.open(path).convert("RGB").resize((500, 375))) + noise.normal(0, 12, (375, 500, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, "JPEG", quality=90)  # readers look at the content, not the name

class Origin(nn.Module):
    "The recipe that this project grew from."
    def __init__(self,
        vit: nn.Module,  # timm's
        bert: nn.Module,  # of transformers
    ):
        super().__init__()
        self.vit, self.bert = vit.requires_grad_(False).eval(), bert.requires_grad_(False).eval()
        self.vit_copy, self.bert_copy = copy.deepcopy(self.vit), copy.deepcopy(self.bert)
        layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
        self.predictor = nn.TransformerEncoder(layer, 4)
        self.mask_token = nn.Parameter(torch.zeros(768))
        self.optimizer = torch.optim.AdamW([*self.predictor.parameters(), self.mask_token], lr=1e-4)

    def step(self,
        images: torch.Tensor,  # [B, 3, 224, 224]
        ids: torch.Tensor,  # [B, T], padded to 32
        share: float = .6,  # of patches that are hidden
    ) -> torch.Tensor:  # the loss
        "One step of training."
        latents = self.vit.forward_features(images)[:, 1:]
        hidden = []
        for i in range(len(images)):
            mask = torch.zeros(196, dtype=torch.bool)
            for j in torch.randperm(196)[:int(share * 196)].tolist(): mask[j] = True
            hidden.append(mask)
        hidden = torch.stack(hidden).to(images.device)
        context = torch.where(hidden[:, :, None], self.mask_token, latents)
        words = self.bert(ids).last_hidden_state
        predicted = self.predictor(torch.cat([context, words], 1))[:, :196]
        with torch.no_grad():
            target = self.vit_copy.forward_features(images)[:, 1:]
            self.bert_copy(ids)
        loss = 0
        for i in range(len(images)):
            loss = loss + (1 - F.cosine_similarity(predicted[i][hidden[i]], target[i][hidden[i]], dim=-1)).mean()
        loss = loss / len(images)
        self.optimizer.zero_grad(); loss.backward(); self.optimizer.step()
        with torch.no_grad():
            for own, copied in ((self.vit, self.vit_copy), (self.bert, self.bert_copy)):
                for p, q in zip(own.parameters(), copied.parameters()): q.mul_(.996).add_(p, alpha=.004)
        return loss.detach()

class Bare:
    "The lower bound: what cannot be left out, called without any framework."
    def __init__(self,
        trainer: Trainer,  # its encoders, predictor and precision
        stored: bool,  # whether the encoders' answers are given
    ):
        self.model, self.trainer, self.stored = trainer.model, trainer, stored
        find = lambda kind: next((m for m in trainer.model.modules() if isinstance(m, kind)), None)
        self.vit, self.bert = find(timm.models.VisionTransformer), find(transformers.BertModel)
        self.predictor = copy.deepcopy(trainer.model.predictor)
        self.optimizer = torch.optim.AdamW(param_groups(self.predictor, .04), lr=1e-4, betas=(.9, .98), fused=True)
        if trainer.config.compile: self.predictor.compile()

    def vision(self,
        images: torch.Tensor,  # [B, 3, 224, 224]
        keep: torch.Tensor | None = None,  # [B, Nv]
    ) -> torch.Tensor:  # patch latents
        "timm's own parts, one after the other."
        v = self.vit
        x = v.patch_embed(images)
        prefix, place = v.pos_embed[:, :1], v.pos_embed[:, 1:]
        x = x + place
        if keep is not None: x = gather_tokens(x, keep)
        x = torch.cat([(v.cls_token + prefix).expand(len(x), -1, -1), x], 1)
        return v.norm(v.blocks(x))[:, 1:]

    def inputs(self,
        batch,  # of the trainer
        mask,  # keep, hide
    ) -> tuple:  # context, text, target
        "What the frozen encoders say."
        if self.stored: return (self.model.encode(batch.images, mask.keep), self.model.encode_text(batch),
                                self.model.targets(batch.images, mask.hide))
        with torch.no_grad():
            words = self.bert(batch.text_ids, batch.text_mask.long()).last_hidden_state
            target = normalize_targets(gather_tokens(self.vision(batch.images).float(), mask.hide))
            return self.vision(batch.images, mask.keep), words, target

    def step(self,
        batch,  # of the trainer
        mask,  # keep, hide
        given: tuple | None,  # from `inputs`, where they are stored
    ) -> torch.Tensor:  # the loss
        "Forward, backward, AdamW."
        half = self.trainer.config.precision == "bf16"  # accelerators share their state: the last one made decides theirs
        with torch.autocast(batch.text_ids.device.type, torch.bfloat16, enabled=half):
            context, words, target = given or self.inputs(batch, mask)
            predicted = self.predictor(context, *mask, words, batch.text_mask)
        loss = cosine_loss(predicted.float(), target)
        loss.backward(); self.optimizer.step(); self.optimizer.zero_grad()
        return loss.detach()

def sync():
    "Wait for the GPU, where there is one."
    if torch.cuda.is_available(): torch.cuda.synchronize()

def in_turn(
    candidates: dict[str, Callable[[], Callable]],  # each call prepares a step and returns what is to be timed
    repeats: int,  # rounds
) -> dict[str, list[float]]:  # milliseconds, one for each round
    "Time every candidate once in each round, after one to warm up."
    times = {name: [] for name in candidates}
    for k in tqdm(range(repeats + 1), desc="rounds"):
        for name, prepare in candidates.items():
            step = prepare(); sync()
            start = time.perf_counter(); step(); sync()
            if k: times[name].append(1e3 * (time.perf_counter() - start))
    return times

def ratio(
    times: dict[str, list[float]],  # from `in_turn`
    a: str,  # above
    b: str,  # below
) -> float:  # median over rounds
    "How many times as long `a` takes as `b`, in the same round."
    return round(float(np.median(np.array(times[a]) / np.array(times[b]))), 3)

def make_steps(
    folder: Path,  # with encoders and photos
    batch: int,  # images
    device: str,  # auto or cpu
    predictors: dict[str, dict],  # some of PREDICTORS
    seed: int,  # of the runs
    compiled: bool,  # whether to time a compiled predictor, too
) -> tuple[dict[str, Callable], dict[str, Trainer]]:  # candidates, trainers
    "Every kind of step, ready to be timed."
    base = replace(TRAIN_PRESETS["coco"], data=str(folder/"photos"), train_split="train", val_split="val", val_images=8, batch_size=batch,
                   accumulate=1, device=device, workers=0, seed=seed)
    kinds = {"no cache": {}, "targets and captions stored": dict(cache=True), "everything stored": dict(cache=True, masks=2)}
    if compiled: kinds["everything stored and compiled"] = dict(cache=True, masks=2, compile=True)
    model = replace(PRESETS["coco"], vision=str(folder/"vit"), text=str(folder/"bert"))
    trainers, steps = {}, {}
    for precision in ("fp32", "bf16"):
        for kind, change in kinds.items():
            for name, fields in predictors.items():
                if name != next(iter(predictors)) and kind != "everything stored": continue
                label = f"{kind}, {name}, {precision}"
                trainers[label] = Trainer(folder/label, replace(model, **fields), replace(base, precision=precision, **change))
    for label, trainer in trainers.items():
        def prepare(trainer=trainer, feed=trainer.endless()):
            batch = next(feed)
            return lambda: trainer.train_step([batch])
        steps[label] = prepare
        stored = label.startswith("everything")
        if label.startswith("targets") or f", {next(iter(predictors))}, " not in label: continue
        def bound(bare=Bare(trainer, stored), trainer=trainer, feed=trainer.endless()):
            batch = next(feed); batch = batch.to(trainer.accelerator.device)
            mask = trainer._draw_mask(batch, 0).to(trainer.accelerator.device)
            with torch.no_grad(): given = bare.inputs(batch, mask) if bare.stored else None
            return lambda: bare.step(batch, mask, given)
        steps["bound: " + label] = bound
    plain = next(iter(trainers.values()))
    find = lambda kind: copy.deepcopy(next(m for m in plain.model.modules() if isinstance(m, kind)))
    origin = Origin(find(timm.models.VisionTransformer), find(transformers.BertModel)).to(plain.accelerator.device).train()
    origin.vit.eval(); origin.bert.eval(); origin.vit_copy.eval(); origin.bert_copy.eval()
    def old(feed=plain.endless()):
        batch = next(feed)
        ids = F.pad(batch.text_ids[:, :32], (0, max(0, 32 - batch.text_ids.shape[1])))
        return lambda: origin.step(batch.images, ids)
    return {"origin, fp32": old} | steps, trainers

def time_loading(
    plain: Trainer,  # reads files
    stored: Trainer,  # reads stored pixels
) -> dict[str, float]:  # images per second
    "Loading alone."
    rates = {}
    for workers in (0, 1, 2):
        loader = DataLoader(plain.train.dataset, plain.config.batch_size, num_workers=workers, collate_fn=plain.train.collate_fn,
                            persistent_workers=workers > 0)
        for _ in range(2):  # the first starts the workers
            start = time.perf_counter(); n = sum(len(b) for b in loader); seconds = time.perf_counter() - start
        rates[f"JPEG, {workers} workers"] = round(n / seconds, 1)
    batches = list(stored.train)
    start = time.perf_counter()
    for b in batches: stored.model.vision.pictures(b.images)
    rates["stored pixels"] = round(sum(map(len, batches)) / (time.perf_counter() - start), 1)
    return rates

def multiblock_by_sample(
    batch: int,  # images
    grid: tuple[int, int] = (14, 14),  # rows and columns of patches
) -> tuple[torch.Tensor, torch.Tensor]:  # keep, hide
    "I-JEPA's masks as its paper describes them (arXiv 2301.08243), written plainly: one image and one block after the other."
    rows, cols = grid
    def sides(scale, aspect):
        area, ratio = rows * cols * np.random.uniform(*scale), np.random.uniform(*aspect)
        return min(rows, round((area * ratio)**.5)), min(cols, round((area / ratio)**.5))
    def block(height, width):
        mask = torch.zeros(rows, cols)
        top, left = np.random.randint(rows - height + 1), np.random.randint(cols - width + 1)
        mask[top:top + height, left:left + width] = 1
        return mask
    target, whole = sides((.15, .2), (.75, 1.5)), sides((.85, 1.), (1., 1.))
    keeps, hides = [], []
    for _ in range(batch):
        hidden = torch.zeros(rows, cols)
        for _ in range(4): hidden = torch.maximum(hidden, block(*target))
        visible = block(*whole) * (1 - hidden)
        keeps.append(visible.flatten().nonzero()[:, 0]); hides.append(hidden.flatten().nonzero()[:, 0])
    least = lambda lists: min(map(len, lists))
    return torch.stack([k[:least(keeps)] for k in keeps]), torch.stack([h[:least(hides)] for h in hides])

def time_masks(
    repeats: int,  # batches of 64
) -> dict[str, float]:  # masks per second, and the ratio
    "Masks alone."
    makers = {name: kind((14, 14)) for name, kind in MASKS.items()} | {"multiblock, image by image": multiblock_by_sample}
    times = in_turn({name: lambda make=make: (lambda: make(64)) for name, make in makers.items()}, repeats)
    rates = {name: round(64e3 / float(np.median(t))) for name, t in times.items()}
    return rates | {"ratio": ratio(times, "multiblock, image by image", "multiblock")}

def time_levers(
    trainer: Trainer,  # everything stored
    vit: nn.Module,  # timm's
    repeats: int,  # rounds
) -> dict[str, float | str]:  # how many times as fast as without
    "What might make a step faster, each against the step without it."
    bare, batch = Bare(trainer, True), next(trainer.endless()).to(trainer.accelerator.device)
    mask = trainer._draw_mask(batch, 0).to(trainer.accelerator.device)
    with torch.no_grad(): given = bare.inputs(batch, mask)
    def forward(predictor):
        half = trainer.config.precision == "bf16"
        with torch.autocast(batch.text_ids.device.type, torch.bfloat16, enabled=half):
            cosine_loss(predictor(given[0], *mask, given[1], batch.text_mask).float(), given[2]).backward()
    def update(**options):
        own = copy.deepcopy(bare.predictor)
        for p in own.parameters(): p.grad = torch.ones_like(p)
        optimizer = torch.optim.AdamW(param_groups(own, .04), lr=1e-4, **options)
        return lambda: optimizer.step
    images = torch.randn(4, 3, 224, 224, device=next(vit.parameters()).device)
    last = copy.deepcopy(vit).to(memory_format=torch.channels_last)
    candidates = {"eager": lambda: (lambda: forward(bare.predictor)), "AdamW": update(), "AdamW, foreach": update(foreach=True),
                  "AdamW, fused": update(fused=True), "ViT": lambda: (lambda: vit(images)),
                  "ViT, channels last": lambda: (lambda: last(images.contiguous(memory_format=torch.channels_last)))}
    found = {}
    try:
        compiled = torch.compile(bare.predictor); forward(compiled)
        candidates["compiled"] = lambda: (lambda: forward(compiled))
    except Exception as e: found["torch.compile of the predictor"] = f"does not run here: {type(e).__name__}"
    times = in_turn(candidates, repeats)
    if "compiled" in times: found["torch.compile of the predictor"] = ratio(times, "eager", "compiled")
    return found | {"AdamW, foreach": ratio(times, "AdamW", "AdamW, foreach"), "AdamW, fused": ratio(times, "AdamW", "AdamW, fused"),
                    "channels last, whole ViT": ratio(times, "ViT", "ViT, channels last")}

def count_operators(
    trainer: Trainer,  # everything stored; its predictor ends compiled
) -> dict[str, int]:  # eager, compiled
    "Operators that a step hands to the device, one after the other; those within others are not counted."
    batches, counts = [next(trainer.endless())], {}
    for kind in ("eager", "compiled"):
        if kind == "compiled": trainer.model.predictor.compile()
        for _ in range(3): trainer.train_step(batches)
        with torch.profiler.profile() as seen: trainer.train_step(batches)
        is_operator, count = lambda event: event.name.startswith("aten::"), 0
        for event in filter(is_operator, seen.events()):
            above = event.cpu_parent
            while above is not None and not is_operator(above): above = above.cpu_parent
            count += above is None
        counts[kind] = count
    return counts

def compare(
    batch: int,  # images
    device: str,  # auto or cpu
    predictors: dict[str, dict],  # some of PREDICTORS
    repeats: int,  # rounds
    seed: int,  # of weights, pictures and runs
) -> dict:  # what speed.json keeps of this batch
    "Everything that is timed, on one machine with one size of batch."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name); os.environ["VLJEPA_CACHE"] = str(folder/"cache")
        write_encoders(folder, seed); write_photos(folder/"photos", 4 * batch, seed)
        on_gpu = device == "auto" and torch.cuda.is_available()  # where compiling might pay
        steps, trainers = make_steps(folder, batch, device, predictors, seed, on_gpu)
        times, first, origin = in_turn(steps, repeats), next(iter(predictors)), "origin, fp32"
        table = {name: dict(milliseconds=round(float(np.median(t)), 1), images_per_second=round(1e3 * batch / float(np.median(t)), 2),
                            times_as_fast_as_origin=ratio(times, origin, name)) for name, t in times.items()}
        bounds = {name: ratio(times, name, "bound: " + name) for name in times if "bound: " + name in times}
        sizes = {p: count_trained(trainers[f"everything stored, {p}, fp32"].model) for p in predictors}
        plain = trainers[f"no cache, {first}, fp32"]
        vit = next(m for m in plain.model.modules() if isinstance(m, timm.models.VisionTransformer))
        return dict(steps=table, over_the_bound=bounds, trained_parameters=sizes,
                    images_loaded_per_second=time_loading(plain, trainers[f"targets and captions stored, {first}, fp32"]),
                    masks_per_second=time_masks(10 * repeats),
                    levers={p: time_levers(trainers[f"everything stored, {first}, {p}"], vit, repeats) for p in ("fp32", "bf16")},
                    operators=count_operators(trainers[f"everything stored, {first}, fp32"]),
                    batch=batch, rounds=repeats, seed=seed, threads=torch.get_num_threads(), provenance=provenance())

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[8], help="images in a step, one or several sizes (default: 8)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument("--predictors", type=int, default=len(PREDICTORS), help="so many of them (default: all)")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one round and two predictors, to see that it runs; nothing is written")
    args = parser.parse_args()
    repeats, count = (1, 2) if args.quick else (args.repeats, args.predictors)
    for batch in args.batch:
        result = compare(batch, args.device, dict(list(PREDICTORS.items())[:count]), repeats, args.seed)
        for name, row in result["steps"].items():
            print(f"{name:<58}{row['milliseconds']:>9.1f} ms{row['times_as_fast_as_origin']:>8.2f} times as fast as the origin")
        for part in ("over_the_bound", "trained_parameters", "images_loaded_per_second", "masks_per_second", "levers", "operators"):
            print(f"{part}:", *(f"  {k}: {v}" for k, v in result[part].items()), sep="\n")
        made = result["provenance"]
        place = f"{made['machine'] if args.device == 'cpu' or made['gpu'] == 'none' else made['gpu']}, batch {batch}"
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        if not args.quick: write_json(RESULTS, kept | {place: result})
