"""Regularizers that do little, as source text: one for each way in which the places call them.

``test_meta.py`` plants faults in them.
"""

IMPORTS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
import numpy as np
import torch
from torch import Tensor, addcmul, nn
from bridle.knobs import knob
from bridle.places import ActivityLoss, Ascent, Average, Batch, Draw, Ensemble, Gradient, Layer, Loss, OutputLoss
from bridle.places import PassLoss, RunningStatistics, Stop, Weight, WeightLayer
"""

CARD = '''
    """Does a little.

    Formula:
        as below

    Helps when:
        A check is checked.

    Hurts when:
        It is taken seriously.

    Example:
        >>> EXAMPLE

    Paper:
        None, 2000, https://example.org
    """
'''

COST = (
    '"""A penalty: the sum of squares."""'
    + IMPORTS
    + """
def cost_vanilla(w, *, strength):
    return strength * (w**2).sum(), 2 * strength * w


def cost(w: Tensor, *, strength) -> Tensor:
    return strength * w.square().sum()


def add_cost_gradient(g, w, *, strength, out=None):
    return addcmul(g, w, w.new_tensor(2.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class Cost(Loss):"""
    + CARD.replace("EXAMPLE", "Cost.vanilla(np.ones(2), strength=1.0)[1]\n        array([2., 2.])")
    + """
    strength: float = knob(0.01, "cost", off=0.0, open_high=True, log=True)
    vanilla = staticmethod(cost_vanilla)
    torch = staticmethod(cost)
    add_gradient = staticmethod(add_cost_gradient)
"""
)

SHRINK = (
    '"""A weight regularizer: every weight gets smaller."""'
    + IMPORTS
    + """
def shrink_vanilla(w, *, strength, lr):
    return w - lr * strength * w


def shrink(w: Tensor, *, strength, lr, out=None) -> Tensor:
    return torch.mul(w, 1 - lr * strength, out=out)


@dataclass(frozen=True, repr=False)
class Shrink(Weight):"""
    + CARD.replace("EXAMPLE", "Shrink.vanilla(np.ones(2), strength=1.0, lr=0.5)\n        array([0.5, 0.5])")
    + """
    strength: float = knob(0.01, "share", off=0.0, open_high=True, log=True)
    step_inputs: ClassVar[tuple[str, ...]] = ("lr",)
    vanilla = staticmethod(shrink_vanilla)
    torch = staticmethod(shrink)
"""
)

GAIN = (
    '"""A layer: each unit has a gain, and remembers its mean."""'
    + IMPORTS
    + """
class Remembered(NamedTuple):
    mean: float


def gain_vanilla(h, weight, state, *, momentum):
    new_mean = (1 - momentum) * state.mean + momentum * h.sum(0) / len(h)
    return h * weight, Remembered(new_mean), lambda g: (g * weight, (g * h).sum(0))


def gain(h: Tensor, weight: Tensor, state, *, momentum):
    here = h.detach().mean(-2, keepdim=True)
    return h * weight, Remembered((state.mean + momentum * (here - state.mean)).view_as(state.mean))


@dataclass(frozen=True, repr=False)
class Gain(Layer):"""
    + CARD.replace("EXAMPLE", "Gain().momentum\n        0.1")
    + """
    momentum: float = knob(0.1, "weight of the newest", high=1.0, newest=1.0)
    parameters: ClassVar[dict[str, float]] = {"weight": 1.0}
    state = Remembered(mean=0.0)
    vanilla = staticmethod(gain_vanilla)
    torch = staticmethod(gain)

    @staticmethod
    def evaluate(h, weight, state, *, momentum):
        return h * weight

    def make_module(self, units, axes):
        return GainModule(units, axes, self.momentum)


class GainModule(nn.Module):
    def __init__(self, units, axes, momentum):
        super().__init__()
        self.each = (1, units, *[1] * (axes - 2))
        self.weight = nn.Parameter(torch.ones(units))
        self.register_buffer("mean", torch.zeros(units))
        self.momentum = momentum

    def forward(self, h):
        if self.training:
            self.mean += self.momentum * (h.detach().movedim(1, -1).flatten(0, -2).mean(0) - self.mean)
        return h * self.weight.view(self.each)
"""
)

TILT = (
    '"""A layer on maps: each channel of each example is turned up or down a little."""'
    + IMPORTS
    + """
def tilt_vanilla(h, noise, *, spread, way):
    factor = 1 + {"up": 1, "down": -1}[way] * spread * noise
    return h * factor, lambda g: (g * factor,)


def tilt(h: Tensor, noise: Tensor, *, spread, way):
    return (h * (1 + {"up": 1, "down": -1}[way] * spread * noise)).to(h.dtype)


def tilt_with_gradient(h: Tensor, noise: Tensor, *, spread, way):
    by = 1 + {"up": 1, "down": -1}[way] * spread * noise
    return h * by, lambda g: (g * by,)


@dataclass(frozen=True, repr=False)
class Tilt(Layer):"""
    + CARD.replace("EXAMPLE", "Tilt().spread\n        0.1")
    + """
    spread: float = knob(0.1, "how much", off=0.0, high=1.0, open_high=True)
    way: str = knob("up", "which way", choices=("up", "down"), in_formula=True)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "channel"),)
    maps: ClassVar[bool] = True
    vanilla = staticmethod(tilt_vanilla)
    torch = staticmethod(tilt)
    torch_with_gradient = staticmethod(tilt_with_gradient)

    @staticmethod
    def evaluate(h, *, spread, way):
        return h
