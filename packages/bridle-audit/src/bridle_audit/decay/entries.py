"""The rows of the decay ledger: which path leads to a parameter, and what it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.decay.decay import Decay, Decays, stated_by_default
from bridle_audit.decay.penalties import Pull, pulls_of
from bridle_audit.decay.rates import rate_of
from bridle_audit.decay.trials import DECOUPLED, RESCALED
from bridle_audit.kinds import Kind, kind_of, origin_of, reads_signs

FROZEN, OUTSIDE, PENALTY = "frozen", "not in the optimizer", "penalty"
SAMPLE = 4096  # weights of a parameter that stand for all of them
IDLE = 1e-5  # gradients are larger than this, so what is lost next to smaller ones does nothing
ALONG = 1e-3  # a penalty with a larger rest is not in proportion to the weight


@dataclass(frozen=True)
class Row:
    """What shrinks one parameter."""

    names: tuple[str, ...]  # all that the model has for it; several where it is tied
    shape: tuple[int, ...]
    dtype: str
    path: str  # the kinds of decay and penalty that act, "none", or why nothing can act
    group: int | None = None  # of the optimizer
    by_default: bool = False  # whether the decay is the one that the optimizer's class has by itself
    strength: float = 0.0  # the group's weight_decay
    penalty: float = 0.0  # times the weight is the penalty's gradient: torch's unit of coupled decay
    lr: float | None = None  # the highest that is to come
    share: float | None = None  # of the weight, lost in a step at that rate without a data gradient
    left: float | None = None  # of the weight, after all steps without a data gradient
    half_life: float | None = None  # in steps at that rate
    changed: float | None = None  # the share of the weights that such a step changes, in their own precision
    twice: float | None = None  # where the optimizer rescales: how much more twice the strength takes; 1 is no more
    remark: str = ""

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]


@dataclass(frozen=True)
class Paths:
    """What acts on one parameter."""

    own: Decay  # of the optimizer
    pulled: Decay | None  # of the penalty
    pull: Pull | None
    acting: tuple[Decay, ...]  # what both come to

    @property
    def is_rescaled(self) -> bool:
        """Whether the gradients decide what is lost, rather than the strength."""
        return any(each.kind == RESCALED for each in self.acting)

    @property
    def is_decoupled(self) -> bool:
        """Whether the weight itself is shrunk, and that is all."""
        return bool(self.acting) and all(each.kind == DECOUPLED for each in self.acting)

    @property
    def is_double(self) -> bool:
        """Whether both act."""
        return self.own.per_lr > 0 and self.pulled is not None and self.pulled.per_lr > 0

    @property
    def strength(self) -> float:
        """How much is added to the gradient, as a multiple of the weight."""
        return sum(each.strength for each in self.acting if each.kind.startswith("coupled"))

    def taken(self, rates: Any) -> Any:
        """The share of a weight that a step takes at a learning rate, or at each of several."""
        return sum((each.per_lr * rates**each.lr_power for each in self.acting), 0.0 * np.nan_to_num(rates))

    def left(self, rates: np.ndarray) -> float:
        """The share of a weight that is left after a step at each of these learning rates."""
        return float(np.prod(np.abs(1 - self.taken(rates))))

    def words(self, optimizer: str) -> str:
        """How they are called."""
        paths = [PENALTY] if self.pull is not None else []
        paths += [self.own.kind] if self.own.per_lr else []
        if paths == [PENALTY] and self.is_rescaled:
            paths = [f"{PENALTY}, {RESCALED.removeprefix('coupled, ')}"]
        return " + ".join(paths).replace("by the optimizer", f"by {optimizer}") or "none"


@dataclass(frozen=True)
class Books:
    """What the rows are made from."""

    optimizer: Optimizer
    decays: Decays
    rates: np.ndarray | None  # of each group at each step; None where the number of steps is not known
    pulls: Mapping[str, Pull]  # of the penalty
    modules: Mapping[str, nn.Module]
    groups: Mapping[int, int]  # the group that each parameter is in, by the parameter's id


def rows_of(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    rates: np.ndarray | None,
    penalty: Callable[[nn.Module], Any] | None,
) -> Iterator[Row]:
    """The rows, in the model's order; then those of parameters that only the optimizer knows."""
    books = Books(
        optimizer,
        Decays(optimizer),
        rates,
        {} if penalty is None else pulls_of(penalty, model),
        dict(model.named_modules()),
        {id(each): index for index, group in enumerate(optimizer.param_groups) for each in group["params"]},
    )
    names: dict[nn.Parameter, list[str]] = {}
    for name, each in model.named_parameters(remove_duplicate=False):
        names.setdefault(each, []).append(name)
    for index, group in enumerate(optimizer.param_groups):
        for number, each in enumerate(group["params"]):
            names.setdefault(each, [f"param_groups[{index}]['params'][{number}], not in the model"])
    for each, known in names.items():
        yield row_of(books, tuple(known), each)


