"""Contenders whose last layer gives the same for every training row in some of its units."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.results import Study
from bridle_audit.findings import Finding


def check(study: Study) -> Iterator[Finding]:
    """Yield a finding for contenders with units in the last layer that are constant on the training rows."""
    for contender in study.contenders:
        runs = [run for run in contender.runs if run.layers and run.layers[-1].dead_units and run.diverged_at is None]
        if not runs:
            continue
        last = runs[0].layers[-1]
        yield Finding(
            contender.name,
            f"dead outputs in {len(runs)} of {len(contender.runs)} runs: under seed {runs[0].seed} {last.dead_units} "
            f"of {last.units} are the same for every training row",
            "Protocol(lr=...)  # a smaller one; or a weaker penalty",
            {"runs": float(len(runs)), "dead": float(last.dead_units), "outputs": float(last.units)},
        )