"""
)

STRETCH = (
    '"""A layer on weights: the length of a row is learned by itself, and remembered."""'
    + IMPORTS
    + """
class Remembered(NamedTuple):
    seen: float


def stretch_vanilla(w, size, state, *, eps, momentum):
    length = np.sqrt((w**2).sum((1, 2), keepdims=True) + eps)
    now = Remembered(state.seen + momentum * (length - state.seen))

    def backward(g):
        along = (g * w).sum((1, 2), keepdims=True) / length
        return (g - along * w / length) * size / length, along

    return w * size / length, now, backward


def stretch(w: Tensor, size: Tensor, state, *, eps, momentum):
    length = (w.square().sum((-2, -1), keepdim=True) + eps).sqrt().to(w.dtype)
    now = state.seen + momentum * (length.detach() - state.seen)
    return w * size / length, Remembered(now.to(state.seen.dtype))


def row_lengths(w):
    return (w**2).sum((-2, -1))[..., None, None] ** 0.5


@dataclass(frozen=True, repr=False)
class Stretch(WeightLayer):"""
    + CARD.replace("EXAMPLE", "Stretch().eps\n        0.01")
    + """
    eps: float = knob(0.01, "keeps it finite", open_low=True, open_high=True, log=True)
    momentum: float = knob(0.1, "weight of the newest", high=1.0)
    parameters: ClassVar[dict] = {"size": row_lengths}
    state = Remembered(seen=1.0)
    vanilla = staticmethod(stretch_vanilla)
    torch = staticmethod(stretch)

    @staticmethod
    def evaluate(w, size, state, *, eps, momentum):
        return w * size / (row_lengths(w) ** 2 + eps) ** 0.5
"""
)

TETHER = (
    '"""A penalty with a memory: distance from the start, dearer where a row has been long."""'
    + IMPORTS
    + """
class Remembered(NamedTuple):
    seen: float


def tether_vanilla(w, initial, state, *, strength):
    moved = w - initial
    penalty = strength * (state.seen * moved**2).sum()
    return float(penalty), strength * 2 * state.seen * moved, Remembered(squares(w))


def tether(w: Tensor, initial: Tensor, state, *, strength):
    return strength * (state.seen * (w - initial).square()).sum(), Remembered(squares(w.detach()))


def add_tether_gradient(g, w, initial, state, *, strength, out=None):
    added = torch.addcmul(g, w - initial, state.seen * 2 * strength, out=out)
    return added, Remembered(squares(w))


def squares(w):
    return (w * w).sum((-2, -1))[..., None, None]


@dataclass(frozen=True, repr=False)
class Tether(Loss):"""
    + CARD.replace("EXAMPLE", "Tether().strength\n        0.01")
    + """
    strength: float = knob(0.01, "cost", off=0.0, open_high=True, log=True)
    extra_inputs: ClassVar[tuple[str, ...]] = ("initial",)
    state = Remembered(seen=squares)
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(tether_vanilla)
    torch = staticmethod(tether)
    add_gradient = staticmethod(add_tether_gradient)
