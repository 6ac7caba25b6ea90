"""The study of chapter 19: a pre-trained encoder that learns a little. Rows of runs, written as they come; what a file holds is not run again.

    python evidence/experiments/adapt.py drawn         what trains, and how slowly the teacher follows; about 3 minutes of a core each
    python evidence/experiments/adapt.py photographs --data FOLDER --vision-weights FILE --text FOLDER --labels FILE

photographs   Flickr8k's 5,000 training and 1,000 validation photographs in COCO format, at 112 pixels, by a ViT-S/14 and MiniLM; `flickr8k.py`
              in this folder makes that folder. Encoders that learn cannot be stored, so a run takes a core an hour or so: begin with
              `--seeds 1 --steps 100 --variants frozen "lora:8, 0.996"`.

Targets of different encoders are different tasks, whose cosines do not compare. So a row holds, beside cosine and skill on a run's own
targets, `frozen` and `frozen_skill`: those of the best linear map from its predictions to the latents of the encoder as it was, learned
on training images; and `kept`, the same from its targets. `probe_*` are mean average precisions on held-out images of linear probes that
read the mean latent of the encoder alone (`teacher_*`: of its slow copy). The meters are those of the targets before their layer norm;
`spread` is their standard deviation as a share of what it was, `moved` their distance from what they were.

`--seeds 2` stops after two seeds, all variants of a seed before the next one; `--workers` trains several runs at once, each on one thread."""
import argparse
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from rows import add, begin, missing

OUT = Path(__file__).resolve().parent/"adapt"
METERS = ("std", "within", "rankme", "image", "place", "spread", "moved")
KINDS = ("shape", "color", "size", "place", "label")
COLUMNS = ("study", "variant", "seed", "cosine", "skill", "empty_skill", "baseline", "frozen", "frozen_skill", "frozen_baseline", "kept",
           *(f"{part}_{kind}" for part in ("probe", "teacher") for kind in KINDS), *METERS, "trained", "steps", "seconds", "commit", "hardware")
CURVES = ("study", "variant", "seed", "step", "loss", "cosine", "baseline", *(f"target {name}" for name in METERS[:5]))

DRAWN = dict(dim=64, depth=3, heads=4, form="cross", masks=0, cache=False, steps=600, batch_size=32, lr=5e-3, val_images=1000,
             eval_every=100, save_every=600)
PHOTOGRAPHS = dict(train_split="train", val_split="val", val_images=0, vision="vit_small_patch14_dinov2", image_size=112, dim=128,
                   depth=4, heads=4, form="cross", masks=0, cache=False, steps=500, lr=1e-3, eval_every=100, save_every=500)
PARTS = {"last:2": dict(adapt="last:2"), "lora:8": dict(adapt="lora:8"), "all": dict(train_vision=True)}
TEACHERS = {name: dict(momentum=float(name), momentum_end=float(name)) for name in ("0.996", "0")}
ADAPT = {"frozen": {}} | {f"{part}, {name}": changes | teacher | dict(encoder_rate=.1)
                          for name, teacher in TEACHERS.items() for part, changes in PARTS.items()}
STUDIES = dict(drawn=(DRAWN, ADAPT), photographs=(PHOTOGRAPHS, ADAPT))

def named(loader, root: str, split: str) -> dict:
    "Labels [n, C] of a loader's images by kind: given ones, or what is drawn, of which the annotations also say where it lies."
    import torch
    data, rows = loader.dataset.dataset, loader.dataset.indices
    if data.labels is not None: return dict(label=data.labels[rows])
    coco = json.loads((Path(root)/"annotations"/f"instances_{split}.json").read_text(encoding="utf-8"))
    names, side, had = {c["id"]: c["name"] for c in coco["categories"]}, {i["id"]: i["height"] for i in coco["images"]}, {}
    for a in coco["annotations"]:
        (x, y, width, height), size = a["bbox"], side[a["image_id"]]
        cell = int(3 * (y + height / 2) / size), int(3 * (x + width / 2) / size)
        for kind, name in dict(shape=names[a["category_id"]], color=a["color"], size=a["size"], place=cell).items():
            had.setdefault(kind, {}).setdefault(name, set()).add(a["image_id"])
    return {kind: torch.tensor([[float(data.ids[i] in classes[name]) for name in sorted(classes)] for i in rows])
            for kind, classes in had.items()}

def seen(opened, frozen, loader, images: int) -> dict:
    "Of the first images of a loader: predictions, targets as they are and as they were, guesses at these, means of whole images."
    import torch
    import torch.nn.functional as F
    from vljepa.encoders import gather_tokens
    from vljepa.engine.loaders import loader_captions
    from vljepa.measure import baselines, latent_means
    found, means, whole = {}, latent_means(frozen, opened.train), lambda encoder, x: encoder(x).float()
    with torch.no_grad():
        for look in opened.looks(loader, dict(right=loader_captions(loader)["right"]), images):
            x, (keep, hide) = look.batch.images, look.mask
            target, before, online = (whole(e, x) for e in (opened.model.target, frozen.vision, opened.model.vision))
            was = frozen.targets(x, hide)
            guesses = baselines(frozen.encode(x, keep), look.mask, means, frozen.vision.grid)
            told = dict(prediction=look.guesses.get("right", look.guesses.get("without text")), target=look.target, was=was, hide=hide,
                        raw=gather_tokens(target, hide), before=gather_tokens(before, hide), probe=online.mean(1), teacher=target.mean(1),
                        **{f"guess {n}": F.cosine_similarity(g, was, dim=-1) for n, g in guesses.items()})
            for name, value in told.items(): found.setdefault(name, []).append(value.float().cpu() if name != "hide" else value.cpu())
    return {name: torch.cat(parts)[:images or None] for name, parts in found.items()}

