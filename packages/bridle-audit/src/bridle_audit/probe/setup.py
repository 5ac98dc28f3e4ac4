"""The evidence of a rule's ``probe.py``: copies of what the user gave, and measurements on them, each made once.

A rule asks for what it needs (``setup.training``, ``setup.evaluation``, ``setup.training_in_double`` ...); a part that
was not given, or could not be run, is None or empty, and the rule then has nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.decay.penalty_effects import Penalty
from bridle_audit.decay.rates import ScheduleLike, learning_rates
from bridle_audit.errors import InputError
from bridle_audit.parameter_kinds import NORMS, parameter_kind
from bridle_audit.probe.batch import LossFunction, ProbeBatch
from bridle_audit.probe.copying import copied
from bridle_audit.probe.forward import ForwardPass, run_pass
from bridle_audit.probe.function_calls import FunctionCall, WithoutDropout, record_function_calls
from bridle_audit.probe.groups import ParameterGroup, groups_of
from bridle_audit.probe.layers import (
    BATCH_NORMS,
    UNCHANGED,
    drop_rate,
    ignores_input_scale,
    shrink_eps,
    unwrap,
)
from bridle_audit.probe.measured_loss import MeasuredLoss

__all__ = ["Setup"]

LARGEST_ALIGNMENT = (
    1e-4  # in double precision; ordinary layers are near 1e-2, those in front of a norm far below (its eps)
)


@dataclass(frozen=True, eq=False)
class Setup:
    """A model and its training, to be probed; only the scheduler and the optimizer are the user's own objects.

    Of these two, rules read plain data: :attr:`groups` and :meth:`rates`.
    """

    model: nn.Module
    optimizer: Optimizer | None
    groups: tuple[ParameterGroup, ...]
    loss_function: LossFunction | None
    batch: ProbeBatch | None
    scheduler: ScheduleLike
    steps: int | None
    averaged: nn.Module | None
    penalty: Penalty | None
    was_training: bool  # whether the model was in training mode when it was given

    @classmethod
    def of(
        cls,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        loss: LossFunction | None = None,
        batch: object = None,
        *,
        scheduler: ScheduleLike = None,
        steps: int | None = None,
        averaged: nn.Module | None = None,
        penalty: Penalty | None = None,
    ) -> Setup:
        """Make a set-up from copies; ``InputError`` if something cannot be copied or is not what it should be."""
        bare = unwrap(model)
        return cls(
            copied(bare),
            optimizer,
            groups_of(optimizer, bare) if optimizer is not None else (),
            copied(loss) if isinstance(loss, nn.Module) else loss,
            None if batch is None else ProbeBatch.of(batch),
            scheduler,
            steps,
            None if averaged is None else copied(averaged),
            penalty,
            bare.training,
        )

    # What is there

    @cached_property
    def modules(self) -> dict[str, nn.Module]:
        """The modules by name; the model itself is called ``""``."""
        return dict(self.model.named_modules())

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by name, tied ones once."""
        return dict(self.model.named_parameters())

    @cached_property
    def all_names(self) -> dict[str, list[str]]:
        """The names of each parameter, by its first one; several if it is tied."""
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
        calls = self.training.leaf_calls if self.training else ()
        known |= {
            call.name for call in calls if call.name not in known and ignores_input_scale(call.module, call.input)
        }
        return {name: each for name, each in self.modules.items() if name in known}

    @cached_property
    def batch_norms(self) -> dict[str, nn.Module]:
        """The norms that normalize over the batch and keep running statistics, or could."""
        return {name: each for name, each in self.modules.items() if isinstance(each, BATCH_NORMS)}

    @cached_property
    def dropouts(self) -> dict[str, nn.Module]:
        """The modules that drop at random: torch's, and others, such as drop-path, by the rate that they have."""
        return {name: each for name, each in self.modules.items() if drop_rate(each) is not None}

    def group_of(self, name: str) -> ParameterGroup | None:
        """Return the optimizer's group that a parameter is in; None if it is in none."""
        return next((each for each in self.groups if name in each.names), None)

    def is_vector(self, name: str) -> bool:
        """Return True if a parameter has one number for each unit: a bias, the scale of a norm, a gate."""
        return parameter_kind(self.modules, name, self.parameters[name]).is_vector

    def is_weight_matrix(self, name: str) -> bool:
        """Return True if a parameter is a matrix that maps inputs to outputs, and no table such as an embedding."""
        table = isinstance(self.owners[name], nn.Embedding | nn.EmbeddingBag)
        return not self.is_vector(name) and name.endswith("weight") and not table

    @cached_property
    def no_gradient(self) -> Tensor:
        """An empty tensor, in place of a gradient that is not there."""
        return torch.zeros(0)

    def peak_lr(self, group: ParameterGroup) -> float:
        """Return the highest learning rate of a group that is known: now it may be in its warm-up."""
        initial = self.optimizer.param_groups[group.index].get("initial_lr", 0.0) if self.optimizer else 0.0
        known = self.rates[group.index] if self.rates else []
        return max(group.lr, float(initial), *known)

    def half_life(self, group: ParameterGroup) -> float:
        """Return the steps in which decay alone halves a weight, at the highest learning rate; inf if never."""
        share = group.decay.share(self.peak_lr(group))
        return math.inf if share <= 0 else 0.0 if share >= 1 else math.log(2) / -math.log1p(-share)

    @property
    def optimizer_name(self) -> str:
        """The name of the optimizer's class; empty without one."""
        return type(self.optimizer).__name__ if self.optimizer is not None else ""

    @cached_property
    def rates(self) -> list[list[float]]:
        """The learning rates of each group at each of the steps, by the scheduler; constant without one."""
        if self.optimizer is None or not self.steps:
            return []
        return learning_rates(self.optimizer, self.scheduler, self.steps)

    # What was measured

    @cached_property
    def evaluation(self) -> ForwardPass | None:
        """A pass in evaluation mode; ``InputError`` if the model does not take the batch."""
        if self.batch is None:
            return None
        try:
            return run_pass(self.model, self.batch, self.loss_function, training=False)
        except Exception as error:  # the user's own code runs here, and may raise anything
            raise InputError(
                f"the model or the loss does not take this batch ({type(error).__name__}: {error}); "
                "give batch=(x, y) as the loop does: model(x), then loss(output, y)"
            ) from error

    @cached_property
    def evaluation_reseeded(self) -> ForwardPass | None:
        """A pass in evaluation mode under another seed: if it differs, something is random."""
        if self.batch is None or self.evaluation is None:
            return None
        return run_pass(self.model, self.batch, None, training=False, seed=1)

    @cached_property
    def training_or_error(self) -> ForwardPass | Exception | None:
        """A pass in training mode with gradients; or the error that it raised, though evaluation raised none."""
        if self.batch is None or self.evaluation is None:
            return None
        try:
            return run_pass(self.model, self.batch, self.loss_function, training=True, gradients=True)
        except Exception as error:  # such as batch norm with one row; rules say what it means
            return error

    @property
    def training(self) -> ForwardPass | None:
        """A pass in training mode with the gradients of the data loss."""
        return self.training_or_error if isinstance(self.training_or_error, ForwardPass) else None

    @cached_property
    def training_reseeded(self) -> ForwardPass | None:
        """A pass in training mode under another seed, without gradients."""
        if self.batch is None or self.training is None:
            return None
        return run_pass(self.model, self.batch, None, training=True, seed=1)

    @cached_property
    def training_without_dropout(self) -> ForwardPass | None:
        """A pass in training mode in which nothing is dropped; norms still normalize by the batch."""
        if self.batch is None or self.training is None:
            return None
        model = copied(self.model)
        if not model.training:
            model.train()
        for each in model.modules():
            if isinstance(each, nn.RNNBase) or drop_rate(each) is not None:
                each.eval()
        with WithoutDropout():
            return run_pass(model, self.batch, None, training=True)

    @cached_property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The calls of dropout, attention and SELU in training mode, by modules or as functions."""
        return self.record_calls(training=True) if self.training else ()

    @cached_property
    def evaluation_function_calls(self) -> tuple[FunctionCall, ...]:
        """The calls of dropout, attention and SELU in evaluation mode, where nothing should drop."""
        return self.record_calls(training=False) if self.evaluation else ()

    def record_calls(self, *, training: bool) -> tuple[FunctionCall, ...]:
        """Record the calls of functions in a pass of one mode, under the same noise as in the other passes."""
        if self.batch is None:
            return ()
        with record_function_calls(self.model) as calls:
            run_pass(self.model, self.batch, None, training=training)
        return tuple(calls)

    @cached_property
    def training_in_double(self) -> ForwardPass | None:
        """A pass in training mode with gradients, in double precision, the norms' eps next to nothing.

        None if the model cannot run in double precision.
        """
        if self.batch is None or self.training is None:
            return None
        try:
            return run_pass(
                self.model_in_double, self.batch.double(), self.loss_function, training=True, gradients=True
            )
        except Exception:  # a model may fix a type inside; then there is no exact measurement
            return None

    @cached_property
    def model_in_double(self) -> nn.Module:
        """The model in double precision."""
        return shrink_eps(copied(self.model).double())

    @cached_property
    def loss(self) -> MeasuredLoss | None:
        """The loss function, recognized by its values; None without one, or without logits."""
        if self.loss_function is None or self.batch is None or self.evaluation is None:
            return None
        if not isinstance(self.evaluation.output, Tensor) or self.evaluation.logits is None:
            return None
        return MeasuredLoss(self.loss_function, self.evaluation.logits, self.batch.y)

    @cached_property
    def scale_invariant(self) -> tuple[str, ...]:
        """The weights whose scale the loss does not depend on, since a norm follows: ⟨w, ∂L/∂w⟩ is zero.

        Measured with the layer's bias, in double precision, and confirmed by doubling them, which must change nothing.
        The idea is in van Laarhoven, 2017, section 2.
        """
        candidates = tuple(name for name in self.parameters if self.gradient_alignment(name) < LARGEST_ALIGNMENT)
        if not candidates or not self.output_changes_when_doubled(candidates):
            return candidates
        return tuple(name for name in candidates if not self.output_changes_when_doubled((name,)))

    def output_changes_when_doubled(self, names: Sequence[str]) -> bool:
        """Return True if the output changes when these weights, with their layers' biases, are doubled."""
        if self.training_in_double is None or self.training_in_double.logits is None or self.batch is None:
            return True
        biases = {name.removesuffix("weight") + "bias" for name in names}
        model = copied(self.model_in_double)
        with torch.no_grad():
            for name, each in model.named_parameters():
                if name in names or name in biases:
                    each.mul_(2)
        before = self.training_in_double.logits
        after = run_pass(model, self.batch.double(), None, training=True).logits
        return after is None or bool((after - before).norm() > UNCHANGED * before.norm())

    def gradient_alignment(self, name: str) -> float:
        """Return the share of a weight's gradient along the weight: |⟨w, g⟩ + ⟨b, g_b⟩| / (|w| |g|); 1 if unknown."""
        held, gradients = self.parameters[name], self.training_in_double.gradients if self.training_in_double else {}
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
        """The penalty on the copy, with its graph if it has one; ``InputError`` if it cannot be computed."""
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
        """The gradient of the penalty by parameter name, for each parameter that it depends on."""
        value = self.penalty_value
        if value is None or not value.requires_grad:
            return {}
        held = {name: each for name, each in self.parameters.items() if each.requires_grad}
        found = torch.autograd.grad(value.sum(), list(held.values()), allow_unused=True, retain_graph=True)
        return {name: each.detach() for name, each in zip(held, found, strict=True) if each is not None}