"""
)

HUSH = (
    '"""A penalty on activations: their squares."""'
    + IMPORTS
    + """
def hush_vanilla(h, *, strength):
    return strength * (h**2).sum() / len(h), 2 * strength * h / len(h)


def hush(h: Tensor, *, strength) -> Tensor:
    return (h.square() * (strength / h.shape[-2])).sum((-2, -1))


@dataclass(frozen=True, repr=False)
class Hush(ActivityLoss):"""
    + CARD.replace("EXAMPLE", "Hush().strength\n        0.01")
    + """
    strength: float = knob(0.01, "cost", off=0.0, open_high=True, log=True)
    vanilla = staticmethod(hush_vanilla)
    torch = staticmethod(hush)
"""
)

MODEST = HUSH.replace("hush", "modest").replace("Hush", "Modest").replace("ActivityLoss)", "OutputLoss)")

AGREE = (
    '"""A penalty on a second pass: it shall say what the first one said, a little further along its slope."""'
    + IMPORTS
    + """
def agree_vanilla(z, other, *, strength, radius):
    apart = other - z
    penalty = strength * (apart**2).sum() / len(z)
    return float(penalty), np.zeros_like(z), strength * 2 * apart / len(z)


def agree(z: Tensor, other: Tensor, *, strength, radius) -> Tensor:
    return ((other - z.detach()).square() * (strength / z.shape[-2])).sum((-2, -1))


@dataclass(frozen=True, repr=False)
class Agree(PassLoss):"""
    + CARD.replace("EXAMPLE", "Agree().strength\n        0.5")
    + """
    strength: float = knob(0.5, "cost", off=0.0, open_high=True, log=True)
    radius: float = knob(0.1, "how far", off=0.0, open_high=True, log=True)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    extra_inputs: ClassVar[tuple[str, ...]] = ("slope",)
    vanilla = staticmethod(agree_vanilla)
    torch = staticmethod(agree)

    @staticmethod
    def probe(x, noise, *, strength, radius):
        return x + radius * noise

    @staticmethod
    def move(x, slope, *, strength, radius):
        return x + radius * slope / (1 + abs(slope))
"""
)

BLEND = (
    '"""A change of batches: targets come nearer to the prediction, rows go up their slope."""'
    + IMPORTS
    + """
def blend_vanilla(x, y, noise, slope, prediction, *, rate, layout):
    parts = layout.image[0] if layout.image else len(layout.firsts)
    share = rate * noise
    return x + rate * np.sign(slope) / parts, (1 - share) * y + share * prediction


def blend(x: Tensor, y: Tensor, noise: Tensor, slope: Tensor, prediction: Tensor, *, rate, layout):
    parts = layout.image[0] if layout.image else len(layout.firsts)
    share = rate * noise
    mixed = (1 - share) * y + share * prediction
    return (x + rate * slope.sign() / parts).to(x.dtype), mixed.to(y.dtype)


@dataclass(frozen=True, repr=False)
class Blend(Batch):"""
    + CARD.replace("EXAMPLE", "Blend().rate\n        0.5")
    + """
    rate: float = knob(0.5, "share", off=0.0, high=1.0)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "row"),)
    extra_inputs: ClassVar[tuple[str, ...]] = ("slope", "prediction")
    step_inputs: ClassVar[tuple[str, ...]] = ("layout",)
    vanilla = staticmethod(blend_vanilla)
    torch = staticmethod(blend)
"""
)

DAMP = (
    '"""A change of gradients: shorter where all are long together, noisier where the weight is large."""'
    + IMPORTS
    + """
def damp_vanilla(g, noise, weight, norm, *, strength):
    return g / (1 + strength * norm) + strength * noise * weight


def damp(g: Tensor, noise: Tensor, weight: Tensor, norm: Tensor, *, strength, out=None) -> Tensor:
    shorter = torch.div(g, 1 + strength * norm, out=out)
    return shorter.add_((strength * noise * weight).to(g.dtype))


@dataclass(frozen=True, repr=False)
class Damp(Gradient):"""
    + CARD.replace("EXAMPLE", "Damp().strength\n        0.01")
    + """
    strength: float = knob(0.01, "how much", off=0.0, open_high=True, log=True)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    extra_inputs: ClassVar[tuple[str, ...]] = ("weight", "norm")
    vanilla = staticmethod(damp_vanilla)
    torch = staticmethod(damp)
