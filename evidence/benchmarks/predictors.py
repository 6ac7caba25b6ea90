"""What does a lighter predictor cost in skill, on photographs? Some predictors of speed.py are trained with the preset coco, one run
for each and each seed; frozen encoders and fixed masks are stored, so that only the first run waits for them.

    python evidence/benchmarks/predictors.py --cache --masks 4                    # the preset's own encoders and photographs
    python evidence/benchmarks/predictors.py --cache --masks 4 --data photos --vision ... --text ... --steps 300

Other options are those of `vljepa_train`. Runs go to runs/predictors and are never repeated. Skills go to
evidence/benchmarks/results/predictors.json with seeds, commit, hardware, and the settings that differ from the preset's, without folders."""
import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from speed import PREDICTORS, RESULTS
from vljepa.model import PRESETS
from vljepa.engine.cli import make_parser, resolve_run
from vljepa.engine.files import write_json
from vljepa.engine.runs import TRAIN_PRESETS, provenance
from vljepa.engine.trainer import Trainer

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/predictors"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PREDICTORS, default=["joint 4 x 256", "joint 6 x 384"], help="some of the predictors")
    args, rest = parser.parse_known_args()
    _, model, training = resolve_run(make_parser().parse_args(["--preset", "coco", "--run", str(args.out/"none"), *rest]))
    changed = {k: v for new, old in ((model, PRESETS["coco"]), (training, TRAIN_PRESETS["coco"])) for k, v in asdict(new).items()
               if getattr(old, k) != v}
    facts, skills = provenance(), {}
    for seed in range(args.seeds):
        for name in args.only:
            run = args.out/f"{name.replace(' ', '-')}-seed{seed}"
            if not (run/"results.json").exists(): Trainer(run, replace(model, **PREDICTORS[name]), replace(training, seed=seed)).fit()
            table = json.loads((run/"results.json").read_text(encoding="utf-8"))["table"]
            skills.setdefault(name, []).append({kind: round(table[kind]["skill"], 4) for kind in ("right", "shuffled", "empty")})
            print(name, "seed", seed, skills[name][-1], flush=True)
    write_json(RESULTS.with_name("predictors.json"), dict(skills=skills, provenance=facts, changed={
        k: Path(v).name if isinstance(v, str) else v for k, v in changed.items()}))
