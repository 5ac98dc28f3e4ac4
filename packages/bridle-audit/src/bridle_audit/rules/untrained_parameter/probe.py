"""Trainable parameters in no group."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for trainable parameters that are in no group."""
    held = {name for group in setup.groups for name in group.names}
    if not held:
        return
    missing = [name for name, each in setup.parameters.items() if each.requires_grad and name not in held]
    if setup.training and setup.training.gradients:
        missing = [name for name in missing if bool(setup.training.gradients.get(name, setup.no_gradient).any())]
    if missing:
        count = sum(setup.parameters[name].numel() for name in missing)
        share = count / sum(each.numel() for each in setup.parameters.values())
        yield Finding(
            first_names(missing),
            f"{count} trainable numbers, {share:.0%} of the model, are not in {setup.optimizer_name} and keep "
            "their first values",
            f"optimizer = torch.optim.{setup.optimizer_name}(model.parameters(), ...)  # behind the last change "
            "of the model",
            {"numbers": count, "share of the model": share},
        )
