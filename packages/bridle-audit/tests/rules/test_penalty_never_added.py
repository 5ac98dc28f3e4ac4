"""``penalty-never-added``: penalties that lead nowhere, and what only looks like it."""

import pytest
from probing import line_of, read

RULE = "penalty-never-added"
CODE = """
import torch
from torch import nn
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def train(loader):
    for x, y in loader:
        loss = criterion(model(x), y)
        {}
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    "lines",
    [
        "l2 = 0.01 * model.weight.pow(2).sum()",
        "reg = sum(p.pow(2).sum() for p in model.parameters())",
        "total = loss + 0.01 * model.weight.pow(2).sum()",
        "total = loss + 0.01 * model.weight.pow(2).sum()\n        print(total.item())",
        "total = loss + 0.01 * model.weight.pow(2).sum()\n        history.append(total.item())",
        "penalty = 0\n        for p in model.parameters():\n            penalty += 0.1 * p.norm()",
    ],
)
def test_a_penalty_that_the_gradient_never_meets_is_found(lines):
    assert read(RULE, CODE.format(lines)) != []


@pytest.mark.parametrize(
    "lines",
    [
        "loss = loss + 0.01 * model.weight.pow(2).sum()",
        "norm = model.weight.norm()",
        "norm = sum(p.norm() ** 2 for p in model.parameters())\n        print(norm)",
        "stats = {'l2': model.weight.norm()}",
        "self.penalty = 0.01 * model.weight.pow(2).sum()",
        "l2 = 0.01 * model.weight.pow(2).sum()\n        l2.backward(retain_graph=True)",
        "parts = [0.01 * model.weight.pow(2).sum()]\n        loss = loss + sum(parts)",
        "penalty = 0.01 * model.weight.pow(2).sum()\n        keep(penalty)",
        "other = loss + 0.01 * model.weight.pow(2).sum()\n        other.backward()",
    ],
)
def test_what_is_added_or_logged_or_goes_elsewhere_is_not(lines):
    assert read(RULE, CODE.format(lines)) == []


def test_a_penalty_that_comes_behind_backward_is_found():
    lines = "loss.backward()\n        loss = loss + 0.1 * model.weight.norm()\n        print(loss.item())"
    (found,) = read(
        RULE, CODE.format(lines).replace("\n        loss.backward()\n        optimizer", "\n        optimizer")
    )
    assert line_of(found) == 10


def test_a_file_that_does_not_train_is_not_judged():
    assert read(RULE, "import torch\ndef penalty(model):\n    l2 = 0.1 * model.weight.norm()\n") == []


def test_a_total_at_the_level_of_a_notebook_is_a_demonstration():
    text = "import torch\nloss = 0\nl2 = sum(p.norm() ** 2 for p in model.parameters())\ntotal = loss + 0.1 * l2\n"
    assert read(RULE, text + "def fit(loss):\n    loss.backward()\n") == []


KERAS = """
import tensorflow as tf
from tensorflow import keras
model = keras.Sequential([keras.layers.Dense(4, kernel_regularizer=keras.regularizers.l2(0.01)), keras.layers.Dense(2)])
loss_fn = keras.losses.MeanSquaredError()
@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True)){}
    gradients = tape.gradient(loss, {})
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
"""


def test_regularizers_of_keras_are_missed_in_a_loop_of_ones_own():
    (found,) = read(RULE, KERAS.format("", "model.trainable_variables"))
    assert found.message.startswith("1 layers have a regularizer")
    assert line_of(found) == 9


@pytest.mark.parametrize(
    ("more", "sources"),
    [
        (" + sum(model.losses)", "model.trainable_variables"),
        (" + tf.add_n(model.losses)", "model.trainable_weights"),
        ("", "x"),  # a gradient of inputs
    ],
)
def test_a_loop_that_adds_them_is_fine(more, sources):
    assert read(RULE, KERAS.format(more, sources)) == []


def test_compile_and_fit_add_them_by_themselves():
    text = KERAS.format("", "model.trainable_variables") + "model.compile(loss='mse')\nmodel.fit(x, y)\n"
    assert read(RULE, text) == []
