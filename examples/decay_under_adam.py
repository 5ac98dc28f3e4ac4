"""Why weight decay is preferred with Adam: what coupled and decoupled decay do to one weight, as a figure.

    python examples/decay_under_adam.py [decay_under_adam.svg]

One weight that starts at 1 is trained by Adam, with bridle's own forms of the two regularizers: coupled, the penalty's
gradient is added to the data's (``L2``, the same as ``torch.optim.Adam(weight_decay=2 * strength)``); decoupled, the
weight itself is shrunk (``WeightDecay``, the same as ``torch.optim.AdamW(weight_decay=strength)``). In the first two
panels the data pull on it not at all; in the third their gradient is noise of a given size around zero.
"""

import sys
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bridle import L2, WeightDecay

LR = 0.001
STEPS = 1000
COUPLED = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
DECOUPLED = (0.01, 0.1, 0.3, 1.0, 3.0)
NOISES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
NOISY_COUPLED, NOISY_DECOUPLED = 1e-3, 0.5  # strengths of the third panel
NOISY_WEIGHTS = 200  # the third panel shows their mean


def path(regularizer: L2 | WeightDecay, noise: float = 0.0, weights: int = 1) -> np.ndarray:
    """The mean of ``weights`` weights after 0 ... STEPS steps; their data gradient is normal with this deviation."""
    random = np.random.default_rng(0)
    w = torch.ones(weights, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=LR)
    means = [1.0]
    for _ in range(STEPS):
        g = torch.from_numpy(noise * random.standard_normal(weights))
        with torch.no_grad():
            if isinstance(regularizer, L2):
                g = L2.add_gradient(g, w, strength=regularizer.strength)
            else:
                w.copy_(WeightDecay.torch(w, strength=regularizer.strength, lr=LR))
        w.grad = g
        optimizer.step()
        means.append(w.mean().item())
    return np.array(means)


def draw(figure: Figure) -> None:
    """Three panels: coupled paths, decoupled paths, and what is lost by the size of the data gradient."""
    coupled, decoupled, noisy = figure.subplots(1, 3)
    draw_paths(coupled, "Coupled, L2 in Adam", [L2(strength=strength) for strength in COUPLED])
    draw_paths(decoupled, "Decoupled, WeightDecay", [WeightDecay(strength=strength) for strength in DECOUPLED])
    coupled.set_ylabel("weight (no data gradient)")
    draw_noisy(noisy)


def draw_paths(axes: Axes, title: str, regularizers: Sequence[L2 | WeightDecay]) -> None:
    """One line per strength. Narrow lines over wide ones, so that lines that coincide can all be seen."""
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(regularizers)))
    for number, (regularizer, colour) in enumerate(zip(regularizers, colours, strict=True)):
        width = 1.2 + 1.2 * (len(regularizers) - 1 - number)
        axes.plot(path(regularizer), color=colour, linewidth=width, label=f"{regularizer.strength:g}")
    axes.set(title=title, xlabel="step", ylim=(-0.05, 1.05))
    axes.legend(title="strength", frameon=False)


def draw_noisy(axes: Axes) -> None:
    """How much of its weights each kind takes, by the size of their data gradients."""
    for regularizer, marker in ((L2(strength=NOISY_COUPLED), "o"), (WeightDecay(strength=NOISY_DECOUPLED), "s")):
        ends = [100 * (1 - path(regularizer, noise, NOISY_WEIGHTS)[-1]) for noise in NOISES]
        axes.plot(NOISES, ends, marker=marker, label=repr(regularizer))
    axes.set(
        title="By the size of the data gradient",
        xscale="log",
        xlabel="standard deviation of the data gradient",
        ylabel=f"% of the weight lost in {STEPS} steps",
        ylim=(-5, 105),
    )
    axes.legend(frameon=False)


def main(target: str = "decay_under_adam.svg") -> None:
    mpl.rcParams.update({"svg.hashsalt": "bridle", "svg.fonttype": "none", "axes.spines.top": False})
    mpl.rcParams.update({"axes.spines.right": False, "font.size": 9, "axes.titlesize": 10})
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    draw(figure)
    figure.savefig(target, metadata={"Date": None} if target.endswith(".svg") else None)


if __name__ == "__main__":
    main(*sys.argv[1:2])
