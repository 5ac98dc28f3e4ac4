"""What a rule probes: copies of what the user gave, and what was measured on them, each measurement once.

A rule asks for what it needs (``setup.training``, ``setup.evaluation``, ``setup.exact`` ...); a part that was not
given, or could not be run, is None or empty, and the rule then has nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.decay.rates import learning_rates
from bridle_audit.errors import InputError
from bridle_audit.kinds import NORMS, kind_of
from bridle_audit.probe.batch import Batch
from bridle_audit.probe.copying import copied
from bridle_audit.probe.functions import Undropped, Use, noted
from bridle_audit.probe.groups import Group, groups_of
from bridle_audit.probe.layers import (
    BATCH_NORMS,
    UNCHANGED,
    drop_rate,
    takes_no_scale,
    unwrapped,
    without_eps,
)
from bridle_audit.probe.losses import Loss
from bridle_audit.probe.passes import LossFunction, Pass, run

ALONG = 1e-4  # in double precision; ordinary layers are near 1e-2, those in front of a norm far below (its eps)


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything a probe may look at. Nothing in it is the user's own object, but for the scheduler and optimizer.

    Of these two, rules read plain data: :attr:`groups` and :meth:`rates`.
    """

    model: nn.Module
    optimizer: Optimizer | None
    groups: tuple[Group, ...]
    loss_function: LossFunction | None
    batch: Batch | None
    scheduler: Any
    steps: int | None
    averaged: nn.Module | None
    penalty: Callable[[nn.Module], Any] | None
    was_training: bool  # whether the model was in training mode when it was given

    @classmethod
    def of(
        cls,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        loss: LossFunction | None = None,
        batch: Any = None,
        *,
        scheduler: Any = None,
        steps: int | None = None,
        averaged: nn.Module | None = None,
        penalty: Callable[[nn.Module], Any] | None = None,
    ) -> Setup:
        """Copies of all; ``ValueError`` where something cannot be copied or is not what it should be."""
        bare = unwrapped(model)
        return cls(
            copied(bare),
            optimizer,
            groups_of(optimizer, bare) if optimizer is not None else (),
            copied(loss) if isinstance(loss, nn.Module) else loss,
            None if batch is None else Batch.of(batch),
            scheduler,
            steps,
            None if averaged is None else copied(averaged),
            penalty,
            bare.training,
        )

    # What is there

    @cached_property
    def modules(self) -> dict[str, nn.Module]:
        """All modules by name; the model itself is called ``""``."""
        return dict(self.model.named_modules())

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by name, tied ones once."""
        return dict(self.model.named_parameters())

    @cached_property
    def names_of(self) -> dict[str, list[str]]:
        """All names of each parameter; several where it is tied."""
        every = list(self.model.named_parameters(remove_duplicate=False))
        return {name: [other for other, held in every if held is each] for name, each in self.parameters.items()}

    @cached_property
    def owners(self) -> dict[str, nn.Module]:
        """The module that holds each parameter, by the parameter's name."""
        return {name: self.modules[name.rpartition(".")[0]] for name in self.parameters}

    @cached_property
    def norms(self) -> dict[str, nn.Module]:
        """The layers that normalize: torch's, and those that do not change when their input is multiplied."""
        known = {name for name, each in self.modules.items() if isinstance(each, NORMS)}
        calls = self.training.leaves if self.training else ()
        known |= {call.name for call in calls if call.name not in known and takes_no_scale(call.module, call.input)}
        return {name: each for name, each in self.modules.items() if name in known}

    @cached_property
    def batch_norms(self) -> dict[str, nn.Module]:
        """Those of the norms that normalize over the batch and keep running statistics, or could."""
        return {name: each for name, each in self.modules.items() if isinstance(each, BATCH_NORMS)}

    @cached_property
    def dropouts(self) -> dict[str, nn.Module]:
        """The modules that drop at random: torch's, and drop-path and others by the rate that they have."""
        return {name: each for name, each in self.modules.items() if drop_rate(each) is not None}

    def group_of(self, name: str) -> Group | None:
        """The optimizer's group that a parameter is in; None where it is in none."""
        return next((each for each in self.groups if name in each.names), None)

    def is_vector(self, name: str) -> bool:
        """Whether a parameter has one number for each unit: a bias, the scale of a norm, a gate, in any shape."""
        return kind_of(self.modules, name, self.parameters[name]).is_vector

    def is_mapping(self, name: str) -> bool:
        """Whether a parameter is a matrix that maps inputs to outputs, and no table of vectors such as an embedding."""
        table = isinstance(self.owners[name], nn.Embedding | nn.EmbeddingBag)
        return not self.is_vector(name) and name.endswith("weight") and not table

    @cached_property
    def nothing(self) -> Tensor:
        """No numbers at all: stands in for a gradient that is not there."""
        return torch.zeros(0)

    def peak_lr(self, group: Group) -> float:
        """The highest learning rate of a group, as far as it is known: it may be in its warm-up."""
        initial = self.optimizer.param_groups[group.index].get("initial_lr", 0.0) if self.optimizer else 0.0
        known = self.rates[group.index] if self.rates else []
        return max(group.lr, float(initial), *known)

    def half_life(self, group: Group) -> float:
        """After how many steps decay alone leaves half of a weight, at the highest learning rate; inf if never."""
        share = group.decay.share(self.peak_lr(group))
        return math.inf if share <= 0 else 0.0 if share >= 1 else math.log(2) / -math.log1p(-share)

    @property
    def optimizer_name(self) -> str:
        """Its class, as the user knows it."""
        return type(self.optimizer).__name__ if self.optimizer is not None else ""

    @cached_property
    def rates(self) -> list[list[float]]:
        """The learning rates of each group at each of the steps, by the scheduler; constant without one."""
        if self.optimizer is None or not self.steps:
            return []
        return learning_rates(self.optimizer, self.scheduler, self.steps)

    # What was measured

    @cached_property
    def evaluation(self) -> Pass | None:
        """A pass in evaluation mode; ``ValueError`` where the model cannot take the batch."""
        if self.batch is None:
            return None
        try:
            return run(self.model, self.batch, self.loss_function, training=False)
        except Exception as error:  # the user's own code runs here, and may raise anything
            raise InputError(
                f"the model or the loss does not take this batch ({type(error).__name__}: {error}); "
                "give batch=(x, y) as the loop does: model(x), then loss(output, y)"
            ) from error

    @cached_property
    def evaluation_again(self) -> Pass | None:
        """The same under another seed: where the two differ, something is random."""
        if self.batch is None or self.evaluation is None:
            return None
        return run(self.model, self.batch, None, training=False, seed=1)

    @cached_property
    def training_or_error(self) -> Pass | Exception | None:
        """A pass in training mode with gradients; or what was raised, though the evaluation pass went well."""
        if self.batch is None or self.evaluation is None:
            return None
        try:
            return run(self.model, self.batch, self.loss_function, training=True, gradients=True)
        except Exception as error:  # such as batch norm with one row; rules say what it means
            return error

    @property
    def training(self) -> Pass | None:
        """A pass in training mode with the gradients of the data loss."""
        return self.training_or_error if isinstance(self.training_or_error, Pass) else None

    @cached_property
    def training_again(self) -> Pass | None:
        """The same under another seed, without gradients."""
        if self.batch is None or self.training is None:
            return None
        return run(self.model, self.batch, None, training=True, seed=1)

    @cached_property
    def undropped(self) -> Pass | None:
        """A pass in training mode in which nothing is dropped: norms normalize by the batch, all else is as it is."""
        if self.batch is None or self.training is None:
            return None
        model = copied(self.model)
        if not model.training:
            model.train()
        for each in model.modules():
            if isinstance(each, nn.RNNBase) or drop_rate(each) is not None:
                each.eval()
        with Undropped():
            return run(model, self.batch, None, training=True)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """The dropouts, attentions and SELUs at work in training mode, as modules or as functions."""
        return self.used(training=True) if self.training else ()

    @cached_property
    def uses_in_evaluation(self) -> tuple[Use, ...]:
        """The same in evaluation mode, where nothing should drop."""
        return self.used(training=False) if self.evaluation else ()

    def used(self, *, training: bool) -> tuple[Use, ...]:
        """What was at work in a pass of one mode, under the same noise as in the other passes."""
        if self.batch is None:
            return ()
        with noted(self.model) as uses:
            run(self.model, self.batch, None, training=training)
        return tuple(uses)

    @cached_property
    def exact(self) -> Pass | None:
        """A pass in training mode with gradients, in double precision, the norms' eps next to nothing.

        None where the model cannot do that.
        """
        if self.batch is None or self.training is None:
            return None
        try:
            return run(self.exact_model, self.batch.in_double(), self.loss_function, training=True, gradients=True)
        except Exception:  # a model may fix a type inside; then there is no exact measurement
            return None

    @cached_property
    def exact_model(self) -> nn.Module:
        """The model in double precision."""
        return without_eps(copied(self.model).double())

    @cached_property
    def loss(self) -> Loss | None:
        """What the loss function is, by what it does; None without one, or without logits."""
        if self.loss_function is None or self.batch is None or self.evaluation is None:
            return None
        if not isinstance(self.evaluation.output, Tensor) or self.evaluation.logits is None:
            return None
        return Loss(self.loss_function, self.evaluation.logits, self.batch.y)

    @cached_property
    def scale_invariant(self) -> tuple[str, ...]:
        """The weights whose scale the loss does not depend on, since a norm follows: ⟨w, ∂L/∂w⟩ is zero.

        Measured with the layer's bias, in double precision, and confirmed by doubling them, which must change nothing.
        The idea is in van Laarhoven, 2017, section 2.
        """
        candidates = tuple(name for name in self.parameters if self.share_along(name) < ALONG)
        if not candidates or not self.changes_when_doubled(candidates):
            return candidates
        return tuple(name for name in candidates if not self.changes_when_doubled((name,)))

    def changes_when_doubled(self, names: Sequence[str]) -> bool:
        """Whether the model gives something else when these weights, with their layers' biases, are twice as large."""
        if self.exact is None or self.exact.logits is None or self.batch is None:
            return True
        biases = {name.removesuffix("weight") + "bias" for name in names}
        model = copied(self.exact_model)
        with torch.no_grad():
            for name, each in model.named_parameters():
                if name in names or name in biases:
                    each.mul_(2)
        logits = run(model, self.batch.in_double(), None, training=True).logits
        return logits is None or bool((logits - self.exact.logits).norm() > UNCHANGED * self.exact.logits.norm())

    def share_along(self, name: str) -> float:
        """How much of a weight's gradient lies along the weight: |⟨w, g⟩ + ⟨b, g_b⟩| over the lengths; 1 if unknown."""
        held, gradients = self.parameters[name], self.exact.gradients if self.exact else {}
        if held.ndim < 2 or name not in gradients or not name.endswith("weight"):
            return 1.0
        pairs = [(held, gradients[name])]
        bias = name.removesuffix("weight") + "bias"
        if bias in gradients:
            pairs.append((self.parameters[bias], gradients[bias]))
        along = sum(float((w.detach().double() * g).sum()) for w, g in pairs)
        lengths = sum(float(w.detach().double().norm() * g.norm()) for w, g in pairs)
        return abs(along) / lengths if lengths > 0 else 1.0

    @cached_property
    def penalty_value(self) -> Tensor | None:
        """The penalty on the copy, with its graph if it has one; ``ValueError`` where it cannot be computed."""
        if self.penalty is None:
            return None
        try:
            value = self.penalty(self.model)
        except Exception as error:  # the user's own code
            raise InputError(
                f"penalty(model) failed ({type(error).__name__}: {error}); give a function that computes the penalty "
                "from the model that it is given, such as lambda model: 1e-4 * model.fc.weight.square().sum()"
            ) from error
        return value if isinstance(value, Tensor) else torch.as_tensor(float(value))

    @cached_property
    def penalty_gradients(self) -> dict[str, Tensor]:
        """The gradient of the penalty for each parameter to which a path leads."""
        value = self.penalty_value
        if value is None or not value.requires_grad:
            return {}
        held = {name: each for name, each in self.parameters.items() if each.requires_grad}
        found = torch.autograd.grad(value.sum(), list(held.values()), allow_unused=True, retain_graph=True)
        return {name: each.detach() for name, each in zip(held, found, strict=True) if each is not None}


def described(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence: the first few, and how many more there are.

    >>> described(["0.weight", "1.weight", "2.weight", "3.weight"])
    '0.weight, 1.weight, 2.weight and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
