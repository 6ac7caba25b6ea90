"""Folders in COCO format that nobody should trust, one for each way of being hostile, and what must happen to a training run on each.

    from corpus import hostile_folders, run_case
    for name, (folder, expected) in hostile_folders(root).items(): status, sentence = run_case(folder)

`expected` is a part of the sentence with which the run must be refused, or None where it must be accepted."""
import argparse
import atexit
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

import vljepa.engine.cli
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import one_line, write_json
from vljepa.engine.runs import provenance

ARGUMENTS = ["--steps", "1", "--batch-size", "2", "--depth", "1", "--dim", "32", "--heads", "1", "--device", "cpu"]
FIRST = 3  # the first image of the training split; the two before it are of the validation split

def png(
    width: int,  # what the file claims
    height: int,  # likewise
) -> bytes:  # a small file of black pixels
    "A PNG made by hand, of any size."
    part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((min(width, 20_000) + 7) // 8 + 1) * min(height, 20_000))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", rows) + part(b"IEND", b"")

class Hostile:
    "A small, good folder with a folder of secrets beside it, and ways to spoil it."
    def __init__(self,
        place: Path,  # a new folder, for data and secret
    ):
        self.data, self.secret = place/"data", place/"secret"
        shutil.copytree(template(), place)

    def image(self,
        n: int = 0,  # which of the training images
    ) -> Path:  # its file
        "A file of the training split."
        return self.data/"images/train"/f"{FIRST + n:012d}.png"

    def put(self,
        content: bytes | Image.Image | np.ndarray,  # what the first training image becomes
        format: str = "PNG",  # for those that are no bytes
        **options,  # of Pillow's `save`
    ):
        "Replace an image file."
        self.image().unlink()
        if isinstance(content, np.ndarray): content = Image.fromarray(content)
        if isinstance(content, bytes): self.image().write_bytes(content)
        else: content.save(self.image(), format, **options)

    def lead(self,
        target: str | Path,  # where a link goes
    ):
        "Replace an image file by a symbolic link."
        self.image().unlink(); self.image().symlink_to(target)

    def file(self,
        kind: str = "captions",  # or instances
        split: str = "train",  # or val
    ) -> Path:  # a JSON file
        "An annotation file."
        return self.data/f"annotations/{kind}_{split}.json"

    def edit(self,
        change: Callable[[dict], None],  # of the content, in place
        kind: str = "captions",  # or instances
        split: str = "train",  # or val
    ):
        "Change what a JSON file says."
        content = json.loads(self.file(kind, split).read_text())
        change(content)
        self.file(kind, split).write_text(json.dumps(content))

    def set(self,
        part: str,  # images, annotations or categories
        key: str,  # of its first entry
        value,  # anything
    ):
        "Change one value of the captions file."
        self.edit(lambda c: c[part][0].update({key: value}))

@functools.cache
def template() -> Path: # a folder that lives as long as this process
    "Six training and two validation images, and the same again as a secret."
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    atexit.register(shutil.rmtree, folder, True)
    make_shapes_coco(folder/"all/data", train=6, val=2, image_size=32)
    shutil.copytree(folder/"all/data/images/train", folder/"all/secret")
    for path in (folder/"all/data/annotations").iterdir(): shutil.copy(path, folder/"all/secret")
    return folder/"all"

NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
GREY = NOISE[..., 0]
CAPTIONS = ("", " \n\t ", "word " * 200_000, "\N{grinning face}" * 50, "\u202eright to left \u05d0\u05d1", "<script>$\\frac{$</script>",
            "a\x00b\x1b[2Jc", "$$ $ \\ %s {0}", "\ud83d", "x" * 100_000, "\u0301" * 500)
NO_TEXT = (None, 5, 1.5, True, ["a"], {"a": 1}, float("nan"))

def captions(h):
    "The first captions become strange ones, of any kind."
    def change(c):
        for a, text in zip(c["annotations"], (*CAPTIONS, *NO_TEXT)): a["caption"] = text
    h.edit(change)

# Ways to spoil a `Hostile` folder

def pipe(h): h.image().unlink(); os.mkfifo(h.image())
def directory(h): h.image().unlink(); h.image().mkdir()
def name(value): return lambda h: h.set("images", "file_name", value)
def up(h): (h.data/"images/train/up").symlink_to(h.secret); h.set("images", "file_name", f"up/{h.image().name}")
def json_link(h): h.file().unlink(); h.file().symlink_to(h.secret/h.file().name)
def raw(content): return lambda h: h.file().write_bytes(content)
def own_folder(h):
    "The image folder itself is a link, which is the user's own doing."
    (h.data/"images/train").rename(h.data.parent/"elsewhere"); (h.data/"images/train").symlink_to(h.data.parent/"elsewhere")
def animated(h):
    more = [Image.fromarray(NOISE[::-1].copy()), Image.fromarray(NOISE[:, ::-1].copy())]
    h.put(NOISE, "GIF", save_all=True, append_images=more)
def transparent(h):
    image = Image.fromarray(NOISE).convert("P"); image.info["transparency"] = bytes(range(256)); h.put(image)

CORPUS = {  # name: (how to spoil a folder, a part of the sentence or None)
    "deep JSON": (raw(b"[" * 100_000), "is not in COCO format"),
    "JSON that is cut off": (lambda h: h.file().write_bytes(h.file().read_bytes()[:500]), "is not in COCO format"),
    "JSON in Latin-1": (raw('{"images": "\xe9"}'.encode("latin-1")), "is not in UTF-8"),
    "NUL bytes": (raw(bytes(1000)), "is not in COCO format"),
    "a number of 10,000 digits": (raw(b'{"images": [' + b"9" * 10_000 + b"]}"), "is not in COCO format"),
    "no images": (lambda h: h.edit(lambda c: c.pop("images")), "'images' is missing or no list"),
    "annotations that are no list": (lambda h: h.edit(lambda c: c.update(annotations={"1": 2})), "'annotations' is missing"),
    "an entry that is no object": (lambda h: h.edit(lambda c: c["images"].append(7)), "is no object"),
    "an id of 65 bits": (lambda h: h.set("images", "id", 2**64), "not a whole number of 64 bits"),
    "an id that is NaN": (lambda h: h.set("annotations", "image_id", float("nan")), "not a whole number of 64 bits"),
    "an id that comes twice": (lambda h: h.edit(lambda c: c["images"].append(c["images"][0])), "is the id of several"),
    "annotations of unknown images": (lambda h: h.edit(lambda c: c["annotations"].append(dict(id=-1, image_id=-1, caption="x"))),
                                      None),
    "a caption with a category": (lambda h: h.set("annotations", "category_id", 99), None),
    "a name with ..": (lambda h: h.set("images", "file_name", f"../../../secret/{h.image().name}"), "leads out of"),
    "an absolute name": (lambda h: h.set("images", "file_name", str(h.secret/h.image().name)), "leads out of"),
    "backslashes": (name("..\\..\\..\\secret\\a.png"), "leads out of"),
    "a drive letter": (name("C:\\secret\\a.png"), "leads out of"),
    "a network share": (name("\\\\host\\share\\a.png"), "leads out of"),
    "a name with a NUL": (name("a.png\0.jpg"), "control characters"),
    "a name that commands terminals": (name("\x1b[2J.png"), "control characters"),
    "half a character in a name": (name("\ud83d.png"), None),
    "a link to a secret image": (lambda h: h.lead(h.secret/h.image().name), "is a link that leads out of"),
    "a folder that is a link": (up, "is a link that leads out of"),
    "a JSON file that is a link": (json_link, "is a link that leads out of"),
    "an image folder that is a link": (own_folder, None),
    "strange captions": (captions, None),
    "an empty file": (lambda h: h.put(b""), None),
    "a truncated image": (lambda h: h.put(h.image().read_bytes()[:200]), None),
    "an image without pixels": (lambda h: h.put(png(0, 5)), None),
    "a decompression bomb": (lambda h: h.put(png(20_000, 20_000)), None),
    "a strip": (lambda h: h.put(png(1, 20_000)), None),
    "PostScript": (lambda h: h.put(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), None),
    "CMYK": (lambda h: h.put(Image.fromarray(NOISE).convert("CMYK"), "JPEG"), None),
    "16 bits": (lambda h: h.put(GREY.astype(np.uint16) * 257), None),
    "32 bits": (lambda h: h.put(GREY.astype(np.int32) * 257, "TIFF"), None),
    "floats": (lambda h: h.put(GREY.astype(np.float32) / 255, "TIFF"), None),
    "palette and transparency": (transparent, None),
    "an animation": (animated, None),
    "a folder as an image": (directory, None),
}
if hasattr(os, "mkfifo"): CORPUS["a pipe as an image"] = pipe, None

def can_link(
    root: Path,  # a folder to try in
) -> bool:  # Windows asks for a right
    "Whether this system lets us make symbolic links."
    try: (root/"link").symlink_to(root)
    except OSError: return False
    (root/"link").unlink()
    return True

def hostile_folders(
    root: str | Path,  # an empty folder to fill
) -> dict[str, tuple[Path, str | None]]:  # name -> folder, and a part of the sentence, or None if it must be accepted
    "Write the corpus; kinds that this system cannot hold are left out."
    root, found = Path(root), {}
    root.mkdir(parents=True, exist_ok=True)
    links = can_link(root)
    for number, (title, (spoil, expected)) in enumerate(CORPUS.items()):
        if "link" in title and not links: continue
        h = Hostile(root/f"{number:02d}")
        spoil(h)
        found[title] = h.data, expected
    return found

class Hang(BaseException):
    "A case that took too long."

@contextlib.contextmanager
def limited(
    seconds: int,  # then `Hang` is raised
):
    "End what waits for ever, where the system has an alarm."
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield; return
    def ring(*_): raise Hang(f"took more than {seconds} seconds")
    before = signal.signal(signal.SIGALRM, ring); signal.alarm(seconds)
    try: yield
    finally: signal.alarm(0); signal.signal(signal.SIGALRM, before)

def run(
    command: Callable[[], None],  # calls a command of vljepa
    seconds: int = 120,  # longest time
) -> tuple[str, str]:  # "accepted", "refused" or "unexpected"; the sentence
    "Run a command as a terminal would, where half characters cannot be printed."
    out = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    try:
        with contextlib.redirect_stdout(out[0]), contextlib.redirect_stderr(out[1]), limited(seconds), \
             warnings.catch_warnings():
            warnings.simplefilter("ignore")
            command()
    except SystemExit as end:
        out[1].flush()
        said = out[1].buffer.getvalue().decode()
        sentence = end.code if isinstance(end.code, str) else said.strip().split("\n")[-1] if end.code == 2 else repr(end.code)
        one = isinstance(end.code, str) and sentence == one_line(sentence)
        good = end.code == 2 or one and "VLJEPA_TRACEBACK" not in sentence  # which the unexpected are told to set
        return "refused" if good and "Traceback" not in said else "unexpected", sentence
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt): raise
        return "unexpected", f"{type(error).__name__}: {error}"
    return "accepted", ""

