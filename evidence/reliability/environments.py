"""What an environment can lack or bring, each in a process of its own with a limit of time: a run trains, or ends in one sentence;
there is no traceback, nothing hangs, and what was trained is saved.

    python evidence/reliability/environments.py          writes evidence/reliability/results/environments.json

What needs root (a small disk, another user), Linux or a package that is not here is skipped, and the results say so.
"""
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(TOKENIZERS_PARALLELISM="false")
from vljepa.engine.checkpoints import newest_checkpoint
from vljepa.engine.fetch import make_shapes_coco
from vljepa.engine.runs import read_metrics
from corpus import run_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent/"results"/"environments.json"
SMALL = ("--dim 32 --depth 1 --heads 2 --batch-size 8 --val-images 8 --log-every 1 --eval-every 1000 --save-every 1000000").split()
NETWORK = {"vision": "--vision vit_base_patch16_224", "text": "--text bert-base-uncased"}

class Skip(Exception):
    "What this machine lacks for a row."

def needs(there, what):
    if not there: raise Skip(what)

class Run:
    "A training process, and the folder it writes."
    def __init__(self, folder, data=None, steps=3, options="", before="", script="", **how):
        self.run, self.log = folder/"run", open(folder/"log", "w+", errors="replace")
        environment = os.environ | dict(VLJEPA_CACHE=str(folder/"cache")) | how.pop("env", {})
        command = [sys.executable, "-c", f"{before}\nfrom vljepa.engine.cli import vljepa_train; vljepa_train()", "--run", str(self.run),
                   *SMALL, "--device", "cpu", "--steps", str(steps), *options.split(), *(["--data", str(data)] if data else [])]
        if script: command = ["bash", "-c", script, *command]
        streams = dict(stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        self.process = subprocess.Popen(command, env={k: v for k, v in environment.items() if v is not None}, **streams | how)

    def steps(self): # The last row of metrics.csv
        path = self.run/"metrics.csv"
        return max((int(r["step"]) for r in read_metrics(path)), default=-1) if path.exists() else -1

    def saved(self): # Step of the newest checkpoint
        newest = newest_checkpoint(self.run/"checkpoint")
        return int(newest.name) if newest else -1

    def until(self, step, seconds=120): # Wait for this row
        end = time.time() + seconds
        while self.steps() < step:
            assert self.process.poll() is None and time.time() < end, f"it never came to step {step}: {self.end(1)}"
            time.sleep(.02)

    def end(self, seconds=120): # Exit code and what it said; a hang is a failure
        try: self.process.wait(seconds)
        except subprocess.TimeoutExpired: self.kill(); raise AssertionError(f"it hangs: {self.text()[-1500:]}") from None
        return self.process.returncode, self.text()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL); self.process.wait()

    def text(self):
        self.log.seek(0); return self.log.read()

    def trains(self, seconds=120): # To the last step, and says so
        code, text = self.end(seconds)
        assert code == 0 and "Traceback" not in text and (self.run/"results.json").exists(), f"exit code {code}: {text[-2000:]}"
        return "trains"

    def says(self, *words, seconds=120): # One sentence, and no empty folder
        code, text = self.end(seconds)
        last = text.strip().splitlines()[-1] if text.strip() else ""
        assert code == 1 and "Traceback" not in text, f"exit code {code}: {text[-2000:]}"
        assert last.startswith("vljepa_train: ") and all(w in last for w in words) and "this is a bug" not in last, last
        assert not self.run.exists() or any(self.run.iterdir()), "an empty run folder is left"
        return re.sub(r"/\S*/(tmp\w+|environments\w*)", "…", last)

# Places and rights

def home_that_is_a_file(folder, data):
    "No home folder to write to, and no data named: the small world would go to the cache there."
    return Run(folder, env=dict(HOME="/dev/null", VLJEPA_CACHE=None)).says("VLJEPA_CACHE")

