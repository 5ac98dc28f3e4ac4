"""What a watcher sees of a loop, what it leaves alone, and what the rules that watch make of it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.checkpoint import checkpoint

from bridle.attaching import attach
from bridle.auditing.watch import watch
from bridle.auditing.watching.watcher import Watcher

X, Y = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3


def with_norm_and_dropout() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.05, **options})


def loss_of(model: nn.Module, x: Tensor = X, y: Tensor = Y) -> Tensor:
    return F.cross_entropy(model(x), y)


def train(model: nn.Module, optimizer: Optimizer, steps: int = 8, rows: int = 16) -> None:
    for step in range(steps):
        batch = torch.arange(step * rows, (step + 1) * rows) % len(X)
        optimizer.zero_grad()
        loss_of(model, X[batch], Y[batch]).backward()
        optimizer.step()


def validate(model: nn.Module, rows: int = 16) -> list[float]:
    with torch.no_grad():
        return [loss_of(model, x, y).item() for x, y in zip(X.split(rows), Y.split(rows), strict=True)]


def found(loop: Callable[[nn.Module, Optimizer], Any], model: nn.Module | None = None) -> list[str]:
    model = model or with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        loop(model, optimizer)
    return watcher.findings.rules


# What is left alone


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


# Dropout that is not called


class Forgets(nn.Module):
    """Dropouts of several names, of which the calls of ``forward`` are told."""

    def __init__(self, names: list[str], called: list[str]) -> None:
        super().__init__()
        self.drops = nn.ModuleDict({name: nn.ModuleDict({"drop": nn.Dropout(0.5)}) for name in names})
        self.output, self.called = nn.Linear(8, 3), called

    def forward(self, x: Tensor) -> Tensor:
        for name in self.called:
            x = self.drops[name]["drop"](x)
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


# Validation in training mode


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
        assert watcher.record.quiet.passes == watcher.record.quiet.passes == 4
        train(model, optimizer)
    assert watcher.record.quiet.passes == 4
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
    assert watcher.record.quiet.passes == 2
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
    model[1].momentum = 1.0
    validate(model)
    model[1].momentum = 0.1


def samples_under_dropout(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    with torch.no_grad():
        torch.stack([model(X) for _ in range(10)]).std(0)


def dropout_alone_in_training_mode(model: nn.Module, optimizer: Optimizer) -> None:
    train(model, optimizer)
    model.eval()
    model[3].train()
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
        optimizer.step(lambda rows=rows: loss_of(model, X[rows], Y[rows]))


def a_proper_loop(model: nn.Module, optimizer: Optimizer) -> None:
    for _ in range(3):
        model.train()
        train(model, optimizer)
        model.eval()
        validate(model)


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
    model[1].eval()
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


# Training in evaluation mode


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


# Frozen parts


def with_frozen_backbone() -> nn.Sequential:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
    return nn.Sequential(backbone.requires_grad_(False), nn.Linear(16, 3))


def test_the_batches_that_move_a_frozen_norm_and_the_shift_of_its_mean_are_measured() -> None:
    model = with_frozen_backbone()
    norm, optimizer = model[0][1], sgd(model)
    start = norm.running_mean.clone()
    with watch(model, optimizer) as watcher:
        train(model, optimizer, 12)
    (finding,) = watcher.findings
    assert (finding.rule, finding.where) == ("frozen-norm-moves", "0.1")
    assert finding.numbers["batches"] == norm.num_batches_tracked == 12
    shift = (norm.running_mean - start).square().mean().sqrt()  # its running variance was 1
    assert finding.numbers["shift"] == pytest.approx(float(shift), rel=1e-5)
    assert finding.cure.startswith('model.get_submodule("0").eval()')


def test_a_norm_behind_something_trained_may_move() -> None:
    model = with_frozen_backbone()
    model[0][0].requires_grad_()
    assert found(train, model) == []


def test_a_norm_of_the_inputs_without_parameters_may_move() -> None:
    assert found(train, nn.Sequential(nn.BatchNorm1d(8, affine=False), nn.Linear(8, 3))) == []


def test_a_norm_without_parameters_in_a_frozen_part_may_not_move() -> None:
    model = with_frozen_backbone()
    model[0][1] = nn.BatchNorm1d(16, affine=False)
    assert found(train, model) == ["frozen-norm-moves"]


@pytest.mark.parametrize("kind", ["for each", "foreach", "fused"])
@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_decay_of_a_frozen_parameter_with_a_gradient_left_is_measured(
    make: Callable[..., Optimizer], kind: str
) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    options = {} if kind == "for each" else {kind: True}
    optimizer = make(model.parameters(), lr=0.1, weight_decay=0.1, **options)
    loss_of(model).backward()
    model[0].requires_grad_(False)
    model[0].weight.grad.zero_()
    start = model[0].weight.clone()
    with watch(model, optimizer) as watcher:
        for _ in range(10):
            optimizer.zero_grad(set_to_none=False)
            loss_of(model).backward()
            optimizer.step()
    (finding,) = watcher.findings
    seen = {each.name: each for each in watcher.record.frozen}
    assert finding.rule == "frozen-parameter-moves"
    assert set(seen) == {"0.weight", "0.bias"}
    assert seen["0.weight"].change == pytest.approx(float((model[0].weight - start).norm()))
    assert seen["0.weight"].norm == pytest.approx(float(start.norm()))


def test_a_frozen_parameter_into_which_a_checkpoint_is_loaded_is_no_finding() -> None:
    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        loss_of(model).backward()
        model[0].requires_grad_(False)
        optimizer.zero_grad()
        train(model, optimizer, 4)
        model[0].weight.grad = torch.zeros_like(model[0].weight)
        train(model, optimizer, 4)
        with torch.no_grad():
            model[0].weight.mul_(2)
        train(model, optimizer, 4)

    assert found(loop, nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))) == []


def test_no_copy_is_made_of_frozen_parameters_that_cannot_move() -> None:
    model = with_frozen_backbone()
    model[0].eval()
    optimizer = sgd(model, momentum=0.9, weight_decay=0.1)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
        assert [each.value for each in watcher.frozen.ones.values()] == [None] * 4
    assert watcher.findings.rules == []


# Averages


def ema(model: nn.Module) -> AveragedModel:
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))


class HandMade(nn.Module):
    """An average that does not count its updates."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(model)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        for own, new in zip(self.module.parameters(), model.parameters(), strict=True):
            own.mul_(0.9).add_(new, alpha=0.1)


