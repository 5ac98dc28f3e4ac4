"""The state dict of a handle: saving it, and loading it to resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bridle.attaching.assembly import Assembly
from bridle.errors import InputError

__all__ = ["handle_state", "load_handle_state"]


def handle_state(parts: Assembly) -> dict[str, Any]:
    """Return the state of all parts of a recipe; tensors are not copied."""
    return {
        "recipe": str(parts.recipe),
        "step": parts.progress.step,
        "peaks": dict(parts.progress.peaks),
        "penalties": [{"initial": each.initial, "state": each.state} for each in parts.penalties],
        "averages": [each.state_dict() for each in parts.averages],
        "copies": [each.snapshots for each in parts.ensembles],
        "stopping": parts.stopping.state_dict(),
        "noise": [parts.recorder.noise.state_dict(), parts.noise.state_dict()],
    }


@torch.no_grad()
def load_handle_state(parts: Assembly, state: Mapping[str, Any]) -> None:
    """Load what :func:`handle_state` returned; ``ValueError`` for the state of another recipe."""
    if state["recipe"] != str(parts.recipe):
        raise InputError(f"the state is that of {state['recipe']}, and attached is {parts.recipe}")
    parts.progress.step, parts.progress.peaks = state["step"], dict(state["peaks"])
    for penalty, kept in zip(parts.penalties, state["penalties"], strict=True):
        penalty.initial.update({name: each.clone() for name, each in kept["initial"].items()})
        penalty.state.update(
            {name: {kind: each.clone() for kind, each in own.items()} for name, own in kept["state"].items()}
        )
    for average, averages in zip(parts.averages, state["averages"], strict=True):
        average.load_state_dict(averages)
    for ensemble, kept in zip(parts.ensembles, state["copies"], strict=True):
        ensemble.snapshots = list(kept)
    parts.stopping.load_state_dict(state["stopping"])
    for noise, kept in zip((parts.recorder.noise, parts.noise), state["noise"], strict=True):
        noise.load_state_dict(kept)
    parts.apply_schedules()
