"""Everything that the picture on the home page shows, computed by a trained model.

    python evidence/experiments/remake.py long demo

of which the first part trains the run and the second calls this file with its folder.

Writes demo.json beside this file (what was measured, on what, by what) and, for the page, nbs/images/demo_data.js and
nbs/images/demo.png."""
import base64
import io
import json
import sys
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from vljepa.shapes import Scene, ShapesWorld
from vljepa.data import collate
from vljepa.masking import Mask
from vljepa.measure import Look, baselines, caption_latents, skill
from vljepa.diagnostics import PatchLibrary, _cut, patch_library, patchwork
from vljepa.engine.checkpoints import Opened, open_run
from vljepa.engine.loaders import loader_captions
from vljepa.engine.runs import provenance
from vljepa.engine.viz import gray_out, on_patches, pixels

ROOT = Path(__file__).resolve().parents[3]
IMAGES = ROOT/"nbs"/"images"
SIDES = (6, 4)  # of the square blocks, in patches
KINDS = ("right", "empty", "shuffled")  # of captions
SHOWN = (*KINDS, "target")  # what is drawn: the truth as well, as the best that this way of drawing can do
RULE = ("Held-out scenes with four things of four colours, in the order of their mean cosine with the right caption over "
        "all places of the larger block: those at 25%, 50% and 75%. The other caption is that of the image that follows. The block "
        "begins where it covers most of the things.")

def all_places(
    side: int,  # of a square block, in patches
    grid: tuple[int, int],  # rows and columns of the patch grid
) -> Mask:  # one for each place where the block fits, row by row
    "Every place of a square block."
    rows, cols = grid
    patches, hide = torch.arange(rows * cols).view(rows, cols), []
    for top in range(rows - side + 1):
        for left in range(cols - side + 1): hide.append(patches[top:top + side, left:left + side].flatten())
    keep = [patches.flatten()[~torch.isin(patches.flatten(), h)] for h in hide]
    return Mask(torch.stack(keep), torch.stack(hide))

def image_id(
    opened: Opened,  # the run
    index: int,  # of a held-out image
) -> int:  # one more than the number of its scene
    "Which image of the data set it is."
    rows = opened.val.dataset
    return rows.dataset.ids[rows.indices[index]]

@torch.no_grad()
def look_at(
    opened: Opened,  # the run
    index: int,  # of a held-out image
    masks: Mask,  # P of them
    captions: dict[str, dict[int, str]],  # from `loader_captions`
) -> Look:  # a batch of P times the same image
    "Hide the same image in P ways and predict with each kind of caption."
    model = opened.model
    batch = collate([opened.val.dataset[index]] * len(masks.hide), model.text.tokenizer)
    context, target = model.encode(batch.images, masks.keep), model.targets(batch.images, masks.hide)
    guesses = baselines(context, masks, opened.means, model.vision.grid, model.config.layer_norm_targets)
    for kind, shown in captions.items():
        text = caption_latents(model, batch, [shown[i] for i in batch.image_ids.tolist()])
        guesses[kind] = model.predictor(context, *masks, *text)
    return Look(batch, masks, context, target, guesses)

def cosines(
    look: Look,  # from `look_at`
) -> dict[str, torch.Tensor]:  # by baseline or kind of caption: [P, Nm]
    "Cosine of each hidden patch's guess with the truth."
    return {name: F.cosine_similarity(guess.float(), look.target, dim=-1) for name, guess in look.guesses.items()}

def best_guess(
    cosine: dict[str, torch.Tensor],  # from `cosines`
) -> tuple[str, torch.Tensor]:  # its name, and its mean cosine at each place, [P]
    "The best guess that needs no learning, for this image."
    means = {name: c.mean(1) for name, c in cosine.items() if name not in KINDS}
    name = max(means, key=lambda n: means[n].mean().item())
    return name, means[name]

def png(
    picture: np.ndarray,  # uint8 [H, W, 3]
) -> str:  # as an address that holds the picture itself
    "A picture as a data URI."
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

def to_bytes(pictures): return (pictures * 255).round().to(torch.uint8).numpy()

