"""A study as one page of HTML that works without a network: style, script and charting library are in the file."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from bridle.metric_info import METRICS
from bridle.report.advice import advice
from bridle.report.charts.curves import curve_charts, length_chart
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart, spread_note
from bridle.report.charts.figure import Chart
from bridle.report.charts.histograms import gamma_charts, weight_charts
from bridle.report.charts.strengths import strength_charts, strength_note
from bridle.report.columns import page_table
from bridle.report.diagnosis import constant_reference
from bridle.report.formats import seconds
from bridle.report.narrative import cards, cautions, headline, lead, winner
from bridle.report.rows import Report
from bridle.report.tables import comparison_rows, dead_unit_tables, norm_tables, score_tables
from bridle.report.using import snippets
from bridle.results import Study, to_plain
from bridle_audit.atomic_files import write_whole
from bridle_audit.wording import counted

__all__ = ["asset", "packed_library", "write_html"]

SHOWN_ELSEWHERE = ("source", "columns")  # of what is known of the data
NAMES = {"seconds": "took", "lr": "learning rate", "restore_best": "best epoch's weights"}
IN_UNITS = re.compile(r"(?<=\d) (?=%|points|seeds?\b|epochs?\b|rows?\b)")
MEANINGS = {
    "log_loss": "minus the logarithm of the probability given to the true class, mean over the rows, in nats.",
    "auroc": "the share of pairs of rows of two classes that the probabilities put in the right order; one against the "
    "rest.",
    "brier": "the squared distance between the probabilities and the true class.",
    "ece": "how far confidence and accuracy lie apart, on average over the rows.",
}
# The sections: id, title, and whether the page opens them at first. Those that are empty are left out.
SECTIONS = (
    ("effects", "What each recipe changed", True),
    ("scores", "Scores", True),
    ("tuning", "Strengths that were tried", True),
    ("curves", "Learning curves", False),
    ("inside", "Inside the networks", False),
    ("measured", "How it was measured", False),
    ("use", "Use the winner", True),
    ("advice", "What to do next", True),
)


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
        cards=[replace(card, value=glued(card.value)) for card in cards(report)],
        sections=[titled(each, report) for each in SECTIONS if has_content(each[0], report, groups)],
        rows=report.rows,
        groups=groups,
        specs=to_plain([chart.spec() for chart in charts]),
        spread_note=spread_note(report),
        strength_note=strength_note(report),
        comparison=comparison_rows(report),
        score_tables=score_tables(report),
        dead=dead_unit_tables(report),
        norms=norm_tables(report),
        snippets=snippets(report),
        advice=[(each, glued(each.sentence)) for each in advice(study)],
        facts=facts(study),
        terms=terms(report),
        columns=page_table(study.data),
        css=asset("page.css"),
        js=asset("page.js"),
        library=packed_library(),
        library_notice=library_notice(),
    )


def chart_groups(report: Report) -> dict[str, list[Chart]]:
    """Draw all charts, by the section of the page that they stand in; a section may have none."""
    beside = report.beside
    shown = [(split, report.metric) for split in ("valid", "test")]
    shown += [(report.quoted_split, beside)] if beside else []
    others = [each for each in report.metrics if each not in (report.metric, beside)]
    by_section: dict[str, list[Chart | None]] = {
        "difference": [difference_chart(report)],
        "scores": [*(score_chart(report, *pair) for pair in shown), gap_chart(report)],
        "more_scores": [score_chart(report, report.quoted_split, each) for each in others],
        "strengths": [*strength_charts(report)],
        "lengths": [length_chart(report)],
        "curves": [*curve_charts(report)],
        "weights": [*weight_charts(report)],
        "gammas": [*gamma_charts(report)],
    }
    return {section: [chart for chart in charts if chart] for section, charts in by_section.items()}


def has_content(section: str, report: Report, groups: Mapping[str, list[Chart]]) -> bool:
    """Return whether a section has anything in it."""
    if section == "inside":
        return any(run.layers for row in report.rows for run in row.contender.runs)
    needed = {"tuning": groups["strengths"], "curves": groups["curves"] + groups["lengths"]}
    return bool(needed.get(section, True))


def titled(section: tuple[str, str, bool], report: Report) -> tuple[str, str, bool]:
    """Return a section with the title that it has in this report: where nothing helps, the baseline is to be used."""
    name, title, opened = section
    return (name, title if name != "use" or winner(report).number else f"Use {report.baseline.spoken}", opened)


def glued(text: str) -> str:
    """Hold numbers together with their units, so that no line begins with "%"."""
    return IN_UNITS.sub("\N{NO-BREAK SPACE}", text)


def eyebrow(report: Report) -> list[str]:
    """Return the line above the headline: data, network, the number of recipes and seeds, and the day."""
    study, count = report.study, counted("recipe", len(report.rows))
    return [str(study.data.get("name", "")), study.network, f"{count} × {report.seeds}", day(study)]


def day(study: Study) -> str:
    """Return the date on which the study was made; empty where it is not told."""
    return str(study.made.get("date", ""))[:10]


def facts(study: Study) -> list[tuple[str, list[tuple[str, str]]]]:
    """Describe the data, the training and the software, as groups of names and values."""
    made = {key: value for key, value in study.made.items() if key != "versions"}
    how = [("seeds", ", ".join(map(str, study.seeds))), ("engine", study.engine)]
    versions = study.made.get("versions", {})
    return [
        ("Data", told({key: value for key, value in study.data.items() if key not in SHOWN_ELSEWHERE})),
        ("Splits", told(study.splits)),
        ("Training", [("network", study.network), *told(study.protocol), *how]),
        ("Tuning", told(study.tuning)),
        ("References", [(each.name, each.description) for each in study.references]),
        ("Made with", [*told(made), *told(versions if isinstance(versions, dict) else {})]),
    ]


def terms(report: Report) -> list[tuple[str, str]]:
    """Explain the words of this report, as far as it uses them."""
    varied = bool(report.study.splits.get("varies"))
    cover = "seeds and splits" if varied else "seeds; it does not cover another draw of the data"
    found = [
        (
            "Seed",
            "decides initial weights, batch order and noise. All recipes share their seeds, so that differences are "
            "taken seed by seed.",
        ),
        (
            "95 % interval",
            f"of the mean difference, by Student's t{', widened for splits that overlap' if varied else ''}. It covers "
            f"{cover}.",
        ),
        (
            "Verdict",
            "helps and hurts hold for all contenders together (Holm's correction), so that a single interval beside "
            "zero is not enough; the same: within the margin; cannot tell yet: so many more seeds would tell a "
            "difference of this size in 80 % of cases.",
        ),
        (
            "Validation and test",
            "recipes are chosen on the validation rows; the test rows chose nothing, so theirs is the score to quote.",
        ),
        ("Gap", "training minus validation score, both in evaluation mode (no dropout, running statistics)."),
        ("Dead unit", "one whose output is the same for every training row."),
    ]
    constant = constant_reference(report)
    if constant:
        found.append((constant.name.capitalize(), "what no recipe may be worse than: the same answer for every row."))
    own = [(METRICS[each.name].label, MEANINGS[each.name]) for each in report.metrics if each.name in MEANINGS]
    return [*found, *((label[0].upper() + label[1:], meaning) for label, meaning in own)]


def told(mapping: Mapping[str, object]) -> list[tuple[str, str]]:
    """Format names and values as text; empty values are left out."""
    return [
        (NAMES.get(name, name.replace("_", " ")), as_text(name, value))
        for name, value in mapping.items()
        if value not in (None, "", [], {})
    ]


def as_text(name: str, value: object) -> str:
    """Format a value for reading: lists with commas, mappings as "key value", durations, dates and metrics in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {as_text('', each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(as_text("", each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "seconds" and isinstance(value, int | float):
        return seconds(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return METRICS[text].label if name == "metric" and text in METRICS else moment(text) if name == "date" else text


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
