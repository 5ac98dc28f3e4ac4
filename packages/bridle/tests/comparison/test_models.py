"""Weights that are kept beside the runs, and the networks that are made of them again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from bridle import Data, Protocol, Run, Study, convnet, linear, mlp, residual_mlp
from bridle.comparison import compare
from bridle.comparison.models import load_model
from bridle.comparison.trainer import ENGINES
from bridle.errors import InputError

SHORT = Protocol(lr=0.05, epochs=2, batch_size=16, precision="float32")
RECIPES = (
    "none",
    "BatchNorm() + Dropout(rate=linear(0.0, 0.3))",
    "WeightNorm()",
    "SpectralNorm()",
    "EMA(decay=0.5)",
    "SnapshotEnsemble(cycles=2)",
    "EarlyStopping(patience=1) + L2(strength=0.01)",
)


class Own(nn.Module):
    """A network of a user's own, with buffers, a norm, and one weight used twice."""

    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.output = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)
        self.again = self.first
        self.register_buffer("offset", torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.first(x))) + self.offset
        out: Tensor = self.output(torch.relu(self.again(h)))
        return out


def blobs(rows: int = 48, shape: tuple[int, ...] = (4,)) -> Data:
    random = np.random.default_rng(3)
    y = np.arange(2 * rows) % 2
    x = random.normal(size=(2 * rows, *shape)) + y.reshape(-1, *[1] * len(shape))
    return Data(x[:rows], y[:rows], x[rows:], y[rows:], name="blobs")


def line() -> Data:
    x = np.linspace(-1, 1, 40)[:, None]
    return Data(x, 300 * x[:, 0] + 7, x[::3], 300 * x[::3, 0] + 7)


def small(folder: Path, data: Data | None = None, **changes: Any) -> Study:
    settings: dict[str, Any] = {"recipes": ["none"], "seeds": 2, "network": mlp(4), "protocol": SHORT, "out": folder}
    return compare(data or blobs(), **{**settings, "references": False, "keep_models": "all", **changes})


def runs(study: Study) -> list[Run]:
    return [run for each in study.contenders for run in each.runs]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "models").glob("*"))


def about(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        found: dict[str, str] = file.metadata()
        return found


@pytest.mark.filterwarnings("ignore:torch.func cannot stack this network")  # of the user's own
@pytest.mark.parametrize(
    ("network", "shape"),
    [(mlp(4), (4,)), (linear(), (4,)), (residual_mlp(4, 1), (4,)), (convnet(2), (4, 4)), (Own, (4,))],
    ids=["mlp", "linear", "residual", "convnet", "own"],
)
def test_a_network_of_kept_weights_gives_what_the_trained_one_gave(
    tmp_path: Path, network: Any, shape: tuple[int, ...]
) -> None:
    data = blobs(shape=shape)
    study = small(tmp_path, data, recipes=RECIPES, network=network)
    assert len(files(tmp_path)) == len(runs(study)) == 2 * len(RECIPES)
    x = torch.from_numpy(data.x_valid)
    for run in runs(study):
        again = load_model(tmp_path, run, network, data)
        assert not again.training and type(again) is type(run.model)
        with torch.no_grad():
            assert torch.equal(again(x), run.model(x)), run.recipe


def test_so_does_one_of_the_vanilla_engine(tmp_path: Path) -> None:
    study = small(tmp_path, recipes=RECIPES, engine="vanilla")
    for run in runs(study):
        again = load_model(tmp_path, run, "mlp(4)", blobs())
        assert np.array_equal(again.predict(blobs().x_valid), run.model.predict(blobs().x_valid)), run.recipe


def test_a_run_that_was_read_from_study_json_finds_its_weights(tmp_path: Path) -> None:
    study = small(tmp_path)
    study.save(tmp_path / "study.json")
    for run, saved in zip(runs(study), runs(Study.load(tmp_path)), strict=True):
        assert torch.equal(load_model(tmp_path, saved, mlp(4), blobs()).output.weight, run.model.output.weight)


def test_a_plain_program_can_take_them(tmp_path: Path) -> None:
    run = runs(small(tmp_path, line(), seeds=1))[0]
    (path,) = files(tmp_path)
    with safe_open(path, "pt") as file:
        said = file.metadata()
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
    module = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    names = {
        "linear1.weight": "0.weight",
        "linear1.bias": "0.bias",
        "output.weight": "2.weight",
        "output.bias": "2.bias",
    }
    module.load_state_dict({names[name]: each for name, each in values.items()})
    x = torch.from_numpy(line().x_valid)
    predicted = module(x)[:, 0] * float(said["target_scale"]) + float(said["target_mean"])
    rmse = (predicted - torch.from_numpy(line().y_valid)).square().mean().sqrt().item()
    assert rmse == pytest.approx(run.scores["valid"]["rmse"], rel=1e-4)
    assert (said["recipe"], said["seed"], said["network"], said["format"]) == ("none", "0", "mlp(4)", "pt")
    assert json.loads(said["row_shape"]) == [1] and said["task"] == "regression" and said["epochs"] == "2"
    assert float(said["score"]) == run.scores["valid"][said["metric"]]


def test_the_best_of_each_contender_are_kept_and_later_ones_that_are_better(tmp_path: Path) -> None:
    for seeds in (2, 6):
        study = small(tmp_path, recipes=["none", "L2(strength=0.1)"], seeds=seeds, keep_models="best")
        best = [min(each.runs, key=lambda run: run.scores["valid"]["log_loss"]) for each in study.contenders]
        said = [about(path) for path in files(tmp_path)]
        kept = {(each["recipe"], each["seed"]) for each in said}
        assert kept == {(run.recipe, str(run.seed)) for run in best} and len(said) == 2


@pytest.mark.parametrize(("keep", "count"), [("best", 1), ("all", 3), ("none", 0)])
def test_of_several_lengths_the_one_that_was_chosen_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, count: int
) -> None:
    monkeypatch.setattr("bridle.protocol.FIRST_STEPS", 2)
    monkeypatch.setattr("bridle.protocol.LAST_STEPS", 1)
    monkeypatch.setattr("bridle.protocol.LAST_EPOCHS", 8)
    study = small(tmp_path, protocol=Protocol(lr=0.005, batch_size=16), seeds=3, keep_models=keep)
    assert len(list((tmp_path / "runs").iterdir())) > 3  # several lengths
    assert len(files(tmp_path)) == count
    loaded = 0
    for run in runs(study):
        try:
            again = load_model(tmp_path, run, mlp(4), blobs())
        except InputError:
            continue
        assert torch.equal(again(torch.ones(1, 4)), run.model(torch.ones(1, 4)))
        loaded += 1
    assert loaded == count