def home_unknown(folder, data):
    "A user without a name and without a home, as `docker run --user` makes one."
    script = 'exec unshare -U --map-user=54321 "$0" "$@"'
    needs(subprocess.run(["bash", "-c", script, "true"], capture_output=True).returncode == 0, "a user namespace")
    lost = dict(script=script, env=dict(HOME=None, VLJEPA_CACHE=None))
    said = Run(folder, **lost).says("VLJEPA_CACHE")
    Run(folder, data, **lost).trains()
    return said

def home_of_a_stranger(folder, data):
    "Home cannot be written; data and run are named."
    return Run(folder, data, env=dict(HOME="/dev/null", VLJEPA_CACHE=None)).trains()

def no_room_for_temporary_files(folder, data):
    "TMPDIR names what is not there."
    return Run(folder, data, options="--workers 1", env=dict(TMPDIR=str(folder/"nowhere"))).trains()

def file_in_the_way(folder, data):
    "The run folder is a file."
    (folder/"run").write_text("mine")
    run = Run(folder, data)
    code, text = run.end()
    assert code == 1 and "Traceback" not in text and "cannot write to" in text and (folder/"run").read_text() == "mine", text
    return "a sentence, and the file stays"

def few_open_files(folder, data):
    "`ulimit -n 48` and data-loading processes."
    run = Run(folder, data, steps=30, options="--workers 4", script='ulimit -n 48; exec "$0" "$@"')
    return run.says("ulimit -n") if run.end()[0] else run.trains()

def little_shared_memory(folder, data):
    "`docker run` gives 64 MB; here less, for smaller pictures. The checkpoint is kept, and fewer workers go on from it."
    script = 'mount -t tmpfs -o size=300k tmpfs /dev/shm && exec "$0" "$@"'
    needs(subprocess.run(["unshare", "-m", "bash", "-c", script, "true"], capture_output=True).returncode == 0, "root and unshare")
    run = Run(folder, data, steps=9, options="--workers 2 --batch-size 16", script=f"exec unshare -m bash -c '{script}' \"$0\" \"$@\"")
    said = run.says("shared memory", "--shm-size", "--workers", seconds=90)
    Run(folder, data, steps=9, options="--workers 0 --batch-size 16 --resume").trains()
    return said

# Consoles

def chinese(folder, data):
    "A folder with a picture that cannot be read, and whose name a console may not know."
    own = folder/"data"; shutil.copytree(data, own)
    path = own/"annotations"/"captions_train.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    image = content["images"][3]; (own/"images"/"train"/image["file_name"]).unlink()
    image["file_name"] = "照片.jpg"; (own/"images"/"train"/"照片.jpg").write_bytes(b"broken")
    path.write_text(json.dumps(content), encoding="utf-8")
    return own

def console(folder, data, **env):
    "Trains; nothing that cannot be printed ends it."
    run = Run(folder, chinese(folder, data), steps=9, env=env); run.trains()
    assert "skipped an image" in run.text() and "dataset mean" in run.text(), run.text()
    return "trains"

def console_cp1252(folder, data): "As Windows has it."; return console(folder, data, PYTHONIOENCODING="cp1252")
def console_ascii(folder, data): "As some batch systems have it."; return console(folder, data, PYTHONIOENCODING="ascii")
def locale_c(folder, data):
    "Files have names of ASCII too."
    return console(folder, data, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING=None)

def streams_closed(folder, data):
    "Neither input nor output."
    return Run(folder, data, script='exec "$0" "$@" <&- >&- 2>&-').trains()

def reader_gone(folder, data):
    "`2>&1 | head -c 10`: nobody reads any longer; the run goes on."
    run = Run(folder, data, steps=20, script=f'"$0" "$@" 2>&1 | head -c 10; echo "exit ${{PIPESTATUS[0]}}"')
    assert "exit 0" in run.end()[1] and (run.run/"results.json").exists(), run.text()
    return "trains"

