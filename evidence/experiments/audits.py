"""Three audits that must say three different things: photographs with their captions, with captions dealt out at random, and drawn scenes.

    python evidence/experiments/audits.py [--data FOLDER --vision-weights FILE --text FOLDER]

FOLDER is that of `flickr8k.py`; of its photographs 800 are learned from and 200 held out. Without it only scenes are looked at.
The second audit of photographs finds their features stored; what the first took is "first_seconds". What the file
captions/audits.json holds is not asked again."""
import argparse
import json
import random
import tempfile
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
    "What an audit of 1,000 images finds."
    with tempfile.TemporaryDirectory() as runs: return audit(runs, *audit_configs(root, images=1000, **options))

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
            if name in found: continue
            first = look(root, **options)
            found[name] = look(root, **options) | dict(first_seconds=first["seconds"]) if name == "photographs" else first
            write_json(a.out, found)
            print(name, found[name]["seconds"], "s", flush=True)

if __name__ == "__main__": main()
