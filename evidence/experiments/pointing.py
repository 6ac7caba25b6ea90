"""Do words that name a thing matter where it is? On drawn scenes for the model that ships; on photographs for a run of your own.

    python evidence/experiments/pointing.py [--run RUN --data COCO [--split val2017]]

COCO is a folder in COCO's format with captions and instances. Writes captions/pointing.csv; without RUN only the row of drawn scenes."""
import argparse
import csv
import json
import re
from functools import partial
from pathlib import Path
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from vljepa.shapes import ShapesWorld
from vljepa.data import ShapesImages, collate
from vljepa.masking import BlockMask, MaskBank
from vljepa.model import VLJEPA
from vljepa.measure import looks
from vljepa.captions import named_things, pointing, wilson
from vljepa.engine.coco import CocoCaptions, label_regions
from vljepa.engine.checkpoints import load_checkpoint
from vljepa.engine.hub import load_model
from vljepa.engine.probe_run import noun_pattern
from vljepa.engine.runs import provenance, read_config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = "hit", "chance", "own", "others", "ground"

def named_classes(caption: str, patterns: dict[int, re.Pattern]) -> dict[int, int]:  # position of a word -> number of a class
    "Which words of a `caption` name one of the classes."
    words = [re.sub(r"^\W+|\W+$", "", word) for word in caption.split()]
    return {k: n for k, word in enumerate(words) for n, pattern in patterns.items() if pattern.fullmatch(word)}

def points_of(model, data, names, cover):
    "What `pointing` finds, image by image; `names` by number and caption of an image, `cover` by its number."
    words = partial(collate, tokenizer=model.text.tokenizer, max_length=model.text.max_length)
    bank, means = MaskBank(BlockMask(model.vision.grid, .6), 64), torch.zeros(model.vision.num_patches, model.vision.dim)
    number = {i: n for n, i in enumerate(data.ids)}
    points = [[] for _ in data.ids]
    for look in looks(model, DataLoader(data, 32, collate_fn=words), bank, means, {}, position=number):
        for i, (n, caption) in enumerate(zip(map(number.get, look.batch.ids), look.batch.captions)):
            points[n] += pointing(model, look, i, names(n, caption), cover(n))
    return points

def drawn(count=500):
    "Held-out scenes, and the model that ships."
    model = VLJEPA.from_pretrained("tiny")
    data = ShapesImages(ShapesWorld(), range(4000, 4000 + count), transform=model.vision.transform(), caption="first")
    cover = lambda n: F.adaptive_avg_pool2d(torch.from_numpy(data.scenes[n].masks).float()[None], model.vision.grid)[0].flatten(1)
    made = json.loads((ROOT/"vljepa"/"weights"/"tiny"/"made.json").read_text(encoding="utf-8"))
    return made, points_of(model, data, lambda n, caption: named_things(caption, data.scenes[n].things), cover)

def photographed(run, root, split):
    "All captions of the photographs, and the model of a run; a class of one word is named by it, its plural, or a word for people."
    model = load_model(read_config(run)[0]).eval()
    load_checkpoint(run/"checkpoint", model)
    data = CocoCaptions(root, split, labels="category", transform=model.vision.transform(), caption="first")
    patterns = {n: noun_pattern([name]) for n, name in enumerate(data.classes) if " " not in name}
    cover = label_regions(root/"annotations", split, data.ids, ("category",), model.vision.transform(), model.vision.grid, data.paths)
    points, captions = [[] for _ in data.ids], data.captions
    for k in range(max(map(len, captions))):  # each image is shown with each of its captions
        data.captions = [[own[k]] if k < len(own) else [""] for own in captions]
        more = points_of(model, data, lambda n, caption: named_classes(caption, patterns), lambda n: cover[n])
        points = [a + b for a, b in zip(points, more)]
    return json.loads((run/"results.json").read_text(encoding="utf-8")), points

def row_of(data, trained, points):
    "One row: means over words; the interval counts images, as the words of one go together."
    made, images, flat = provenance(), sum(map(bool, points)), [p for own in points for p in own]
    means = {part: round(float(np.nanmean([getattr(p, part) for p in flat])), 4) for part in PARTS}
    low, high = (round(x, 4) for x in wilson(means["hit"], images))
    return dict(data=data, seed=trained["seed"], steps=trained["steps"], commit=made["commit"], trained=trained["provenance"]["commit"],
                hardware=made["machine"], images=images, words=len(flat), **means, low=low, high=high)

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run folder, trained on photographs")
    parser.add_argument("--data", type=Path, help="folder in COCO's format with captions and instances")
    parser.add_argument("--split", default="val2017", help="of the folder (default: val2017)")
    args = parser.parse_args()
    rows = [row_of("drawn scenes", *drawn())]
    if args.run: rows.append(row_of("photographs", *photographed(args.run, args.data, args.split)))
    print(*rows, sep="\n")
    with open(HERE/"captions"/"pointing.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

if __name__ == "__main__": main()
