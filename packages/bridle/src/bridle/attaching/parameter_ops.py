"""Operations of a recipe on parameters and gradients around the optimizer's update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bridle.attaching.grad_scaler import LossScaler
from bridle.attaching.linear_forms import LinearForm, axpby_, linear_formula
from bridle.attaching.noise import SeedNoise, SharedNoise
from bridle.attaching.parameter_buckets import ParametersWithGrad, make_buckets, with_gradients
from bridle.attaching.parameter_checks import BY_GRADIENT, check_dense_gradients
from bridle.attaching.trained_parameters import TrainedParameter, padding_preserved, widened
from bridle.attaching.training_progress import TrainingProgress
from bridle.noise_streams import first_stream_id
from bridle.places import Ascent, Gradient, Loss, Weight
from bridle.places.matrices import begin

__all__ = ["AscentOp", "GradientOp", "ParameterOp", "PenaltyOp", "WeightOp", "global_norm"]

Noise = SeedNoise | SharedNoise
Unit = TypeVar("Unit", bound=Loss | Gradient | Weight | Ascent)


class ParameterOp(Generic[Unit]):
    """A regularizer and the parameters that it acts on."""

    def __init__(self, unit: Unit, parameters: Sequence[TrainedParameter]) -> None:
        self.unit, self.formula = unit, linear_formula(unit)
        self.matrix: bool = unit.matrix
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[TrainedParameter]) -> None:
        """Act on these parameters from now on."""
        self.buckets = make_buckets(self.unit, parameters)
        self.linear_forms = [LinearForm(*self.formula) if self.formula else None for _ in self.buckets]

    @property
    def parameters(self) -> list[TrainedParameter]:
        """Return the parameters that it acts on."""
        return [each for bucket in self.buckets for each in bucket.parameters]

    def with_gradients(
        self, progress: TrainingProgress
    ) -> Iterator[tuple[ParametersWithGrad, dict[str, Any], LinearForm | None]]:
        """Yield, bucket by bucket, parameters with a gradient, the formula's keywords, and its linear form if any."""
        for bucket, linear_form in zip(self.buckets, self.linear_forms, strict=True):
            present = with_gradients(bucket)
            if self.unit.place in BY_GRADIENT:
                check_dense_gradients(present, self.unit)
            if present.parameters:
                yield present, bucket.keywords(progress), linear_form


class PenaltyOp(ParameterOp[Loss]):
    """Adds the gradient of a penalty on weights."""

    def __init__(self, unit: Loss, parameters: Sequence[TrainedParameter]) -> None:
        self.initial: dict[str, Tensor] = {}
        self.state: dict[str, dict[str, Tensor]] = {}
        super().__init__(unit, parameters)

    def set_parameters(self, parameters: Sequence[TrainedParameter]) -> None:
        """Act on these parameters from now on; new ones start at their current weights."""
        super().set_parameters(parameters)
        for each in self.parameters:
            if "initial" in self.unit.extra_inputs and each.name not in self.initial:
                self.initial[each.name] = each.tensor.clone()
            if self.unit.state and each.name not in self.state:
                matrix = each.subject(each.wide, matrix=True)
                starts = self.unit.state._asdict().items()
                self.state[each.name] = {name: begin(start, matrix).clone() for name, start in starts}

    def add_gradients(self, progress: TrainingProgress) -> None:
        """Add the penalty's gradient to those of all parameters."""
        for present, keywords, linear_form in self.with_gradients(progress):
            with padding_preserved(present.parameters, present.gradients):
                if linear_form:
                    axpby_(present.gradients, present.tensors, *linear_form.coefficients(keywords)[0])
                    continue
                for each in present.parameters:
                    self.add_gradient(each, keywords)

    def add_gradient(self, each: TrainedParameter, keywords: dict[str, Any]) -> None:
        """Add the penalty's gradient to that of one parameter, and update its state."""
        (w, *extra), state = self.arguments(each)
        fields = list(state.values())
        new: tuple[Tensor, ...] = each.change(
            gradient_of(each),
            matrix=self.matrix,
            formula=lambda g: self.unit.call_add_gradient(g, w, extra, fields, keywords),
        )
        for field, value in zip(fields, new, strict=True):
            field.copy_(value)

    def arguments(self, each: TrainedParameter) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the weight with the extra inputs of the penalty, and its state, on the weight's device."""
        like, extra = each.wide, []
        if "initial" in self.unit.extra_inputs:
            self.initial[each.name] = self.initial[each.name].to(like.device)
            extra = [self.initial[each.name].to(like.dtype)]
        self.state[each.name] = {name: value.to(like) for name, value in self.state.get(each.name, {}).items()}
        return [each.subject(tensor, matrix=self.matrix) for tensor in (like, *extra)], self.state[each.name]

    def value(self, progress: TrainingProgress) -> Tensor:
        """Return the penalty's contribution to the loss."""
        costs = []
        for bucket in self.buckets:
            keywords = bucket.keywords(progress)
            for each in bucket.parameters:
                (w, *extra), state = self.arguments(each)
                cost, _ = self.unit.call_torch(w, extra, list(state.values()), keywords)
                costs.append(cost.to(self.parameters[0].parameter.device))
        return torch.stack(costs).sum()


