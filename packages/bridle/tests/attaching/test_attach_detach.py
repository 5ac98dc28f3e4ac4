"""Detaching leaves the network that was trained, or says what would be lost."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from loops import attached, data, outputs, perceptron, train, weights


@pytest.mark.parametrize("recipe", ["BatchNorm", "LayerNorm + EMA", "WeightNorm", "SpectralNorm + Dropout"])
def test_detaching_refuses_to_leave_another_network_than_was_trained(recipe: str) -> None:
    handle = attached(recipe)
    train(handle, 3)
    evaluated = outputs(handle.model, data()[0])
    with pytest.raises(RuntimeError, match=r"another one without .*handle\.finish\(\).*discard=True"):
        handle.detach()
    assert torch.equal(outputs(handle.model, data()[0]), evaluated)
    train(handle, 1)
    handle.detach(discard=True)
    assert repr(handle.model) == repr(perceptron())


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("EMA", "averaged weights are not in the model"),
        ("Lookahead(period=5)", "averaged weights are not in the model"),
        ("SnapshotEnsemble(cycles=40)", "copies of the ensemble"),
        ("EMA + EarlyStopping", "best epoch are not in the model"),
    ],
)
def test_detaching_warns_of_what_was_evaluated_and_is_not_in_the_model(recipe: str, words: str) -> None:
    handle = attached(recipe)
    train(handle, 3)
    handle.stop(1.0)
    last = weights(handle.model)
    with pytest.warns(UserWarning, match=words):
        handle.detach()
    assert torch.equal(weights(handle.model), last)


def test_detaching_is_silent_where_nothing_is_lost() -> None:
    untrained, plain, best, taken = (
        attached("BatchNorm + WeightNorm + EMA"),
        attached("Dropout + L2 + DropConnect + Mixup + ClipNorm + EarlyStopping"),
        attached("EMA + EarlyStopping"),
        attached("EMA"),
    )
    for handle in (plain, best, taken):
        train(handle, 3)
    best.stop(1.0)
    best.restore_best()
    with taken.averaged() as model:
        state = copy.deepcopy(model.state_dict())
    taken.model.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for handle in (untrained, plain, best, taken):
            handle.detach()