def test_other_comparisons_in_the_same_folder_do_not_compete(tmp_path: Path) -> None:
    for metric in ("log_loss", "accuracy"):
        for epochs in (1, 2):
            small(tmp_path, keep_models="best", metric=metric, protocol=Protocol(lr=0.05, epochs=epochs))
    assert len(files(tmp_path)) == 4


def test_what_was_finished_before_a_crash_has_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = ENGINES["vanilla"]

    def crashing(*given: Any, **options: Any) -> Any:
        for number, run in enumerate(train(*given, **options)):
            if number == 2:
                raise RuntimeError("out of memory")
            yield run

    monkeypatch.setitem(ENGINES, "vanilla", crashing)
    with pytest.raises(RuntimeError, match="out of memory"):
        small(tmp_path, seeds=5, engine="vanilla", keep_models="best")
    (path,) = files(tmp_path)
    assert about(path)["seed"] in ("0", "1") and len(list((tmp_path / "runs").iterdir())) == 2


def test_weights_are_there_before_their_run_counts_as_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*given: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("bridle.comparison.store.write_once", killed)
    with pytest.raises(SystemExit):
        small(tmp_path, seeds=1)
    assert len(files(tmp_path)) == 1 and list((tmp_path / "runs").iterdir()) == []
    monkeypatch.undo()
    assert load_model(tmp_path, runs(small(tmp_path, seeds=1))[0], mlp(4), blobs()) is not None


def test_a_run_that_diverged_has_none(tmp_path: Path) -> None:
    study = small(tmp_path, protocol=Protocol("sgd", lr=1e30, epochs=2, batch_size=16))
    assert all(run.diverged_at for run in runs(study)) and files(tmp_path) == []


class Doubles(nn.Module):
    """With a buffer of a kind that safetensors cannot store."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(4, 2)
        self.register_buffer("phase", torch.zeros(2, dtype=torch.complex128))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.output(x)
        return out


def test_weights_that_cannot_be_stored_are_a_warning_and_the_comparison_goes_on(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"the weights of none, seed \d, cannot be kept: .*complex128"):
        study = small(tmp_path, network=Doubles)
    assert study.finished and files(tmp_path) == []


def test_a_disk_that_is_full_is_a_warning_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bridle.comparison.models.write_once", full)
    with pytest.warns(UserWarning, match="cannot be kept: .*No space left"):
        assert small(tmp_path).finished


def other_run(run: Run) -> Run:
    return Run(run.recipe, 99, run.scores, {}, [], 0.0)


WRONG: dict[str, tuple[Callable[[Path, Run], Any], str]] = {
    "not kept": (
        lambda folder, run: load_model(folder, other_run(run), mlp(4), blobs()),
        "seed 99, are not in .*keep_mod",
    ),
    "no folder": (lambda folder, run: load_model(folder / "nowhere", run, mlp(4), blobs()), "are not in"),
    "another network": (
        lambda folder, run: load_model(folder, run, mlp(5), blobs()),
        r"do not fit the network mlp\(5\)",
    ),
    "another depth": (
        lambda folder, run: load_model(folder, run, "mlp(4, 4)", blobs()),
        r"do not fit the network mlp\(4,",
    ),
    "other data": (lambda folder, run: load_model(folder, run, mlp(4), blobs(shape=(3,))), "do not fit the network"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_a_sentence(tmp_path: Path, name: str, engine: str) -> None:
    call, said = WRONG[name]
    run = runs(small(tmp_path, seeds=1, engine=engine))[0]
    with pytest.raises(InputError, match=said):
        call(tmp_path, run)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    """A pickle in the place of weights is refused by its first bytes."""
    run = runs(small(tmp_path, seeds=1))[0]
    (path,) = files(tmp_path)
    torch.save({"output.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=f"are not in .*, where {path.name} cannot be read as weights"):
        load_model(tmp_path, run, mlp(4), blobs())
