"""Vectors in a group that decays, beside a group that is there for vectors."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

CURE = """decay = [p for p in model.parameters() if p.ndim > 1]
no_decay = [p for p in model.parameters() if p.ndim < 2]"""


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a group that decays biases or norms while another group exempts them."""
    exempt = [name for group in setup.groups if not group.weight_decay for name in group.names]
    vectors = [name for name in exempt if setup.is_vector(name)]
    if not vectors or any(setup.is_weight_matrix(name) for name in exempt):
        return
    with_biases = any(name.endswith("bias") and not is_norm_parameter(setup, name) for name in vectors)
    for group in setup.groups:
        decayed = group.names if group.weight_decay else ()
        missed = [name for name in decayed if is_norm_parameter(setup, name) or (with_biases and name.endswith("bias"))]
        if missed:
            norms = sum(is_norm_parameter(setup, name) for name in missed)
            yield Finding(
                str(group),
                f"{len(missed)} biases and scales ({norms} of norms) decay by {group.weight_decay:g} though "
                f"{len(vectors)} others "
                f"are in a group without decay: {first_names(missed)}",
                CURE,
                {"missed": len(missed), "of norms": norms, "exempt": len(vectors)},
            )


def is_norm_parameter(setup: Setup, name: str) -> bool:
    """Return True if a parameter is the scale or shift of a norm."""
    return setup.is_vector(name) and name.rpartition(".")[0] in setup.norms
