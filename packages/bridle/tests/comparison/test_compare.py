"""The comparison as a whole, on the real engines and data made here."""

import json
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bridle
from bridle import Data, Dropout, Protocol, Recipe, Study, linear, mlp
from bridle.comparison import DEFAULT_RECIPES, compare
from bridle.comparison.verdicts import notices
from bridle.engine import precision
from bridle.report import write_html

SHORT = Protocol(epochs=2, batch_size=16, precision="float32")
NETWORK = mlp(6)


def blobs(rows=48, seed=0):
    """Two classes of points in the plane that overlap a little."""
    random = np.random.default_rng(seed)
    y = np.arange(3 * rows) % 2
    x = random.normal(size=(3 * rows, 2)) + 1.5 * y[:, None]
    return Data(*(part for k in range(3) for part in (x[k * rows :][:rows], y[k * rows :][:rows])), name="blobs")


def line():
    """A regression without a test split."""
    x = np.linspace(-1, 1, 40)[:, None]
    return Data(x, 3 * x[:, 0] + 0.01, x[::3], 3 * x[::3, 0], name="line")


def small(**changes):
    """A comparison that takes a moment."""
    settings: dict[str, Any] = {"recipes": ["none", "Dropout(rate=0.5)"], "seeds": 2, "network": NETWORK}
    return compare(blobs(), **{**settings, "protocol": SHORT, **changes})


def values(study):
    """The scores alone, without times."""
    return [(each.name, each.scores, each.versus_baseline) for each in study.contenders]


def test_the_study_holds_every_contender_and_run_in_the_order_asked():
    study = small(recipes=["Dropout(rate=0.5)", "L2"], seeds=[4, 0, 2])
    assert [each.name for each in study.contenders] == ["none", "Dropout(rate=0.5)", "L2(strength=0.0001)"]
    assert [[run.seed for run in each.runs] for each in study.contenders] == [[4, 0, 2]] * 3
    assert (study.seeds, study.metric, study.engine, study.network) == ([4, 0, 2], "accuracy", "torch", "mlp(6)")
    assert study.finished and study.notices == [] and study.protocol == SHORT.to_json()
    assert study.data["name"] == "blobs"


def test_a_contender_sums_up_its_runs():
    contender = small().contenders[1]
    accuracy = [run.scores["valid"]["accuracy"] for run in contender.runs]
    assert contender.scores["valid"]["accuracy"].values == accuracy
    assert contender.scores["valid"]["accuracy"].mean == pytest.approx(np.mean(accuracy))
    gaps = [run.scores["train"]["accuracy"] - run.scores["valid"]["accuracy"] for run in contender.runs]
    assert contender.gap == pytest.approx(np.mean(gaps))
    assert contender.dead_units == np.mean([run.dead_units for run in contender.runs])
    assert contender.seconds == pytest.approx(np.mean([run.seconds for run in contender.runs]))


def test_the_verdict_is_on_the_validation_split_paired_with_none():
    none, dropout = small().contenders
    versus = dropout.versus_baseline
    expected = np.subtract(*(each.scores["valid"]["accuracy"].values for each in (dropout, none)))
    assert versus.values == expected.tolist() and versus.split == "valid"
    assert none.versus_baseline is None


def test_none_comes_first_wherever_it_was_asked_for():
    assert [each.name for each in small(recipes=[Dropout(rate=0.5), None]).contenders] == ["none", "Dropout(rate=0.5)"]


def test_both_engines_give_the_same_table():
    exact = Protocol(epochs=2, batch_size=16, precision="float64")
    torch_study, vanilla_study = small(protocol=exact), small(protocol=exact, engine="vanilla")
    for ours, theirs in zip(torch_study.contenders, vanilla_study.contenders, strict=True):
        assert ours.scores["valid"]["loss"].values == pytest.approx(theirs.scores["valid"]["loss"].values, rel=1e-5)


def test_a_regression_without_test_rows_is_compared_on_r2():
    study = compare(line(), ["L2(strength=10.0)"], 3, linear(), Protocol(epochs=30, lr=0.1))
    assert study.metric == "r2" and set(study.contenders[0].scores) == {"train", "valid"}
    versus = study.contenders[1].versus_baseline
    assert versus is not None and versus.verdict == "hurts"
    assert "of validation R2" in versus.words


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
    plain = Protocol(optimizer="sgd", epochs=2, batch_size=16, precision="float32")
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
    other = small(protocol=Protocol(epochs=2, batch_size=16), out=tmp_path)
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda device: units)
    study = small(protocol=Protocol(epochs=2, batch_size=16), out=tmp_path)
    assert study.protocol["precision"] == chosen != other.protocol["precision"]
    assert values(study) != values(other)
    assert values(study) == values(small(protocol=Protocol(epochs=2, batch_size=16, precision=chosen)))
    assert len(list((tmp_path / "runs").iterdir())) == 8


def test_the_vanilla_engine_says_in_which_precision_it_computes():
    assert small(engine="vanilla").protocol["precision"] == "float64"


def test_a_second_call_with_the_same_folder_trains_nothing_and_gives_the_same(tmp_path, monkeypatch):
    first = small(out=tmp_path)
    monkeypatch.setitem(compare.__globals__["ENGINES"], "torch", None)  # calling it would fail
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


