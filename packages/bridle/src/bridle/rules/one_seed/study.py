"""Several contenders, one seed."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.metric_info import metric_label
from bridle.results import Study
from bridle_audit.findings import Finding
from bridle_audit.rules.one_seed.finding import CURE


def check(study: Study) -> Iterator[Finding]:
    """Yield a finding for a study of several contenders under one seed."""
    if len(study.seeds) > 1 or len(study.contenders) < 2:
        return
    means = [each.scores["valid"][study.metric].mean for each in study.contenders]
    yield Finding(
        f"the study of {len(study.contenders)} contenders",
        f"one seed: the contenders lie {max(means) - min(means):.3g} of validation {metric_label(study.metric)} apart, "
        "and whether that is more than chance cannot be said",
        CURE,
        {"seeds": len(study.seeds), "apart": max(means) - min(means)},
    )
