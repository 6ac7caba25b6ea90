"""Break a run in every way that a bad day knows, each time in a process of its own, and look at how it ends: one sentence, an exit
code, no traceback, and a checkpoint that `--resume` goes on from.

    python evidence/reliability/faults.py          writes evidence/reliability/results/faults.json

The full disk and the read-only folder need root, for a small tmpfs; they are skipped without.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(TQDM_DISABLE="1", MPLBACKEND="Agg", TOKENIZERS_PARALLELISM="false")
import psutil
from vljepa.engine.checkpoints import newest_checkpoint
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.files import write_json
from vljepa.engine.runs import read_metrics
from corpus import run_rows

RESULTS = Path(__file__).resolve().parent/"results"/"faults.json"
OPTIONS = ("--resume --dim 32 --depth 1 --heads 2 --batch-size 8 --val-images 8 --device cpu --log-every 1 --save-every 4 "
           "--eval-every 1000 --steps")
COMMAND = "from vljepa.engine.cli import vljepa_train; vljepa_train()"
NAN = """
import vljepa.engine.trainer as t
step = t.Trainer.train_step
def sick(self, batches):
    if self.step == 6:
        for batch in batches: batch.images.fill_(float("nan"))
    return step(self, batches)
t.Trainer.train_step = sick
"""

class Run:
    "A training process."
    def __init__(self, run, data, steps=100_000, options="", before="", cache=None):
        self.run, self.log = Path(run), tempfile.TemporaryFile("w+")
        command = [sys.executable, "-c", before + COMMAND, "--run", str(run), "--data", str(data), *f"{OPTIONS} {steps} {options}".split()]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True,
                                        env=os.environ | (dict(VLJEPA_CACHE=str(cache)) if cache else {}))

    def steps(self): # The last row of metrics.csv
        path = self.run/"metrics.csv"
        return max((int(r["step"]) for r in read_metrics(path)), default=-1) if path.exists() else -1

    def until(self, ready: Callable[[], object], seconds=300): # What it said, once true
        end = time.time() + seconds
        while not (found := ready()):
            if self.process.poll() is not None or time.time() > end: raise AssertionError(f"it never came to that: {self.end()}")
            time.sleep(.02)
        return found

    def children(self):
        return [int(p) for p in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def end(self, seconds=300): # Exit code and what it said
        try: self.process.wait(seconds)
        except subprocess.TimeoutExpired: os.killpg(self.process.pid, signal.SIGKILL); raise
        self.log.seek(0)
        return self.process.returncode, self.log.read()

def saved(run): # Step of the newest checkpoint
    newest = newest_checkpoint(Path(run)/"checkpoint")
    return int(newest.name) if newest else -1

def sentence(ended, *words): # The last line, checked
    code, text = ended
    last = text.strip().splitlines()[-1]
    assert code == 1 and "Traceback" not in text, f"exit code {code}: {text[-2000:]}"
    assert last.startswith("vljepa_train: ") and all(w in last for w in words), last
    assert text.count("vljepa_train: ") == 1, text[-2000:]
    return re.sub(r"/\S*/(tmp\w+|faults\w*)", "…", last)

def goes_on(run, data, steps, options="", cache=None): # After the fault is mended, the same line comes to its end
    code, text = Run(run, data, steps, options, cache=cache).end()
    assert code == 0 and (Path(run)/"results.json").exists() and saved(run) == steps, text[-2000:]

@contextlib.contextmanager
def mounted(folder, size, *options): # A small disk
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs", str(folder)], check=True)
    try: yield folder
    finally: subprocess.run(["umount", "-l", str(folder)], check=True)

# The faults: each returns the sentence

def two_runs(folder, data):
    "A second process in the same run folder."
    first = Run(folder/"run", data)
    first.until(lambda: first.steps() >= 1)
    said = sentence(Run(folder/"run", data).end(), "another process trains in")
    assert first.process.poll() is None
    first.process.kill(); first.process.wait()  # and a killed process holds no lock
    second = Run(folder/"run", data); second.until(lambda: second.steps() >= 5); second.process.terminate(); second.end()
    return said

def worker_killed(folder, data):
    "The system takes memory back from a data-loading process."
    run = Run(folder/"run", data, options="--workers 2 --save-every 1000000 --log-every 1")
    run.until(lambda: run.steps() >= 3)
    os.kill(run.children()[-1], signal.SIGKILL)  # the first ones evaluate
    said = sentence(run.end(), "a data-loading process was killed", "saved at step")
    assert saved(folder/"run") == run.steps() > 0, (saved(folder/"run"), run.steps())
    return said

def main_killed(folder, data):
    "SIGKILL, or the system that takes memory back: nothing lives on, whichever way data-loading processes are started."
    for method in ("fork", "forkserver", "spawn"):
        before = f"import multiprocessing; multiprocessing.set_start_method('{method}')\n"
        run = Run(folder/method, data, options="--workers 1", before=before)
        run.until(lambda: run.steps() >= 1)
        others = psutil.Process(run.process.pid).children(recursive=True)
        run.process.kill(); run.process.wait()
        alive = psutil.wait_procs(others, 20)[1]
        assert others and not alive, f"{method}: {alive}"
    return "none: it was killed"

def nan_loss(folder, data):
    "A batch whose pixels are no numbers."
    said = sentence(Run(folder/"run", data, 12, "--log-every 5 --save-every 5", NAN).end(), "the loss is nan at step 7, of the images with the ids")
    assert saved(folder/"run") == 5 and len(re.findall(r"\d+,? ", said.split("ids")[1])) >= 7
    goes_on(folder/"run", data, 12, "--log-every 5 --save-every 5")
    return said

def data_vanish(folder, data):
    "The images are gone in mid-epoch, and come back."
    own = folder/"data"; shutil.copytree(data, own)
    run = Run(folder/"run", own, 60)
    run.until(lambda: run.steps() >= 3); (own/"images").rename(folder/"gone")
    said = sentence(run.end(), "none of the last 64 images could be read", "saved at step")
    (folder/"gone").rename(own/"images")
    assert 3 <= saved(folder/"run") < 60
    goes_on(folder/"run", own, 60)
    return said

def one_broken_image(folder, data):
    "A single broken image, in batches of one: skipped."
    own = folder/"data"; shutil.copytree(data, own)
    sorted((own/"images"/"train").iterdir())[3].write_bytes(b"no image")
    goes_on(folder/"run", own, 70, "--batch-size 1")
    return "none: the run comes to its end"

def full_disk(folder, data):
    "No room for the next checkpoint; then there is."
    with mounted(folder/"disk", "4m") as disk:
        run = Run(disk/"run", data, 40)
        run.until(lambda: saved(disk/"run") >= 4)
        with contextlib.suppress(OSError), open(disk/"ballast", "wb", buffering=0) as file:
            while True: file.write(bytes(4096))
        said, last = sentence(run.end(), "cannot write to", "No space left"), saved(disk/"run")
        assert last >= 4
        (disk/"ballast").unlink()
        goes_on(disk/"run", data, 40)
    return said

def full_cache(folder, data):
    "No room for stored features while they are written, although there was some when it was asked for."
    with mounted(folder/"disk", "2m") as disk:
        before = "import shutil, types; shutil.disk_usage = lambda folder: types.SimpleNamespace(free=10**12)\n"
        said = sentence(Run(folder/"run", data, 4, "--cache", before, disk).end(), "features cannot be written to", "No space left")
        assert not list(disk.rglob(".partial-*"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        goes_on(folder/"run", data, 4, "--cache", disk)
    return said

def read_only(folder, data):
    "A run folder on a disk that cannot be written."
    with mounted(folder/"disk", "8m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        return sentence(Run(disk/"run", data, 4).end(), "cannot write to", "name another --run")

def stopped(signum, folder, data):
    "A signal while training: the step in hand is finished and saved."
    run = Run(folder/"run", data, options="--save-every 1000000")
    run.until(lambda: run.steps() >= 3); os.kill(run.process.pid, signum)
    said = sentence(run.end(), "stopped and saved at step")
    assert saved(folder/"run") == run.steps() >= 3
    return said

def stopped_in_cache(signum, folder, data):
    "A signal while features are stored."
    more = make_shapes_coco(folder/"more", train=3000, val=16)
    run, cache = Run(folder/"run", more, 4, "--cache", cache=folder/"cache"), folder/"cache"/"features"
    run.until(lambda: list(cache.glob(".partial-*"))); os.kill(run.process.pid, signum)
    said = sentence(run.end(), "interrupted", "--resume")
    assert not list(cache.glob(".partial-*"))
    return said

def stopped_at_the_end(signum, folder, data):
    "A signal in the last evaluation."
    more = make_shapes_coco(folder/"more", train=64, val=1500)
    run = Run(folder/"run", more, 4, "--val-images 1500")
    run.until(lambda: saved(folder/"run") == 4); os.kill(run.process.pid, signum)
    said = sentence(run.end(), "--resume")  # "stopped and saved" where it came before the last step's end
    assert not (folder/"run"/"results.json").exists()
    goes_on(folder/"run", more, 4, "--val-images 1500")
    return said

def damaged(folder, data):
    "A checkpoint that was cut off, and one that is garbage."
    goes_on(folder/"run", data, 4)
    (folder/"run"/"results.json").unlink()
    for name in ("model.safetensors", "optimizer.pt"):
        file = folder/"run"/"checkpoint"/"00000004"/name; whole = file.read_bytes()
        for content in (whole[:len(whole) // 2], b"garbage", b""):
            file.write_bytes(content)
            said = sentence(Run(folder/"run", data, 4).end(), "00000004 is damaged", "delete this folder")
        file.write_bytes(whole)
    goes_on(folder/"run", data, 4)
    return said

def other_encoder(folder, data):
    "The weights file of a frozen encoder changed since the run was saved."
    import vljepa
    from safetensors.torch import load_file, save_file
    vit = folder/"vit"; shutil.copytree(Path(vljepa.__file__).parent/"weights"/"vit", vit)
    run = Run(folder/"run", data, options=f"--vision {vit}")
    run.until(lambda: saved(folder/"run") >= 4); run.process.terminate(); run.end()
    weights = load_file(vit/"model.safetensors")
    weights["norm.weight"] = weights["norm.weight"] * 1.01
    save_file(weights, vit/"model.safetensors")
    return sentence(Run(folder/"run", data, options=f"--vision {vit}").end(), "the vision encoder", "has other weights than when")

def newer_version(folder, data):
    "A run folder of a version that is not there yet."
    (folder/"run").mkdir()
    write_json(folder/"run"/"config.json", dict(version=99, model={}, training={}))
    return sentence(Run(folder/"run", data).end(), "version 99", "pip install -U vljepa-book")

signals = {f"{kind.__name__}, {s.name}": (lambda folder, data, kind=kind, s=s: kind(s, folder, data))
           for kind in (stopped, stopped_in_cache, stopped_at_the_end) for s in (signal.SIGTERM, signal.SIGINT)}
FAULTS = {f.__name__: f for f in (two_runs, worker_killed, main_killed, nan_loss, data_vanish, one_broken_image, full_disk, full_cache, read_only,
                                  damaged, other_encoder, newer_version)} | signals
NEED_ROOT = ("full_disk", "full_cache", "read_only")

def try_fault(
    name: str,  # Of `FAULTS`
) -> dict:  # "passed" or "failed" or "skipped", and the sentence
    "One fault, in a folder of its own."
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        folder, begin = Path(folder), time.time()
        if name in NEED_ROOT and not can_mount(folder): return dict(outcome="skipped", said="needs root and mount")
        try: outcome = dict(outcome="passed", said=FAULTS[name](folder, make_shapes_coco(folder/"shapes", train=64, val=16)))
        except AssertionError as error: outcome = dict(outcome="failed", said=str(error))
        return outcome | dict(seconds=round(time.time() - begin, 1))

def can_mount(folder):
    "Whether this process may mount a small disk."
    try:
        with mounted(folder/"try", "1m"): return True
    except (OSError, subprocess.CalledProcessError): return False

if __name__ == "__main__": run_rows(__doc__, "faults", FAULTS, try_fault, RESULTS)
