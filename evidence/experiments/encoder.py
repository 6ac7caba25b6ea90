"""The study of chapter 17: an encoder that learns. Rows of runs, written as they come; a run that a file holds is not run again.

    python evidence/experiments/encoder.py collapse    ten ways to make a target, 600 steps, meters as curves
    python evidence/experiments/encoder.py claim       captions and their controls, 1,500 steps, probes of the encoder alone
    python evidence/experiments/encoder.py share       without captions: other masks, less data, fewer and more steps

A run keeps one core busy for 2 to 6 minutes. `--seeds 2` stops after two seeds, all variants of a seed before the next one;
`--workers` trains several runs at once, each on one thread. Everything begins from random weights on drawn scenes and needs no files.

A row is what was measured at a step: of the encoder that trains (teacher 0) or, at the end, of its slow copy (teacher 1). `loss` and
`cosine` (of predictions and targets, in training) are means over the steps since the row before; then the meters of the encoder's own
latents on 256 scenes, and mean average precision of linear probes, learned on 3,000 scenes and asked about 2,000. `seconds` are those
that the training steps of the whole run kept one core busy."""
import argparse
import functools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from rows import add, begin, missing

OUT = Path(__file__).resolve().parent/"encoder"
METERS = ("scale", "normed", "rank", "std", "within", "rankme", "image", "place")
PROBES = ("image shape", "image color", "image size", "image place", "patch shape", "patch color")
COLUMNS = ("study", "variant", "seed", "step", "teacher", "loss", "cosine", *METERS, *PROBES, "steps", "seconds", "commit", "hardware")

BASE = dict(steps=1500, size=64, lr=1e-3, scenes=16_000, mask="block", share=.6, caption="", form="cross", own=False, slow=False,
            momentum=(.99, 1.), loss="cosine", term="", weight=1., contrast=False, meters=300, probes=300,
            fit=3000, test=2000)
SHORT = dict(steps=600, meters=20, probes=300)
OWN = dict(own=True, loss="l2")  # of latents as they are; cosine is of layer-normalised ones
STUDIES = dict(
    collapse={name: SHORT | changes for name, changes in {
        "slow, stopped": {}, "stopped": dict(momentum=(0., 0.)), "slow": dict(own=True, slow=True), "neither": dict(own=True),
        "variance, covariance": OWN | dict(term="spread"), "SIGReg": OWN | dict(term="sigreg", weight=.05),
        "variance, in one heap": OWN | dict(term="heap"), "variance, behind a norm": OWN | dict(term="normed"),
        "variance, with cosine": dict(own=True, term="spread"), "both behind a norm": dict(own=True, term="normed")}.items()},
    claim={
        "no text": {}, "right": dict(caption="right"), "another": dict(caption="another"), "shuffled": dict(caption="shuffled"),
        "words": dict(caption="right", form="words"), "contrast": dict(caption="right", contrast=True, steps=1740)},
    share={  # the setting that these differ from is "no text" above
        "30% in a block": dict(share=.3), "80% in a block": dict(share=.8), "60% at random": dict(mask="random"),
        "60% in four blocks": dict(mask="multiblock"), "1,000 scenes": dict(scenes=1000), "500 steps": dict(steps=500),
        "3,000 steps": dict(steps=3000)})

@functools.cache
def drawn(first: int, count: int, told: bool = False):
    "Scenes in memory, once in each process; `told` ones with the tokens of their captions."
    from vljepa.pretraining import Scenes
    return Scenes(range(first, first + count), reader().tokenizer if told else None)

@functools.cache
def reader():
    "The text encoder, frozen."
    from vljepa.encoders import freeze, text_encoder
    return freeze(text_encoder("tiny"))

def parts(c: dict, seed: int):
    "Model and loss."
    import torch
    from vljepa.losses import LOSSES, cosine_loss, covariance_loss, sigreg, variance_loss
    from vljepa.model import VLJEPA, VLJEPAConfig
    from vljepa.pretraining import ContrastivePair, OwnTarget, contrastive_loss, fresh_encoder, own_loss
    from vljepa.targets import normalize_targets
    spread = lambda x: variance_loss(x) + covariance_loss(x) / 25
    terms = {"": None, "spread": spread, "sigreg": lambda x: sigreg(x, 16), "heap": lambda x: spread(x.flatten(0, 1)),
             "normed": lambda x: spread(normalize_targets(x))}
    vision, text = fresh_encoder(seed=seed), reader() if c["caption"] else None
    torch.manual_seed(seed)  # of the rest
    if c["contrast"]: return ContrastivePair(vision, text), contrastive_loss
    model = (OwnTarget if c["own"] else VLJEPA)(vision, text, config=VLJEPAConfig(dim=64, depth=2, form=c["form"],
                                                                              layer_norm_targets=c["loss"] == "cosine"))
    if c["slow"]: model.slow = True
    return model, own_loss(terms[c["term"]], c["weight"], LOSSES[c["loss"]]) if c["own"] else cosine_loss

