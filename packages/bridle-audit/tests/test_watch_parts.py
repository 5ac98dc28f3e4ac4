"""What moves and should not, what is averaged, and what batch norms are given."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from watched_loops import X, Y, found, loss_of, sgd, train, validate, with_norm_and_dropout

from bridle.attaching import attach
from bridle_audit import watch
from bridle_audit.watching.watcher import Watcher


def with_frozen_backbone() -> nn.Sequential:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
    return nn.Sequential(backbone.requires_grad_(False), nn.Linear(16, 3))


def test_the_batches_that_move_a_frozen_norm_and_the_shift_of_its_mean_are_measured() -> None:
    model = with_frozen_backbone()
    norm, optimizer = model.get_submodule("0.1"), sgd(model)
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
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
    model.get_submodule("0.0").requires_grad_()
    assert found(train, model) == []


def test_a_norm_of_the_inputs_without_parameters_may_move() -> None:
    assert found(train, nn.Sequential(nn.BatchNorm1d(8, affine=False), nn.Linear(8, 3))) == []


def test_a_norm_without_parameters_in_a_frozen_part_may_not_move() -> None:
    model = with_frozen_backbone()
    model.set_submodule("0.1", nn.BatchNorm1d(16, affine=False))
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
    gradient = model.get_parameter("0.weight").grad
    assert gradient is not None
    gradient.zero_()
    start = model.get_parameter("0.weight").clone()
    with watch(model, optimizer) as watcher:
        for _ in range(10):
            optimizer.zero_grad(set_to_none=False)
            loss_of(model).backward()
            optimizer.step()
    (finding,) = watcher.findings
    seen = {each.name: each for each in watcher.record.frozen_parameters}
    assert finding.rule == "frozen-parameter-moves"
    assert set(seen) == {"0.weight", "0.bias"}
    assert seen["0.weight"].change == pytest.approx(float((model.get_parameter("0.weight") - start).norm()))
    assert seen["0.weight"].norm == pytest.approx(float(start.norm()))


def test_a_frozen_parameter_into_which_a_checkpoint_is_loaded_is_no_finding() -> None:
    def loop(model: nn.Module, optimizer: Optimizer) -> None:
        loss_of(model).backward()
        model.get_submodule("0").requires_grad_(False)
        optimizer.zero_grad()
        train(model, optimizer, 4)
        model.get_parameter("0.weight").grad = torch.zeros_like(model.get_parameter("0.weight"))
        train(model, optimizer, 4)
        with torch.no_grad():
            model.get_parameter("0.weight").mul_(2)
        train(model, optimizer, 4)

    assert found(loop, nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))) == []


def test_no_copy_is_made_of_frozen_parameters_that_cannot_move() -> None:
    model = with_frozen_backbone()
    model[0].eval()
    optimizer = sgd(model, momentum=0.9, weight_decay=0.1)
    with watch(model, optimizer) as watcher:
        train(model, optimizer)
        assert [each.start for each in watcher.frozen.watched.values()] == [None] * 4
    assert watcher.findings.rules == []


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
                weight = model.get_parameter("0.weight")
                weight.grad = torch.full_like(weight, torch.inf)
            scaler.step(optimizer)
            scaler.update()
            averaged.update_parameters(model)
    average = watcher.record.average
    assert average is not None
    assert average.skipped == skips
    assert watcher.findings.rules == (["average-at-wrong-time"] if skips == 15 else [])


class Climbing(Optimizer):
    """SAM as it is written most often: an optimizer with another one in it."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=0.05)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # as SAM's own, which returns nothing
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


def sam_loop(model: nn.Module, optimizer: Optimizer, begin: Callable[[], object] = lambda: None) -> None:
    for rows in torch.arange(64).split(16):
        x, y = X[rows], Y[rows]
        calls: list[int] = []

        def closure(x: Tensor = x, y: Tensor = y, calls: list[int] = calls) -> float:
            calls.append(1)
            if len(calls) == 2:
                begin()
            loss = loss_of(model, x, y)
            loss.backward()
            return loss.item()

        optimizer.step(closure)


def test_both_passes_of_an_optimizer_that_climbs_are_counted() -> None:
    model = with_norm_and_dropout()
    optimizer = Climbing(model.parameters())
    with watch(model, optimizer) as watcher:
        sam_loop(model, optimizer)
    (finding,) = watcher.findings
    assert finding.rule == "sam-counts-statistics-twice"
    assert finding.numbers == {"steps": 4, "times per step": 2.0}
    assert watcher.record.steps == model.get_buffer("1.num_batches_tracked") // 2 == 4


def test_a_second_pass_that_moves_no_statistics_is_no_finding() -> None:
    model = with_norm_and_dropout()
    optimizer = Climbing(model.parameters())
    with watch(model, optimizer) as watcher:
        sam_loop(model, optimizer, begin=model[1].eval)
    assert watcher.record.repeated_batches.steps == 0
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


def test_the_growth_of_a_weight_in_front_of_a_norm_is_measured() -> None:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    start = model.get_parameter("0.weight").norm().item()
    with watch(model, optimizer) as watcher:
        for _ in range(60):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
    (finding,) = watcher.findings
    assert (finding.rule, finding.severity, finding.where) == ("undecayed-scale-invariant", "note", "0.weight")
    assert finding.numbers["growth"] == pytest.approx(model.get_parameter("0.weight").norm().item() / start)
    other = next(each for each in watcher.record.undecayed_weights if each.name == "3.weight")
    assert other.alignment > 1e-3


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
    lowest, highest = watcher.record.learning_rates
    assert (lowest < 0.03, highest) == (True, 0.05)
    assert watcher.findings.rules == []
