"""The study of chapter 16: does the caption matter? Rows of runs, written as they come; what a file holds is not run again.

    python evidence/experiments/captions.py drawn                              the drawn world; under 40 minutes on two cores
    python evidence/experiments/captions.py photographs --data FOLDER --vision-weights FILE --text FOLDER
    python evidence/experiments/captions.py tried       --data FOLDER --vision-weights FILE --text FOLDER

photographs   Flickr8k's 5,000 training and 1,000 validation photographs in COCO format, at 112 pixels, by a ViT-S/14 and MiniLM.
              `flickr8k.py` in this folder makes that folder. Each run is measured once, at its end, on all validation photographs.
tried         What helps against overfitting: 51 epochs of 1,000 of the training photographs, measured on 500 others of them;
              and whether a run of 3,000 steps on the 4,500 others turns.

Every row has a run's study, variant, seed and what it was shown: the kind of caption, a baseline, or nothing. `*_curves.csv` holds
the cosine on 256 held-out images during training, `--seeds 2` stops after two seeds, `--workers` trains several runs at once."""
import argparse
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from rows import add, begin, missing

OUT = Path(__file__).resolve().parent/"captions"
COLUMNS = dict(rows=("study", "variant", "seed", "shown", "cosine", "plus_minus", "skill", "steps", "seconds", "commit", "hardware"),
               curves=("study", "variant", "seed", "step", "cosine", "loss", "image", "place"))

DRAWN = dict(dim=64, depth=3, heads=4, form="cross", masks=4, cache=True, steps=800, batch_size=32, lr=5e-3, val_images=500,
             eval_every=100, save_every=800)
PHOTOGRAPHS = dict(train_split="train", val_split="val", val_images=0, vision="vit_small_patch14_dinov2", image_size=112, dim=128,
                   depth=4, heads=4, form="cross", masks=4, cache=True, steps=500, lr=1e-3, eval_every=100, save_every=500)
TRIED = PHOTOGRAPHS | dict(val_split="train", train_images=1000, val_images=500, steps=800)  # 51 epochs
NONE = dict(text="")
STUDIES = dict(
    drawn=dict(
        conditioner={"none": NONE, "cross": {}, "words": dict(form="words"), "pool": dict(form="pool")},
        number={"1": {}, "3, attention": dict(captions=3), "3, mean": dict(captions=3, several="mean"),
                "3, max": dict(captions=3, several="max")},
        share={f"{share:.0%}, {name}": dict(share=share) | text for share in (.3, .6, .9)
               for name, text in (("none", NONE), ("caption", {}))}),
    photographs=dict(
        photographs={f"{form}, {name}": dict(form=form) | text for form in ("cross", "words")
                     for name, text in (("none", NONE), ("caption", {}))} |
                    {f"90%, {name}": dict(share=.9) | text for name, text in (("none", NONE), ("caption", {}))} |
                    {f"1000, {name}": dict(train_images=1000) | text for name, text in (("none", NONE), ("caption", {}))}),
    tried=dict(
        tried={"as it is": {}, "1 mask an image": dict(masks=1), "16 masks an image": dict(masks=16),
               "weight decay .5": dict(weight_decay=.5, weight_decay_end=.5), "half the rate": dict(lr=5e-4),
               "half as wide": dict(dim=64), "one block less": dict(depth=3), "captions dropped by half": dict(drop_caption=.5)},
        longer={"3,000 steps": dict(train_images=0, steps=3000)}))

def run(key: dict, changes: dict, threads: int) -> dict[str, list[dict]]:
    "Train one variant under one seed, and say what it has shown."
    import torch
    from vljepa.engine.runs import read_metrics
    from vljepa.engine.studies import variant_configs
    from vljepa.engine.trainer import Trainer
    if threads: torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(folder, *variant_configs(changes, int(key["seed"]))).fit()
        result = json.loads((Path(folder)/"results.json").read_text(encoding="utf-8"))
        seen = [r for r in read_metrics(Path(folder)/"metrics.csv") if r["image"]]
    made = result["provenance"]
    hardware = made["machine"] + (f", {made['gpu']}" if made["gpu"] != "none" else "")
    facts = dict(steps=result["steps"], seconds=result["seconds"], commit=made["commit"], hardware=hardware)
    scores = result["table"] | result["captions"]
    return dict(rows=[key | dict(shown=name) | score | facts for name, score in scores.items()],
                curves=[key | dict(step=r["step"], cosine=r["right"] or r["without text"], loss=r["loss"], image=r["image"],
                                   place=r["place"]) for r in seen])

def main():
    "Run what a part lacks, seed after seed."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=STUDIES)
    for name in ("data", "vision-weights", "text"): parser.add_argument(f"--{name}", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--studies", nargs="*", help="of the part; all where none is named")
    a = parser.parse_args()
    given = {k: str(Path(v).resolve()) for k, v in (("data", a.data), ("vision_weights", a.vision_weights), ("text", a.text)) if v}
    if a.part == "drawn":
        from vljepa.engine.files import cache_folder
        from vljepa.engine.fetch import make_shapes_coco
        given["data"] = str(make_shapes_coco(cache_folder()/"shapes-5000", train=5000))
    elif len(given) < 3: parser.error(f"{a.part} needs --data, --vision-weights and --text")
    base = dict(drawn=DRAWN, photographs=PHOTOGRAPHS, tried=TRIED)[a.part] | given
    a.out.mkdir(parents=True, exist_ok=True)
    studies = {name: variants for name, variants in STUDIES[a.part].items() if not a.studies or name in a.studies}
    jobs = [(key, base | changes) for name, variants in studies.items()
            for key, changes in missing(a.out/f"{name}.csv", name, variants, a.seeds)]
    jobs, made = sorted(jobs, key=lambda job: job[0]["seed"]), {}
    def keep(key, parts):
        for part, suffix in (("curves", "_curves"), ("rows", "")):
            add(a.out/f"{key['study']}{suffix}.csv", COLUMNS[part], [key | r | key for r in parts[part]])
        print(*key.values(), f"{parts['rows'][0]['seconds']} s", flush=True)
    threads = (os.cpu_count() or 1) // a.workers if a.workers > 1 else 0  # one alone takes what torch is given
    if jobs and a.workers > 1: run(jobs[0][0], jobs[0][1] | dict(steps=1), threads)  # stores features before many ask for them
    from vljepa.engine.studies import variant_configs
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(a.workers, spawn, begin) as pool:  # what two studies share is run once
        for key, changes in jobs:
            name = variant_configs(changes, key["seed"])
            if name not in made: made[name] = pool.submit(run, key, changes, threads)
        for key, changes in jobs: keep(key, made[variant_configs(changes, key["seed"])].result())

if __name__ == "__main__": main()
