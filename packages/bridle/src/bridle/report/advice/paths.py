"""The numbers that advice rests on, by their path in study.json: "contenders[2].versus_baseline.difference"."""

from __future__ import annotations

from bridle.report.rows import ContenderRow, Report

__all__ = ["baseline_scores", "curve_numbers", "length_paths", "reference_path", "score_path", "versus_path"]


def versus_path(row: ContenderRow) -> str:
    """Return the path of a contender's comparison in study.json."""
    return f"contenders[{row.number}].versus_baseline"


def score_path(row: ContenderRow, split: str, report: Report) -> str:
    """Return the path of a contender's main score in study.json."""
    return f"contenders[{row.number}].scores.{split}.{report.metric.name}.mean"


def reference_path(number: int, split: str, report: Report) -> str:
    """Return the path of a reference's main score in study.json."""
    return f"references[{number}].scores.{split}.{report.metric.name}.mean"


def baseline_scores(report: Report) -> dict[str, float]:
    """Return the baseline's main scores on the training and validation rows, by path."""
    base = report.baseline
    return {
        score_path(base, split, report): base.score(split, report.metric).summary.mean for split in ("train", "valid")
    }


def length_paths(report: Report, longest: int) -> dict[str, float]:
    """Return the score of each of the baseline's runs at the longest length, by path."""
    return {
        f"contenders[0].runs[{number}].lengths[{place}].score": length.score
        for number, run in enumerate(report.baseline.contender.runs)
        for place, length in enumerate(run.lengths)
        if length.epochs == longest
    }


def curve_numbers(report: Report, names: tuple[str, ...]) -> dict[str, float]:
    """Return the last points of the baseline's curves, by path."""
    return {
        f"contenders[0].runs[{number}].curves.{name}[{len(run.curves[name]) - 1}]": run.curves[name][-1]
        for number, run in enumerate(report.baseline.contender.runs)
        for name in names
        if run.diverged_at is None
    }
