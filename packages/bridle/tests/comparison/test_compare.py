"""The comparison as a whole, on the real engines."""

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from small_comparisons import NETWORK, SHORT, blobs, line, small, values
from torch import nn

import bridle
from bridle import Data, Dropout, Metric, Protocol, Recipe, Study, linear, mlp
from bridle.comparison import DEFAULT_RECIPES, compare, references
from bridle.comparison.trainer import ENGINES
from bridle.engine import precision


def test_the_study_holds_every_contender_and_run_in_the_order_asked():
    study = small(recipes=["Dropout(rate=0.5)", "L2"], seeds=[4, 0, 2])
    assert [each.name for each in study.contenders] == ["none", "Dropout(rate=0.5)", "L2(strength=0.0001)"]
    assert [[run.seed for run in each.runs] for each in study.contenders] == [[4, 0, 2]] * 3
    assert (study.seeds, study.metric, study.engine, study.network) == ([4, 0, 2], "log_loss", "torch", "mlp(6)")
    assert study.finished and study.notices == [] and study.protocol == SHORT.to_json() | {"metric": "log_loss"}
    assert not study.higher_is_better and study.references == [] and study.tuning == {}
    assert study.data["name"] == "blobs"


def test_a_contender_sums_up_its_runs():
    contender = small().contenders[1]
    accuracy = [run.scores["valid"]["accuracy"] for run in contender.runs]
    assert contender.scores["valid"]["accuracy"].values == accuracy
    assert contender.scores["valid"]["accuracy"].mean == pytest.approx(np.mean(accuracy))
    gaps = [run.scores["train"]["log_loss"] - run.scores["valid"]["log_loss"] for run in contender.runs]
    assert contender.gap == pytest.approx(np.mean(gaps))
    assert contender.dead_units == np.mean([run.dead_units for run in contender.runs])
    assert contender.seconds == pytest.approx(np.mean([run.seconds for run in contender.runs]))


def test_the_verdict_is_on_the_validation_split_paired_with_none():
    none, dropout = small().contenders
    versus = dropout.versus_baseline
    ours, theirs = (each.scores["valid"]["log_loss"].values for each in (dropout, none))
    expected = np.subtract(ours, theirs)
    assert versus is not None and versus.values == expected.tolist() and versus.split == "valid"
    assert none.versus_baseline is None


def test_none_comes_first_wherever_it_was_asked_for():
    assert [each.name for each in small(recipes=[Dropout(rate=0.5), None]).contenders] == ["none", "Dropout(rate=0.5)"]


def test_both_engines_give_the_same_table():
    exact = Protocol(epochs=2, lr=0.002, batch_size=16, precision="float64")
    torch_study, vanilla_study = small(protocol=exact), small(protocol=exact, engine="vanilla")
    for ours, theirs in zip(torch_study.contenders, vanilla_study.contenders, strict=True):
        assert ours.scores["valid"]["log_loss"].values == pytest.approx(
            theirs.scores["valid"]["log_loss"].values, rel=1e-5
        )


def test_a_regression_without_test_rows_is_compared_on_r2():
    study = compare(line(), ["L2(strength=10.0)"], 3, linear(), Protocol(epochs=30, lr=0.1))
    assert study.metric == "r2" and set(study.contenders[0].scores) == {"train", "valid"}
    versus = study.contenders[1].versus_baseline
    assert versus is not None and versus.verdict == "hurts"
    assert "R²" in versus.words


def test_the_default_recipes_are_none_the_four_and_a_combination():
    recipes = [Recipe.parse(text) for text in DEFAULT_RECIPES]
    assert [len(recipe) for recipe in recipes] == [0, 1, 1, 1, 1, 2]
    methods = {type(each).__name__ for recipe in recipes for each in recipe}
    assert methods == {"L2", "WeightDecay", "Dropout", "BatchNorm"}
    assert not any(each.is_off for recipe in recipes for each in recipe)


def test_one_seed_gives_no_verdict_and_says_why():
    study = small(seeds=1)
    assert study.contenders[1].versus_baseline is None
    assert study.notices == [
        "One seed cannot tell a difference from noise: there are no verdicts; give two seeds or more."
    ]