class Sprites:
    "The different patches that were used, each kept once."
    def __init__(self): self.index, self.crops = {}, []

    def add(self, crop: np.ndarray) -> int:
        "Number of a patch, uint8 [h, w, 3]."
        if (key := crop.tobytes()) not in self.index:
            self.index[key] = len(self.crops); self.crops.append(crop)
        return self.index[key]

    def sheet(self, columns: int = 32) -> np.ndarray:
        "All patches in one picture, row by row."
        h, w, _ = self.crops[0].shape
        rows = -(-len(self.crops) // columns)
        sheet = np.zeros((rows * h, columns * w, 3), np.uint8)
        for i, crop in enumerate(self.crops):
            y, x = divmod(i, columns)
            sheet[y * h:(y + 1) * h, x * w:(x + 1) * w] = crop
        return sheet

def hidden_things(
    scene: Scene,  # with masks of its things
    masks: Mask,  # P of them
    grid: tuple[int, int],  # rows and columns of the patch grid
) -> list[dict]:  # words of the caption, and the hidden share of the thing's pixels at each place in percent
    "What the block covers, in the words of the caption."
    hidden = F.interpolate(on_patches(torch.ones_like(masks.hide), masks.hide, grid).nan_to_num()[:, None],
                           scene.masks.shape[1:])[:, 0].bool().numpy()
    return [dict(words=f"{thing.name} {thing.where}",
                 hidden=[round(100 * (own & h).sum() / own.sum()) for h in hidden])
            for thing, own in zip(scene.things, scene.masks)]

def painted(
    opened: Opened,  # the run
    look: Look,  # P times the same image
    guess: torch.Tensor,  # [P, Nm, D]
    library: PatchLibrary,  # real patches
) -> torch.Tensor:  # [P, H, W, 3] from 0 to 1
    "The image with the nearest real patches in its hole."
    return pixels(opened.model, patchwork(opened.model, look, guess, library))

def describe_scene(
    opened: Opened,  # the run
    index: int,  # of a held-out image
    captions: dict[str, dict[int, str]],  # from `loader_captions`
    library: PatchLibrary,  # real patches
    sprites: Sprites,  # collects those that are used
) -> dict:  # what the page needs
    "One scene with everything the model says about it."
    grid, own = opened.model.vision.grid, image_id(opened, index)
    scene, blocks = ShapesWorld()[own - 1], {}
    for side in SIDES:
        masks = all_places(side, grid)
        look = look_at(opened, index, masks, captions)
        cosine, nearest = cosines(look), {}
        for kind in SHOWN:
            guess = look.target if kind == "target" else look.guesses[kind]
            crops = _cut(painted(opened, look, guess, library).movedim(-1, 1), grid).movedim(2, -1)  # [P, N, h, w, 3]
            nearest[kind] = [[sprites.add(crop) for crop in to_bytes(own[hide])] for own, hide in zip(crops, masks.hide)]
        name, best = best_guess(cosine)
        blocks[side] = dict(
            cosine={k: (100 * cosine[k]).round().int().tolist() for k in KINDS},
            mean={k: [round(c, 3) for c in cosine[k].mean(1).tolist()] for k in KINDS},
            guess=dict(name=name, mean=[round(c, 3) for c in best.tolist()]),
            patches=nearest, things=hidden_things(scene, masks, grid))
    picture = pixels(opened.model, look.batch.images)[0]
    assert np.array_equal(to_bytes(picture), scene.image)  # the world that the words are about
    covered = np.sum([thing["hidden"] for thing in blocks[SIDES[0]]["things"]], 0)  # at each place of the larger block
    return dict(image_id=own, start=int(covered.argmax()), picture=png(scene.image), captions={k: captions[k][own] for k in KINDS}, blocks=blocks)

def choose(
    opened: Opened,  # the run
    captions: dict[str, dict[int, str]],  # from `loader_captions`
) -> tuple[list[int], dict]:  # indices of the scenes, and what was measured on all that could have been chosen
    "Follow `RULE`."
    world, masks = ShapesWorld(), all_places(SIDES[0], opened.model.vision.grid)
    scenes = {i: world[image_id(opened, i) - 1] for i in range(len(opened.val.dataset))}
    able = [i for i, s in scenes.items() if len(s.things) == 4 and len({t.color for t in s.things}) == 4]
    means = {i: {k: c.mean().item() for k, c in cosines(look_at(opened, i, masks, captions)).items()} for i in able}
    ranked = sorted(able, key=lambda i: means[i]["right"])
    return [ranked[round(q * (len(ranked) - 1))] for q in (.25, .5, .75)], dict(
        scenes=len(able), mean={k: round(sum(m[k] for m in means.values()) / len(able), 4) for k in means[able[0]]})

def measure(
    opened: Opened,  # the run
    captions: dict[str, dict[int, str]],  # from `loader_captions`
    images: int = 100,  # held-out ones, the first
) -> dict:  # by side of the block: cosines, and the skill with each kind of caption
    "Is the model good with blocks of these sizes? It was trained with another one."
    found = {}
    for side in SIDES:
        masks = all_places(side, opened.model.vision.grid)
        seen = [{k: c.mean().item() for k, c in cosines(look_at(opened, i, masks, captions)).items()} for i in range(images)]
        mean = {k: sum(s[k] for s in seen) / images for k in seen[0]}
        best = max(c for k, c in mean.items() if k not in KINDS)
        found[side] = dict(share=side**2 / opened.means.shape[0], images=images,
                           cosine={k: round(c, 4) for k, c in mean.items()},
                           skill={k: round(skill(mean[k], best), 4) for k in KINDS})
    return found

def draw(
    opened: Opened,  # the run
    index: int,  # of a held-out image
    captions: dict[str, dict[int, str]],  # from `loader_captions`
    place: int,  # of the larger block
    library: PatchLibrary,  # real patches
) -> plt.Figure:  # the picture for pages where nothing moves
    "What the model sees, and what it paints with each kind of caption."
    grid, masks = opened.model.vision.grid, all_places(SIDES[0], opened.model.vision.grid)
    look = look_at(opened, index, masks, captions)
    id = image_id(opened, index)
    cosine, scene = cosines(look), ShapesWorld()[id - 1]
    name, best = best_guess(cosine)
    visible = gray_out(pixels(opened.model, look.batch.images), masks.keep, grid)[place]
    fig, axes = plt.subplots(1, 5, figsize=(10, 3), layout="constrained")
    top, left = divmod(masks.hide[place, 0].item(), grid[1])
    side = SIDES[0] * scene.image.shape[0] // grid[0]
    corner = (left * scene.image.shape[1] // grid[1] - .5, top * scene.image.shape[0] // grid[0] - .5)
    said = {kind: f"“{captions[kind][id]}”" if captions[kind][id] else "no caption" for kind in KINDS}
    panels = [("a scene", scene.image, None, ""),
              ("what the model sees", visible, "#E69F00", f"best guess without learning\n({name}): cosine {best[place]:.2f}")]
    for kind, title in zip(KINDS, ("predicted with its caption", "without a caption", "with another's caption")):
        panels.append((title, painted(opened, look, look.guesses[kind], library)[place], "#009E73",
                       f"cosine {cosine[kind][place].mean():.2f}\n" + textwrap.fill(said[kind], 34)))
    for ax, (title, picture, color, note) in zip(axes, panels):
        ax.imshow(picture); ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(note, fontsize=7.5)
        for spine in ax.spines.values(): spine.set_color("#bbbbbb")
        if color: ax.add_patch(plt.Rectangle(corner, side, side, fill=False, lw=2.5, color=color))
    return fig

def main(run):
    opened = open_run(run, device="cpu")
    captions = loader_captions(opened.val)
    library, sprites = patch_library(opened.model, opened.train, 1024), Sprites()
    chosen, able = choose(opened, captions)
    scenes = [describe_scene(opened, i, captions, library, sprites) for i in chosen]
    trained = json.loads((Path(run)/"results.json").read_text(encoding="utf-8"))
    result = dict(rule=RULE, scenes=[dict(image_id=s["image_id"], captions=s["captions"]) for s in scenes],
                  could_have_been_chosen=able, sizes=measure(opened, captions), patches=len(library.crops),
                  sprites=len(sprites.crops), run=trained, provenance=provenance())
    (Path(__file__).parent/"demo.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sheet = sprites.sheet()
    data = dict(grid=list(opened.model.vision.grid), sides=SIDES, columns=32, sprites=png(sheet), scenes=scenes,
                run=dict(steps=trained["steps"], seed=trained["seed"], commit=trained["provenance"]["commit"]))
    line = json.dumps(data, separators=(",", ":"))
    (IMAGES/"demo_data.js").write_text("// Made by evidence/experiments/home_demo/make.py: what demo.js shows.\n"
                                       f"window.vljepaDemo = {line};\n", encoding="utf-8")
    fig = draw(opened, chosen[1], captions, scenes[1]["start"], library)
    fig.savefig(IMAGES/"demo.png", dpi=160, bbox_inches="tight"); plt.close(fig)
    for path in (IMAGES/"demo_data.js", IMAGES/"demo.png"): print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    print(json.dumps(dict(able=able, sizes=result["sizes"]), indent=1), chosen)

if __name__ == "__main__": main(Path(sys.argv[1]))
