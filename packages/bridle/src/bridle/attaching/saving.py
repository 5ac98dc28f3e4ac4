"""What an attached recipe remembers, to be saved and to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bridle.attaching.assembly import Assembly
from bridle.errors import InputError


def state_of(parts: Assembly) -> dict[str, Any]:
    """All that the recipe remembers; tensors are not copied."""
    return {
        "recipe": str(parts.recipe),
        "step": parts.moment.step,
        "peaks": dict(parts.moment.peaks),
        "penalties": [{"initial": each.initial, "state": each.state} for each in parts.penalties],
        "averages": [each.state_dict() for each in parts.averages],
        "copies": [each.copies for each in parts.copies],
        "stopping": parts.stopping.state_dict(),
        "noise": [parts.tape.noise.state_dict(), parts.noise.state_dict()],
    }


@torch.no_grad()
def load_state(parts: Assembly, state: Mapping[str, Any]) -> None:
    """Remember what :func:`state_of` gave; ``ValueError`` for the state of another recipe."""
    if state["recipe"] != str(parts.recipe):
        raise InputError(f"the state is that of {state['recipe']}, and attached is {parts.recipe}")
    parts.moment.step, parts.moment.peaks = state["step"], dict(state["peaks"])
    for penalty, kept in zip(parts.penalties, state["penalties"], strict=True):
        penalty.initial.update({name: each.clone() for name, each in kept["initial"].items()})
        penalty.state.update(
            {name: {kind: each.clone() for kind, each in own.items()} for name, own in kept["state"].items()}
        )
    for average, averages in zip(parts.averages, state["averages"], strict=True):
        average.load_state_dict(averages)
    for copies, kept in zip(parts.copies, state["copies"], strict=True):
        copies.copies = list(kept)
    parts.stopping.load_state_dict(state["stopping"])
    for noise, kept in zip((parts.tape.noise, parts.noise), state["noise"], strict=True):
        noise.load_state_dict(kept)
    parts.set_moment()