def terminal_gone(folder, data):
    "nohup, and the terminal closes: writing to it fails from then on."
    here, there = pty.openpty()
    run = Run(folder, data, 60, stdout=there, stderr=there, script='trap "" HUP; exec "$0" "$@"'); os.close(there)
    run.until(3); os.close(here)
    return run.trains()

def log_file(folder, data):
    "A bar in a file: a line a minute, not a line a step."
    run = Run(folder, data, 200); run.trains()
    bars = len(re.findall(r"training: ", run.text()))
    assert bars <= 4 and "\r" not in run.text(), f"{bars} bars: {run.text()[:3000]}"
    return f"{bars} lines of progress for 200 steps"

def no_display(folder, data):
    "A user who wants windows, and no screen."
    return Run(folder, data, env=dict(MPLBACKEND="TkAgg", DISPLAY=None, WAYLAND_DISPLAY=None)).trains()

# Interpreters

def warnings_are_errors(folder, data):
    "PYTHONWARNINGS is for other people's code too; it must not be called a bug of ours."
    run = Run(folder, data, env=dict(PYTHONWARNINGS="error::UserWarning"))
    return run.says("PYTHONWARNINGS") if run.end()[0] else run.trains()

def no_assertions(folder, data): "python -O."; return Run(folder, data, env=dict(PYTHONOPTIMIZE="1")).trains()
def no_docstrings(folder, data):
    "python -OO: transformers reads docstrings."
    run = Run(folder, data, env=dict(PYTHONOPTIMIZE="2"))
    return run.says("PYTHONOPTIMIZE") if run.end()[0] else run.trains()
def odd_threads(folder, data): "A number of threads that is none."; return Run(folder, data, env=dict(OMP_NUM_THREADS="many")).trains()
def no_gpu_visible(folder, data):
    "CUDA_VISIBLE_DEVICES is empty."
    return Run(folder, data, options="--device auto", env=dict(CUDA_VISIBLE_DEVICES="")).trains()

def from_above_the_clone(folder, data):
    "`pip install -e`, and then Python in the folder that holds the clone, where a folder of the library's name has no __init__.py."
    clone = folder/"vljepa"
    shutil.copytree(ROOT, clone, ignore=lambda place, names: [n for n in names if Path(place) == ROOT and n not in (
        "vljepa", "setup.py", "settings.ini", "pyproject.toml", "README.md", "MANIFEST.in")])
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder/"env"], check=True)
    ours = next(p for p in sys.path if p.endswith("site-packages"))
    theirs = next((folder/"env").glob("lib/python*/site-packages"))
    (theirs/"others.pth").write_text(f"{ours}\n")  # a path only: what is installed there as editable is not seen
    # What `pip install -e` does, without pip, which would take a copy that is installed here away
    build = "from setuptools import build_meta; print(build_meta.build_editable('.'))"
    made = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True, env=os.environ | dict(PYTHONPATH=""))
    needs(made.returncode == 0, f"setuptools ({made.stderr.strip()[-100:]})")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(clone/made.stdout.split()[-1]), str(theirs)], check=True)
    python = next((folder/"env").glob("bin/python"))
    shown = subprocess.run([python, "-c", "import vljepa; print(vljepa.__file__, vljepa.__version__)"], cwd=folder, capture_output=True, text=True,
                           env=os.environ | dict(PYTHONPATH=""))
    assert shown.stdout.startswith(str(clone/"vljepa"/"__init__.py")), shown
    return "imports what was installed"

def commit_of_a_stranger(folder, data):
    "A git hook sets GIT_DIR; the user stands in a repository of their own."
    subprocess.run(["bash", "-c", "git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git rev-parse HEAD > commit"], cwd=folder, check=True)
    Run(folder, data, cwd=folder, env=dict(GIT_DIR=str(folder/".git"))).trains()
    commit = json.loads((folder/"run"/"results.json").read_text())["provenance"]["commit"]
    assert commit[:7] != (folder/"commit").read_text()[:7], commit
    return "names the library's commit"

