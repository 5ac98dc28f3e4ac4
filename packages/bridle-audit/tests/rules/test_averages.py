"""What is measured of an averaged model: how it forgets, how far it is, whose statistics it holds."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, get_swa_avg_fn

from bridle_audit.probe.weight_average import WeightAverage

MODEL = nn.Linear(2, 2)


class Timm(nn.Module):
    """An average in the form of timm's, with a warmup."""

    def __init__(self, model: nn.Module, decay: float, *, warmup: bool = False) -> None:
        super().__init__()
        self.module, self.decay, self.warmup = copy.deepcopy(model), decay, warmup

    def get_decay(self, step: int) -> float:
        return min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay


@pytest.mark.parametrize(
    ("decay", "steps", "left"), [(0.9999, 1000, 0.90), (0.9999, 5000, 0.61), (0.9998, 3000, 0.55), (0.99, 1000, 0.0)]
)
def test_what_is_left_of_the_first_weights(decay, steps, left):
    for averaged in (
        AveragedModel(MODEL, multi_avg_fn=get_ema_multi_avg_fn(decay)),
        AveragedModel(MODEL, avg_fn=get_ema_avg_fn(decay)),
        Timm(MODEL, decay),
    ):
        assert WeightAverage(averaged, MODEL).first_share(steps) == pytest.approx(left, abs=5e-3)
        assert not WeightAverage(averaged, MODEL).is_plain_mean


def test_it_is_what_torch_really_keeps():
    model = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    nn.init.ones_(model.weight)
    averaged.update_parameters(model)
    nn.init.zeros_(model.weight)
    for _ in range(99):
        averaged.update_parameters(model)
    kept = averaged.module.get_parameter("weight").item()
    assert WeightAverage(averaged, model).first_share(100) == pytest.approx(kept, abs=1e-6)


def test_a_warmup_forgets_the_first_weights():
    constant = WeightAverage(Timm(MODEL, 0.9999), MODEL).first_share(2000)
    warmed_up = WeightAverage(Timm(MODEL, 0.9999, warmup=True), MODEL).first_share(2000)
    assert constant is not None and constant > 0.8
    assert warmed_up is not None and warmed_up < 1e-6


@pytest.mark.parametrize("averaged", [AveragedModel(MODEL), AveragedModel(MODEL, avg_fn=get_swa_avg_fn())])
def test_a_plain_mean_is_known_as_one(averaged):
    assert WeightAverage(averaged, MODEL).is_plain_mean
    assert WeightAverage(averaged, MODEL).first_share(1000) == pytest.approx(1 / 1000, rel=0.05)


def test_an_average_of_which_nothing_is_known_has_no_share():
    assert WeightAverage(nn.Sequential(MODEL), MODEL).newest_share(5) is None
    assert WeightAverage(nn.Sequential(MODEL), MODEL).first_share(100) is None
    assert not WeightAverage(nn.Sequential(MODEL), MODEL).is_plain_mean


def test_the_network_is_found_within_whatever_holds_it():
    other = nn.Linear(2, 2)
    assert WeightAverage(nn.ModuleDict({"ema": other}), MODEL).network is other
    assert WeightAverage(nn.Linear(3, 3), MODEL).network is None
    assert WeightAverage(nn.Linear(3, 3), MODEL).distance == 0


def test_the_distance_is_relative_to_the_current_weights():
    model, averaged = nn.Linear(2, 2), nn.Linear(2, 2)
    for each, held in zip(model.parameters(), averaged.parameters(), strict=True):
        nn.init.constant_(each, 2.0)
        nn.init.constant_(held, 1.0)
    assert WeightAverage(averaged, model).distance == pytest.approx(0.5)


def trained(norm: nn.BatchNorm1d) -> nn.BatchNorm1d:
    """The norm after one batch."""
    norm.train()
    norm(torch.randn(64, norm.num_features) * 2 + 1)
    return norm


def test_statistics_that_are_borrowed_new_or_frozen_are_told_apart():
    model = nn.Sequential(nn.Linear(3, 3), trained(nn.BatchNorm1d(3)))
    copied, fresh = copy.deepcopy(model), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    assert WeightAverage(copied, model).norms_with_current_statistics == ("1",)
    assert WeightAverage(copied, model).norms_with_initial_statistics == ()
    assert WeightAverage(fresh, model).norms_with_current_statistics == () and WeightAverage(
        fresh, model
    ).norms_with_initial_statistics == ("1",)
    frozen = copy.deepcopy(model)
    frozen[1].requires_grad_(False)
    assert WeightAverage(copied, frozen).batch_norms == {}
    untrained = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    assert WeightAverage(fresh, untrained).batch_norms == {}
