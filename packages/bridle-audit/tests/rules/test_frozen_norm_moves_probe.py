"""Frozen norms that one pass in training mode moves."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "frozen-norm-moves"
X = 2 + torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
Y = torch.arange(8) % 3


def network(**norm: bool) -> nn.Sequential:
    body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, **norm), nn.ReLU())
    return nn.Sequential(body, nn.Linear(8, 3))


def test_it_says_how_far_one_batch_moves_the_mean():
    model = network()
    model[0].requires_grad_(False)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    before = model.get_buffer("0.1.running_mean").clone()
    model(X)
    moved = (model.get_buffer("0.1.running_mean") - before).square().mean().sqrt()
    assert finding.numbers["shift"] == pytest.approx(moved.item(), rel=1e-4)  # the running variance is 1 at the start
    assert finding.where == "0.1"


def test_a_norm_that_is_fed_by_what_is_trained_has_to_move():
    model = network()
    model.get_submodule("0.1").requires_grad_(False)
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_frozen_part_in_evaluation_mode_is_right():
    model = network()
    model[0].requires_grad_(False).eval()
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_model_of_which_nothing_is_trained_is_not_meant():
    assert probed(RULE, network().requires_grad_(False), nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_norm_without_parameters_may_scale_the_inputs():
    model = nn.Sequential(nn.BatchNorm1d(6, affine=False), nn.Linear(6, 3))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_model_that_is_given_in_evaluation_mode_says_nothing_of_its_loop():
    model = network().eval()
    model[0].requires_grad_(False)
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []
