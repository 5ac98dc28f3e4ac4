"""The notebook run as it stands, its faults counted, and the same comparison done right."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from bridle.data import Data, load
from bridle.protocol import Protocol
from bridle.reproduce import Reproduction, markdown, notebook, paragraphs, table
from bridle.reproduce.literal import (
    NAMES,
    PROGRAMS,
    LiteralRun,
    NotebookData,
    calc_acc,
    dead_outputs,
    effect_of_decay,
    loss_by_mode,
    network,
    network_with_dropout,
    one_pass,
)
from bridle.reproduce.notebook import RECIPES, done_right
from bridle.reproduce.reproduction import RightRecipe
from bridle.results import Versus

SHORT = Protocol(batch_size=32, epochs=2)


def little_mnist(rows=120, classes=10, inputs=784):
    """Blank images with a few bright pixels per class, and pixels that are blank in all of them, as in MNIST."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % classes
    x = np.zeros((rows, inputs), np.float32)
    for row, label in enumerate(y):
        x[row, label * 20 : label * 20 + 20] = random.uniform(0.2, 1.0, 20)
    return Data(x, y, x[:60], y[:60], x[60:], y[60:])


def split(data):
    return NotebookData(
        *(torch.from_numpy(array) for array in (data.x_train, data.y_train, data.x_valid, data.y_valid))
    )


@pytest.fixture(scope="module")
def reproduction():
    return notebook(little_mnist(), seeds=2, epochs=3, right_seeds=2, protocol=SHORT)


def test_the_networks_are_those_of_the_notebook():
    layers = {program.name: [type(layer).__name__ for layer in program.network()] for program in PROGRAMS}
    assert layers["No regularization"] == layers["Weight decay"] == ["Linear", "ReLU"] * 3
    assert layers["Dropout"] == ["Linear", "ReLU", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout"]
    assert layers["Batch norm"] == ["Linear", "BatchNorm1d", "ReLU"] * 3
    assert [(program.lr, program.decay) for program in PROGRAMS] == [(0.01, 0), (0.01, 1e-15), (0.01, 0), (0.1, 0)]


def test_a_literal_run_is_the_notebooks_loop():
    data = split(little_mnist())
    run = next(one_pass(data, seed=3, epochs=102, told=lambda name, done: None))
    torch.manual_seed(3)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    printed = []
    for epoch in range(102):
        loss = nn.CrossEntropyLoss()(model(data.x_train), data.y_train.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch == 1:
            printed.append(loss.item())
        if epoch % 100 == 0:
            printed.append(loss.item())
    assert run.losses == printed
    assert run.accuracy == calc_acc(model, data.x_valid, data.y_valid)


def test_an_output_is_dead_if_it_is_zero_for_every_row():
    model = network()
    with torch.no_grad():
        bias = model.get_parameter("4.bias")
        bias.fill_(5.0)
        bias[[2, 7]] = -1000.0
    assert dead_outputs(model, torch.rand(20, 784)).nonzero().flatten().tolist() == [2, 7]


def test_accuracy_is_counted_in_evaluation_mode():
    model = network_with_dropout()
    data = split(little_mnist())
    expected = (model.eval()(data.x_valid).argmax(1) == data.y_valid).double().mean().item() * 100
    assert calc_acc(model.train(), data.x_valid, data.y_valid) == pytest.approx(expected)


def decayed_step(decay):
    torch.manual_seed(0)
    model = network()
    data = split(little_mnist())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=decay)
    nn.CrossEntropyLoss()(model(data.x_train), data.y_train).backward()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    effect = effect_of_decay(model, optimizer)
    unchanged = all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    return effect, unchanged and not optimizer.state


def test_looking_at_the_effect_of_decay_changes_neither_model_nor_optimizer():
    assert decayed_step(0.1)[1]


def test_no_decay_has_no_effect_and_a_real_one_changes_every_gradient():
    nothing, something = decayed_step(0.0)[0], decayed_step(0.1)[0]
    assert nothing["changed_gradients"] == nothing["weights_changed_in_a_step"] == 0
    assert nothing["largest_change_in_rounding_steps"] == 0
    assert something["changed_gradients"] > 0.99 * something["gradients"]
    assert something["changed_zero_gradients"] == something["zero_gradients"] > 0
    assert something["weights_changed_in_a_step"] > 0.5 * something["weights"]


def test_the_notebooks_decay_moves_weights_by_a_rounding_step_at_most():
    effect = decayed_step(1e-15)[0]
    assert effect["changed_gradients"] < 0.01 * effect["gradients"]
    assert effect["largest_change_in_rounding_steps"] <= 1


def test_the_loss_by_mode_is_one_number_where_nothing_is_dropped():
    data = split(little_mnist())
    model = network_with_dropout()
    apart = loss_by_mode(model, data.x_train, data.y_train)
    for layer in model:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    together = loss_by_mode(model, data.x_train, data.y_train)
    assert len({round(loss, 5) for loss in together.values()}) == 1
    assert len({round(loss, 5) for loss in apart.values()}) == 3


def test_a_reproduction_has_every_recipe_and_seed(reproduction):
    found = reproduction.to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [each["name"] for each in found["literal"]] == [each["name"] for each in found["right"]] == list(NAMES)
    for each in found["literal"]:
        assert len(each["accuracy"]) == len(each["dead_outputs"]) == 2
        assert [len(losses) for losses in each["losses"]] == [2, 2]
        assert each["seconds"] > 0
    for each in found["right"]:
        assert len(each["accuracy"]) == len(each["test_accuracy"]) == len(each["dead_outputs"]) == 2
        assert each["seconds"] > 0
    assert found["finished"]
    assert found["printed_epochs"] == [0, 1]
    assert found["ratio"] == pytest.approx(found["seconds"]["right"] / found["seconds"]["literal_one_pass"])


def test_one_seed_gives_one_result_and_starts_decay_and_none_alike(reproduction):
    again = notebook(little_mnist(), seeds=1, epochs=3, right_seeds=2, protocol=SHORT)
    assert [run.losses for run in again.runs] == [run.losses for run in reproduction.runs if run.seed == 0]
    assert [each.accuracy for each in again.right] == [each.accuracy for each in reproduction.right]
    plain, decayed = (again.runs_of(name)[0] for name in ("No regularization", "Weight decay"))
    assert plain.losses[0] == decayed.losses[0]
    assert reproduction.runs[0].losses != reproduction.runs_of("No regularization")[1].losses


def test_fewer_epochs_shorten_the_right_comparison_too():
    short = notebook(little_mnist(), epochs=1, right_seeds=1, protocol=SHORT)
    assert short.protocol.epochs == 1
    said = markdown(short, "bridle reproduce notebook --epochs 1")
    assert "1 epoch and 1 seed for every recipe" in said and "Literal runs: 1 seed, 1 epoch, shortened" in said
    assert not re.search(r"\b1 (epochs|seeds|steps)\b", said)


def test_progress_hears_of_every_run_and_its_end():
    told: dict[str, tuple[int, int]] = {}
    notebook(
        little_mnist(),
        epochs=2,
        right_seeds=2,
        protocol=SHORT,
        progress=lambda what, done, total: told.__setitem__(what, (done, total)),
    )
    assert list(told) == [*(f"{name}, seed 0" for name in NAMES), "Done right"]
    assert all(done == total for done, total in told.values())
    assert told["Done right"][1] == len(RECIPES) * 2 * SHORT.n_epochs * (120 // 32)


def interrupt_at(name):
    def progress(what, done, total):
        if what.startswith(name):
            raise KeyboardInterrupt

    return progress


def test_an_interrupt_keeps_the_runs_that_are_finished():
    cut = notebook(little_mnist(), epochs=1, right_seeds=1, protocol=SHORT, progress=interrupt_at("Dropout"))
    assert [run.name for run in cut.runs] == ["No regularization", "Weight decay"]
    assert not cut.finished
    assert cut.to_json()["ratio"] is None
    assert "Dropout on the logits" not in [title for title, _ in paragraphs(cut)]
    assert "Weight decay" in markdown(cut)


def test_an_interrupt_of_the_right_comparison_keeps_the_literal_runs():
    cut = notebook(little_mnist(), epochs=1, right_seeds=1, protocol=SHORT, progress=interrupt_at("Done right"))
    assert (len(cut.runs), cut.right, cut.finished) == (4, [], False)


def test_an_interrupt_before_any_run_is_finished_goes_on():
    with pytest.raises(KeyboardInterrupt):
        notebook(little_mnist(), epochs=1, protocol=SHORT, progress=interrupt_at("No regularization"))


@pytest.mark.parametrize("data", [little_mnist(classes=7), little_mnist(inputs=300)], ids=["classes", "inputs"])
def test_data_that_the_networks_cannot_take_are_refused(data):
    with pytest.raises(ValueError, match=r"784 inputs and tell 10 classes apart.*give MNIST"):
        notebook(data)


@pytest.mark.parametrize("setting", [{"seeds": 0}, {"epochs": 0}, {"right_seeds": 1.5}])
def test_numbers_below_one_are_refused(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be a whole number of at least 1"):
        notebook(little_mnist(), **setting)


DECAYED = {
    "gradients": 1000.0,
    "changed_gradients": 1.0,
    "zero_gradients": 5.0,
    "changed_zero_gradients": 5.0,
    "weights": 1005.0,
    "weights_changed_in_a_step": 2.0,
    "largest_change_in_rounding_steps": 1.0,
    "weights_that_end_differently": 900.0,
    "norm_without": 40.0,
    "norm_with": 41.0,
}
DROPPED = {"loss_training": 1.2, "loss_without_output_dropout": 0.1, "loss_evaluation": 0.05}
MEASURED = {"Weight decay": DECAYED, "Dropout": DROPPED}


def made_up(accuracies, dead=0, epochs=500):
    """A reproduction without training: ``accuracies`` (one per seed) for every recipe, as many dead outputs for all."""
    runs = [
        LiteralRun(name, seed, [2.3] * 6, accuracy, dead, 10.0 * dead, 97.5, 100.0, MEASURED.get(name, {}))
        for seed, accuracy in enumerate(accuracies)
        for name in NAMES
    ]
    versus = Versus("accuracy", "valid", 0.01, 0.005, 0.015, "helps", "helps: +1.00 points", 0.005, [0.01, 0.01])
    right = [
        RightRecipe(name, str(recipe), [98.0, 98.2], [97.9, 98.1], [0, 0], 5.0, versus if recipe.regularizers else None)
        for name, recipe in RECIPES.items()
    ]
    made = {"bridle": "0", "python": "3", "versions": {"torch": "2"}, "machine": "one", "date": "2026-01-01"}
    return Reproduction(epochs, runs, right, 20.0, "mlp(128, 64)", SHORT, made)


def paragraph(reproduction, title):
    return next(each.text for each in paragraphs(reproduction) if each.title.startswith(title))


def test_the_paragraph_on_dead_outputs_says_how_many_and_what_they_cost():
    text = paragraph(made_up([68.0], dead=3), "Outputs die")
    assert "No regularization 3; Weight decay 3" in text
    assert "hold 30.00 % of the validation rows, and accuracy on all rows is 68.00 %" in text
    assert "of the other classes it is 97.50 %" in text
    assert "No output died" in paragraph(made_up([97.0]), "Outputs die")


def test_the_paragraph_on_decay_says_what_changed_and_what_became_of_it():
    text = paragraph(made_up([68.0]), "A decay of 1e-15")
    assert "changes 1 of 1000 (0.10 %)" in text
    assert "in 2 of 1005 weights (6 steps looked at), by at most 1 in the last place" in text
    assert "900 weights differ after 500 epochs, the norm of all weights is 40.00 and 41.00" in text


def test_the_paragraph_on_seeds_gives_a_spread_where_there_is_one():
    assert "86.73 there, 90.00 here" in paragraph(made_up([90.0]), "One seed")
    assert "90.00 to 92.00, 91.00 ± 1.41" in paragraph(made_up([90.0, 92.0]), "One seed")


def test_the_paragraph_on_the_right_comparison_says_its_share_of_the_time():
    reproduction = made_up([90.0])
    assert reproduction.pass_seconds == 400
    assert "above the notebook's number for 4 of 4 recipes" in paragraph(reproduction, "Done right")
    assert "took 20.0 s, 0.050 of the 400.0 s" in paragraph(reproduction, "Done right")
    assert "shortened" not in paragraph(reproduction, "Done right")
    assert "shortened from 500 epochs to 9" in paragraph(made_up([90.0], epochs=9), "Done right")


def test_a_reproduction_without_a_full_pass_has_no_ratio():
    whole = made_up([90.0])
    part = Reproduction(500, whole.runs[:3], whole.right, 20.0, "mlp(128, 64)", whole.protocol, whole.made)
    assert math.isnan(part.ratio)


def test_the_markdown_tables_are_whole_and_name_what_made_them(reproduction):
    text = markdown(reproduction, "bridle reproduce notebook --seeds 2")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == (2 + 4) + (2 + 4 * 3) + (2 + 4)
    widths = [line.count("|") for line in lines]
    assert widths == [7] * 6 + [4] * 14 + [8] * 6
    assert "`bridle reproduce notebook --seeds 2` on " in text
    assert f"torch {torch.__version__.split('+')[0]}" in text
    assert "shortened from 500" in text


def test_the_tables_show_the_notebooks_numbers_beside_ours(reproduction):
    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(table(reproduction))
    console.file.close()
    text = console.export_text()
    assert all(f"{program.printed.accuracy:.2f}" in text for program in PROGRAMS)
    assert all(f"{loss:.4f}" in text for program in PROGRAMS for loss in program.printed.losses[:2])
    assert "WeightDecay(strength=" in text


def test_the_tables_are_whole_in_a_narrow_terminal(reproduction):
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(width=80, record=True, file=nowhere)
        console.print(table(reproduction), crop=False)
        lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert {"Validation,", "Accuracy", "Seconds"} <= {*" ".join(lines).split()}
    assert all(re.search(r"\d ± \d", line) for line in lines if "±" in line)


@pytest.mark.slow
def test_done_right_every_recipe_beats_the_number_in_the_notebook(shared_data):
    study = done_right(load("mnist", data_dir=shared_data), seeds=1)
    printed = {str(RECIPES[program.name]): program.printed.accuracy for program in PROGRAMS}
    scores = {each.name: 100 * each.scores["valid"]["accuracy"].mean for each in study.contenders}
    assert scores.keys() == printed.keys()
    assert all(scores[name] > printed[name] for name in scores), scores
