"""Norms, dead units and gammas of each layer of the trained networks, for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bridle.report.averaging import counted, edges_over, finite, mean_of, middle
from bridle.report.formats import NOTHING, fixed, mean_count, significant
from bridle.report.layers import gammas_of, layers_of, mean_norm
from bridle.report.terminal import typed
from bridle.results import Contender, Study

__all__ = ["inspection"]

BARS = " ▁▂▃▄▅▆▇█"
BINS = 12


def inspection(study: Study) -> Group:
    """Return a table of the layers of each contender: means over the runs, the gammas of all runs together."""
    return Group(*(part for each in study.contenders for part in (title(each), layers_of_one(each))))


def layers_of_one(contender: Contender) -> Table:
    """Return a table of one contender's layers; with gammas only after batch norm."""
    names = list(dict.fromkeys(layer.name for run in contender.runs for layer in run.layers))
    gammas = {name: gammas_of(contender, name) for name in names}
    with_gammas = any(gammas.values())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    heads = ["weight\nnorm", "dead\nunits", *(["gamma\nleast", "\nmedian", "\ngreatest"] if with_gammas else [])]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    if with_gammas:
        table.add_column("\nhistogram", no_wrap=True)
    for name in names:
        table.add_row(Text(name), *layer_cells(contender, name), *(gamma_cells(gammas[name]) if with_gammas else []))
    return table


def title(contender: Contender) -> Text:
    """Return the recipe and the number of its runs."""
    runs = len(contender.runs)
    diverged = f", {contender.diverged} diverged" if contender.diverged else ""
    return Text.assemble((contender.name, "bold"), f"  ({runs} {'run' if runs == 1 else 'runs'}{diverged})")


def layer_cells(contender: Contender, name: str) -> list[str]:
    """Return the norm of the weights, and the dead units of all units."""
    layers = layers_of(contender, name)
    dead = mean_count(mean_of(layer.dead_units for layer in layers))
    return [significant(mean_norm(contender, name)), f"{dead} of {layers[0].units}"]


def gamma_cells(gammas: list[float]) -> list[str]:
    """Return the least, the middle and the greatest gamma, and their histogram in letters."""
    if not finite(gammas):
        return [NOTHING, NOTHING, NOTHING, ""]
    ends = [typed(fixed(each, 2)) for each in (min(gammas), middle(gammas), max(gammas))]
    return [*ends, drawn(counted(gammas, edges_over(min(gammas), max(gammas), BINS)))]


def drawn(shares: list[float]) -> str:
    """Draw a histogram in one line of text, so that every bin with something in it shows.

    >>> drawn([0.0, 0.01, 0.5, 1.0])
    ' ▁▄█'
    """
    highest = max(shares) or 1.0
    return "".join(BARS[math.ceil(share / highest * (len(BARS) - 1))] for share in shares)
