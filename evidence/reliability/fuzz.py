"""Does anything that a stranger can put into a data folder or a command line end in a traceback, a hang, or the reading of a file
outside the folder? Hypothesis spoils good folders in one to three ways and runs the real commands on them, in this process:

- `train`: `vljepa_train` for one step;
- `read`: what `vljepa_probe` reads of a folder: images, captions, labels, outlines of objects, and a table of labels;
- `source`: the same pictures in another layout, a table, JSON, text files, shards or a folder of `datasets`, whose names, captions
  and bytes are spoiled: opened, read, checked, and in one case of ten trained on;
- `probe`: `vljepa_probe` itself on a run made before, with the spoiled folder in place of its own data;
- `data`, `plan`, `ablate` and `options` (of `vljepa_train`): hostile command lines.

A case must end well, or in a SystemExit with one line that is not "unexpected". An audit hook notes every file that is opened
outside the folder, the run and the installed software, every network connection and every process.

    python evidence/reliability/fuzz.py
    python evidence/reliability/fuzz.py --cases 200 --seed 1

To be quick, encoders are built once for each architecture, versions and help texts are looked up once, and the pictures of a
report are drawn in one case of ten. Results go to evidence/reliability/results/fuzz.json with seed, commit and hardware."""
import argparse
import contextlib
import copy
import csv
import functools
import importlib.util
import io
import json
import math
import os
import re
import shutil
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
from accelerate.state import AcceleratorState
from fastcore.script import anno_parser
from hypothesis import HealthCheck, Phase, given, seed as seeded, settings, strategies as st
from PIL import Image
from torchvision import transforms

import vljepa
from vljepa.engine import check, checkpoints, cli, files, plan, probe_report, runs, sweep, trainer, viz
from corpus import ARGUMENTS, CAPTIONS, CORPUS, GREY, NO_TEXT, NOISE, Hostile, can_link, png, run
from vljepa.data import collate, word_tokenizer
from vljepa.engine.files import friendly_errors
from vljepa.engine.coco import CocoCaptions, label_regions, read_labels
from vljepa.engine.loaders import seeded_order
from vljepa.engine.sources import open_source

RESULTS = Path(__file__).resolve().parent/"results"/"fuzz.json"
pick = st.sampled_from
text = st.one_of(pick([t for t in CAPTIONS]), st.text(max_size=30))
number = st.one_of(st.integers(), st.floats(), pick([2**31, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 10**40, 1e300, math.nan, math.inf]))
anything = st.one_of(pick([*NO_TEXT, [], {}, [[]], [[0, 0, 1]], "\0", "-1", dict(size=[32, 32], counts="zzz"), "\ud800"]), number, text,
                     st.recursive(number, lambda x: st.lists(x, max_size=7) | st.dictionaries(st.text(max_size=3), x, max_size=3),
                                  max_leaves=9))
FILES = [(kind, split) for kind in ("captions", "instances") for split in ("train", "val")]

# Ways to spoil a folder: each draws what it needs and changes the files of `h`, a `Hostile`.

def spoil_bytes(h, draw):
    "The bytes of a JSON file: cut, changed, in another encoding, or none of its own."
    path = h.file(*draw(pick(FILES)))
    old = path.read_bytes()
    cut, kind = draw(st.integers(0, len(old))), draw(pick(["cut", "flip", "replace", "utf-16", "mark", "deep", "digits"]))
    deep = draw(pick([10, 900, 10**5]))
    new = dict(cut=old[:cut], flip=old[:cut] + draw(st.binary(min_size=1, max_size=4)) + old[cut + 1:],
               replace=draw(st.binary(max_size=40)), mark=b"\xef\xbb\xbf" + old, deep=b"[" * deep + b"]" * deep,
               digits=old.replace(b": 3,", b": " + b"9" * deep + b",", 1))
    path.write_bytes(old.decode().encode("utf-16") if kind == "utf-16" else new[kind])

