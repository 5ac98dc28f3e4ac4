"""What a watcher leaves alone, and what it sees of models of all kinds."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from watched_loops import X, Y, a_proper_loop, found, sgd, train, validate, with_norm_and_dropout

from bridle_audit import watch


def test_a_watched_loop_computes_the_same_bits() -> None:
    trained = []
    for watched in (False, True):
        model = with_norm_and_dropout()
        optimizer = torch.optim.Adam(model.parameters())
        torch.manual_seed(1)
        if watched:
            with watch(model, optimizer) as watcher:
                train(model, optimizer, 40)
                assert watcher.findings.rules == []
        else:
            train(model, optimizer, 40)
        states = optimizer.state_dict()["state"].values()
        moments = [each for state in states for each in state.values()]
        trained.append([*model.state_dict().values(), *moments, torch.get_rng_state()])
    assert len(trained[0]) > 20
    assert all(torch.equal(plain, watched) for plain, watched in zip(*trained, strict=True))


def hooks_on(model: nn.Module, optimizer: Optimizer) -> int:
    modules = sum(len(each._forward_pre_hooks) + len(each._forward_hooks) for each in model.modules())
    return modules + len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks)


def test_hooks_are_few_and_off_behind_the_block() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer):
        assert hooks_on(model, optimizer) == 5  # on the model, its norm, its dropout; before and behind a step
    assert hooks_on(model, optimizer) == 0


def test_dropouts_that_every_pass_calls_lose_their_hooks_and_are_still_seen() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer, steps=3)
        assert len(model[3]._forward_pre_hooks) == 1
        train(model, optimizer, steps=5)
        assert len(model[3]._forward_pre_hooks) == 0
        validate(model)
        train(model, optimizer, steps=2)
        model.eval()
        train(model, optimizer, steps=3)
    dropout = next(each for each in watcher.record.layers if each.kind == "dropout")
    assert (dropout.training_calls, dropout.evaluation_calls, dropout.no_grad_calls) == (10, 3, 4)
    assert set(watcher.findings.rules) == {"validation-in-training-mode", "training-in-evaluation-mode"}


def test_hooks_are_off_and_what_was_seen_remains_when_the_loop_fails() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    watcher = watch(model, optimizer)
    with pytest.raises(ZeroDivisionError), watcher:
        train(model, optimizer, 4)
        validate(model)
        raise ZeroDivisionError
    assert hooks_on(model, optimizer) == 0
    assert watcher.findings.rules == ["validation-in-training-mode"]


def test_a_model_that_is_copied_or_saved_within_takes_nothing_of_the_watcher_along() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        saved = pickle.dumps(model)
        for copied in (copy.deepcopy(model), pickle.loads(saved)):
            train(copied, sgd(copied), 3)
    assert b"bridle" not in saved
    assert watcher.record.passes == watcher.record.steps == 0


def test_a_watcher_that_is_never_entered_has_seen_nothing() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    watcher = watch(model, optimizer)
    train(model, optimizer)
    assert watcher.record.steps == 0
    assert watcher.findings == ()


def test_a_watcher_watches_one_loop() -> None:
    model = with_norm_and_dropout()
    watcher = watch(model, sgd(model))
    with watcher:
        pass
    with pytest.raises(RuntimeError, match=r"make another with bridle\.watch"), watcher:
        pass


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "resnet"}, r"the model must be a torch\.nn\.Module, got str"),
        ({"optimizer": None}, r"the optimizer must be a torch\.optim\.Optimizer, got NoneType"),
        ({"averaged": nn.ReLU()}, r"averaged: ReLU has no parameters"),
        ({"allow": ["tiny-batchnorm"]}, r"there is no rule 'tiny-batchnorm'; did you mean tiny-batch-norm\?"),
    ],
)
def test_what_cannot_be_watched_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    model = with_norm_and_dropout()
    with pytest.raises(ValueError, match=sentence):
        watch(**{"model": model, "optimizer": sgd(model), **change})


class Forgets(nn.Module):
    """Dropouts of several names, of which the calls of ``forward`` are told."""

    def __init__(self, names: list[str], called: list[str]) -> None:
        super().__init__()
        self.drops = nn.ModuleDict({name: nn.ModuleDict({"drop": nn.Dropout(0.5)}) for name in names})
        self.output, self.called = nn.Linear(8, 3), called

    def forward(self, x: Tensor) -> Tensor:
        for name in self.called:
            x = self.drops.get_submodule(f"{name}.drop")(x)
        out: Tensor = self.output(x)
        return out


@pytest.mark.parametrize(
    ("names", "called", "rules"),
    [
        (["hidden"], [], ["inert-dropout"]),
        (["hidden"], ["hidden"], []),
        (["attention"], [], []),  # functions that take its rate do not show in hooks
        (["hidden", "other"], ["hidden"], []),  # the same code, in a block that has no need of it
    ],
)
def test_dropout_that_no_pass_calls_is_a_note(names: list[str], called: list[str], rules: list[str]) -> None:
    assert found(train, Forgets(names, called)) == rules


def test_what_is_allowed_is_not_found() -> None:
    model = Forgets(["hidden"], [])
    optimizer = sgd(model)
    with watch(model, optimizer, allow=["inert-dropout"]) as watcher:
        train(model, optimizer)
    assert watcher.findings == ()


def test_attention_and_recurrent_layers_with_dropout_inside_count_as_dropout() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 8, num_layers=2, dropout=0.5)
            self.attention = nn.MultiheadAttention(8, 2, dropout=0.1)
            self.output = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            h, _ = self.lstm(x[None])
            h, _ = self.attention(h, h, h)
            out: Tensor = self.output(h[0])
            return out

    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        train(model, optimizer)
        validate(model)

    model = Reads()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        loop(model, optimizer)
    assert [(each.name, each.kind, each.rate) for each in watcher.record.layers] == [
        ("lstm", "dropout", 0.5),
        ("attention", "dropout", 0.1),
    ]
    assert watcher.findings.rules == ["validation-in-training-mode"]


def test_a_transformer_in_a_proper_loop_is_no_finding() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = nn.Sequential(nn.Unflatten(1, (1, 8)), encoder, nn.Flatten(), nn.Linear(8, 3))
    assert found(a_proper_loop, model) == []


def test_a_norm_that_remembers_nothing_is_the_same_in_both_modes() -> None:
    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        train(model, optimizer)
        validate(model)
        model.eval()
        train(model, optimizer)

    assert found(loop, nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16, track_running_stats=False))) == []


def test_frozen_forms_of_a_norm_are_no_norms() -> None:
    class FrozenNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.running_mean: Tensor
            self.running_var: Tensor
            self.register_buffer("running_mean", torch.zeros(16))
            self.register_buffer("running_var", torch.ones(16))

        def forward(self, h: Tensor) -> Tensor:
            out: Tensor = (h - self.running_mean) / self.running_var.sqrt()
            return out

    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        train(model, optimizer)
        validate(model)

    assert found(loop, nn.Sequential(nn.Linear(8, 16), FrozenNorm(), nn.Linear(16, 3))) == []


def test_what_is_within_a_wrapper_is_watched() -> None:
    model = with_norm_and_dropout()
    wrapped, optimizer = nn.DataParallel(model), sgd(model)
    with watch(wrapped, optimizer) as watcher:
        train(wrapped, optimizer)
        validate(wrapped)
    assert [each.name for each in watcher.record.layers] == ["1", "3"]
    assert watcher.record.passes == 8
    assert watcher.findings.rules == ["validation-in-training-mode"]


def compiled_by_eager(model: nn.Module, *, fullgraph: bool = True) -> nn.Module:
    """Return a model as dynamo compiles it, without a code generator."""
    compiled = torch.compile(model, backend="eager", fullgraph=fullgraph)
    assert isinstance(compiled, nn.Module)  # torch declares a function
    return compiled


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_compiled_model_is_watched_from_outside_and_compiled_as_it_was(wrapped: bool) -> None:
    torch._dynamo.reset()
    model = with_norm_and_dropout()
    compiled, optimizer = compiled_by_eager(model), sgd(model)
    called = nn.DataParallel(compiled) if wrapped else compiled
    with watch(called, optimizer) as watcher:
        train(called, optimizer)
        validate(called)
        called.eval()
        train(called, optimizer)
    assert watcher.record.passes == 16
    assert watcher.record.validation.statistics_updates == 4
    assert set(watcher.findings.rules) == {"validation-in-training-mode", "training-in-evaluation-mode"}


def test_hooks_that_are_compiled_with_the_users_own_function_do_nothing() -> None:
    torch._dynamo.reset()
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    run = torch.compile(lambda x: 2 * model(x), backend="eager", fullgraph=True)
    with (
        pytest.warns(UserWarning, match="seen 3 steps of the optimizer and no pass"),
        watch(model, optimizer) as watcher,
    ):
        for _ in range(3):
            F.cross_entropy(run(X), Y).backward()
            optimizer.step()
    assert (watcher.record.steps, watcher.record.passes) == (3, 0)
    assert watcher.findings.rules == []


@pytest.mark.parametrize("compiled_before", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_loop_that_calls_what_was_compiled_of_the_model_is_said_to_be_unseen(
    compiled_before: bool, in_place: bool
) -> None:
    torch._dynamo.reset()
    model = with_norm_and_dropout()
    called: nn.Module = model
    optimizer = sgd(model)
    if in_place:
        model.compile(backend="eager")
    else:
        called = compiled_by_eager(model, fullgraph=False)
    if compiled_before:
        called(X)
    with pytest.warns(UserWarning, match="no pass of the model") as warned, watch(model, optimizer) as watcher:
        train(called, optimizer)
        assert watcher.findings.rules == []
    assert len(warned) == 1
    assert str(warned[0].filename) == __file__


def test_layers_in_a_compiled_part_are_taken_to_be_called_with_the_model() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    part = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5))
    model = nn.Sequential(compiled_by_eager(part), nn.Linear(16, 3))
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
    (layer,) = watcher.record.layers
    assert layer.training_calls == watcher.record.passes == 8
    assert watcher.findings.rules == []


def test_a_batch_given_by_name_is_known_again() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = with_norm_and_dropout()

        def forward(self, inputs: dict[str, Tensor]) -> Tensor:
            out: Tensor = self.network(inputs["x"])
            return out

    model = Named()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train_rows = {"x": X}
        for _ in range(4):
            F.cross_entropy(model(inputs=train_rows), Y).backward()
            optimizer.step()
        with torch.no_grad():
            for _ in range(10):
                model(inputs=train_rows)
    assert watcher.findings.rules == []


def test_events_are_gone_through_before_they_become_many() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer, 300)
        assert len(watcher.log.events) < 1100
        assert watcher.record.steps == 300
    assert [each.training_calls for each in watcher.record.layers] == [300, 300]
