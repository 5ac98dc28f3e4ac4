"""Groups with parameters that are not the model's."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for groups with parameters that are not the model's."""
    held = {name for group in setup.groups for name in group.names}
    missing = any(each.requires_grad and name not in held for name, each in setup.parameters.items())
    for group in setup.groups:
        if not group.foreign_shapes:
            continue
        shapes = ", ".join(" x ".join(map(str, shape)) for shape in dict.fromkeys(group.foreign_shapes[:3]))
        rest = "parameters of the model are in no group" if missing else "all parameters of the model are there, too"
        yield Finding(
            str(group),
            f"{len(group.foreign_shapes)} parameters of {setup.optimizer_name} ({shapes}) are not in the model, "
            f"and {rest}",
            f"optimizer = torch.optim.{setup.optimizer_name}(model.parameters(), ...)  # behind the last change "
            "of the model",
            {"parameters": len(group.foreign_shapes)},
            severity="" if missing else "note",
        )