def spoil_value(h, draw):
    "One value of one entry, or one of the lists."
    def change(c):
        part = draw(pick([k for k in ("images", "annotations", "categories", "info") if k in c]))
        how = draw(pick(["list", "entry", "key", "key", "key", "key", "drop", "twice", "add"]))
        if how == "list": c[part] = draw(anything)
        elif how == "drop" or not isinstance(c[part], list): del c[part]
        elif not c[part]: c[part] = draw(anything)
        else:
            n = draw(st.integers(0, len(c[part]) - 1))
            if how == "entry": c[part][n] = draw(anything)
            elif how == "twice": c[part].append(c[part][n])
            elif isinstance(c[part][n], dict):
                key = draw(pick(sorted(c[part][n]) or ["id"])) if how == "key" else draw(st.text(max_size=5))
                if how == "key" and draw(pick([True, False, False])): c[part][n].pop(key, None)
                else: c[part][n][key] = draw(anything)
    h.edit(change, *draw(pick(FILES)))

def spoil_outline(h, draw):
    "The place of an object, or the size of its image."
    def change(c):
        a, image, key = draw(pick(c["annotations"])), draw(pick(c["images"])), draw(pick(["segmentation", "bbox", "size", "runs"]))
        if key == "size": image[draw(pick(["height", "width"]))] = draw(anything)
        elif key == "runs":
            counts = draw(st.text("0123PQRoz_\x7f", max_size=20) | st.lists(st.integers(-5, 2000), max_size=6) | anything)
            a["segmentation"] = dict(size=draw(pick([[32, 32], [1, 1], [10**9, 10**9]])), counts=counts)
        elif draw(pick([True, False])): a["segmentation"] = [draw(st.lists(number, max_size=12))]
        else: a[key] = draw(anything)
    h.edit(change, "instances", draw(pick(["train", "val"])))

def spoil_caption(h, draw):
    "Captions of any kind."
    def change(c):
        for a in c["annotations"][draw(st.integers(0, 20)):]: a["caption"] = draw(text | anything)
    h.edit(change, "captions", draw(pick(["train", "val"])))

def spoil_name(h, draw):
    "A file name that leads elsewhere, or nowhere."
    def change(c): draw(pick(c["images"]))["file_name"] = draw(pick(hostile_names(h)) | text)
    h.edit(change, *draw(pick(FILES)))

def hostile_names(h):
    "Names that lead elsewhere, or that no file can have."
    secret = h.secret/h.image().name
    return [f"../../../secret/{secret.name}", str(secret), f"x/../../../../secret/{secret.name}", "..\\..\\..\\secret\\a.png",
               "C:\\a.png", "\\\\host\\share\\a.png", "/etc/passwd", "/dev/zero", "/proc/self/environ", "~/.ssh/id_rsa", "file:///etc/passwd",
               "http://127.0.0.1:9/a.png", "a\0.png", "\x1b[2J", "", ".", "..", "/", "con", "a:b.png", "x" * 300, "x/" * 3000, "\ud83d.png",
               "%2e%2e%2fsecret", "..%c0%af", "$HOME/a.png", "| touch a", "*.png", "?"]

def spoil_link(h, draw):
    "Symbolic links to the secret, to nothing, to themselves, to devices."
    image, name = h.image(draw(st.integers(0, 5))), draw(pick(["image", "folder", "json", "nothing", "loop", "device", "inside"]))
    if name == "json":
        path = h.file(*draw(pick(FILES)))
        path.unlink(); path.symlink_to(h.secret/path.name)
    elif name == "folder":
        up = h.data/"images/train/up"
        if not up.is_symlink(): up.symlink_to(draw(pick([h.secret, h.data.parent, Path("/")])))
        h.edit(lambda c: c["images"][0].update(
            file_name=f"up/{draw(pick([image.name, f'secret/{image.name}', 'etc/passwd']))}"))
    else:
        remove(image)
        image.symlink_to({"image": h.secret/image.name, "nothing": h.secret/"none", "loop": image, "device": "/dev/zero",
                          "inside": h.data/"images/val/000000000001.png"}[name])

