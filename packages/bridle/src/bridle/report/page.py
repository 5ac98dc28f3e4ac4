"""A study as one page of HTML that works without a network: style, script and charting library are in the file."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from bridle.report.charts.curves import curve_charts
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart, spread_note
from bridle.report.charts.figure import Chart
from bridle.report.charts.histograms import gamma_charts, weight_charts
from bridle.report.columns import page_table
from bridle.report.command import command
from bridle.report.formats import MetricFormat, seconds
from bridle.report.narrative import cautions, headline, lead
from bridle.report.rows import ContenderRow, Report
from bridle.report.tables import dead_unit_table, difference_rows, norm_table, score_table
from bridle.results import Study, to_plain
from bridle_audit.atomic_files import write_whole
from bridle_audit.wording import counted

__all__ = ["asset", "packed_library", "write_html"]

OTHER_METRICS = ("rmse", "loss", "calibration_error")  # drawn beside the main metric
SHOWN_ELSEWHERE = ("source", "columns")  # of what is known of the data
NAMES = {"seconds": "took", "lr": "learning rate"}


def write_html(study: Study, path: Path) -> None:
    """Write the report; the file is whole or not there, and its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page(study))


def page(study: Study) -> str:
    """Render the report as the text of an HTML file."""
    environment = Environment(
        loader=PackageLoader("bridle.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report = Report.of(study)
    groups = chart_groups(report)
    charts = [chart for group in groups.values() for chart in group]
    return environment.get_template("page.html").render(
        study=study,
        title=f"{study.data.get('name', 'study')}: {headline(report)}",
        eyebrow=eyebrow(report),
        headline=glued(headline(report)),
        lead=[glued(paragraph) for paragraph in lead(report)],
        cautions=cautions(study),
        rows=report.rows,
        groups=groups,
        specs=to_plain([chart.spec() for chart in charts]),
        spread_note=spread_note(report),
        tables=[difference_rows(report), score_table(report)],
        dead=dead_unit_table(report),
        norms=norm_table(report),
        recipes=recipes(report),
        facts=facts(study),
        columns=page_table(study.data),
        css=asset("page.css"),
        js=asset("page.js"),
        library=packed_library(),
        library_notice=library_notice(),
    )


def chart_groups(report: Report) -> dict[str, list[Chart]]:
    """Draw all charts, by the section of the page that they stand in; a section may have none."""
    by_section: dict[str, list[Chart | None]] = {
        "difference": [difference_chart(report)],
        "scores": [score_chart(report, split, report.metric) for split in ("valid", "test")],
        "gap": [gap_chart(report)],
        "other": [score_chart(report, report.quoted_split, MetricFormat(other)) for other in OTHER_METRICS],
        "curves": [*curve_charts(report)],
        "weights": [*weight_charts(report)],
        "gammas": [*gamma_charts(report)],
    }
    return {section: [chart for chart in charts if chart] for section, charts in by_section.items()}


def glued(text: str) -> str:
    """Hold numbers together with their units, so that no line begins with "%"."""
    return re.sub(r"(?<=\d) (?=%|points|seeds?\b)", "\N{NO-BREAK SPACE}", text)


def eyebrow(report: Report) -> list[str]:
    """Return the line above the headline: data, network, the number of recipes and seeds, and the day."""
    study, count = report.study, counted("recipe", len(report.rows))
    return [str(study.data.get("name", "")), study.network, f"{count} × {report.seeds}", day(study)]


def day(study: Study) -> str:
    """Return the date on which the study was made; empty where it is not told."""
    return str(study.made.get("date", ""))[:10]


def recipes(report: Report) -> list[tuple[ContenderRow, str]]:
    """Return each contender with a text to copy: the command that compares its recipe again.

    Where no command can, since data or network were made in Python, it is the recipe itself.
    """
    return [(row, command(report.study, row.contender.name) or row.contender.name) for row in report.rows]


def facts(study: Study) -> list[tuple[str, list[tuple[str, str]]]]:
    """Describe the data, the training and the software, as groups of names and values."""
    made = {key: value for key, value in study.made.items() if key != "versions"}
    how = [("seeds", ", ".join(map(str, study.seeds))), ("engine", study.engine)]
    versions = study.made.get("versions", {})
    return [
        ("Data", told({key: value for key, value in study.data.items() if key not in SHOWN_ELSEWHERE})),
        ("Training", [("network", study.network), *told(study.protocol), *how]),
        ("Made with", [*told(made), *told(versions if isinstance(versions, dict) else {})]),
    ]


def told(mapping: Mapping[str, object]) -> list[tuple[str, str]]:
    """Format names and values as text; empty values are left out."""
    return [
        (NAMES.get(name, name.replace("_", " ")), as_text(name, value))
        for name, value in mapping.items()
        if value not in (None, "", [])
    ]


def as_text(name: str, value: object) -> str:
    """Format a value for reading: lists with commas, mappings as "key value", durations and dates in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {as_text('', each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(as_text("", each) for each in value)
    if name == "seconds" and isinstance(value, int | float):
        return seconds(value)
    if name == "date":
        return moment(str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def moment(text: str) -> str:
    """Shorten a date and time of ISO 8601 to the minute; return any other text unchanged.

    >>> moment("2026-01-02T03:04:05+00:00"), moment("last week")
    ('2026-01-02 03:04 UTC', 'last week')
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()


def asset(name: str) -> str:
    """Read a text file of this package."""
    return files("bridle.report").joinpath(name).read_text(encoding="utf-8")


# Note [the size of a report]
# plotly.js is 4.8 MB of text, and a folder of studies holds one page each. Compressed, and in letters, it takes 1.9 MB;
# every browser since spring 2023 unpacks it (DecompressionStream). An older one shows the tables.
def packed_library() -> str:
    """Return plotly.js, gzipped, in base64; the same bytes each time."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")


def library_notice() -> str:
    """Return the name, the version, the copyright and the licence, from the head of plotly.js."""
    head = get_plotlyjs()[:600]
    lines = re.findall(r"^\* (.+)$", head.split("*/")[0], flags=re.MULTILINE)
    return ". ".join(line.rstrip(".") for line in lines)
