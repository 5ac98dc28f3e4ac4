"""Loops in the wrong mode: validation in training mode, training in evaluation mode; and loops that are right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import update_bn
from torch.utils.checkpoint import checkpoint
from watched_loops import X, Y, a_proper_loop, found, loss_of, sgd, train, validate, with_norm_and_dropout

from bridle_audit import watch


def test_validation_passes_and_what_they_moved_are_counted() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        for _ in range(3):
            train(model, optimizer)
            validate(model)
    (finding,) = watcher.findings
    assert finding.numbers == {"passes": 12, "moves of running statistics": 12}
    assert finding.where == "1, 3"
    assert "model.eval()" in finding.cure


def test_findings_may_be_read_within_and_go_on() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
        assert watcher.findings.rules == []
        validate(model)
        assert watcher.record.validation.passes == watcher.record.validation.passes == 4
        train(model, optimizer)
    assert watcher.record.validation.passes == 4
    assert watcher.record.steps == 16


def test_validation_under_inference_mode_is_seen_too() -> None:
    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        train(model, optimizer)
        with torch.inference_mode():
            model(X)

    assert found(loop) == ["validation-in-training-mode"]


def test_validation_of_a_model_that_is_not_called_itself_is_seen() -> None:
    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = with_norm_and_dropout()

        def loss(self, x: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(self.network(x), y)

    def loop(model: Any, optimizer: Optimizer) -> None:
        for rows in torch.arange(64).split(16):
            optimizer.zero_grad()
            model.loss(X[rows], Y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            for rows in torch.arange(64).split(32):
                model.loss(X[rows], Y[rows])

    model = WithLoss()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        loop(model, optimizer)
    assert watcher.record.passes == 4
    assert watcher.record.validation.passes == 2
    assert watcher.findings.rules == ["validation-in-training-mode"]


def test_one_fixed_batch_behind_every_step_is_validation() -> None:
    valid = X[32:]

    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        for _ in range(10):
            train(model, optimizer, 1, rows=32)
            with torch.no_grad():
                model(valid)

    assert found(loop) == ["validation-in-training-mode"]


def passes_that_belong_to_every_step(model: nn.Module, optimizer: Optimizer) -> None:
    for _ in range(10):
        with torch.no_grad():
            model(torch.randn(16, 8))
        train(model, optimizer, 1)


def statistics_estimated_anew(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    with torch.no_grad():
        update_bn(X.split(16), model)
    train(model, optimizer)


def statistics_estimated_by_hand(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    norm = model.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm1d)
    norm.momentum = 1.0
    validate(model)
    norm.momentum = 0.1


def samples_under_dropout(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    with torch.no_grad():
        torch.stack([model(X) for _ in range(10)]).std(0)


def dropout_alone_in_training_mode(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    model.eval()
    model.get_submodule("3").train()
    validate(model)


def passes_before_the_first_step(model: nn.Module, optimizer: Optimizer) -> None:
    validate(model)
    train(model, optimizer)


def checkpoints(model: nn.Module, optimizer: Optimizer) -> None:
    for rows in torch.arange(64).split(16):
        optimizer.zero_grad()
        F.cross_entropy(checkpoint(model, X[rows].requires_grad_(), use_reentrant=True), Y[rows]).backward()
        optimizer.step()


def loss_within_the_step(model: nn.Module, optimizer: Optimizer) -> None:
    for rows in torch.arange(64).split(16):
        optimizer.zero_grad()
        loss_of(model, X[rows], Y[rows]).backward()
        closure: Any = partial(loss_of, model, X[rows], Y[rows])  # it gives a tensor; torch declares a float
        optimizer.step(closure)


def attacks_in_evaluation_mode(model: nn.Module, optimizer: Optimizer) -> None:
    for rows in torch.arange(64).split(16):
        model.eval()
        x = X[rows].clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss_of(model, x, Y[rows]), x)
        model.train()
        optimizer.zero_grad()
        loss_of(model, (x + 0.1 * slope.sign()).detach(), Y[rows]).backward()
        optimizer.step()


def norms_kept_in_evaluation_mode(model: nn.Module, optimizer: Optimizer) -> None:
    model.train()
    train(model, optimizer)
    model.get_submodule("1").eval()
    train(model, optimizer)


def two_passes_for_one_step(model: nn.Module, optimizer: Optimizer) -> None:
    for rows in torch.arange(64).split(16):
        x, y = X[rows], Y[rows]
        optimizer.zero_grad()
        (loss_of(model, x, y) + loss_of(model, x, y)).backward()
        optimizer.step()


def the_whole_data_as_one_batch(model: nn.Module, optimizer: Optimizer) -> None:
    for _ in range(10):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "loop",
    [
        a_proper_loop,
        attacks_in_evaluation_mode,
        checkpoints,
        dropout_alone_in_training_mode,
        loss_within_the_step,
        norms_kept_in_evaluation_mode,
        passes_before_the_first_step,
        passes_that_belong_to_every_step,
        samples_under_dropout,
        statistics_estimated_anew,
        statistics_estimated_by_hand,
        the_whole_data_as_one_batch,
        two_passes_for_one_step,
    ],
)
def test_nothing_is_found_in_a_loop_that_is_right(loop: Callable[[nn.Module, Optimizer], None]) -> None:
    assert found(loop) == []


def test_steps_in_evaluation_mode_are_counted_from_the_first() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer, 6)
        model.eval()
        validate(model)
        train(model, optimizer, 18)
    (finding,) = watcher.findings
    assert (finding.rule, finding.severity) == ("training-in-evaluation-mode", "error")
    assert finding.numbers == {"share of steps": 0.75}
    assert "18 of 24 steps" in finding.message
    assert "step 7" in finding.message


def test_dropout_that_never_acts_as_the_model_was_loaded_in_evaluation_mode_is_a_warning() -> None:
    model = with_norm_and_dropout().eval()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
    (finding,) = watcher.findings
    assert (finding.rule, finding.severity) == ("training-in-evaluation-mode", "warning")
    assert finding.numbers == {"share of steps": 1.0}


def test_a_model_without_dropout_may_be_in_evaluation_mode_from_the_start() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)).eval()
    assert found(train, model) == []


def test_a_model_in_which_no_layer_asks_for_the_mode_may_be_in_any() -> None:
    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        train(model, optimizer)
        validate(model)
        model.eval()
        train(model, optimizer)

    assert found(loop, nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Dropout(0.0), nn.Linear(16, 3))) == []