def run_case(
    folder: Path,  # from `hostile_folders`
    arguments: list[str] = (),  # more of `vljepa_train`'s
) -> tuple[str, str]:  # "accepted", "refused" or "unexpected"; the sentence
    "Train for a step on a folder."
    with tempfile.TemporaryDirectory() as runs, patch("vljepa.engine.trainer.provenance", lambda: {}):
        argv = ["--data", str(folder), "--run", f"{runs}/run", *ARGUMENTS, *arguments]
        return run(lambda: vljepa.engine.cli.vljepa_train(argv))

def main():
    "Run the corpus and say what came out."
    wrong, start = 0, time.time()
    with tempfile.TemporaryDirectory() as root:
        for title, (folder, expected) in hostile_folders(root).items():
            begin, (status, sentence) = time.time(), run_case(folder)
            good = status == "accepted" if expected is None else status == "refused" and expected in sentence
            wrong += not good
            print(f"{'ok   ' if good else 'WRONG'} {time.time() - begin:4.1f} s  {title}: {status} {sentence.replace(root, '')}")
    print(f"{len(CORPUS)} folders, {wrong} wrong, {time.time() - start:.0f} s")
    sys.exit(bool(wrong))


def run_rows(
    doc: str,  # What the script says of itself
    kind: str,  # What its rows are called, such as "faults"
    rows: dict,  # By name
    attempt: Callable,  # From a name to "outcome" (passed, failed or skipped), "said" and perhaps "seconds"
    results: Path,  # Where they go
):
    "The command line of a script that tries rows one by one; exit status 1 where one failed."
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(rows)}; all when none is named")
    parser.add_argument("--results", type=Path, default=results)
    args, facts, begin, found = parser.parse_args(), provenance(), time.time(), {}
    for name in args.names or rows:
        found[name] = attempt(name)
        print(f"{name}: {found[name]['outcome']}: {found[name]['said']}", flush=True)
    counts = {o: sum(r["outcome"] == o for r in found.values()) for o in ("passed", "failed", "skipped")}
    args.results.parent.mkdir(exist_ok=True)
    write_json(args.results, {"total": counts, kind: found, "seconds": round(time.time() - begin, 1), "provenance": facts})
    print(counts)
    sys.exit(counts["failed"] > 0)

if __name__ == "__main__": main()
