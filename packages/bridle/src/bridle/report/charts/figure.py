"""A chart as plain data: traces and layout in plotly's own form, a summary in words, and its numbers as a table.

Colours of text, grid and axes are left to the page's style sheet, which knows the light, the dark and the printed page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypedDict, Unpack

__all__ = [
    "GREY",
    "Axis",
    "Chart",
    "Layout",
    "PageTable",
    "RowLabel",
    "Trace",
    "axis",
    "base_layout",
    "height_of",
    "level_line",
    "plain_text",
    "rows_chart",
    "translucent",
]

Layout = dict[str, object]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
GREY = "#7d848e"  # of references and of the line of no difference
ROW, STACKED_ROW = 50, 66  # pixels that a contender takes on a phone: its name, or name and text, above its marks
WIDE_ROW = 32  # likewise where the name stands at the left of the marks and the text at the right
TOP, SIDE = 4, 8  # pixels around the marks
UNDER, UNDER_TITLE = 24, 42  # pixels under the marks: for the numbers of the axis, and for its title as well
ABOVE = 0.36  # of a row: how far its name stands above its marks
LETTER, GAP = 6.7, 10  # pixels: the width of a letter, and how far texts stand from the marks
KEY = 15  # pixels of the mark in its colour that stands before a name
LEAST_PLOT = 140  # pixels of marks, below which names and texts stand above them


class Line(TypedDict, total=False):
    """The look of a line, as plotly has it."""

    color: str
    width: float
    dash: str


class Marker(TypedDict, total=False):
    """The look of a marker, as plotly has it."""

    color: str | list[str]
    size: int | list[int]
    symbol: str | list[str]
    line: Line


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
    cliponaxis: bool


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
    tickangle: int


@dataclass(frozen=True)
class PageTable:
    """A table of the page, all text; the first cell of a row is its head."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    anchors: Sequence[str] = ()  # the ids of rows, where something points at them
    styles: Sequence[str] = ()  # the classes of rows in the style sheet


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
    narrow: Layout = field(default_factory=dict)  # what differs in the layout where there is little room
    wide_from: int = 0  # pixels from which there is enough

    def spec(self) -> dict[str, object]:
        """Return the traces and the layout in the form that plotly draws, under the chart's key."""
        return {
            "key": self.key,
            "data": self.traces,
            "layout": self.layout,
            "narrow": self.narrow,
            "wideFrom": self.wide_from,
        }


@dataclass(frozen=True)
class RowLabel:
    """The label of one row of a chart: a name with a mark of its colour, and a text."""

    name: str
    color: str
    text: str
    more: str = ""  # a second line of text
    faint: bool = False  # of a reference


@dataclass(frozen=True)
class RowsLayout:
    """The layout of a chart of rows with names and texts beside the marks, and where there is no room for that."""

    wide: Layout
    narrow: Layout
    wide_from: int


def rows_chart(
    key: str,
    title: str,
    note: str,
    *,
    labels: list[RowLabel],
    traces: list[Trace],
    x_axis: Axis,
    table: PageTable,
    shapes: Sequence[Layout] = (),
    stacked: bool = False,
    hill: bool = False,
) -> Chart:
    """Return a chart with a row for each label, the first on top.

    ``stacked`` is for long texts: where there is no room beside the marks, each stands in a line of its own under the
    name. ``hill`` is for marks that stand on their row.
    """
    layout = rows_layout(labels, x_axis, stacked=stacked, hill=hill)
    summary = f"{title}: {', '.join(f'{label.name} {label.text}' for label in labels)}."
    wide = {**layout.wide, "shapes": list(shapes)}
    return Chart(key, title, note, summary, traces, wide, table, layout.narrow, layout.wide_from)


