"""Three audits that must say three different things: photographs with their captions, with captions dealt out at random, and drawn scenes.

    python evidence/experiments/audits.py [--data FOLDER --vision-weights FILE --text FOLDER]

FOLDER is that of `flickr8k.py`; of its photographs 800 are learned from and 200 held out. Without it only scenes are looked at.
Each audit is asked twice, so that the second finds all features stored; `first_seconds` is what the first took. Writes captions/audits.json."""
import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from vljepa.engine.audit import audit, audit_configs
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json

OUT = Path(__file__).resolve().parent/"captions"/"audits.json"

def dealt(root: Path, out: Path) -> Path:
    "The same images, each with all captions of another one, drawn at random."
    (out/"annotations").mkdir(parents=True)
    (out/"images").symlink_to(root/"images")
    for path in root.glob("annotations/captions_*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        ids = [image["id"] for image in told["images"]]
        moved = dict(zip(ids, random.Random(0).sample(ids, len(ids))))
        for a in told["annotations"]: a["image_id"] = moved[a["image_id"]]
        (out/"annotations"/path.name).write_text(json.dumps(told), encoding="utf-8")
    return out

def look(root: Path, **options) -> dict:
    "What an audit of 1,000 images finds, asked twice."
    begin = time.time()
    for part in ("first", "second"):
        with tempfile.TemporaryDirectory() as runs: result = audit(runs, *audit_configs(root, images=1000, **options))
        if part == "first": first = round(time.time() - begin)
    return result | dict(first_seconds=first)

def main():
    "Audit, and write what was found."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "vision-weights", "text"): parser.add_argument(f"--{name}", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    a = parser.parse_args()
    found = json.loads(a.out.read_text(encoding="utf-8")) if a.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        asked = dict(scenes=(make_shapes_coco(work/"scenes", train=800, val=200), dict(vision="tiny", text="tiny", image_size=0)))
        if a.data:
            encoders, root = dict(vision_weights=a.vision_weights, text=a.text), Path(a.data).resolve()
            asked |= dict(photographs=(root, encoders), dealt=(dealt(root, work/"dealt"), encoders))
        for name, (root, options) in asked.items():
            found[name] = look(root, **options)
            write_json(a.out, found)
            print(name, found[name]["seconds"], "s", flush=True)

if __name__ == "__main__": main()