def row_of(books: Books, names: tuple[str, ...], parameter: nn.Parameter) -> Row:
    """The row of one parameter."""
    index = books.groups.get(id(parameter))
    row = Row(names, tuple(parameter.shape), str(parameter.dtype).removeprefix("torch."), OUTSIDE, index)
    if not parameter.requires_grad and (index is None or parameter.grad is None):
        return replace(row, path=FROZEN)
    if index is None:
        return row
    paths = paths_of(books, books.optimizer.param_groups[index], parameter, books.pulls.get(names[0]))
    lr = rate_of(books.optimizer.param_groups[index]) if books.rates is None else float(books.rates[index].max())
    share = paths.taken(lr)
    changed = changed_share(parameter, share) if paths.is_decoupled else None
    return replace(
        row,
        path=paths.words(type(books.decays.optimizer).__name__),
        by_default=stated_by_default(books.optimizer, books.optimizer.param_groups[index]),
        strength=paths.own.strength,
        penalty=paths.pull.coefficient if paths.pull else 0.0,
        lr=lr,
        share=share,
        left=None if books.rates is None or paths.is_rescaled else paths.left(books.rates[index]),
        half_life=None if paths.is_rescaled else half_life(share),
        changed=changed,
        twice=min(each.twice for each in paths.acting) if paths.is_rescaled else None,
        remark="; ".join([*roles(books, names[0], parameter, paths), *remarks(parameter, paths, changed)]),
    )


def paths_of(books: Books, group: Mapping[str, Any], parameter: Tensor, pull: Pull | None) -> Paths:
    """What acts on a parameter of a group, by trial."""
    size, ndim = size_of(parameter), parameter.ndim
    own = books.decays.of(group, ndim=ndim, size=size)
    if pull is None:
        return Paths(own, None, None, (own,) if own.per_lr else ())
    pulled = books.decays.of_penalty(group, pull.coefficient, ndim=ndim, size=size)
    acting = tuple(each for each in (own, pulled) if each.per_lr)
    if len(acting) == 2 and own.kind == RESCALED:  # both are in one gradient when it is rescaled
        acting = (books.decays.of_penalty(group, own.strength + pull.coefficient, ndim=ndim, size=size),)
    return Paths(own, pulled, pull, acting)


def half_life(share: float) -> float | None:
    """The steps until half of a weight is left; infinite where nothing is taken."""
    if not share < 1:  # also where the learning rate is not known
        return None
    return math.log(0.5) / math.log1p(-share) if share > 0 else math.inf


def sampled(parameter: Tensor) -> Tensor:
    """Some of its weights, from everywhere in it."""
    values = parameter.detach().flatten()
    return values[:: max(1, len(values) // SAMPLE)]


def size_of(parameter: Tensor) -> float:
    """The usual size of its weights; 1 where they are all zero or hold no numbers."""
    size = float(sampled(parameter).double().square().mean().sqrt())
    return size if 0 < size < math.inf else 1.0


def changed_share(parameter: Tensor, share: float) -> float | None:
    """How many of the weights are another number when this share of them is taken, in their own precision."""
    values = sampled(parameter)
    values = values[values != 0]
    return float((values * (1 - share) != values).double().mean()) if len(values) else None


def lost_above(parameter: Tensor, strength: float) -> float:
    """The size of gradients next to which ``strength`` times the weight is lost in rounding; NaN without weights."""
    middle = float(sampled(parameter).double().abs().median())
    return 2 * strength * middle / torch.finfo(parameter.dtype).eps


def roles(books: Books, name: str, parameter: Tensor, paths: Paths) -> Iterator[str]:
    """What a parameter is, where decay on it is not usual."""
    if not paths.acting or name.rpartition(".")[0] not in books.modules:
        return
    kind, origin = kind_of(books.modules, name, parameter), origin_of(books.modules, name)
    if kind not in (Kind.MATRIX, Kind.VECTOR):
        yield kind.value
    if origin:
        lost = ", which any decay makes zero" if reads_signs(origin.by) else ""
        yield f"{origin.by} makes {origin.weight} of it{lost}"


def remarks(parameter: nn.Parameter, paths: Paths, changed: float | None) -> Iterator[str]:
    """What else there is to say of a parameter that is trained."""
    above = lost_above(parameter, paths.strength)
    if not parameter.requires_grad:
        yield "frozen, but its gradient is still there, so the optimizer moves it"
    if paths.is_double:
        yield "acts twice, by the penalty and by the optimizer"
    if changed == 0:
        yield f"nothing happens: a step changes none of its weights in {str(parameter.dtype).removeprefix('torch.')}"
    if 0 < above < IDLE:
        yield f"lost in rounding next to any gradient above {above:.1g}"
    if paths.pull is not None and paths.pull.rest > ALONG:
        yield f"{paths.pull.rest:.0%} of the penalty's gradient is not in proportion to the weight"
    if paths.own.remark:
        yield paths.own.remark