def measure(run: Path, labels: str) -> dict:
    "What a run has made of its encoder."
    from dataclasses import replace
    import torch.nn.functional as F
    from vljepa.engine.checkpoints import open_run
    from vljepa.engine.hub import load_model
    from vljepa.measure import meters, skill
    from vljepa.probing import LinearProbe, average_precision, ridge_map
    opened = open_run(run, labels or None)
    frozen = load_model(replace(opened.model.config, adapt="", train_vision=False, text="")).to(opened.means.device).eval()
    fit, test = seen(opened, frozen, opened.train, 2000), seen(opened, frozen, opened.val, 0)
    flat = lambda z: z.flatten(0, 1)
    def mapped(name):
        best = ridge_map(flat(fit[name][:512]), flat(fit["was"][:512]))
        return F.cosine_similarity(best(flat(test[name])), flat(test["was"]), dim=-1).mean().item()
    guess = max(z.mean().item() for name, z in test.items() if name.startswith("guess "))
    row = dict(frozen=mapped("prediction"), frozen_baseline=guess, kept=mapped("target"))
    row["frozen_skill"] = skill(row["frozen"], guess)
    c = opened.config
    known, asked = named(opened.train, c.data, c.train_split), named(opened.val, c.data, c.val_split)
    for part in ("probe", "teacher"):
        for kind, truth in asked.items():
            probe = LinearProbe(fit[part], known[kind][:len(fit[part])])
            row[f"{part}_{kind}"] = average_precision(probe(test[part]), truth).nanmean().item()
    raw, before = test["raw"][:256], test["before"][:256]
    distance = (raw - before).square().mean() / (before - before.mean((0, 1))).square().mean()
    return row | meters(raw, raw, test["hide"][:256]) | dict(spread=(flat(raw).std(0).mean() / flat(before).std(0).mean()).item(),
                                                            moved=distance.sqrt().item())

def run(key: dict, changes: dict, labels: str) -> tuple[dict, list[dict]]:
    "Train one variant under one seed, and say what came of it: a row, and its curve."
    import torch
    from vljepa.engine.runs import read_metrics
    from vljepa.engine.studies import variant_configs
    from vljepa.engine.trainer import Trainer
    from vljepa.measure import BASELINES
    torch.set_num_threads(1)
    changes = dict(changes)
    if rate := changes.pop("encoder_rate", 0.): changes["encoder_lr"] = rate * changes["lr"]
    with tempfile.TemporaryDirectory() as folder:
        Trainer(folder, *variant_configs(changes, key["seed"])).fit()
        result = json.loads((Path(folder)/"results.json").read_text(encoding="utf-8"))
        rows = [r for r in read_metrics(Path(folder)/"metrics.csv") if r["image"]]
        row = measure(Path(folder), labels)
    made, table = result["provenance"], result["table"]
    own = table.get("right") or table["without text"]
    facts = dict(steps=result["steps"], seconds=result["seconds"], commit=made["commit"], trained=result["trained_parameters"],
                 hardware=made["machine"] + (f", {made['gpu']}" if made["gpu"] != "none" else ""))
    row |= dict(cosine=own["cosine"], skill=own["skill"], empty_skill=table.get("empty", own)["skill"],
                baseline=max(table[b]["cosine"] for b in BASELINES))
    curve = [key | dict(step=r["step"], loss=r["loss"], cosine=r["right"] or r["without text"], baseline=max(float(r[b]) for b in BASELINES))
             | {name: r[name] for name in CURVES if name.startswith("target ")} for r in rows]
    return key | row | facts, curve

def main():
    "Run what a part lacks, seed after seed."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=STUDIES)
    for name in ("data", "vision-weights", "text", "labels"): parser.add_argument(f"--{name}", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--variants", nargs="*", help="of the part; all where none is named")
    for name in ("steps", "batch-size", "val-images"): parser.add_argument(f"--{name}", type=int, help="other than the study's, to try something")
    a = parser.parse_args()
    os.environ |= dict(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    given = {k: str(Path(v).resolve()) for k, v in (("data", a.data), ("vision_weights", a.vision_weights), ("text", a.text)) if v}
    given |= {k: getattr(a, k) for k in ("steps", "batch_size", "val_images") if getattr(a, k) is not None}
    if a.part != "photographs":
        from vljepa.engine.files import cache_folder
        from vljepa.engine.fetch import make_shapes_coco
        given["data"] = str(make_shapes_coco(cache_folder()/"shapes-5000", train=5000))
    elif not (a.data and a.vision_weights and a.text): parser.error(f"{a.part} needs --data, --vision-weights and --text")
    setting, variants = STUDIES[a.part]
    a.out.mkdir(parents=True, exist_ok=True)
    jobs = [(key, setting | given | changes, a.labels) for key, changes in missing(a.out/f"{a.part}.csv", a.part, variants, a.seeds)
            if not a.variants or key["variant"] in a.variants]
    with ProcessPoolExecutor(a.workers, multiprocessing.get_context("spawn"), begin) as pool:
        for done in as_completed([pool.submit(run, *job) for job in jobs]):
            row, curve = done.result()
            add(a.out/f"{a.part}_curves.csv", CURVES, curve)
            add(a.out/f"{a.part}.csv", COLUMNS, [row])
            print(row["study"], row["variant"], row["seed"], f"{row['seconds']} s", flush=True)

if __name__ == "__main__": main()
