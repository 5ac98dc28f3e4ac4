"""Styles that tell contenders apart everywhere in a report: a short name, a colour, a line style, a marker.

The colours are Okabe and Ito's, which differ for colour-blind readers, the two palest darkened so that they stand out
on white as well as on the dark page. The baseline is grey. In charts of rows, where names stand
beside the marks, colour and mark tell the verdict instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridle.results import HELPS, HURTS, SAME, UNDECIDED, Study

__all__ = ["NOT_COMPARED", "VERDICT_STYLES", "SeriesStyle", "VerdictStyle", "styles"]

BASELINE_COLOR = "#7d848e"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c08a00", "#3d9fd6")
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("square", "diamond", "triangle-up", "cross", "star", "triangle-down")
LONGEST = 30  # characters of a name: what fits beside a number on a phone
ELLIPSIS = "…"


@dataclass(frozen=True)
class SeriesStyle:
    """The name, unique in the study and short enough for a phone, the colour, dash and marker of a contender."""

    name: str
    color: str
    dash: str
    symbol: str


@dataclass(frozen=True)
class VerdictStyle:
    """The class of a verdict in the page's style sheet, and its colour and marker in charts."""

    css: str
    color: str
    symbol: str


VERDICT_STYLES = {
    HELPS: VerdictStyle("helps", "#009e73", "circle"),
    HURTS: VerdictStyle("hurts", "#d55e00", "diamond"),
    SAME: VerdictStyle("same", "#3d9fd6", "square"),
    UNDECIDED: VerdictStyle("undecided", BASELINE_COLOR, "circle-open"),
}
NOT_COMPARED = VerdictStyle("none", BASELINE_COLOR, "circle")  # the baseline, and contenders without a verdict


def styles(study: Study) -> list[SeriesStyle]:
    """Return a style for each contender, in order."""
    names = short_names([contender.name for contender in study.contenders])
    return [series_style(name, number) for number, name in enumerate(names)]


def series_style(name: str, number: int) -> SeriesStyle:
    """Return the style of contender ``number``; 0 is the baseline."""
    if number == 0:
        return SeriesStyle(name, BASELINE_COLOR, "solid", "circle")
    turn, place = divmod(number - 1, len(COLORS))
    return SeriesStyle(name, COLORS[place], DASHES[turn % len(DASHES)], SYMBOLS[place])


def short_names(names: list[str]) -> list[str]:
    """Shorten recipes: without the names of their knobs, cut to what fits, numbered where they would read alike.

    >>> short_names(["none", "Dropout(rate=0.2, at='input') + WeightDecay(strength=0.01)"])
    ['none', 'Dropout 0.2, input + WeightDe…']
    >>> short_names(["Dropout(rate=0.2) + L2(strength=0.001)", "L2(strength=0.1)", "L2(strength=0.1)"])
    ['Dropout 0.2 + L2 0.001', '2. L2 0.1', '3. L2 0.1']
    """
    shorts = [cut(shortened(name)) for name in names]
    return [f"{k}. {s}" if shorts.count(s) > 1 else s for k, s in enumerate(shorts, start=1)]


def shortened(recipe: str) -> str:
    """Write ``Dropout(rate=0.2)`` as ``Dropout 0.2``."""
    without_knobs = re.sub(r"\b\w+=", "", recipe)
    return re.sub(r"\s+", " ", re.sub(r"['\"()]", " ", without_knobs)).replace(" ,", ",").strip()


def cut(name: str) -> str:
    """Cut to ``LONGEST`` characters, the last of them an ellipsis."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}{ELLIPSIS}"