# Launchers

def launcher(wish, *words, **env):
    "A variable that a launcher sets: used, or refused."
    def row(folder, data, options=""):
        run = Run(folder, data, options=wish, env=env)
        return run.says(*words) if words else run.trains()
    return row

def lonely(folder, data, **env):
    "The other process never comes: a sentence, not hours."
    with socket.socket() as free: free.bind(("127.0.0.1", 0)); port = str(free.getsockname()[1])
    names = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, RANK="0", LOCAL_RANK="0", WORLD_SIZE="2")
    return Run(folder, data, before="import vljepa.engine.processes as p; p.PATIENCE = 5", env=names | env).says("did not find each other")

def lonely_second(folder, data): "The first process never comes."; return lonely(folder, data, RANK="1", LOCAL_RANK="1")
def no_master(folder, data): "Nobody says where to meet."; return Run(
    folder, data, env=dict(RANK="0", LOCAL_RANK="0", WORLD_SIZE="2")).says("did not find each other")
def world_alone(folder, data): "Left over from another job."; return Run(folder, data, env=dict(WORLD_SIZE="2")).says("unset WORLD_SIZE")

def module(folder, data):
    "Without a console script."
    command = [sys.executable, "-m", "vljepa", "--run", str(folder/"run"), "--data", str(data), *SMALL, "--steps", "2", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and (folder/"run"/"results.json").exists(), (done.returncode, done.stderr[-500:])
    return "trains"

def launched(folder, data):
    "torchrun and accelerate launch start the module."
    for name, start in dict(torchrun=["torch.distributed.run", "--nproc-per-node", "1", "-m", "--"],
                            accelerate=["accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no",
                                        "--dynamo_backend", "no", "--module"]).items():
        command = [sys.executable, "-m", *start, "vljepa", "--run", str(folder/name), "--data", str(data), *SMALL, "--steps", "2", "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0 and (folder/name/"results.json").exists(), (name, done.returncode, done.stderr[-500:])
    return "trains"

# Networks and trackers

def network(part, *words, seconds=60, **env):
    "A name that would have to be fetched: a sentence that speaks of options, soon, and no empty folder."
    def row(folder, data):
        return Run(folder, data, options=NETWORK[part], env=dict(HF_HOME=str(folder/"hub"), **env)).says(*words, seconds=seconds)
    return row

def wandb_without_key(folder, data):
    "No key, nobody to ask for one."
    needs(find_spec("wandb"), "wandb")
    return Run(folder, data, options="--track wandb", env=dict(WANDB_API_KEY=None, WANDB_MODE="online", HOME=str(folder), NETRC=str(folder/"no"))
               ).says("--track wandb", "WANDB_MODE=offline", "key")

def wandb_not_installed(folder, data):
    "A tracker that is not here."
    return Run(folder, data, options="--track wandb", before="import sys; sys.modules['wandb'] = None").says("pip install wandb")

# Signals

def stopped(name, times=1):
    "A signal while training: the step in hand is finished and saved."
    def row(folder, data):
        needs(hasattr(signal, name), name)
        run = Run(folder, data, 100_000); run.until(3)
        for _ in range(times): os.kill(run.process.pid, getattr(signal, name)); time.sleep(.3)
        said = run.says("--resume")
        assert run.saved() == run.steps() >= 3, (run.saved(), run.steps())
        return said
    return row

def paused(folder, data):
    "Ctrl-Z and fg: it goes on."
    run = Run(folder, data, 60); run.until(3)
    os.kill(run.process.pid, signal.SIGSTOP); time.sleep(2); os.kill(run.process.pid, signal.SIGCONT)
    return run.trains()

def hangup_ignored(folder, data):
    "nohup: SIGHUP does nothing."
    run = Run(folder, data, 60, script='trap "" HUP; exec "$0" "$@"'); run.until(3)
    os.kill(run.process.pid, signal.SIGHUP)
    return run.trains()

def resume_of_nothing(folder, data):
    "--resume with a name that was mistyped says so before it starts another."
    run = Run(folder, data, options="--resume"); run.trains()
    assert "there is no run to go on with" in run.text(), run.text()
    return next(line for line in run.text().splitlines() if "no run to go on with" in line).replace(str(folder), "…")

accumulation = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"
ROWS = {f.__name__: f for f in (
    home_that_is_a_file, home_unknown, home_of_a_stranger, no_room_for_temporary_files, file_in_the_way, few_open_files,
    little_shared_memory, console_cp1252, console_ascii, locale_c, streams_closed, reader_gone, terminal_gone, log_file, no_display,
    warnings_are_errors, no_assertions, no_docstrings, odd_threads, no_gpu_visible, from_above_the_clone, commit_of_a_stranger, lonely, lonely_second, no_master,
    world_alone, module, launched, wandb_without_key, wandb_not_installed, paused, hangup_ignored, resume_of_nothing)} | {
    "launcher accumulates": launcher("", "--accumulate", **{accumulation: "4"}),
    "launcher accumulates as we do": launcher("--accumulate 4", **{accumulation: "4"}),
    "launcher wants bf16": launcher("", ACCELERATE_MIXED_PRECISION="bf16"),
    "launcher wants bf16, we fp32": launcher("--precision fp32", "--precision", ACCELERATE_MIXED_PRECISION="bf16"),
    "launcher wants fp16 on a CPU": launcher("", "--precision fp16 needs a GPU", ACCELERATE_MIXED_PRECISION="fp16"),
    "launcher wants fp8": launcher("", "fp8", ACCELERATE_MIXED_PRECISION="fp8"),
    "fp16 on a CPU": launcher("--precision fp16", "--precision fp16 needs a GPU"),
    "launcher compiles": launcher("", ACCELERATE_DYNAMO_BACKEND="EAGER"),
    "launcher wants DeepSpeed": launcher("", "DeepSpeed", ACCELERATE_USE_DEEPSPEED="true"),
    "launcher wants Megatron": launcher("", "Megatron", ACCELERATE_USE_MEGATRON_LM="true"),
    "launcher wants FSDP in one process": launcher("", ACCELERATE_USE_FSDP="true", FSDP_VERSION="2"),
    "launcher says CPU": launcher("", ACCELERATE_USE_CPU="true"),
    "offline, vision": network("vision", "--vision-weights", "--no-pretrained", HF_HUB_OFFLINE="1"),
    "offline, text": network("text", "--text", HF_HUB_OFFLINE="1"),
    "closed proxy, vision": network("vision", "--vision-weights", HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"),
    "closed proxy, text": network("text", "--text", HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"),
    "silent proxy, vision": network("vision", "--vision-weights", HTTPS_PROXY="http://10.255.255.1:9", HTTP_PROXY="http://10.255.255.1:9"),
    "silent proxy, text": network("text", "--text", HTTPS_PROXY="http://10.255.255.1:9", HTTP_PROXY="http://10.255.255.1:9"),
    **{name: stopped(name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")}}

def try_row(
    name: str,  # Of `ROWS`
) -> dict:  # "passed", "failed" or "skipped", and what it came to
    "One row, in a folder of its own."
    with tempfile.TemporaryDirectory(prefix="environments") as folder:
        folder, begin = Path(folder), time.time()
        data = make_shapes_coco(folder/"shapes", train=64, val=16)
        try: outcome = dict(outcome="passed", said=ROWS[name](folder, data))
        except Skip as reason: outcome = dict(outcome="skipped", said=f"needs {reason}")
        except (AssertionError, subprocess.SubprocessError) as error: outcome = dict(outcome="failed", said=str(error))
        return outcome | dict(seconds=round(time.time() - begin, 1))

if __name__ == "__main__": run_rows(__doc__, "environments", ROWS, try_row, RESULTS)