HEADS = [b"GIF89a", b"\xff\xd8\xff", b"BM", b"P6 0 0 255\n", b"P6 9999999 9999999 255\n", b"II*\0", b"RIFF\0\0\0\0WEBP",
         b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\0\0\0\x0cjP  \r\n\x87\n"]

def spoil_image(h, draw):
    "The content of an image file."
    path, kind = h.image(draw(st.integers(0, 5))), draw(pick(["bytes", "cut", "flip", "head", "mode", "odd", "claim"]))
    old = path.read_bytes() if path.is_file() else b""
    at = draw(st.integers(0, max(len(old) - 1, 0)))
    remove(path)
    if kind == "bytes": path.write_bytes(draw(st.binary(max_size=100)))
    elif kind == "cut": path.write_bytes(old[:at])
    elif kind == "flip": path.write_bytes(old[:at] + draw(st.binary(min_size=1, max_size=8)) + old[at + 1:])
    elif kind == "head": path.write_bytes(draw(pick(HEADS)) + draw(st.binary(max_size=40)))
    elif kind == "claim": path.write_bytes(png(draw(pick([0, 1, 9, 20_000, 2**31 - 1])), draw(pick([0, 1, 9, 101, 20_000]))))
    elif kind == "odd":
        what = draw(pick(["gone", "folder", "pipe"]))
        if what == "folder": path.mkdir()
        if what == "pipe": os.mkfifo(path)
    else:
        mode = draw(pick(["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "I;16", "F"]))
        grey = dict(I=GREY.astype(np.int32), F=GREY.astype(np.float32)) | {"I;16": GREY.astype(np.uint16)}
        image = Image.fromarray(grey[mode]) if mode in grey else \
            Image.merge("LAB", Image.fromarray(NOISE).split()) if mode == "LAB" else Image.fromarray(NOISE).convert(mode)
        try: image.save(path, draw(pick(["PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP"])))
        except (OSError, ValueError): image.convert("L").save(path, "PNG")

def spoil_corpus(h, draw):
    "One of the corpus."
    CORPUS[draw(pick(sorted(CORPUS)))][0](h)

def remove(path):
    "Whatever is there."
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

SPOILED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)  # by an earlier way, beyond changing
WAYS = dict(bytes=spoil_bytes, value=spoil_value, outline=spoil_outline, caption=spoil_caption, name=spoil_name, link=spoil_link,
            image=spoil_image, corpus=spoil_corpus)

# Hostile command lines

words = st.one_of(
    pick(["", "-1", "0", "1", "nan", "inf", "1e400", "9" * 5000, "0x10", "None", "True", "\ud800", "../../secret", "/etc/passwd",
          "/dev/zero", "$(touch a)", "a b", "\u0661", "auto", "cpu", "tiny", "random", "l1"]),
    st.text(max_size=8), st.integers(-10**20, 10**20).map(str), st.floats().map(str),
).filter(lambda w: w.strip("-") == w or w[1:2].isdigit())  # none that the parser takes for an option
slow = {"--steps", "--depth", "--dim", "--heads", "--image-size", "--workers", "--train-images", "--accumulate", "--masks", "--track",
        "--run", "--data", "--vision", "--text", "--preset"}  # where a large number, or another name, takes long

typed = {int: pick(["0", "-1", "1", "2", "7", "99", "-99999999999999999999", "99999999999999999999", "9" * 40, "2147483648", "1_0"]),
         float: pick(["nan", "inf", "-inf", "1e400", "1e-400", "-0.0", "0", "1", "1.0000001", ".5", "1e300", "-1e300", "1e-300"])}

def some_options(draw, parser):
    "One to three options that are answered at once, with hostile values; mostly such as the parser lets through."
    known = {o: a for a in parser._actions for o in a.option_strings if o.startswith("--") and a.nargs != 0}
    known = {o: a for o, a in known.items() if o not in slow}
    chosen = draw(st.lists(pick(sorted(known)), min_size=1, max_size=3))
    value = lambda o: words if draw(st.integers(0, 4)) == 0 else typed.get(known[o].type, words)
    return [f"{o}={draw(value(o))}" for o in chosen]

def call_data(place, draw):
    "vljepa_data, which may only write to `place`."
    parser = anno_parser(cli.vljepa_data, prog="vljepa_data")
    small = ["--train", "2", "--val", "2", "--size", "16"]
    quick = words.filter(lambda w: len(w.strip().strip("-")) < 3 or not w.strip().lstrip("-").isdigit())  # no million images
    options = pick(["--train", "--val", "--size", "--objects", "--background", "--seed"])
    hostile = draw(st.lists(st.tuples(options, quick), max_size=2))
    what = draw(pick(["shapes", "shapes", "shapes", "coco"]) | words)
    more = [f"--split={draw(words)}"] if what == "coco" else []  # a good one would be downloaded
    argv = [what, str(place/draw(pick(["new", "data"]))), *small, *(f"{o}={w}" for o, w in hostile), *more]
    def command():
        args = vars(parser.parse_args(argv))
        cli.vljepa_data(**{k: v for k, v in args.items() if k not in ("pdb", "xtra")})
    return argv, command

def call_plan(place, draw):
    "vljepa_plan for the smallest model."
    own = draw(st.lists(pick(["--gb", "--tokens", "--images"]), max_size=1))
    argv = ["--device", "cpu", "--tflops", "1", "--depth", "1", "--dim", "32", "--heads", "1",
            *some_options(draw, cli.make_parser()), *(f"{o}={draw(words)}" for o in own)]
    return argv, lambda: plan.vljepa_plan(argv)

def call_ablate(place, draw):
    "vljepa_ablate with at least one thing that it must refuse before it trains."
    wrong = draw(pick(["nope", "--change=nope=1", "--change=steps", "--seeds=0", "--preset=nope", "--change=steps=x"]))
    own = draw(st.lists(pick(["--seeds", "--change", "--workers"]), max_size=2))
    argv = [*(f"{o}={draw(words)}" for o in own), wrong, "--out", str(place/"out")]
    return argv, lambda: sweep.vljepa_ablate(argv)

def call_options(place, draw):
    "vljepa_train with hostile options."
    argv = ["--data", str(place/"data"), "--run", str(place/"run"), *ARGUMENTS, *some_options(draw, cli.make_parser())]
    return argv, lambda: cli.vljepa_train(argv)

# Commands that read a folder

def call_train(place, draw):
    "vljepa_train."
    argv = ["--data", str(place/"data"), "--run", str(place/"run"), *ARGUMENTS]
    if draw(pick([False] * 5 + [True])): argv += ["--cache"]
    return argv, lambda: cli.vljepa_train(argv)

def call_read(place, draw):
    "What vljepa_probe reads: the readers of labels and outlines by themselves, on every image."
    keys = draw(pick([("category",), ("color",), ("size", "category"), ("bbox",), ("nothing",), ("id",)]))
    table = place/"labels.csv"
    tables = [b"image,label\n000000000003.png,a\n", b"image,label\n3\n", b"\xff\xfe", b"", b"image,label\n" + b"x" * 200_000]
    table.write_bytes(draw(pick(tables) | st.binary(max_size=60)))
    use_table = draw(pick([True, False, False]))
    @friendly_errors
    def vljepa_read():
        for split in ("train", "val"):
            data = CocoCaptions(place/"data", split, transform=reading(), labels=keys)
            batch = collate([*data], tokenizer(), 16)
            print(*batch.captions, *batch.broken, *data.classes)
            if use_table: print(read_labels(table, data)[1])
            print(*check.check_folder(place/"data", split), len(seeded_order(data.pictures)))
            label_regions(place/"data/annotations", split, data.ids, keys, reading(), (2, 2), data.paths)
    return [*keys, *["table"] * use_table], vljepa_read

def as_csv(root, split, rows, sign=","):
    "A table with a row for each picture."
    with open(root/f"{split}.{'csv' if sign == ',' else 'tsv'}", "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, delimiter=sign, escapechar="\\")
        writer.writerow(["file_name", "caption", "kind"])
        writer.writerows([[name, caption, "x"] for name, caption, _ in rows])

def as_lines(root, split, rows):
    "JSON lines beside the pictures, as `imagefolder` has them."
    (root/split).mkdir(exist_ok=True)
    for _, _, path in rows: shutil.copy(path, root/split)
    lines = [json.dumps(dict(file_name=name, text=caption, kind=caption)) for name, caption, _ in rows]
    (root/split/"metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")

def as_karpathy(root, split, rows):
    "One file for all splits."
    path = root/"dataset_own.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else dict(images=[])
    content["images"] += [dict(filename=name, filepath=split, split=split, sentences=[dict(raw=caption)]) for name, caption, _ in rows]
    path.write_text(json.dumps(content), encoding="utf-8")

def as_text(root, split, rows):
    "A text file beside each picture."
    (root/split).mkdir(exist_ok=True)
    for _, caption, path in rows:
        shutil.copy(path, root/split)
        (root/split/path.with_suffix(".txt").name).write_text(str(caption), encoding="utf-8", errors="replace")

def as_shard(root, split, rows):
    "A tar; names as they are."
    with tarfile.open(root/f"{split}-000000.tar", "w", errors="surrogatepass") as tar:
        for name, caption, path in rows:
            for member, content in ((name, path.read_bytes()), (f"{name[:-4]}.json", json.dumps(dict(caption=caption)).encode())):
                with contextlib.suppress(ValueError, UnicodeError):
                    entry = tarfile.TarInfo(member)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))

def as_dataset(root, split, rows):
    "What `save_to_disk` wrote; pictures as bytes, or as paths."
    kinds = dict(image=dict(bytes=datasets.Value("binary"), path=datasets.Value("string")), text=datasets.Value("string"))
    clean = lambda x: str(x).encode("utf-8", "replace").decode()
    cells = [dict(bytes=path.read_bytes() if name == path.name else None, path=clean(name)) for name, _, path in rows]
    table = datasets.Dataset.from_dict(dict(image=cells, text=[clean(caption) for _, caption, _ in rows]), datasets.Features(kinds))
    table.save_to_disk(root/split)
    info = root/split/"dataset_info.json"
    content = json.loads(info.read_text(encoding="utf-8"))
    content["features"]["image"] = dict(_type="Image")  # so that a path may be anybody's
    info.write_text(json.dumps(content), encoding="utf-8")
    (root/"dataset_dict.json").write_text(json.dumps(dict(splits=["train", "val"])), encoding="utf-8")

LAYOUTS = dict(csv=as_csv, tsv=functools.partial(as_csv, sign="\t"), lines=as_lines, karpathy=as_karpathy, text=as_text, shard=as_shard)
if importlib.util.find_spec("datasets"):
    import datasets
    datasets.disable_progress_bars()
    LAYOUTS["dataset"] = as_dataset

def spoil_file(h, path, draw):
    "A file of a source: its bytes, or a link in its place."
    old, kind = path.read_bytes(), draw(pick(["cut", "flip", "flip", "replace", "utf-16", "link", "nothing"]))
    cut = draw(st.integers(0, len(old)))
    new = dict(cut=old[:cut], flip=old[:cut] + draw(st.binary(min_size=1, max_size=8)) + old[cut + 1:], replace=draw(st.binary(max_size=60)))
    if kind in new: path.write_bytes(new[kind])
    if kind == "utf-16": path.write_bytes(old.decode("utf-8", "replace").encode("utf-16", "replace"))
    if kind == "link": path.unlink(); path.symlink_to(draw(pick([h.secret/h.image().name, h.secret/"captions_train.json", Path("/dev/zero"), path])))

def call_source(place, draw):
    "Opens, reads and checks a source in another layout."
    h = Hostile.__new__(Hostile)
    h.data, h.secret, root = place/"data", place/"secret", place/"new"
    layout, train = draw(pick(sorted(LAYOUTS))), draw(st.integers(0, 9)) == 0
    root.mkdir()
    for split in ("train", "val"):
        paths = sorted((h.data/"images"/split).iterdir())
        rows = [[path.name, "a red star", path] for path in paths]
        for row in rows[:draw(st.integers(0, 2))]: row[0] = draw(pick([*hostile_names(h), f"{split}/{row[0]}", row[0].upper()]) | text)
        for row in rows[draw(st.integers(0, len(rows))):]: row[1] = draw(text | anything)
        LAYOUTS[layout](root, split, rows)
        if layout in ("csv", "tsv", "karpathy"): shutil.copytree(h.data/"images"/split, root/"images"/split)
    spoilt = draw(pick([False, True]))
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if spoilt: spoil_file(h, draw(pick(files)), draw)
    other, labels = draw(pick([(), (), (), ("test",), ("",), ("x/../..",)])), draw(pick([None, None, "kind"]))
    @friendly_errors
    def vljepa_source():
        for split in ("train", "val", *other):
            data = open_source(root, split, transform=reading(), labels=labels)
            batch = collate([*data], tokenizer(), 16)
            print(*batch.captions, *batch.broken, *data.classes, *batch.ids, sep="\n")
            print(*check.check_folder(root, split), len(seeded_order(data.pictures)))
    if not train: return [layout, *["spoilt"] * spoilt], vljepa_source
    argv = ["--data", str(root), "--run", str(place/"run"), *ARGUMENTS]
    return [layout, *argv], lambda: cli.vljepa_train(argv)

def call_probe(place, draw):
    "vljepa_probe on a run that was made with a good folder."
    shutil.copytree(trained(), place/"run")
    labels = draw(pick([[], ["--labels", "color"], ["--labels", "nothing"]]))
    argv = [str(place/"run"), "--data", str(place/"data"), "--device", "cpu", *labels]
    return argv, lambda: probe_report.vljepa_probe(argv)

@functools.cache
def reading(): return transforms.Compose([transforms.Resize(32), transforms.CenterCrop(32), transforms.ToTensor()])

@functools.cache
def tokenizer(): return word_tokenizer(vljepa.WORDS)

@functools.cache
def trained():
    "A run on a good folder."
    place = Path(tempfile.mkdtemp(dir=os.environ["VLJEPA_CACHE"]))
    h = Hostile(place/"good")
    status, sentence = run(lambda: cli.vljepa_train(["--data", str(h.data), "--run", str(place/"run"), *ARGUMENTS]))
    assert status == "accepted", sentence
    return place/"run"

CALLS = dict(train=call_train, read=call_read, source=call_source, probe=call_probe, data=call_data, plan=call_plan, ablate=call_ablate, options=call_options)
SHARES = dict(train=20, read=26, source=26, probe=2, data=8, plan=2, ablate=8, options=8)

# What happened

class Watch:
    "Notes files opened outside the allowed folders, connections and processes, while `on`."
    def __init__(self):
        paths = [*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, Path(vljepa.__file__).parent, Path(__file__).parent,
                 *(p for p in sys.path if p), "/dev/null", "/dev/urandom", f"/proc/{os.getpid()}/mounts", "/proc/cpuinfo", "/proc/meminfo",
                 "/proc/stat", "/sys", "/usr/share", "/usr/lib", "/lib", "/etc/ld.so.cache", "/etc/localtime"]
        self.software = tuple({os.path.realpath(p) for p in paths} | {str(p) for p in paths})
        self.place, self.on, self.outside, self.network, self.processes = None, False, [], [], []
        sys.addaudithook(self)

    def __call__(self, event, args):
        if not self.on: return
        if event == "open" and isinstance(args[0], str | bytes | Path):
            # the folder that holds the name is resolved, and the file itself too: what is opened is where links end
            path = os.path.realpath(os.fsdecode(args[0]))
            parts = ("data", "run", "new", ".new-", "out", "labels.csv", "elsewhere")
            mine = (*(f"{self.place}/{part}" for part in parts), os.environ["VLJEPA_CACHE"], tempfile.tempdir)
            if not path.startswith((*mine, *self.software)): self.outside.append(path)
        elif event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"): self.network.append(str(args)[:200])
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"): self.processes.append(str(args)[:200])

@contextlib.contextmanager
def quickly():
    "Build each architecture once; look versions up once; draw nothing unless `draw_pictures` says so."
    real, known = trainer.load_model, {}
    def built(config=None):
        if config not in known:
            if len(known) > 20: known.clear()
            known[config] = real(config)
        m = known[config]
        return copy.deepcopy(m, {id(part): part for part in (m.vision, m.text) if part is not None})  # these are frozen
    facts, notes = runs.provenance(), functools.cache(cli.docments)
    empty = lambda *_, **__: plt.figure()
    drawing = {(viz, "plot_run"): viz.plot_run, (trainer, "plot_examples"): trainer.plot_examples}
    def draw_pictures(really):
        for (module, name), function in drawing.items(): setattr(module, name, function if really else empty)
    with patch.object(trainer, "load_model", built), patch.object(checkpoints, "load_model", built), \
         patch.object(trainer, "provenance", lambda: facts), patch.object(probe_report, "provenance", lambda: facts), \
         patch.object(cli, "docments", notes), patch.object(probe_report, "docments", notes):
        try: yield draw_pictures
        finally: draw_pictures(True)

def one_case(draw, shares, watch, draw_pictures, root, links):
    "Spoil, run, look."
    AcceleratorState._reset_state(reset_partial_state=True)  # each case as in a process of its own
    name = draw(pick([name for name, share in shares.items() for _ in range(share)]))
    draw_pictures(draw(st.integers(0, 9)) == 0)
    place = Path(os.path.realpath(tempfile.mkdtemp(dir=root)))
    try:
        h, ways = Hostile(place/"all"), []
        if name in ("train", "read", "probe"):
            ways = [draw(pick([w for w in WAYS if links or w != "link"])) for _ in range(draw(pick([1, 1, 1, 2, 3])))]
            for way in ways:
                with contextlib.suppress(*SPOILED): WAYS[way](h, draw)
        argv, command = CALLS[name](place/"all", draw)
        watch.place, watch.outside, watch.network, watch.processes, watch.on = os.path.realpath(place/"all"), [], [], [], True
        start = time.time()
        try: status, sentence = run(command)
        finally: watch.on = False
        given = [str(a).split("=", 1)[-1].replace("\0", "").encode("utf-8", "replace").decode() for a in argv]
        named = set(map(os.path.realpath, given))  # by the user, who may
        watch.outside = [path for path in watch.outside if path not in named]
        return dict(command=name, ways=ways, argv=[str(a)[:100] for a in argv], status=status,
                    sentence=sentence.replace(str(place), "")[:400], outside=watch.outside, network=watch.network, processes=watch.processes, seconds=time.time() - start)
    finally: shutil.rmtree(place, ignore_errors=True)

def is_bad(case):
    "Whether something happened that must not."
    return bool(case["status"] == "unexpected" or case["outside"] or case["network"] or case["processes"])

def many(cases, shares, seed):
    "Cases one after the other; what happened in each."
    found, begin = [], time.time()
    surroundings = dict(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    with tempfile.TemporaryDirectory() as root, patch.dict(os.environ, surroundings, VLJEPA_CACHE=f"{root}/cache"), \
         quickly() as draw_pictures:
        os.environ.pop("VLJEPA_TRACEBACK", None)
        torch.set_num_threads(1)
        for folder in ("cache", "scratch"): Path(root, folder).mkdir()
        tempfile.tempdir = f"{root}/scratch"
        trained(); tokenizer(); Image.init()  # before the watch begins
        watch, links = Watch(), can_link(Path(root))
        @seeded(seed)
        @settings(max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(st.data())
        def search(data):
            found.append(one_case(data.draw, shares, watch, draw_pictures, root, links))
            case = found[-1]
            if is_bad(case): print("BAD", json.dumps(case), flush=True)
            if len(found) % 50 == 0: print(f"seed {seed}: {len(found)} cases, {time.time() - begin:.0f} s", flush=True)
        while len(found) < cases: search()
        trained.cache_clear()
    return found

def general(sentence):
    "A sentence without the names and numbers that differ from case to case."
    return re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "N", re.sub(r"'.*?'|\"[^\"]*\"|/\S*", "X", sentence))[:120]

def main():
    "Run all and write the counts."
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of hypothesis (default: 0)")
    parser.add_argument("--only", default="", choices=["", *SHARES], help="one command alone (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="processes; each has a seed of its own (default: 2)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    a = parser.parse_args()
    facts, start = runs.provenance(), time.time()
    shares = {name: share for name, share in SHARES.items() if a.only in ("", name)}
    with ProcessPoolExecutor(a.jobs, mp_context=get_context("spawn")) as pool:
        parts = pool.map(many, [-(-a.cases // a.jobs)] * a.jobs, [shares] * a.jobs, range(a.seed, a.seed + a.jobs))
        found = [case for part in parts for case in part]
    by = lambda key: dict(sorted(Counter(key(c) for c in found).items()))
    refused = [c for c in found if c["status"] == "refused"]
    bad = [c for c in found if is_bad(c)]
    result = dict(cases=len(found), **{s: sum(c["status"] == s for c in found) for s in ("accepted", "refused", "unexpected")},
                  outside_reads=sum(len(c["outside"]) for c in found), connections=sum(len(c["network"]) for c in found),
                  processes=sum(len(c["processes"]) for c in found), by_command=by(lambda c: c["command"]),
                  by_hostility=dict(sorted(Counter(w for c in found for w in c["ways"] or ["command line"]).items())),
                  accepted_by_command=dict(sorted(Counter(c["command"] for c in found if c["status"] == "accepted").items())),
                  slowest_seconds=round(max(c["seconds"] for c in found), 1), sentences=len({general(c["sentence"]) for c in refused}),
                  examples=dict(Counter(general(c["sentence"]) for c in refused).most_common(40)), bad=bad[:20],
                  seed=a.seed, jobs=a.jobs, seconds=round(time.time() - start), provenance=facts)
    a.out.parent.mkdir(exist_ok=True)
    files.write_json(a.out, result)
    print(json.dumps({k: v for k, v in result.items() if k not in ("examples", "bad")}, indent=1))
    sys.exit(bool(bad))

if __name__ == "__main__": main()