"""
)

CLIMB = (
    '"""A step up the slope, by the size of the weight."""'
    + IMPORTS
    + """
def climb_vanilla(w, g, norm, *, radius):
    return w + radius * w**2 * g / (norm + 1e-12)


def climb(w: Tensor, g: Tensor, norm: Tensor, *, radius) -> Tensor:
    return w + radius * w.square() * g / (norm + 1e-12)


@dataclass(frozen=True, repr=False)
class Climb(Ascent):"""
    + CARD.replace("EXAMPLE", "Climb().radius\n        0.05")
    + """
    radius: float = knob(0.05, "how far", off=0.0, open_high=True, log=True)
    vanilla = staticmethod(climb_vanilla)
    torch = staticmethod(climb)

    @staticmethod
    def measure(w, g, *, radius):
        return abs(w) * g
"""
)

BLUR = (
    '"""An average that follows more and more slowly."""'
    + IMPORTS
    + """
def blur_vanilla(a, w, *, decay, step, steps):
    share = decay * (step + 1) / steps
    return share * a + (1 - share) * w, w


def blur(a: Tensor, w: Tensor, *, decay, step, steps):
    share = decay * (step + 1) / steps
    return share * a + (1 - share) * w, w


@dataclass(frozen=True, repr=False)
class Blur(Average):"""
    + CARD.replace("EXAMPLE", "Blur().decay\n        0.9")
    + """
    decay: float = knob(0.9, "what stays", off=0.0, high=1.0, open_high=True)
    vanilla = staticmethod(blur_vanilla)
    torch = staticmethod(blur)
"""
)

CHOIR = (
    '"""The mean of copies."""'
    + IMPORTS
    + """
def choir_vanilla(z):
    return z.mean(0)


def choir(z: Tensor) -> Tensor:
    return z.mean(0)


@dataclass(frozen=True, repr=False)
class Choir(Ensemble):"""
    + CARD.replace("EXAMPLE", "Choir().every\n        2.0")
    + """
    every: float = knob(2.0, "steps from copy to copy", low=1.0, open_high=True)
    vanilla = staticmethod(choir_vanilla)
    torch = staticmethod(choir)

    def takes(self, step, steps):
        return (step + 1) % round(self.every) == 0 or step + 1 == steps

    def warped(self, step, steps):
        return step, steps
"""
)

ENOUGH = (
    '"""Stops where it is much worse than it has been."""'
    + IMPORTS
    + """
class Lowest(NamedTuple):
    best: float


def enough_vanilla(score, state, *, limit):
    improved = score < state.best
    best = np.where(improved, score, state.best)
    one = np.ones_like(score)
    return improved * one, (score > best + limit) * one, Lowest(best)


def enough(score: Tensor, state, *, limit):
    improved = score < state.best
    best = torch.where(improved, score, state.best)
    return improved.to(score.dtype), (score > best + limit).to(score.dtype), Lowest(best)


@dataclass(frozen=True, repr=False)
class Enough(Stop):"""
    + CARD.replace("EXAMPLE", "Enough().limit\n        0.1")
    + """
    limit: float = knob(0.1, "how much worse", off=float("inf"))
    watch: str = knob("loss", "which score", choices=("loss", "metric"))
    state = Lowest(best=float("inf"))
    vanilla = staticmethod(enough_vanilla)
    torch = staticmethod(enough)

    @property
    def watches_metric(self):
        return self.watch == "metric"
"""
)

PLACES = {
    "Blend": ("batch", BLEND),
    "Gain": ("layer", GAIN),
    "Tilt": ("layer", TILT),
    "Stretch": ("layer", STRETCH),
    "Cost": ("loss", COST),
    "Tether": ("loss", TETHER),
    "Hush": ("loss", HUSH),
    "Modest": ("loss", MODEST),
    "Agree": ("loss", AGREE),
    "Damp": ("gradient", DAMP),
    "Climb": ("gradient", CLIMB),
    "Shrink": ("weight", SHRINK),
    "Blur": ("average", BLUR),
    "Choir": ("average", CHOIR),
    "Enough": ("stop", ENOUGH),
}
