"""Formulas that are weighted sums are found out, and computed at once they give what they give one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loops import attached, train, weights
from torch import Tensor

from bridle.attaching import averages, parameter_ops
from bridle.attaching.linear_forms import axpby_, is_linear, linear_formula
from bridle.places.base import Placed
from bridle.recipe import Recipe
from bridle.regularizers import CATALOG

SUMS = {"L2", "WeightDecay", "GradientNoise", "EMA", "SWA", "Lookahead"}


def test_the_sums_of_the_catalog_are_found() -> None:
    assert {name for name, leaf in CATALOG.items() if linear_formula(leaf())} == SUMS


@pytest.mark.parametrize(
    "text", ["ClipValue(limit=after(0.5))", "SoftThreshold(strength=after(0.9))", "L1(strength=1e-8)"]
)
def test_what_is_no_sum_at_some_moment_is_none(text: str) -> None:
    (unit,) = Recipe.parse(text)
    assert isinstance(unit, Placed) and linear_formula(unit) is None


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (lambda w: (w * 0.5,), True),
        (lambda w: (w.clip(max=1e9),), False),
        (lambda w: (w.clip(-1e-9, 1e-9),), False),
        (lambda w: (w / np.linalg.norm(w),), False),
        (lambda w: (w + 1e-6,), False),
        (lambda w: (np.where(w > 0, w, 0.5 * w),), False),
    ],
)
def test_a_sum_is_told_from_what_only_looks_like_one(formula: object, expected: bool) -> None:
    assert is_linear(formula, 1, {}) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [(1.0, 0.5), (0.9, 0.1), (0.0, 1.0), (0.3, 0.0), (1.0, 0.0), (0.5, 2.0)])
def test_arrays_are_added_up_in_place(shares: tuple[float, float]) -> None:
    random = torch.Generator().manual_seed(0)
    into, others = ([torch.randn(*shape, generator=random) for shape in ((3, 2), (4,))] for _ in range(2))
    expected = [shares[0] * a + shares[1] * b for a, b in zip(into, others, strict=True)]
    kept = list(into)
    axpby_(into, others, *shares)
    for one, other, same in zip(into, expected, kept, strict=True):
        torch.testing.assert_close(one, other)
        assert one is same


def test_nothing_of_another_array_changes_no_bit() -> None:
    w = [torch.tensor([1e-30, -0.0, 3.0])]
    axpby_(w, [torch.tensor([float("inf"), 1.0, 2.0])], 1.0, 0.0)
    assert w[0].tolist() == [torch.tensor(1e-30).item(), 0.0, 3.0] and w[0].signbit().tolist() == [False, True, False]


@pytest.mark.parametrize("name", sorted(SUMS))
def test_at_once_or_one_by_one_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> Tensor:
        torch.manual_seed(0)
        handle = attached(CATALOG[name](), seed=3)
        handle.model.double()
        train(handle, 12)
        with handle.averaged() as model:
            return weights(model)

    at_once = trained()
    for module in (parameter_ops, averages):
        monkeypatch.setattr(module, "linear_formula", lambda unit: None)
    torch.testing.assert_close(trained(), at_once, rtol=1e-10, atol=1e-12)
