"""A stack that is interrupted between two epochs goes on as if nothing had happened, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bridle import engine
from bridle.data import Data
from bridle.engine import checkpointing
from bridle.engine.checkpointing import UnfinishedStack
from bridle.networks import convnet, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.regularizers import CATALOG
from bridle.results import Run, RunKey

SHORT = Protocol(epochs=4, batch_size=50, precision="float32")


class Memory:
    """Keeps states in memory, and presses Ctrl-C behind the end of an epoch; ``refused`` says why some were no use."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.states: dict[tuple[Variant, ...], tuple[Sequence[Variant], bytes]] = {}
        self.refused: list[str] = []

    def unfinished(self, missing: Collection[Variant]) -> list[UnfinishedStack]:
        return [UnfinishedStack(list(members), set(training)) for members, (training, _) in self.states.items()]

    def load(self, members: Sequence[Variant]) -> bytes:
        return self.states[tuple(members)][1] if tuple(members) in self.states else b""

    def save(
        self, members: Sequence[Variant], training: Sequence[Variant], epoch: int, steps: int, state: bytes
    ) -> None:
        self.states[tuple(members)] = (training, state)
        if epoch and epoch == self.stop:
            raise KeyboardInterrupt

    def refuse(self, members: Sequence[Variant], problem: Exception) -> None:
        self.refused.append(str(problem))

    def drop(self, members: Sequence[Variant]) -> None:
        del self.states[tuple(members)]


@pytest.fixture(autouse=True)
def saves_after_every_epoch(monkeypatch):
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_SAVES", 0.0)


def trained(data, members, network, protocol, *, checkpoints=None, found=None):
    """The runs, by variant; into ``found`` as they come, so that those before an interrupt are there."""
    found = {} if found is None else found
    for run in engine.train_variants(data, members, network, protocol, checkpoints=checkpoints):
        found[run.key] = run
    return found


def interrupted(data, members, network, protocol, epoch):
    """The same with Ctrl-C behind an epoch, and a second session that does the rest."""
    checkpoints = Memory(stop=epoch)
    found: dict[RunKey, Run] = {}
    with pytest.raises(KeyboardInterrupt):
        trained(data, members, network, protocol, checkpoints=checkpoints, found=found)
    checkpoints.stop = None
    rest = [variant for variant in members if variant.key not in found]
    trained(data, rest, network, protocol, checkpoints=checkpoints, found=found)
    assert not checkpoints.states and not checkpoints.refused
    return found


