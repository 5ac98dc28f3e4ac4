"""Groups whose decay changes next to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.measurement import DECOUPLED, NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.groups import ParameterGroup
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.decay_below_resolution.finding import cure

LEAST = 0.01  # of the numbers that a decay must change to count as one
MOST_NUMBERS = 1_000_000  # that are tried for each group


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a group whose decay is rounded away."""
    for group in setup.groups:
        if group.decay.kind == NONE or group.weight_decay <= 0:
            continue
        if group.decay.kind == DECOUPLED:
            share = group.decay.share(setup.peak_lr(group))
            changed, what = share_changed(decayed_weights(setup, group, share)), "weights"
        else:
            share = group.weight_decay
            changed, what = share_changed(decayed_gradients(setup, group)), "gradients"
        if changed is not None and changed < LEAST and share > 0:
            kinds = sorted({str(setup.parameters[name].dtype).removeprefix("torch.") for name in group.names})
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} changes {changed:.1%} of the {what} in a step: a share of "
                f"{share:.1g} is "
                f"below the resolution of {' and '.join(kinds)}",
                cure(setup.peak_lr(group), group.decay.kind == DECOUPLED),
                {"changed": changed, "share per step": share},
            )


def decayed_weights(setup: Setup, group: ParameterGroup, share: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each weight before and after a step of decoupled decay, in its own dtype."""
    for name in group.names:
        held = sample(setup.parameters[name])
        yield held, held * (1 - share)


def decayed_gradients(setup: Setup, group: ParameterGroup) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the gradients of nonzero weights before and after coupled decay is added."""
    gradients = setup.training.gradients if setup.training else {}
    for name in group.names:
        if name in gradients:
            weight = sample(setup.parameters[name])
            held = sample(gradients[name])[weight != 0]
            yield held, held + group.weight_decay * weight[weight != 0]


def sample(tensor: Tensor) -> Tensor:
    """Return the first ``MOST_NUMBERS`` numbers of a tensor, flattened."""
    return tensor.detach().flatten()[:MOST_NUMBERS]


def share_changed(pairs: Iterator[tuple[Tensor, Tensor]]) -> float | None:
    """Return the share of nonzero numbers that a step changes; None if there are none."""
    changed = total = 0
    for before, behind in pairs:
        changed += int(((before != behind) & (before != 0)).sum())
        total += int((before != 0).sum())
    return changed / total if total else None