def test_diverged_runs_are_counted_and_named_in_a_notice():
    plain = Protocol(optimizer="sgd", epochs=2, lr=0.1, batch_size=16, precision="float32")
    study = small(recipes=["L2(strength=1e30)", "L2"], protocol=plain)
    none, strong, mild = study.contenders
    assert (none.diverged, strong.diverged, mild.diverged) == (0, 2, 0)
    assert strong.versus_baseline is None and mild.versus_baseline is not None
    assert study.notices == [
        "L2(strength=1e+30): 2 of 2 runs diverged, the first in epoch 1, and are in no verdict; "
        "a lower learning rate may hold them."
    ]


@pytest.mark.parametrize("engine", ["torch", "vanilla"])
def test_where_everything_diverges_there_is_still_a_study(engine, tmp_path):
    wild = Protocol(optimizer="momentum", epochs=3, lr=1e30, batch_size=16, precision="float32")
    study = small(protocol=wild, engine=engine, out=tmp_path)
    assert study.finished and [each.diverged for each in study.contenders] == [2, 2]
    assert len(study.notices) == 2 and study.contenders[1].versus_baseline is None
    study.save(tmp_path / "study.json")
    assert Study.load(tmp_path).to_json() == study.to_json()


@pytest.mark.parametrize(("units", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_a_study_names_the_precision_that_auto_chose_and_does_not_mix_two(tmp_path, monkeypatch, units, chosen):
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda device: not units)
    other = small(protocol=Protocol(epochs=2, lr=0.002, batch_size=16), out=tmp_path)
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda device: units)
    study = small(protocol=Protocol(epochs=2, lr=0.002, batch_size=16), out=tmp_path)
    assert study.protocol["precision"] == chosen != other.protocol["precision"]
    assert values(study) != values(other)
    assert values(study) == values(small(protocol=Protocol(epochs=2, lr=0.002, batch_size=16, precision=chosen)))
    assert len(list((tmp_path / "runs").iterdir())) == 8


def test_the_vanilla_engine_says_in_which_precision_it_computes():
    assert small(engine="vanilla").protocol["precision"] == "float64"


def test_a_second_call_with_the_same_folder_trains_nothing_and_gives_the_same(tmp_path, monkeypatch):
    first = small(out=tmp_path)
    monkeypatch.setitem(ENGINES, "torch", None)  # calling it would fail
    assert values(small(out=tmp_path)) == values(first)


def test_more_seeds_or_recipes_train_only_what_is_missing(tmp_path):
    small(out=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 4
    study = small(out=tmp_path, seeds=3, recipes=["none", "Dropout(rate=0.5)", "L2"])
    assert len(list((tmp_path / "runs").iterdir())) == 9
    afresh = small(seeds=3, recipes=["none", "Dropout(rate=0.5)", "L2"])
    for kept, trained in zip(study.contenders, afresh.contenders, strict=True):
        for ours, theirs in zip(kept.runs, trained.runs, strict=True):
            # In a stack of other variants, sums are taken in another order.
            assert ours.scores["valid"] == pytest.approx(theirs.scores["valid"], rel=1e-5)
            assert ours.curves["valid_loss"] == pytest.approx(theirs.curves["valid_loss"], rel=1e-5)


@pytest.mark.parametrize(
    "change", [{"protocol": Protocol(epochs=1, lr=0.002)}, {"network": mlp(7)}, {"engine": "vanilla"}]
)
def test_another_setting_trains_anew(tmp_path, change):
    small(out=tmp_path)
    small(out=tmp_path, **change)
    assert len(list((tmp_path / "runs").iterdir())) == 8


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small()
    assert list(tmp_path.iterdir()) == []


def test_a_metric_that_is_no_number_is_said():
    study = small(metric=Metric("mine", lambda truth, prediction: math.nan))
    assert study.contenders[1].versus_baseline is None and [each.diverged for each in study.contenders] == [0, 0]
    assert study.best is study.baseline
    said = "4 of 4 runs that did not diverge have no mine on the validation rows, and are in no verdict"
    assert [each.partition(";")[0] for each in study.notices] == [said]
    x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) % 2
    study = small(data=Data(x, y, x[::2], y[::2]), metric="auroc")  # of one class alone
    assert any("have no AUROC on the validation rows" in each for each in study.notices)