def averaged_loop(order: str, average: Callable[[nn.Module], Any], steps: int = 20) -> Watcher:
    """A loop whose letters say what it does: p a pass, a an update of the average, s the step."""
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    averaged, optimizer = average(model), sgd(model)
    acts = {
        "p": lambda: loss_of(model).backward(),
        "a": lambda: averaged.update_parameters(model),
        "s": optimizer.step,
        "v": lambda: validate(model),
    }
    averaged.update_parameters(model)
    with watch(model, optimizer, averaged=averaged) as watcher:
        averaged.update_parameters(model)
        for _ in range(steps):
            for letter in order:
                acts[letter]()
    return watcher


@pytest.mark.parametrize("average", [ema, HandMade])
@pytest.mark.parametrize("order", ["psa", "ppppsa", "psav", "psva", "apsv", "psppsa"])
def test_an_average_behind_its_step_is_no_finding(order: str, average: Callable[[nn.Module], Any]) -> None:
    assert averaged_loop(order, average).findings.rules == []


@pytest.mark.parametrize("average", [ema, HandMade])
def test_updates_for_every_small_batch_are_counted(average: Callable[[nn.Module], Any]) -> None:
    watcher = averaged_loop("papapas", average)
    (finding,) = watcher.findings
    assert finding.numbers["steps"] == 20
    assert finding.numbers["extra"] == 40
    assert "40 averaged weights that had not changed" in finding.message