@pytest.mark.parametrize("change", [{"protocol": Protocol(epochs=1)}, {"network": mlp(7)}, {"engine": "vanilla"}])
def test_another_setting_trains_anew(tmp_path, change):
    small(out=tmp_path)
    small(out=tmp_path, **change)
    assert len(list((tmp_path / "runs").iterdir())) == 8


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small()
    assert list(tmp_path.iterdir()) == []


def interrupted_after(wanted, engine):
    """That engine, with Ctrl-C pressed as soon as the runs that are ``wanted`` are finished."""

    def train_variants(data, variants, network, protocol, **options):
        yield from engine(data, [each for each in variants if wanted(each)], network, protocol, **options)
        raise KeyboardInterrupt

    return train_variants


def test_an_interrupt_gives_a_study_of_what_is_finished_and_the_next_call_the_rest(tmp_path, monkeypatch):
    engines = compare.__globals__["ENGINES"]
    with monkeypatch.context() as patched:
        patched.setitem(engines, "torch", interrupted_after(lambda each: each.seed < 2, engines["torch"]))
        study = small(seeds=4, out=tmp_path)
    assert not study.finished and [len(each.runs) for each in study.contenders] == [2, 2]
    assert study.contenders[1].versus_baseline.words.count("2 seeds")
    assert study.notices == ["Interrupted: 4 runs are missing; the numbers are those of the finished runs."]
    assert values(small(seeds=4, out=tmp_path)) == values(small(seeds=4))


def test_one_run_that_is_missing_is_said_in_the_singular():
    assert notices([], [], (0, 1), 1) == ["Interrupted: 1 run is missing; the numbers are those of the finished runs."]


def test_an_interrupt_before_the_baseline_has_a_run_leaves_it_empty_and_the_study_can_be_saved(tmp_path, monkeypatch):
    engines = compare.__globals__["ENGINES"]
    monkeypatch.setitem(engines, "torch", interrupted_after(lambda each: len(each.recipe) > 0, engines["torch"]))
    study = small(seeds=3)
    none, dropout = study.contenders
    assert (none.name, none.runs, len(dropout.runs), dropout.versus_baseline) == ("none", [], 3, None)
    assert math.isnan(none.scores["valid"]["accuracy"].mean)
    study.save(tmp_path / "study.json")
    write_html(study, tmp_path / "report.html")
    assert "under-regularized" not in {found.rule for found in bridle.audit(study)}
    again = Study.load(tmp_path)
    assert again.to_json() == study.to_json() and not again.finished


def test_progress_reaches_its_total():
    heard = []
    small(progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (4 * 2 * 3, 4 * 2 * 3) and heard == sorted(heard)


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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"recipes": ["Dropout", "Dropout(rate=0.5)"]}, "'Dropout(rate=0.5)' is asked for twice"),
        ({"recipes": [None, "none"]}, "'none' is asked for twice"),
        ({"recipes": 3}, "recipes must be a list of recipes, got int"),
        ({"recipes": {"L2()": 1}}, "recipes must be a list of recipes, got dict"),
        ({"out": 3}, "out must be the path of a folder for the results, or None, got 3"),
        ({"progress": "bar"}, "progress must be a function of (steps done, steps in all), got 'bar'"),
        ({"recipes": "Dropout"}, "recipes must be a list of recipes, got 'Dropout'; write ['Dropout']"),
        ({"recipes": ["Dropuot"]}, "unknown regularizer 'Dropuot'; did you mean Dropout?"),
        ({"seeds": 0}, "seeds must be how many (1 or more)"),
        ({"seeds": []}, "seeds must be how many"),
        ({"seeds": 2**63}, "seeds must be how many"),
        ({"seeds": range(2**63)}, "seeds must be how many"),
        ({"seeds": [1, 1]}, "different whole numbers from 0, got [1, 1]"),
        ({"seeds": [-1]}, "seeds must be how many"),
        ({"seeds": [0.5]}, "seeds must be how many"),
        ({"seeds": 2.0}, "seeds must be how many"),
        ({"seeds": True}, "seeds must be how many"),
        ({"seeds": "5"}, "seeds must be how many"),
        ({"engine": "jax"}, "engine must be one of torch, vanilla, got 'jax'"),
        ({"network": nn.Linear(2, 2)}, "got a Linear that is made already"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(change, sentence):
    with pytest.raises(ValueError) as refused:
        small(**change)
    assert sentence in str(refused.value)


def test_a_folder_that_cannot_be_made_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(compare.__globals__["ENGINES"], "torch", None)
    with pytest.raises(OSError, match="is a file; give --out another name"):
        small(out=tmp_path / "file")
    with pytest.raises(
        OSError, match=r"nothing can be written into .*\(File name too long\); give --out another folder"
    ):
        small(out=tmp_path / ("x" * 300))


def test_the_public_name_is_the_function_whatever_was_imported_before():
    assert bridle.compare(blobs(), [], 1, NETWORK, SHORT).contenders[0].name == "none"
    assert bridle.compare is compare