def test_progress_reaches_its_total():
    heard = []
    small(progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (4 * 2 * 3, 4 * 2 * 3) and heard == sorted(heard)


def test_an_open_length_is_found_for_each_run_and_the_best_epoch_kept():
    study = small(protocol=Protocol(lr=0.05, batch_size=16, precision="float32"), seeds=3)
    for contender in study.contenders:
        for run in contender.runs:
            lengths = [each.epochs for each in run.lengths]
            assert lengths == Protocol(batch_size=16).lengths(48)[: len(lengths)]
            assert run.scores["valid"]["log_loss"] == min(each.score for each in run.lengths)
            assert run.scores["valid"]["log_loss"] == pytest.approx(min(run.curves["valid_loss"]), rel=1e-5)
            assert run.curves["epoch"][int(np.argmin(run.curves["valid_loss"]))] == run.best_epoch


def test_an_open_learning_rate_is_chosen_for_the_baseline_and_used_by_all(tmp_path):
    study = small(protocol=Protocol(epochs=2, batch_size=16, precision="float32"), out=tmp_path)
    assert study.protocol["lr"] in {0.0005, 0.002, 0.008}
    tried = [json.loads(path.read_text())["key"] for path in (tmp_path / "runs").iterdir()]
    assert len(tried) == 4 + 6 and {key.get("lr") for key in tried} == {None, 0.0005, 0.002, 0.008}
    fixed = small(protocol=Protocol(epochs=2, lr=study.protocol["lr"], batch_size=16, precision="float32"))
    assert values(fixed) == values(study)


def test_a_metric_of_one_s_own_decides_and_stands_beside_the_others():
    def worst(y, probabilities):
        return float(1 - probabilities[np.arange(len(y)), y].min())

    study = small(metric=bridle.Metric("worst", worst, higher_is_better=False), seeds=3)
    assert study.metric == "worst" and not study.higher_is_better
    versus = study.contenders[1].versus_baseline
    assert versus is not None and versus.metric == "worst"
    assert set(study.baseline.scores["test"]) >= {"worst", "log_loss", "accuracy"}
    assert study.best.scores["valid"]["worst"].mean == min(e.scores["valid"]["worst"].mean for e in study.contenders)


def test_the_metric_decides_which_contender_is_best():
    study = small(metric="accuracy", seeds=3)
    assert study.higher_is_better
    means = [each.scores["valid"]["accuracy"].mean for each in study.contenders]
    assert study.best.scores["valid"]["accuracy"].mean == max(means)


def test_the_references_stand_beside_the_contenders():
    study = small(references=True, protocol=Protocol(lr=0.02, batch_size=16, precision="float32"))
    names = ["majority class", "linear model", "gradient boosting", "without early stopping"]
    assert [each.name for each in study.references] == names
    majority = study.references[0].scores["test"]["log_loss"].mean
    assert majority == pytest.approx(math.log(2), rel=1e-2)


@pytest.mark.parametrize(("lr", "tuned"), [(0.002, None), (None, None), (0.002, 2), (None, 2)])
def test_a_study_says_whether_its_learning_rate_was_given_or_chosen(lr, tuned, tmp_path):
    study = small(protocol=replace(SHORT, lr=lr), tuned=tuned)
    assert study.lr_chosen is (lr is None)
    study.save(tmp_path / "study.json")
    assert Study.load(tmp_path).lr_chosen is (lr is None)


def spread_of_answers(y, prediction):
    return float(np.ptp(prediction[:, 0]))


def spread_of_others(y, prediction):
    return float(np.ptp(prediction[:, 1]) + 1)


def test_runs_of_a_metric_of_ones_own_are_found_by_its_function_and_direction(tmp_path):
    restoring = replace(SHORT, epochs=6, restore_best=True)
    metrics = [Metric("spread", spread_of_answers, higher_is_better=up) for up in (True, False)]
    for each in (*metrics, Metric("spread", spread_of_others)):
        found, alone = (small(protocol=restoring, metric=each, out=out) for out in (tmp_path, None))
        assert values(found) == values(alone)
    count = len(list((tmp_path / "runs").iterdir()))
    small(protocol=restoring, metric=metrics[0], out=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == count == 12


def test_a_reference_that_cannot_be_fitted_costs_the_study_nothing_but_that(monkeypatch):
    def refuse():
        raise ValueError("too few of anything")

    constant, linear, boosting = references.METHODS
    broken = linear._replace(make=dict.fromkeys(linear.make, refuse))
    monkeypatch.setattr(references, "METHODS", (constant, broken, boosting))
    study = small(references=True)
    assert study.finished and [each.name for each in study.references] == ["majority class", "gradient boosting"]
    assert study.notices == [
        "The reference 'linear model' is left out, as it could not be fitted and measured: too few of anything."
    ]


def test_a_tuned_comparison_gives_every_contender_its_trials_and_fresh_seeds(tmp_path):
    study = small(tuned=4, protocol=Protocol(epochs=2, batch_size=16, precision="float32"), out=tmp_path)
    assert [len(each.trials) for each in study.contenders] == [4, 4]
    assert [each.asked for each in study.contenders] == ["none", "Dropout(rate=0.5)"]
    for each in study.contenders:
        best = min(each.trials, key=lambda trial: min(trial.scores))
        assert (each.name, each.lr) == (best.recipe, best.lr)
        assert [run.seed for run in each.runs] == [0, 1] and {run.lr for run in each.runs} == {each.lr}
    assert not set(study.seeds) & set(study.tuning["seeds"])
    trials = [json.loads(path.read_text())["run"] for path in (tmp_path / "runs").iterdir()]
    assert [run["seed"] in (0, 1) for run in trials] == ["test" in run["scores"] for run in trials]
    again = small(tuned=4, protocol=Protocol(epochs=2, batch_size=16, precision="float32"), out=tmp_path)
    assert values(again) == values(study)


def test_where_splits_vary_every_seed_has_its_own_and_the_interval_is_wider():
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 2))
    y = (x[:, 0] + random.normal(size=150) > 0).astype(int)
    data = Data.from_arrays(x, y, splits="repeated")
    study = small(data=data, seeds=4, references=True)
    assert study.splits["kind"] == "repeated" and study.splits["varies"]
    assert all(len(each.scores["test"]["log_loss"].values) == 4 for each in study.references)
    versus = study.contenders[1].versus_baseline
    assert versus is not None
    plain = np.std(versus.values, ddof=1) / 2 * 3.182
    assert (versus.high - versus.low) / 2 == pytest.approx(plain * math.sqrt(1 + 4 * 30 / 120), rel=0.05)


