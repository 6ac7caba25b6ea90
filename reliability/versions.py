"""Run the tests in this environment and write its versions and what passed to reliability/results/versions.json.

    python reliability/versions.py SET

SET names the entry, such as lowest or newest; an entry of the same name is replaced. Where the tools of development are
missing, so that no notebook can run, every module is imported and a run of three steps is trained instead."""
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

from vljepa.training import provenance

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "torchvision", "timm", "transformers", "accelerate", "fastcore", "numpy", "huggingface_hub", "safetensors")

def call(
    *command: str,  # a command of this environment and its arguments
) -> tuple[int, str]:  # exit status, what it printed
    "Run a command in the project's folder and show what it prints."
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | dict(PATH=scripts + os.pathsep + os.environ["PATH"], OMP_NUM_THREADS="1")
    process = subprocess.Popen([str(Path(scripts)/command[0]), *command[1:]], cwd=ROOT, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = [(print(line, end="", flush=True), line)[1] for line in process.stdout]
    return process.wait(), "".join(lines)

def test_book() -> dict:  # notebooks that passed, names of those that failed
    "Run `nbdev_test` and count."
    names = [path.name for path in sorted((ROOT/"nbs").glob("*.ipynb"))]
    status, said = call("nbdev_test", "--n_workers", "1", "--do_print", "--timing")
    listed = said.partition("nbdev Tests Failed")[2].splitlines()
    failed = [name for name in names if f"\t{name}" in listed]
    if status and not failed: failed = names
    return dict(notebooks_passed=len(names) - len(failed), notebooks_failed=failed)

def test_library() -> dict:  # modules imported, exit status of a short run
    "Import every module and train three steps."
    modules = sorted(path.stem for path in (ROOT/"vljepa").glob("[!_]*.py"))
    for module in modules: import_module(f"vljepa.{module}")
    with tempfile.TemporaryDirectory() as folder:
        status, _ = call("vljepa_train", "--steps", "3", "--train-images", "64", "--val-images", "32", "--run", f"{folder}/run")
        report = Path(folder, "run", "report.md").exists()
    return dict(modules_imported=len(modules), trained=status == 0 and report)

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="name of the entry")
    parser.add_argument("--results", type=Path, default=ROOT/"reliability"/"results"/"versions.json", help="file to write")
    args = parser.parse_args()
    start = time.perf_counter()
    found = test_book() if find_spec("nbdev") else test_library()
    made = provenance()
    entry = dict(python=made["python"], packages={name: version(name) for name in PACKAGES}, **found,
                 seconds=round(time.perf_counter() - start), commit=made["commit"], machine=made["machine"], gpu=made["gpu"])
    entries = json.loads(args.results.read_text(encoding="utf-8")) if args.results.exists() else {}
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(entries | {args.set: entry}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(entry, indent=2))
    sys.exit(bool(found.get("notebooks_failed")) or not found.get("trained", True))

if __name__ == "__main__": main()
