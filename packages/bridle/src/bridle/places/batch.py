"""BATCH: what the network is shown."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar, Literal

from bridle.places.base import Placed
from bridle.places.signatures import Form

__all__ = ["Batch"]


@dataclass(frozen=True, repr=False)
class Batch(Placed, ABC):
    """Changes a batch before the network sees it, while it trains.

    ``vanilla(x, y, *noise, *extra_inputs, **knobs, **step_inputs)`` and ``torch`` return the new ``(x, y)``. ``x`` is
    (batch, features), an image flattened; ``y`` is (batch, outputs): the probability of each class, or the target of a
    regression. ``noise`` takes its shapes from ``x``. Extra inputs are

    - ``"slope"``: the gradient of each row's data loss with respect to ``x``, in the shape of ``x``;
    - ``"prediction"``: what the network itself makes of ``x`` at this step: probabilities, or the target, like ``y``;

    The step input is ``"layout"`` (:class:`bridle.feature_layout.Layout`: which features are pixels and where, or which
    belong to one category). It states nothing about a gradient: none flows back into the data.
    """

    place: ClassVar[str] = "batch"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "x y *noise *extra_inputs", results=2),
        Form("torch", "x y *noise *extra_inputs", results=2),
    )
    extra_inputs: ClassVar[tuple[Literal["slope", "prediction"], ...]] = ()
    step_inputs: ClassVar[tuple[Literal["layout"], ...]] = ()
    classes_only: ClassVar[bool] = False  # whether targets must be probabilities of classes
    images_only: ClassVar[bool] = False  # whether rows must be images
    mixes_rows: ClassVar[bool] = False  # whether a row that it returns is made of several
