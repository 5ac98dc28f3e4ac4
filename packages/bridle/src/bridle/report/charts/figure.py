"""A chart as plain data: traces and layout in plotly's own form, a summary in words, and its numbers as a table.

Colours of text, grid and axes are left to the page's style sheet, which knows the light, the dark and the printed page.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TypedDict, Unpack

from bridle.report.rows import ContenderRow

__all__ = [
    "Axis",
    "Chart",
    "Layout",
    "PageTable",
    "RowLabel",
    "Trace",
    "axis",
    "base_layout",
    "height_of",
    "plain_text",
    "rows_layout",
    "summarized",
    "translucent",
]

Layout = dict[str, object]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
ROW_HEIGHT = 58  # pixels that one contender takes: its name above its marks
ROW_MARGIN = {"l": 8, "r": 8, "t": 4}
UNDER, UNDER_TITLE = 24, 42  # pixels under the marks: for the numbers of the axis, and for its title as well
ABOVE = 0.36  # of a row: how far its name stands above its marks


class Line(TypedDict, total=False):
    """The look of a line, as plotly has it."""

    color: str
    width: float
    dash: str


class Marker(TypedDict):
    """The look of a marker, as plotly has it."""

    color: str
    size: int
    symbol: str


class Trace(TypedDict, total=False):
    """The marks of one contender, as plotly has them; ``meta`` is the contender's number."""

    type: str
    mode: str
    meta: int
    name: str
    x: list[float]
    y: list[float]
    text: list[str]
    hovertemplate: str
    hoverinfo: str
    fill: str
    fillcolor: str
    line: Line
    marker: Marker


class AxisSettings(TypedDict, total=False):
    """The settings in which the axes of charts differ, as plotly has them."""

    type: str
    range: list[float]
    nticks: int
    ticksuffix: str
    tickvals: list[float]
    ticktext: list[str]


class Axis(AxisSettings):
    """An axis, as plotly has it."""

    title: dict[str, object]
    fixedrange: bool
    zeroline: bool
    ticks: str


@dataclass(frozen=True)
class PageTable:
    """A table of the page, all text; the first cell of a row is its head."""

    caption: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """A drawing, with a summary and a table of its numbers for readers who cannot see it."""

    key: str  # unique on the page
    title: str
    note: str  # how to read it
    summary: str  # what it shows, in a sentence
    traces: list[Trace]
    layout: Layout
    table: PageTable

    def spec(self) -> dict[str, object]:
        """Return the traces and the layout in the form that plotly draws, under the chart's key."""
        return {"key": self.key, "data": self.traces, "layout": self.layout}


@dataclass(frozen=True)
class RowLabel:
    """The label of one contender in a chart of rows: its name at the left, a text at the right."""

    row: ContenderRow
    text: str


def summarized(title: str, labels: list[RowLabel]) -> str:
    """Summarize a chart of rows in a sentence: each contender and its text."""
    return f"{title}: {', '.join(f'{label.row.name} {label.text}' for label in labels)}."


def base_layout(height: int) -> Layout:
    """Return the layout that all charts share: no dragging, as a finger that scrolls must not move a chart."""
    return {
        "height": height,
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "font": {"family": FONT, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"},
    }


def axis(title: str, **settings: Unpack[AxisSettings]) -> Axis:
    """Return an axis that cannot be dragged."""
    return {"title": {"text": title, "standoff": 8}, "fixedrange": True, "zeroline": False, "ticks": "", **settings}


def rows_layout(labels: list[RowLabel], x_axis: Axis, *, lowest: float = -0.45) -> Layout:
    """Lay out one row for each label, the first on top; its name and its text stand above the marks."""
    count = len(labels)
    under = UNDER_TITLE if x_axis["title"]["text"] else UNDER
    layout = base_layout(ROW_HEIGHT * count + ROW_MARGIN["t"] + under)
    heights = [height_of(place, count) for place in range(count)]
    names = [
        beside(plain_text(label.row.name), height, "left", label.row.style.color)
        for label, height in zip(labels, heights, strict=True)
    ]
    texts = [
        beside(plain_text(label.text), height, "right", None) for label, height in zip(labels, heights, strict=True)
    ]
    return {
        **layout,
        "margin": {**ROW_MARGIN, "b": under},
        "xaxis": x_axis,
        "yaxis": {"range": [lowest, count - 1 + 0.62], "visible": False, "fixedrange": True},
        "annotations": [*names, *texts],
    }


def height_of(place: int, count: int) -> int:
    """Return the y of row ``place``, counted from the top."""
    return count - 1 - place


def beside(text: str, y: float, side: str, color: str | None) -> dict[str, object]:
    """Return a text above a row, at the left with the contender's mark in its colour, or at the right."""
    mark = f'<span style="color:{color}">■</span> ' if color else ""
    return {
        "text": f"{mark}{text}",
        "xref": "paper",
        "x": 0 if side == "left" else 1,
        "xanchor": side,
        "y": y + ABOVE,
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 12},
        "align": side,
    }


def plain_text(text: str) -> str:
    """Escape what plotly would read as a tag of HTML."""
    return escape(text, quote=False)


def translucent(color: str, opacity: float) -> str:
    """Give a ``#rrggbb`` colour an opacity.

    >>> translucent("#0072b2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
