"""The folder of photographs that the studies of chapters 14 and 16 learn from, made of Flickr8k (Hodosh, Young and Hockenmaier 2013).

    python evidence/experiments/flickr8k.py IMAGES CAPTIONS OUT

IMAGES is the folder of its 8,091 pictures, CAPTIONS its file of captions, as its authors wrote it (Flickr8k.token.txt) or as a
table with the columns image and caption; ask the authors, or search the hub for "flickr8k". `flickr8k.txt` beside this script
names the 5,000 pictures to learn from and the 1,000 held out, by their numbers at Flickr. OUT gets them in COCO format, each
resized to a square of 224 pixels; those that the committed rows were measured on had been squared elsewhere, so that the last
digits may differ. Licences of the pictures are their photographers': measure on them, and show none."""
import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from PIL import Image

def read_captions(path: Path) -> dict[str, list[str]]:
    "Captions by the number of a picture."
    found, text = defaultdict(list), path.read_text(encoding="utf-8")
    if "\t" in text.partition("\n")[0]: rows = (line.split("\t") for line in text.splitlines() if line)
    else: rows = list(csv.reader(text.splitlines()))[1:]
    for name, caption in rows: found[name.partition("_")[0]].append(caption)
    return found

def main(images: str, captions: str, out: str):
    "Write both splits."
    said, files = read_captions(Path(captions)), {p.name.partition("_")[0]: p for p in Path(images).glob("*.jpg")}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        split, *numbers = line.split()
        if lost := [n for n in numbers if n not in files or n not in said]:
            sys.exit(f"{len(lost)} of {len(numbers)} pictures have no file in {images} or no caption in {captions}, such as {lost[0]}")
        folder = Path(out)/"images"/split
        folder.mkdir(parents=True, exist_ok=True)
        (Path(out)/"annotations").mkdir(exist_ok=True)
        table = dict(images=[], annotations=[])
        for k, number in enumerate(numbers):
            path = files[number]
            Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC).save(folder/path.name, quality=85)
            table["images"].append(dict(id=k, file_name=path.name, width=224, height=224))
            table["annotations"] += [dict(id=10*k + n, image_id=k, caption=c) for n, c in enumerate(said[number])]
        (Path(out)/f"annotations/captions_{split}.json").write_text(json.dumps(table), encoding="utf-8")
        print(f"{split}: {len(numbers)} pictures")

if __name__ == "__main__":
    if len(sys.argv) != 4: sys.exit(__doc__)
    main(*sys.argv[1:])
