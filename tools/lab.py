"""Runs notebooks in JupyterLab as a reader does, in chromium: `python tools/lab.py [NAME ...] [--bin FOLDER]`.

A copy of the notebooks is opened from the JupyterLab of an environment (`--bin`, its folder of programs; default: this one's). An
answer is typed by keyboard into each starter cell of an exercise, then *Run All Cells* is asked for. Problems are errors in any
cell, and an answer that is not what was typed any more afterwards. Without names: all chapters. Exit status 77: no chromium here.
"""
import argparse
import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from browser import ROOT, launch

CHAPTER = re.compile(r"\d\d_\w+|A\d_\w+|index")
STARTER = re.compile(r"^#\| *eval: *false\n(?:.*\n)*?(?:def|class) (\w+)")
ANSWER = "the reader's own answer"
# The notebook that is in front, and what is done with it.
NOTEBOOK = "const nb = jupyterapp.shell.currentWidget, cells = nb.content.widgets, kernel = nb.sessionContext.session?.kernel; "
RUN_ALL = "async () => { " + NOTEBOOK + "await jupyterapp.commands.execute('notebook:run-all-cells') }"
ENTER = "async i => { " + NOTEBOOK + """nb.content.activeCellIndex = i
  await nb.content.scrollToItem(i); jupyterapp.commands.execute('notebook:enter-edit-mode') }"""
SOURCE = "i => { " + NOTEBOOK + "return cells[i].model.sharedModel.source }"
ERRORS = "() => { " + NOTEBOOK + """return cells.map(c => c.model.sharedModel.toJSON()).flatMap(c => (c.outputs || [])
  .filter(o => o.output_type == 'error').map(o => `${o.ename}: ${o.evalue}`.slice(0, 200) + ' in ' + c.id)) }"""
ASK = "async code => { " + NOTEBOOK + """let said = ''
  const done = kernel.requestExecute({code}); done.onIOPub = m => { said += m.content.text || (m.content.evalue ?? '') }
  await done.done; return said.trim() }"""


def copy_of_the_book(folder):
    "Copy what the notebooks read; JupyterLab saves what it opens."
    for name in ("nbs", "evidence", "settings.ini", "_quarto.yml", "README.md", "CITATION.cff"):
        source = ROOT/name
        if source.is_dir(): shutil.copytree(source, folder/name, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
        else: shutil.copy(source, folder/name)

def start(programs, folder):
    "Start JupyterLab in a folder; return its process and address."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [programs/"jupyter", "lab", "--no-browser", f"--port={port}", "--allow-root", "--ServerApp.token=", "--ServerApp.password=",
               "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder}"]
    process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try: urllib.request.urlopen(f"{address}/api/status", timeout=5).read()
        except OSError: time.sleep(.5)
        else: return process, address
        if process.poll() is not None: break
    sys.exit("JupyterLab did not start")

def starters(path):
    "Where the starter cells of a notebook are, and the function or class that each begins."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [(i, STARTER.match("".join(cell["source"]))) for i, cell in enumerate(cells) if cell["cell_type"] == "code"]
    return [(i, found[1]) for i, found in texts if found]

def walk(page, address, path, name, minutes):
    "Open a notebook, answer its exercises, run all; return what went wrong, and how many answers there were."
    page.goto(f"{address}/lab/tree/nbs/{name}.ipynb?reset", wait_until="load")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function("() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'", timeout=60_000)
    exercises = starters(path)
    for i, answer in exercises:
        text = f"def {answer}(*given, **named): return {ANSWER!r}"
        for _ in range(5):  # a slow machine may not have the cell ready
            page.evaluate(ENTER, i)
            page.wait_for_function("() => jupyterapp.shell.currentWidget.content.activeCell.editor?.hasFocus()", timeout=30_000)
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(text)
            if page.evaluate(SOURCE, i) == text: break
        else: raise RuntimeError(f"the starter of {answer} takes no keys")
    page.set_default_timeout(minutes * 60_000)
    page.evaluate(RUN_ALL)
    problems = [f"{name}: {line}" for line in page.evaluate(ERRORS)]
    for i, answer in exercises * (not problems):  # an error stops the run before it comes to them
        if page.evaluate(ASK, f"print({ANSWER!r} in {answer}.__code__.co_consts)") != "True":
            problems.append(f"{name}: the answer that was typed for {answer} is not there any more")
    page.evaluate("() => { " + NOTEBOOK + "return kernel.shutdown() }")
    return problems, len(exercises)

def main():
    "Run them and say what was seen."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of notebooks; all chapters when none is named")
    parser.add_argument("--bin", type=Path, default=Path(sys.executable).parent, help="where the environment's `jupyter` is")
    parser.add_argument("--minutes", type=float, default=15, help="how long one notebook may take")
    args = parser.parse_args()
    if not importlib.util.find_spec("playwright"): sys.exit(print("skipped: no playwright") or 77)
    from playwright.sync_api import sync_playwright
    names = args.names or [p.stem for p in sorted((ROOT/"nbs").glob("*.ipynb")) if CHAPTER.fullmatch(p.stem)]
    failed, answers = [], 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        if not browser: sys.exit(print("skipped: no chromium") or 77)
        copy_of_the_book(Path(folder))
        process, address = start(args.bin.absolute(), folder)
        try:
            for name in names:
                begin, page = time.perf_counter(), browser.new_page(viewport={"width": 1280, "height": 900})
                try: problems, typed = walk(page, address, ROOT/"nbs"/f"{name}.ipynb", name, args.minutes)
                except Exception as error: problems, typed = [f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}"], 0
                page.close()
                failed, answers = failed + problems, answers + typed
                print(f"{'FAILED' if problems else 'ok':6} {name} ({time.perf_counter() - begin:.0f} s, {typed} answers typed)", flush=True)
                for problem in problems: print(f"       - {problem}", flush=True)
        finally:
            process.terminate()
            process.wait()
    print(f"lab: {len(names)} notebooks run, {answers} answers typed, {len(failed)} problems")
    sys.exit(bool(failed))

if __name__ == "__main__": main()
