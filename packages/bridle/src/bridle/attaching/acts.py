"""What regularizers do to parameters and gradients around the optimizer's update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bridle.acting import first_spot
from bridle.attaching.noise import SeedNoise, SharedNoise
from bridle.attaching.sums import Sum, add_up, as_sum
from bridle.attaching.targets import Moment, Moving, Target, buckets, moving, padding_rests, widened
from bridle.attaching.unusual import BY_GRADIENT, check_dense
from bridle.places import Gradient, Loss, Weight
from bridle.places.module import begin

Noise = SeedNoise | SharedNoise


class Act:
    """A regularizer on parameters, and those that it acts on."""

    def __init__(self, unit: Any, targets: Sequence[Target]) -> None:
        self.unit, self.formula = unit, as_sum(unit)
        self.matrix: bool = getattr(unit, "matrix", False)
        self.take_in(targets)

    def take_in(self, targets: Sequence[Target]) -> None:
        """Act on these from now on."""
        self.buckets = buckets(self.unit, targets)
        self.sums = [Sum(*self.formula) if self.formula else None for _ in self.buckets]

    @property
    def targets(self) -> list[Target]:
        """The parameters that it acts on."""
        return [each for bucket in self.buckets for each in bucket.targets]

    def moving(self, moment: Moment) -> Iterator[tuple[Moving, dict[str, Any], Sum | None]]:
        """Bucket by bucket the parameters that have a gradient, the keywords of the formula, and its sum."""
        for bucket, found in zip(self.buckets, self.sums, strict=True):
            present = moving(bucket)
            if isinstance(self.unit, BY_GRADIENT):
                check_dense(present, self.unit)
            if present.targets:
                yield present, bucket.keywords(moment), found


class Penalty(Act):
    """A penalty on parameters."""

    def __init__(self, unit: Loss, targets: Sequence[Target]) -> None:
        self.initial: dict[str, Tensor] = {}
        self.state: dict[str, dict[str, Tensor]] = {}
        super().__init__(unit, targets)

    def take_in(self, targets: Sequence[Target]) -> None:
        """Act on these from now on; what has come begins with the weights that it has."""
        super().take_in(targets)
        for each in self.targets:
            if "initial" in self.unit.extra_inputs and each.name not in self.initial:
                self.initial[each.name] = each.tensor.clone()
            if self.unit.state and each.name not in self.state:
                matrix = each.subject(each.wide, matrix=True)
                starts = self.unit.state.items()
                self.state[each.name] = {name: begin(start, matrix).clone() for name, start in starts}

    def add_gradients(self, moment: Moment) -> None:
        """Add the penalty's gradient to those that are there."""
        for present, keywords, found in self.moving(moment):
            with padding_rests(present.targets, present.gradients):
                if found:
                    add_up(present.gradients, present.tensors, *found.at(keywords)[0])
                    continue
                for each in present.targets:
                    self.add_gradient(each, keywords)

    def add_gradient(self, each: Target, keywords: dict[str, Any]) -> None:
        """The same for one parameter."""
        arrays, state = self.arguments(each)
        result = each.change(
            gradient_of(each),
            matrix=self.matrix,
            formula=lambda g: self.unit.add_gradient(g, *arrays, *state.values(), **keywords, out=g),
        )
        for name, new in zip(state, result[1:] if state else (), strict=True):
            state[name].copy_(new)

    def arguments(self, each: Target) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The weight with what else the penalty asks for, and its state, where the weight is."""
        like, extra = each.wide, []
        if "initial" in self.unit.extra_inputs:
            self.initial[each.name] = self.initial[each.name].to(like.device)
            extra = [self.initial[each.name].to(like.dtype)]
        self.state[each.name] = {name: value.to(like) for name, value in self.state.get(each.name, {}).items()}
        return [each.subject(tensor, matrix=self.matrix) for tensor in (like, *extra)], self.state[each.name]

    def value(self, moment: Moment) -> Tensor:
        """What the penalty adds to the loss, a number."""
        costs = []
        for bucket in self.buckets:
            keywords = bucket.keywords(moment)
            for each in bucket.targets:
                arrays, state = self.arguments(each)
                found = type(self.unit).torch(*arrays, *state.values(), **keywords)
                costs.append((found[0] if state else found).to(self.targets[0].parameter.device))
        return torch.stack(costs).sum()


class Change(Act):
    """A change of gradients or of weights."""

    def __init__(self, unit: Gradient | Weight, targets: Sequence[Target], noise: Noise) -> None:
        super().__init__(unit, targets)
        self.noise, self.of_gradients = noise, isinstance(unit, Gradient)

    def apply(self, moment: Moment) -> None:
        """Change all gradients, or all weights, in place."""
        norm = self.norm(moment) if "norm" in self.unit.extra_inputs else None
        for present, keywords, found in self.moving(moment):
            tensors = present.gradients if self.of_gradients else present.tensors
            with padding_rests(present.targets, tensors):
                if found:
                    add_up(tensors, self.other(present, tensors), *found.at(keywords)[0])
                    continue
                for each, tensor in zip(present.targets, tensors, strict=True):
                    self.change(each, tensor, keywords, norm)

    def other(self, present: Moving, tensors: Sequence[Tensor]) -> list[Tensor]:
        """What a weighted sum takes besides the tensors that it changes, if it does."""
        if not (self.unit.noise or self.unit.extra_inputs):
            return []
        pairs = zip(present.targets, tensors, strict=True)
        return [self.arrays(each, tensor, None)[0].to(tensor.dtype) for each, tensor in pairs]

    def change(self, each: Target, tensor: Tensor, keywords: dict[str, Any], norm: Tensor | None) -> None:
        """The same for one parameter."""

        def formula(subject: Tensor) -> None:
            self.unit.torch(subject, *self.arrays(each, subject, norm), **keywords, out=subject)

        each.change(tensor, matrix=self.matrix, formula=formula)

    def arrays(self, each: Target, subject: Tensor, norm: Tensor | None) -> list[Any]:
        """The noise and all else that the formula takes behind its subject."""
        extra: dict[str, Any] = {"norm": norm if norm is None else norm.to(subject.device)}
        if "weight" in self.unit.extra_inputs:
            extra["weight"] = each.subject(each.wide, matrix=self.matrix)
        if "fan_in" in self.unit.extra_inputs:
            extra["fan_in"] = each.fan_in
        noise = self.noise.draw(self.unit.noise, first_spot(self.unit, each.name), subject) if self.unit.noise else []
        return [*noise, *(extra[name] for name in self.unit.extra_inputs)]

    def norm(self, moment: Moment) -> Tensor | None:
        """The length of all gradients that it changes together."""
        gradients = [gradient for present, _, _ in self.moving(moment) for gradient in present.gradients]
        return length(gradients) if gradients else None


class Climb(Act):
    """An ascent: where the second gradient is taken."""

    @contextmanager
    def climbed(self, moment: Moment, scaler: Any, scale: float) -> Iterator[bool]:
        """Within, the weights are there; tells whether there is such a place, as the gradients may be infinite.

        ``scale`` is by what the gradients are too large, and ``scaler`` who sees to infinite ones, if anybody does.
        """
        places = [(each, keywords) for present, keywords, _ in self.moving(moment) for each in present.targets]
        slopes = [widened(gradient_of(each)) for each, _ in places]
        if scale != 1:
            slopes = [each / scale for each in slopes]
        measured = [
            self.unit.measure(each.wide, g, **keywords) for (each, keywords), g in zip(places, slopes, strict=True)
        ]
        norm = length(measured) if measured else None
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


def gradient_of(each: Target) -> Tensor:
    """The gradient of a parameter that has one."""
    gradient = each.parameter.grad
    assert gradient is not None
    return gradient


def length(tensors: Sequence[Tensor]) -> Tensor:
    """The length of all tensors together, a number; of a type in which its square does not leave the range."""
    lengths = [
        each.to(tensors[0].device) for each in torch._foreach_norm(list(tensors), dtype=type_for_length(tensors))
    ]
    together: Tensor = torch.linalg.vector_norm(torch.stack(lengths))
    return together


def type_for_length(tensors: Sequence[Tensor]) -> torch.dtype | None:
    """The type in which squares of such tensors are added up; ``None``: their own."""
    short = {each.dtype for each in tensors if each.dtype.itemsize < 4}
    if not short:
        return None
    # bfloat16 has the range of float32, whose squares need float64; not every device has that.
    far = torch.bfloat16 in short and tensors[0].device.type != "mps"
    return torch.float64 if far or torch.float64 in {each.dtype for each in tensors} else torch.float32
