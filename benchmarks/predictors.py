"""What does a lighter predictor cost in skill, on photographs? The predictors of speed.py, one run for each and each seed, frozen
encoders and fixed masks stored, through the studies of chapter 12.

    python benchmarks/predictors.py --change data=coco                   # the preset's own encoders and photographs
    python benchmarks/predictors.py --change data=photos --change vision=... --change text=... --change steps=300

Runs go to --out and are never repeated; the table goes to benchmarks/results/predictors.csv, with seed, commit and hardware, and
the settings that differ from the preset's, without folders, to predictors.json."""
import argparse
import shutil
from pathlib import Path

from speed import PREDICTORS, RESULTS
from vljepa.ablations import Study, ablate, parse_change
from vljepa.training import provenance, write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/predictors"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="runs at the same time")
    parser.add_argument("--only", nargs="+", choices=PREDICTORS, default=list(PREDICTORS), help="some of the predictors")
    parser.add_argument("--change", action="append", default=[], metavar="NAME=VALUE", help="as in vljepa_ablate")
    args = parser.parse_args()
    changes = dict(map(parse_change, args.change))
    study = Study("Which predictor for the preset coco?", {name: PREDICTORS[name] for name in args.only})
    print(ablate(["predictors"], args.out, args.seeds, args.workers, "coco", changes, {"predictors": study}))
    shutil.copy(args.out/"predictors.csv", RESULTS.with_name("predictors.csv"))
    named = {k: Path(v).name if isinstance(v, str) else v for k, v in changes.items()}
    write_json(RESULTS.with_name("predictors.json"), dict(changes=named, seeds=args.seeds, provenance=provenance()))
