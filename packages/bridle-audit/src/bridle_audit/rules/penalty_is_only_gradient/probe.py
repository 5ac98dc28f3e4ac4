"""Parameters that only the penalty reaches, group by group."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.measurement import RESCALED, DecayMeter
from bridle_audit.decay.penalty_effects import measure_penalty_effects, zeros_replaced
from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.forward import run_pass
from bridle_audit.probe.groups import ParameterGroup
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for parameters whose only gradient is that of the penalty."""
    if setup.optimizer is None or setup.training is None or setup.training.loss is None:
        return
    idle = [name for name, each in setup.penalty_gradients.items() if bool(each.any()) and lacks_gradient(setup, name)]
    reached = reached_with_nonzero_weights(setup) if idle else set()
    for group in setup.groups:
        names = [name for name in idle if name in group.names and name not in reached]
        if names:
            yield from group_findings(setup, group, names)


def lacks_gradient(setup: Setup, name: str) -> bool:
    """Return True if the data loss has no gradient for a parameter."""
    gradients = setup.training.gradients if setup.training else {}
    return name not in gradients or not bool(gradients[name].any())


def reached_with_nonzero_weights(setup: Setup) -> set[str]:
    """Return the parameters with a gradient from the data once parameters of all zeros are filled."""
    assert setup.batch is not None
    model = copied(setup.model)
    with zeros_replaced(dict(model.named_parameters())):
        again = run_pass(model, setup.batch, setup.loss_function, training=True, gradients=True)
    return {name for name, each in again.gradients.items() if bool(each.any())}


def group_findings(setup: Setup, group: ParameterGroup, names: list[str]) -> Iterator[Finding]:
    """Yield a finding for parameters of a group whose optimizer rescales the penalty's gradient."""
    assert setup.optimizer is not None and setup.penalty is not None
    pull = measure_penalty_effects(setup.penalty, copied(setup.model)).get(names[0])
    if pull is None or pull.coefficient <= 0:
        return
    settings = setup.optimizer.param_groups[group.index]
    decay = DecayMeter(setup.optimizer).measure_penalty(
        settings, pull.coefficient, ndim=setup.parameters[names[0]].ndim
    )
    if decay.kind != RESCALED:
        return
    yield Finding(
        first_names(names),
        f"the data have no gradient for {len(names)} parameters, the penalty has: {setup.optimizer_name} takes "
        f"{decay.share_per_step:.2g} of a weight of 1 per step, and {decay.twice:.3f} times that with twice the "
        "penalty",
        f"model.{names[0].rpartition('.')[0]}.requires_grad_(False)  # or leave it out of the penalty",
        {
            "parameters": len(names),
            "share lost per step": decay.share_per_step,
            "effect of twice the penalty": decay.twice,
        },
    )
