"""Run the tests in this environment and write its versions and what passed to evidence/reliability/results/versions.json.

    python evidence/reliability/versions.py SET [NOTEBOOK ...]

SET names the entry, such as lowest or newest; an entry of the same name is replaced, or, where notebooks such as 03_masking
are named, these parts of it. Where the tools of development are missing, so that no notebook can run, every module is
imported and a run of three steps is trained instead."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from vljepa.engine.runs import provenance

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "timm", "transformers", "accelerate", "fastcore", "numpy", "huggingface_hub", "safetensors")

def call(
    *command: str,  # a command of this environment and its arguments
) -> int:  # exit status
    "Run a command in the project's folder with one thread."
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | dict(PATH=scripts + os.pathsep + os.environ["PATH"], OMP_NUM_THREADS="1")
    return subprocess.run([str(Path(scripts)/command[0]), *command[1:]], cwd=ROOT, env=environment).returncode

def test_book(
    names: list[str],  # notebooks; all when empty
) -> dict:  # by notebook: whether it passed, seconds, commit
    "Run `nbdev_test` on one notebook after the other, so that one that crashes takes no other along."
    notebooks, commit = {}, provenance()["commit"]
    paths = {path.stem: path for folder in ("nbs", "nbs/engine") for path in sorted((ROOT/folder).glob("*.ipynb"))}
    for name in names or paths:
        start = time.perf_counter()
        passed = call("nbdev_test", "--path", str(paths[name]), "--n_workers", "0") == 0
        notebooks[name] = dict(passed=passed, seconds=round(time.perf_counter() - start), commit=commit)
        print(f"{name:18} {'passed' if passed else 'FAILED'}, {notebooks[name]['seconds']} s", flush=True)
    return notebooks

def test_library() -> dict:  # modules imported, exit status of a short run
    "Import every module and train three steps."
    found = sorted((ROOT/"vljepa").rglob("[!_]*.py"))
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found]
    for module in modules: import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        status = call("vljepa_train", "--steps", "3", "--train-images", "64", "--val-images", "32", "--run", f"{folder}/run")
        report = Path(folder, "run", "report.md").exists()
    return dict(modules_imported=len(modules), trained=status == 0 and report)

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="name of the entry")
    parser.add_argument("notebooks", nargs="*", help="run only these")
    parser.add_argument("--results", type=Path, default=ROOT/"evidence"/"reliability"/"results"/"versions.json", help="file to write")
    args = parser.parse_args()
    entries = json.loads(args.results.read_text(encoding="utf-8")) if args.results.exists() else {}
    made = provenance()
    entry = dict(python=made["python"], packages={name: version(name) for name in PACKAGES}, machine=made["machine"], gpu=made["gpu"])
    if find_spec("nbdev"):
        kept = entries.get(args.set, {}).get("notebooks", {}) if args.notebooks else {}
        notebooks = dict(sorted((kept | test_book(args.notebooks)).items()))
        passed = sum(nb["passed"] for nb in notebooks.values())
        failed = len(notebooks) - passed
        entry |= dict(passed=passed, failed=failed, seconds=sum(nb["seconds"] for nb in notebooks.values()), notebooks=notebooks)
    else:
        start = time.perf_counter()
        entry |= dict(commit=made["commit"], **test_library(), seconds=round(time.perf_counter() - start))
        failed = not entry["trained"]
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(entries | {args.set: entry}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in entry.items() if name != "notebooks"}, indent=2))
    sys.exit(bool(failed))

if __name__ == "__main__": main()