class InPlaceOp(ParameterOp[Gradient | Weight], ABC):
    """Writes a formula's result back into the gradients or the weights that it was given."""

    def __init__(self, unit: Gradient | Weight, parameters: Sequence[TrainedParameter], noise: Noise) -> None:
        super().__init__(unit, parameters)
        self.noise = noise

    @abstractmethod
    def tensors(self, present: ParametersWithGrad) -> list[Tensor]:
        """Return the tensors that the formula changes: the parameters' gradients, or their values."""

    def apply(self, progress: TrainingProgress) -> None:
        """Apply the formula to all parameters that have a gradient."""
        norm = self.total_norm(progress) if "norm" in self.unit.extra_inputs else None
        for present, keywords, linear_form in self.with_gradients(progress):
            tensors = self.tensors(present)
            with padding_preserved(present.parameters, tensors):
                if linear_form:
                    axpby_(tensors, self.second_arrays(present, tensors), *linear_form.coefficients(keywords)[0])
                    continue
                for each, tensor in zip(present.parameters, tensors, strict=True):
                    self.apply_to(each, tensor, keywords, norm)

    def second_arrays(self, present: ParametersWithGrad, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return what a linear form of two arrays adds to the tensors that it changes; nothing for one of a single."""
        if not (self.unit.noise or self.unit.extra_inputs):
            return []
        pairs = zip(present.parameters, tensors, strict=True)
        return [self.arguments(each, tensor, None)[0].to(tensor.dtype) for each, tensor in pairs]

    def apply_to(self, each: TrainedParameter, tensor: Tensor, keywords: dict[str, Any], norm: Tensor | None) -> None:
        """Apply the formula to one parameter's tensor."""

        def formula(subject: Tensor) -> None:
            self.unit.torch(subject, *self.arguments(each, subject, norm), **keywords, out=subject)

        each.change(tensor, matrix=self.matrix, formula=formula)

    def arguments(self, each: TrainedParameter, subject: Tensor, norm: Tensor | None) -> list[Any]:
        """Return the noise and the extra inputs that the formula takes after its subject."""
        extra: dict[str, Any] = {"norm": norm if norm is None else norm.to(subject.device)}
        if "weight" in self.unit.extra_inputs:
            extra["weight"] = each.subject(each.wide, matrix=self.matrix)
        if "fan_in" in self.unit.extra_inputs:
            extra["fan_in"] = each.fan_in
        noise = (
            self.noise.draw(self.unit.noise, first_stream_id(self.unit, each.name), subject) if self.unit.noise else []
        )
        return [*noise, *(extra[name] for name in self.unit.extra_inputs)]

    def total_norm(self, progress: TrainingProgress) -> Tensor | None:
        """Return the joint norm of all gradients of the parameters that it acts on."""
        gradients = [gradient for present, _, _ in self.with_gradients(progress) for gradient in present.gradients]
        return global_norm(gradients) if gradients else None


class GradientOp(InPlaceOp):
    """Changes gradients before the optimizer's update."""

    def tensors(self, present: ParametersWithGrad) -> list[Tensor]:
        """Return the gradients."""
        return present.gradients


class WeightOp(InPlaceOp):
    """Changes weights before or after the optimizer's update."""

    def tensors(self, present: ParametersWithGrad) -> list[Tensor]:
        """Return the weights."""
        return present.tensors


class AscentOp(ParameterOp[Ascent]):
    """Moves weights along the gradient to the point where SAM or ASAM takes the second gradient."""

    @contextmanager
    def at_ascent_point(self, progress: TrainingProgress, scaler: LossScaler | None, scale: float) -> Iterator[bool]:
        """Move the weights within the context; yields False, and moves nothing, if gradients are infinite or absent.

        ``scale`` is the loss scale of the gradients; ``scaler`` skips steps with infinite gradients, if there is one.
        """
        places = [
            (each, keywords) for present, keywords, _ in self.with_gradients(progress) for each in present.parameters
        ]
        slopes = [widened(gradient_of(each)) for each, _ in places]
        if scale != 1:
            slopes = [each / scale for each in slopes]
        measured = [
            self.unit.measure(each.wide, g, **keywords) for (each, keywords), g in zip(places, slopes, strict=True)
        ]
        norm = global_norm(measured) if measured else None
        if norm is None or (scaler is not None and not norm.isfinite()):
            yield False
            return
        kept = [each.tensor.clone() for each, _ in places]
        for (each, keywords), g in zip(places, slopes, strict=True):
            each.tensor.copy_(self.unit.torch(each.wide, g, norm.to(g.device), **keywords))
        try:
            yield True
        finally:
            for (each, _), weight in zip(places, kept, strict=True):
                each.tensor.copy_(weight)


def gradient_of(each: TrainedParameter) -> Tensor:
    """Return the gradient of a parameter that has one."""
    gradient = each.parameter.grad
    assert gradient is not None
    return gradient


def global_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the joint norm of tensors, in a dtype in which its square does not overflow."""
    lengths = [each.to(tensors[0].device) for each in torch._foreach_norm(list(tensors), dtype=norm_dtype(tensors))]
    together: Tensor = torch.linalg.vector_norm(torch.stack(lengths))
    return together


def norm_dtype(tensors: Sequence[Tensor]) -> torch.dtype | None:
    """Return the dtype for sums of squares of such tensors; ``None``: their own."""
    short = {each.dtype for each in tensors if each.dtype.itemsize < 4}
    if not short:
        return None
    # bfloat16 has the range of float32, whose squares need float64; not every device has that.
    far = torch.bfloat16 in short and tensors[0].device.type != "mps"
    return torch.float64 if far or torch.float64 in {each.dtype for each in tensors} else torch.float32