def run(key: dict, changes: dict) -> list[dict]:
    "Train one variant under one seed; the rows of what was measured."
    import torch
    from vljepa.engine.runs import provenance
    from vljepa.learn import EMA, Learner, Record, schedule
    from vljepa.losses import cosine_loss
    from vljepa.masking import MASKS
    from vljepa.pretraining import WatchEncoder, encode_bytes, encoder_meters, probe_encoder
    torch.set_num_threads(1)
    c, seed = BASE | changes, key["seed"]
    train, fit, test = drawn(0, c["scenes"], bool(c["caption"])), drawn(100_000, c["fit"]), drawn(200_000, c["test"])
    (model, loss), cosines, asked = parts(c, seed), [], []
    meters = lambda encoder: encoder_meters(encode_bytes(encoder, test.images[:256]))
    probes = lambda encoder: probe_encoder(encoder, fit, test)
    def kept(pred, target, *more):
        if not c["contrast"]: cosines.append(1 - cosine_loss(pred.detach(), target.detach()).item())
        return loss(pred, target, *more)
    def timed(ask):
        def answer(encoder):
            start = time.process_time()
            found = ask(encoder)
            asked.append(time.process_time() - start)
            return found
        return answer
    watch = [WatchEncoder(timed(meters), c["meters"]), WatchEncoder(timed(probes), c["probes"])]
    taught, record, start = not c["contrast"] and (c["slow"] or not c["own"]), Record(), time.process_time()
    batches = train.batches(c["caption"] or "right", c["size"], seed)
    Learner(model, batches, MASKS[c["mask"]]((8, 8), c["share"]), kept, schedule=functools.partial(schedule, lr=c["lr"]),
            callbacks=[*[EMA(*c["momentum"])] * taught, *watch, record], steps=c["steps"], seed=seed).fit()
    seconds, rows, last, mean = time.process_time() - start - sum(asked), [], 0, lambda x: sum(x) / len(x) if x else ""
    for row in record.rows:
        if "scale" not in row: continue
        losses = [r["loss"] for r in record.rows[last + 1:row["step"] + 1]]
        rows.append(row | dict(teacher=0, loss=mean(losses), cosine=mean(cosines[last:row["step"]])))
        last = row["step"]
    if taught and c["momentum"][0]:
        teacher = model.target.average
        rows.append(dict(step=c["steps"], teacher=1) | meters(teacher) | probes(teacher))
    made = provenance()
    facts = dict(steps=c["steps"], seconds=round(seconds, 1), commit=made["commit"], hardware=made["machine"])
    return [{name: value for name, value in (key | row | facts).items() if name in COLUMNS} for row in rows]

def main():
    "Run what a part lacks, seed after seed."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=STUDIES)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--variants", nargs="*", help="of the part; all where none is named")
    for name in ("steps", "scenes", "fit", "test", "meters", "probes"):
        parser.add_argument(f"--{name}", type=int, help="other than the study's, to try something")
    a = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[name] = "1"
    a.out.mkdir(parents=True, exist_ok=True)
    path, tried = a.out/f"{a.part}.csv", {k: v for k, v in vars(a).items() if k in BASE and v is not None}
    jobs = [(key, changes | tried) for key, changes in missing(path, a.part, STUDIES[a.part], a.seeds)
            if not a.variants or key["variant"] in a.variants]
    with ProcessPoolExecutor(a.workers, multiprocessing.get_context("spawn"), begin) as pool:
        for done in as_completed([pool.submit(run, *job) for job in jobs]):
            rows = done.result()
            add(path, COLUMNS, rows)
            print(*list(rows[0].values())[:3], f"{rows[0]['seconds']} s", flush=True)

if __name__ == "__main__": main()