def rows_layout(labels: list[RowLabel], x_axis: Axis, *, stacked: bool, hill: bool) -> RowsLayout:
    """Lay out one row for each label, its name at the left and its text at the right, or both above the marks."""
    count, names, texts = len(labels), name_width(labels), text_width(labels)
    under = UNDER_TITLE if x_axis["title"]["text"] else UNDER
    lowest = -0.36 if hill else -0.45
    y_axis = {"visible": False, "fixedrange": True}
    row = STACKED_ROW if stacked else ROW
    return RowsLayout(
        wide={
            **base_layout((WIDE_ROW + (6 if any(label.more for label in labels) else 0)) * count + TOP + under),
            "margin": {"l": names, "r": texts, "t": TOP, "b": under},
            "xaxis": x_axis,
            "yaxis": {**y_axis, "range": [-0.5, count - 0.5]},
            "annotations": [
                note for place, label in enumerate(labels) for note in beside(label, height_of(place, count), names)
            ],
        },
        narrow={
            "height": row * count + TOP + under,
            "margin": {"l": SIDE, "r": SIDE, "t": TOP, "b": under},
            "yaxis": {**y_axis, "range": [lowest, count - 1 + (0.78 if stacked else 0.62)]},
            "annotations": [
                note
                for place, label in enumerate(labels)
                for note in above(label, height_of(place, count), stacked=stacked)
            ],
        },
        wide_from=names + texts + LEAST_PLOT,
    )


def name_width(labels: list[RowLabel]) -> int:
    """Return the pixels that the names take at the left."""
    return round(LETTER * max((len(label.name) for label in labels), default=0)) + KEY + GAP


def text_width(labels: list[RowLabel]) -> int:
    """Return the pixels that the texts take at the right."""
    letters = max((len(text) for label in labels for text in (label.text, label.more)), default=0)
    return round(LETTER * letters) + GAP + SIDE


def beside(label: RowLabel, y: float, names: int) -> list[Layout]:
    """Return the name of a row at the left of the marks, in a column that is so wide, and its text at the right."""
    look = annotation_look(label)
    return [
        {**look, "text": named(label), "x": 0, "xanchor": "left", "xshift": -names, "y": y, "align": "left"},
        {**look, "text": lines_of(label), "x": 1, "xanchor": "left", "xshift": GAP, "y": y, "align": "left"},
    ]


def above(label: RowLabel, y: float, *, stacked: bool) -> list[Layout]:
    """Return the name of a row above its marks, and its text at the right or below the name."""
    look = {**annotation_look(label), "y": y + (0.45 if stacked else ABOVE)}
    if stacked:
        text = f"{named(label)}{f', {plain_text(label.more)}' if label.more else ''}<br>{plain_text(label.text)}"
        return [{**look, "text": text, "x": 0, "xanchor": "left", "align": "left"}]
    return [
        {**look, "text": named(label), "x": 0, "xanchor": "left", "align": "left"},
        {**look, "text": plain_text(label.text), "x": 1, "xanchor": "right", "align": "right"},
    ]


def lines_of(label: RowLabel) -> str:
    """Return the text of a row in its one or two lines."""
    return "<br>".join(plain_text(each) for each in (label.text, label.more) if each)


def annotation_look(label: RowLabel) -> Layout:
    """Return what all texts of a row share; those of references are fainter."""
    return {
        "xref": "paper",
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 12},
        "opacity": 0.72 if label.faint else 1,
        "bgcolor": "rgba(255,255,255,0.8)",  # the page's own colour, by its style sheet
    }


def named(label: RowLabel) -> str:
    """Return the name with a mark in its colour."""
    return f'<span style="color:{label.color}">■</span> {plain_text(label.name)}'


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
    return {
        "title": {"text": title, "standoff": 8},
        "fixedrange": True,
        "zeroline": False,
        "ticks": "",
        "tickangle": 0,
        **settings,
    }


def level_line(value: float, *, along: str = "y") -> Layout:
    """Return a grey line across the whole chart at a value: upright, or level where ``along`` is "x"."""
    other = "y" if along == "x" else "x"
    return {
        "type": "line",
        f"{other}0": value,
        f"{other}1": value,
        f"{along}ref": "paper",
        f"{along}0": 0,
        f"{along}1": 1,
        "layer": "below",
        "line": {"color": GREY, "width": 1.5, "dash": "dot"},
    }


def height_of(place: int, count: int) -> int:
    """Return the y of row ``place``, counted from the top."""
    return count - 1 - place


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