def test_balanced_classes_weigh_alike():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2))
    y = (x[:, 0] + random.normal(size=200) > 1.5).astype(int)
    data = Data(x, y, x, y, x, y)
    protocol = Protocol(epochs=20, lr=0.02, batch_size=16, precision="float32")
    recalls = [
        small(data=data, protocol=replace(protocol, class_weight=weight))
        .baseline.scores["valid"]["balanced_accuracy"]
        .mean
        for weight in (None, "balanced")
    ]
    assert recalls[1] > recalls[0] + 0.05


def test_a_study_is_saved_and_read_back_the_same(tmp_path):
    study = small()
    study.save(tmp_path / "study.json")
    assert Study.load(tmp_path).to_json() == study.to_json()
    assert json.loads((tmp_path / "study.json").read_text())["made"]["bridle"] == bridle.__version__


def narrow():
    """A network of one's own."""
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))


def test_a_network_of_one_s_own_is_named_by_its_factory_and_known_by_its_layers(tmp_path, monkeypatch):
    state = torch.get_rng_state()
    study = small(network=narrow, out=tmp_path)
    assert study.network == f"{narrow.__module__}:narrow"
    assert torch.equal(torch.get_rng_state(), state)
    small(network=narrow, out=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 4
    monkeypatch.setattr(nn.Sequential, "__repr__", lambda self: "another network")
    small(network=narrow, out=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 8


def test_a_factory_without_a_name_goes_by_its_type(tmp_path):
    assert small(network=partial(narrow), seeds=1, out=tmp_path).network == "functools:partial"


def test_the_public_name_is_the_function_whatever_was_imported_before():
    assert bridle.compare(blobs(), [], 1, NETWORK, SHORT, references=False).contenders[0].name == "none"
    assert bridle.compare is compare