def assert_same(ours: dict[RunKey, Run], theirs: dict[RunKey, Run]) -> None:
    assert set(ours) == set(theirs)
    for key, run in theirs.items():
        mine, other = ours[key].to_json(), run.to_json()
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}, key
        for (name, tensor), right in zip(
            ours[key].model.state_dict().items(), run.model.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(tensor, right, rtol=0, atol=0, equal_nan=True, msg=f"{key} {name}")


def variants(*recipes: str, seeds: int = 2) -> list[Variant]:
    return [Variant(Recipe.parse(recipe), seed) for recipe in recipes for seed in range(seeds)]


@pytest.fixture(scope="module")
def few(images: Data) -> Data:
    """Rows as images of 8 x 8, so few that an epoch takes a moment."""
    parts = [array[:rows] for split, rows in (("train", 200), ("valid", 80)) for array in images.splits()[split]]
    return Data(*parts, name="few")


@pytest.mark.parametrize("name", CATALOG)
def test_every_regularizer_goes_on_where_it_was(few, name):
    network = convnet(4) if name in ("SpatialDropout", "DropBlock") else mlp(8, 6)
    recipe = "StochasticDepth(at='1')" if name == "StochasticDepth" else name
    members = variants(*dict.fromkeys((recipe, "Dropout(rate=0.3)")), seeds=1)
    assert_same(interrupted(few, members, network, SHORT, 2), trained(few, members, network, SHORT))


class OfItsOwn(nn.Module):
    """With what a module may have: a norm with statistics, a dropout, a frozen layer, a weight shared by two."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = (
            nn.Linear(8 * 8, 12),
            *(nn.Linear(12, 12) for _ in "ab"),
            nn.Linear(12, 10),
        )
        self.norm, self.dropout = nn.BatchNorm1d(12), nn.Dropout(0.3)
        self.first.requires_grad_(False)
        self.third.weight = self.second.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout(torch.relu(self.norm(self.first(x.flatten(1)))))
        return self.last(torch.tanh(self.third(torch.tanh(self.second(h)))))


class DrawsItself(OfItsOwn):
    """Draws random numbers of its own, torch's, NumPy's and Python's, so that it cannot be stacked."""

    def forward(self, x: Tensor) -> Tensor:
        own = torch.randn_like(x) * np.random.normal() + random.random()
        return super().forward(x + 0.3 * own if self.training else x)


MIXED = (
    "none",
    "BatchNorm + Dropout(rate=linear(0, 0.4)) + L2(strength=0.001)",
    "EMA + SAM",
    "SnapshotEnsemble(cycles=2) + WeightNorm",
    "EarlyStopping(patience=1) + GradientNoise",
)


@pytest.mark.filterwarnings("ignore:torch.func cannot stack")
@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("network", [mlp(8, 6), OfItsOwn, DrawsItself], ids=["mlp", "module", "one by one"])
def test_every_kind_of_network_goes_on_where_it_was(few, network, epoch):
    members = variants(*MIXED[: 2 if network is DrawsItself else None])
    before = torch.get_rng_state()
    assert_same(interrupted(few, members, network, SHORT, epoch), trained(few, members, network, SHORT))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_every_optimizer_goes_on_where_it_was(few, optimizer):
    protocol, members = Protocol(optimizer, epochs=3, batch_size=50), variants(*MIXED[:3])
    assert_same(interrupted(few, members, mlp(8), protocol, 1), trained(few, members, mlp(8), protocol))


@pytest.mark.filterwarnings("ignore:torch.func cannot stack")
@pytest.mark.parametrize("epoch", [2, 4])
@pytest.mark.parametrize("network", [mlp(8, 6), OfItsOwn, DrawsItself], ids=["mlp", "module", "one by one"])
def test_the_best_epochs_of_a_protocol_that_keeps_them_are_kept_over_an_interrupt(few, network, epoch):
    protocol = Protocol("momentum", 0.5, "constant", batch_size=25, epochs=6, precision="float32", restore_best=True)
    members = variants(*MIXED[: 2 if network is DrawsItself else None])
    members += [Variant(Recipe(), 0, 0.01), Variant(Recipe.parse("EMA + SAM"), 1, 0.2)]
    undisturbed = trained(few, members, network, protocol)
    kept = {run.best_epoch for run in undisturbed.values()} - {None}
    assert min(kept) <= epoch and len(kept) > 2
    assert_same(interrupted(few, members, network, protocol, epoch), undisturbed)


@pytest.mark.parametrize("epoch", [32, 33])
def test_a_stack_goes_on_between_two_epochs_that_are_scored(few, epoch):
    protocol = Protocol(lr=0.05, batch_size=200, epochs=70, precision="float32", restore_best=True)
    members = variants("none", "Dropout(rate=0.3) + EMA", "EarlyStopping(patience=50)")
    assert protocol.evaluates_after(32) and not protocol.evaluates_after(33)
    assert_same(interrupted(few, members, mlp(8), protocol, epoch), trained(few, members, mlp(8), protocol))


def test_runs_that_have_left_the_stack_are_not_trained_again(few):
    protocol = Protocol("sgd", lr=0.05, epochs=8, batch_size=50)
    members = variants("none", "EarlyStopping(patience=1, min_delta=10.0)", "L2(strength=1e9)", "EMA")
    undisturbed = trained(few, members, mlp(8, 6), protocol)
    assert {run.diverged_at for run in undisturbed.values()} == {None, 1}
    assert {run.stopped_at for run in undisturbed.values()} == {None, 2}
    told: list[int] = []
    checkpoints = Memory(stop=5)
    found: dict[RunKey, Run] = {}
    with pytest.raises(KeyboardInterrupt):
        trained(few, members, mlp(8, 6), protocol, checkpoints=checkpoints, found=found)
    assert len(found) == 4
    ((training, _),) = checkpoints.states.values()
    assert {run for run in undisturbed if undisturbed[run].diverged_at or undisturbed[run].stopped_at} == set(found)
    assert len(training) == 4
    checkpoints.stop = None
    for run in engine.train_variants(few, training, mlp(8, 6), protocol, checkpoints=checkpoints, progress=told.append):
        found[run.key] = run
    assert_same(found, undisturbed)
    assert told[0] == 5 * 4 * len(training) and sum(told) == 8 * 4 * len(training)


def test_seconds_are_those_of_all_sessions(few, monkeypatch):
    (key, run), *_ = interrupted(few, variants("none", seeds=1), mlp(8), SHORT, 3).items()
    clock = iter(range(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))  # every look at the clock is a second later
    whole = trained(few, variants("none", seeds=1), mlp(8), SHORT)[key].seconds
    halves = interrupted(few, variants("none", seeds=1), mlp(8), SHORT, 3)[key].seconds
    assert run.seconds > 0 and whole <= halves <= whole + 4  # and what the saving takes


def test_a_state_of_another_network_is_refused_and_the_runs_are_trained_from_the_start(few):
    members = variants("none", "EMA")
    checkpoints = Memory(stop=2)
    with pytest.raises(KeyboardInterrupt):
        trained(few, members, mlp(9), SHORT, checkpoints=checkpoints)
    checkpoints.stop = None
    assert_same(trained(few, members, mlp(8), SHORT, checkpoints=checkpoints), trained(few, members, mlp(8), SHORT))
    assert checkpoints.refused == ["linear1.weight has another shape or precision than it had"]


def test_what_is_read_executes_nothing_and_need_not_be_a_state(few):
    members = variants("none", seeds=1)
    for content in (b"", b"PK", b"\x80\x02]q\x00.", b"cbuiltins\nprint\n(S'read'\ntR."):
        checkpoints = Memory()
        checkpoints.states[tuple(members)] = (members, content)
        assert len(trained(few, members, mlp(8), SHORT, checkpoints=checkpoints)) == 1
        assert len(checkpoints.refused) == bool(content)


def test_a_stack_is_saved_early_at_first_then_at_the_interval(monkeypatch):
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_SAVES", 20.0)
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr(checkpointing, "dump_stack", lambda *stack: b"")
    kept = []
    stack: Any = SimpleNamespace(variants=[1, 2], steps_done=3, seconds=0.0)
    unused: Any = None

    class Diary(Memory):
        def save(self, *told: Any) -> None:
            kept.append(now[0])

    times = checkpointing.Checkpointer(Diary(), [])
    for half in range(200):
        now[0] = half / 2
        times.after_epoch(stack, unused, unused, half)
    assert kept == [1, 2, 4, 8, 16, 32, 52, 72, 92]
