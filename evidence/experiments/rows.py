"""What the studies of this folder share: rows in a file, and processes that end with the one that asked for them."""
import csv
import threading
from pathlib import Path

def read(path: Path) -> list[dict]:
    "Rows of a file, none where there is none."
    return list(csv.DictReader(path.open(encoding="utf-8", newline=""))) if path.exists() else []

def add(path: Path, columns: tuple, rows: list[dict]):
    "Append rows, below a head where the file is new."
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if new: writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)

def missing(path: Path, study: str, variants: dict[str, dict], seeds: int) -> list[tuple[dict, dict]]:  # keys and changes
    "Runs of a study that a file does not hold, seed after seed."
    had = {(r["variant"], r["seed"]) for r in read(path)}
    return [(dict(study=study, variant=variant, seed=seed), changes) for seed in range(seeds)
            for variant, changes in variants.items() if (variant, str(seed)) not in had]

def begin():
    "In a process that trains: end when the one that asked for it ends."
    from vljepa.engine.loaders import follow_parent
    threading.Thread(target=follow_parent, daemon=True).start()