@pytest.mark.parametrize("average", [ema, HandMade])
def test_updates_in_front_of_the_step_are_counted(average: Callable[[nn.Module], Any]) -> None:
    watcher = averaged_loop("pas", average)
    (finding,) = watcher.findings
    assert (finding.numbers["early"], finding.numbers["extra"]) == (20, 0)
    assert "came between a pass and its step" in finding.message


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("skips", [1, 15])
def test_updates_for_steps_that_a_gradient_scaler_skipped_are_counted_if_they_are_many(fused: bool, skips: int) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    averaged, optimizer = ema(model), sgd(model, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    with watch(model, optimizer, averaged=averaged, scaler=scaler) as watcher:
        for step in range(40):
            optimizer.zero_grad()
            scaler.scale(loss_of(model)).backward()
            if 10 <= step < 10 + skips:
                model[0].weight.grad.fill_(torch.inf)
            scaler.step(optimizer)
            scaler.update()
            averaged.update_parameters(model)
    average = watcher.record.average
    assert average is not None
    assert average.skipped == skips
    assert watcher.findings.rules == (["average-at-wrong-time"] if skips == 15 else [])


# SAM


class Climbing(Optimizer):
    """SAM as it is written most often: an optimizer with another one in it."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=0.05)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        with torch.enable_grad():
            closure()
        held = [each for group in self.param_groups for each in group["params"]]
        moves = [0.05 * each.grad for each in held]
        torch._foreach_add_(held, moves)
        self.zero_grad()
        with torch.enable_grad():
            closure()
        torch._foreach_sub_(held, moves)
        self.base_optimizer.step()
        self.zero_grad()


def sam_loop(model: nn.Module, optimizer: Optimizer, begin: Callable[[], None] = lambda: None) -> None:
    for rows in torch.arange(64).split(16):
        x, y = X[rows], Y[rows]
        calls = []

        def closure(x: Tensor = x, y: Tensor = y, calls: list[int] = calls) -> None:
            calls.append(1)
            if len(calls) == 2:
                begin()
            loss_of(model, x, y).backward()

        optimizer.step(closure)


def test_both_passes_of_an_optimizer_that_climbs_are_counted() -> None:
    model = with_norm_and_dropout()
    optimizer = Climbing(model.parameters())
    with watch(model, optimizer) as watcher:
        sam_loop(model, optimizer)
    (finding,) = watcher.findings
    assert finding.rule == "sam-counts-statistics-twice"
    assert finding.numbers == {"steps": 4, "times per step": 2.0}
    assert watcher.record.steps == model[1].num_batches_tracked // 2 == 4


def test_a_second_pass_that_moves_no_statistics_is_no_finding() -> None:
    model = with_norm_and_dropout()
    optimizer = Climbing(model.parameters())
    with watch(model, optimizer) as watcher:
        sam_loop(model, optimizer, begin=lambda: model[1].eval() and None)
    assert watcher.record.twice.steps == 0
    assert "sam-counts-statistics-twice" not in watcher.findings.rules


def test_the_second_pass_of_an_attached_sam_moves_copies_and_is_no_finding() -> None:
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    handle = attach(model, optimizer, "SAM", loss=nn.CrossEntropyLoss())
    with watch(model, optimizer) as watcher:
        for rows in torch.arange(64).split(16):
            handle.step(X[rows], Y[rows])
    assert watcher.record.passes == 8
    assert watcher.findings.rules == []


def test_a_search_along_a_line_is_no_sam() -> None:
    model = with_norm_and_dropout()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    with watch(model, optimizer) as watcher:
        for _ in range(3):
            optimizer.step(closure)
    assert watcher.record.passes > watcher.record.steps == 3
    assert watcher.findings.rules == []


# Small batches


def trained_on(model: nn.Module, *batches: Tensor) -> Watcher:
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        for x in batches:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    return watcher


@pytest.mark.parametrize(
    ("rows", "severity", "numbers"),
    [
        ((2, 2, 2), "error", {"values": 2, "batches": 3}),
        ((16, 16, 2), "warning", {"values": 2, "batches": 1}),
        ((16, 16, 3), "", {}),
    ],
)
def test_two_values_per_channel_are_too_few(rows: tuple[int, ...], severity: str, numbers: dict[str, float]) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))
    findings = trained_on(model, *(torch.randn(count, 8) for count in rows)).findings
    assert [(each.rule, each.severity, each.numbers) for each in findings] == (
        [("tiny-batch-norm", severity, numbers)] if severity else []
    )


@pytest.mark.parametrize(
    ("rows", "severity"), [((1, 1, 1), "warning"), ((2, 2, 16), "warning"), ((16, 16, 1), "note"), ((16, 3), "")]
)
def test_images_of_one_or_two_rows_are_few(rows: tuple[int, ...], severity: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    findings = trained_on(model, *(torch.randn(count, 3, 8, 8) for count in rows)).findings
    assert [each.severity for each in findings] == [severity] * bool(severity)


# Weights whose scale does not matter


def test_the_growth_of_a_weight_in_front_of_a_norm_is_measured() -> None:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    start = model[0].weight.norm().item()
    with watch(model, optimizer) as watcher:
        for _ in range(60):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
    (finding,) = watcher.findings
    assert (finding.rule, finding.severity, finding.where) == ("undecayed-scale-invariant", "note", "0.weight")
    assert finding.numbers["growth"] == pytest.approx(model[0].weight.norm().item() / start)
    other = next(each for each in watcher.record.weights if each.name == "3.weight")
    assert other.along > 1e-3


def test_a_falling_learning_rate_is_no_reason_for_a_note() -> None:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    with watch(model, optimizer) as watcher:
        for _ in range(60):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
            scheduler.step()
    lowest, highest = watcher.record.rates
    assert (lowest < 0.03, highest) == (True, 0.05)
    assert watcher.findings.rules == []


# Models of other kinds


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


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_compiled_model_is_watched_from_outside_and_compiled_as_it_was(wrapped: bool) -> None:
    torch._dynamo.reset()
    model = with_norm_and_dropout()
    compiled, optimizer = torch.compile(model, backend="eager", fullgraph=True), sgd(model)
    called = nn.DataParallel(compiled) if wrapped else compiled
    with watch(called, optimizer) as watcher:
        train(called, optimizer)
        validate(called)
        called.eval()
        train(called, optimizer)
    assert watcher.record.passes == 16
    assert watcher.record.quiet.moves == 4
    assert set(watcher.findings.rules) == {"validation-in-training-mode", "training-in-evaluation-mode"}


def test_hooks_that_are_compiled_with_the_users_own_function_do_nothing() -> None:
    torch._dynamo.reset()
    model = with_norm_and_dropout()
    optimizer = sgd(model)
    run = torch.compile(lambda x: 2 * model(x), backend="eager", fullgraph=True)
    with watch(model, optimizer) as watcher:
        for _ in range(3):
            F.cross_entropy(run(X), Y).backward()
            optimizer.step()
    assert (watcher.record.steps, watcher.record.passes) == (3, 0)
    assert watcher.findings.rules == []


def test_layers_in_a_compiled_part_are_taken_to_be_called_with_the_model() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    part = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5))
    model = nn.Sequential(torch.compile(part, backend="eager", fullgraph=True), nn.Linear(16, 3))
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
    (layer,) = watcher.record.layers
    assert layer.trained == watcher.record.passes == 8
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
        assert len(watcher.passes.events) < 1100
        assert watcher.record.steps == 300
    assert [each.trained for each in watcher.record.layers] == [300, 300]
