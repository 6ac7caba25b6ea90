"""Draws nbs/images/card.png, the picture that other sites show with a link to the book: `python tools/card.py`."""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, Polygon, Rectangle

CONTEXT, TARGET, PREDICTED = "#0072B2", "#E69F00", "#009E73"
rng = np.random.default_rng(0)
fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 1200), ylim=(630, 0))
ax.axis("off")

def grid(left, top, side, color):
    "An image of 6 x 6 patches; `color` gives each patch's colour."
    for row in range(6):
        for col in range(6):
            ax.add_patch(Rectangle((left + col * side, top + row * side), side - 3, side - 3, color=color(row, col)))

hidden = lambda row, col: 1 <= row <= 4 and 2 <= col <= 5
shade = lambda color: (*plt.matplotlib.colors.to_rgb(color), rng.uniform(.55, 1))
grid(70, 200, 52, lambda row, col: "#DDDDDD" if hidden(row, col) else shade(CONTEXT))
ax.add_patch(Circle((122, 252), 34, color="white"))
ax.add_patch(Polygon([(96, 478), (148, 478), (122, 428)], color="white"))
ax.annotate("", (505, 355), (410, 355), arrowprops={"arrowstyle": "-|>", "color": "#444444", "lw": 3, "mutation_scale": 28})
for row in range(4):
    for col in range(4):
        ax.add_patch(Rectangle((540 + col * 52, 252 + row * 52), 49, 49, color=shade(TARGET if (row + col) % 2 else PREDICTED)))
ax.text(70, 560, "“a large square at the right”", color="#9B3B73", fontsize=20, style="italic")
ax.text(70, 130, "vljepa", color="#111111", fontsize=76, weight="bold", va="baseline")
for i, line in enumerate(("Predict what a picture hides,", "from what it shows", "and from its caption.")):
    ax.text(790, 290 + 44 * i, line, color="#222222", fontsize=18, va="center")
ax.text(790, 440, "A book in notebooks,", color="#555555", fontsize=16, va="center")
ax.text(790, 474, "and the library they export", color="#555555", fontsize=16, va="center")
fig.savefig(Path(__file__).resolve().parent.parent/"nbs"/"images"/"card.png", dpi=100, metadata={"Software": None})
