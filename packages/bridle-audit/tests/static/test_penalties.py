"""Penalties by hand: in which forms they are found, of which weights, and where they go."""

from __future__ import annotations

import pytest

from bridle_audit.static import read_source
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""


def read(code: str) -> list[Penalty]:
    """The penalties of a program."""
    return list(penalties_of(read_source(HEAD + code)))


def in_a_step(*lines: str) -> list[Penalty]:
    """Those of a training step that has some lines between the loss and its ``backward``."""
    body = "\n".join(f"    {line}" for line in lines)
    return read(f"def step(x, y):\n    loss = F.cross_entropy(model(x), y)\n{body}\n    loss.backward()\n")


def only(found: list[Penalty]) -> Penalty:
    """The one that there is."""
    assert len(found) == 1, [each.source for each in found]
    return found[0]


SUMS = {
    "sum(p.pow(2).sum() for p in model.parameters())": ("l2", True),
    "sum(torch.norm(param) ** 2 for param in model.parameters())": ("l2", True),
    "sum((p ** 2).sum() for p in model.parameters())": ("l2", True),
    "sum([torch.sum(p * p) for p in model.parameters()])": ("l2", True),
    "sum(torch.square(p).sum() for p in list(model.parameters()))": ("l2", True),
    "sum(p.norm(2) for p in model.parameters())": ("l2", False),
    "sum(p.norm().pow(2) for p in model.parameters())": ("l2", True),
    "sum(p.abs().sum() for p in model.parameters())": ("l1", False),
    "sum(torch.norm(p, p=1) for name, p in model.named_parameters())": ("l1", False),
    "sum(torch.linalg.vector_norm(p, 1) for p in model.parameters())": ("l1", False),
    "torch.stack([p.abs().sum() for p in model.parameters()]).sum()": ("l1", False),
    "torch.norm(torch.cat([p.view(-1) for p in model.parameters()]), 1)": ("l1", False),
    "nn.utils.parameters_to_vector(model.parameters()).square().sum()": ("l2", True),
    "sum(F.mse_loss(p, torch.zeros_like(p)) for p in model.parameters())": ("l2", True),
    "sum(p.norm(dim=0).sum() for p in model.parameters())": ("other", False),
    "sum((p - q).pow(2).sum() for p, q in zip(model.parameters(), old))": ("other", True),
}


@pytest.mark.parametrize("text", SUMS)
def test_a_sum_over_parameters_is_found_whatever_way_it_is_written(text):
    found = in_a_step(f"loss = loss + 0.01 * {text}")
    if "zip" in text:
        assert found == []  # what a zip gives is not followed
        return
    penalty = only(found)
    assert (penalty.kind, penalty.squared) == SUMS[text]
    assert (penalty.over, penalty.of, penalty.fate, penalty.strength) == ("all", "model", "loss", 0.01)
    assert penalty.detached is None


LOOPS = {
    "accumulated": "total = 0\nfor p in model.parameters():\n    total += p.pow(2).sum()\nloss += 0.01 * total",
    "reassigned": "total = torch.tensor(0.0)\nfor p in model.parameters():\n    total = total + p.pow(2).sum()\n"
    "loss = loss + 0.01 * total",
    "begun with None": "total = None\nfor W in model.parameters():\n    if total is None:\n        total = W.norm(2)\n"
    "    else:\n        total = total + W.norm(2)\nloss = loss + 0.01 * total",
    "in a list": "parts = []\nfor p in model.parameters():\n    parts.append(p.pow(2).sum())\n"
    "loss = loss + 0.01 * sum(parts)",
    "added at once": "for p in model.parameters():\n    loss = loss + 0.01 * p.pow(2).sum()",
}


@pytest.mark.parametrize("form", LOOPS)
def test_a_loop_over_parameters_is_one_penalty(form):
    found = in_a_step(*LOOPS[form].split("\n"))
    assert {(each.over, each.of, each.fate, each.strength) for each in found} == {("all", "model", "loss", 0.01)}
    assert all(each.join(chain) is not None for each in found for chain in each.loss_chains)


FILTERS = {
    "p for p in model.parameters() if p.requires_grad": "all",
    "p for n, p in model.named_parameters() if 'bias' not in n": "matrices",
    "p for n, p in model.named_parameters() if n.endswith('weight')": "matrices",
    "p for p in model.parameters() if p.ndim > 1": "matrices",
    "p for p in model.parameters() if p.dim() > 1 and p.requires_grad": "matrices",
    "p for p in filter(lambda q: q.requires_grad, model.parameters())": "all",
    "p for n, p in model.named_parameters() if chosen(n)": "some",
    "m.weight for m in model.modules() if isinstance(m, nn.Linear)": "matrices",
    "p for i, (n, p) in enumerate(model.named_parameters())": "all",
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_says_which_parameters_are_meant(text):
    element, _, rest = text.partition(" ")
    penalty = only(in_a_step(f"loss += 0.1 * sum({element}.pow(2).sum() {rest})"))
    assert (penalty.over, penalty.of) == (FILTERS[text], "model")


def test_a_loop_that_skips_the_biases_is_one_of_matrices():
    penalty = only(
        in_a_step(
            "for name, p in model.named_parameters():",
            "    if 'bias' in name:",
            "        continue",
            "    loss = loss + 1e-3 * p.pow(2).sum()",
        )
    )
    assert penalty.over == "matrices"


FUNCTIONS = """
def penalty(net):
    total = 0.0
    for p in net.parameters():
        total = total + p.pow(2).sum()
    return total

def l1(parameters, strength=0.5):
    return strength * sum(p.abs().sum() for p in parameters)

def ridge(w):
    return (w ** 2).sum() / 2

def fit(x, y, lam=0.1):
    loss = F.cross_entropy(model(x), y) + lam * penalty(model)
    loss += l1(model.parameters())
    loss += ridge(model[0].weight)
    loss.backward()
"""


def test_functions_of_the_file_are_followed_in_and_out():
    squares, absolutes, single = read(FUNCTIONS)
    assert (squares.kind, squares.over, squares.of, squares.fate, squares.strength) == ("l2", "all", "net", "loss", 0.1)
    assert (absolutes.kind, absolutes.over, absolutes.of, absolutes.strength) == ("l1", "all", "model", 0.5)
    assert (single.kind, single.over, single.of, single.strength) == ("l2", "one", "model[0].weight", 0.5)


DETACHED = {
    "p.pow(2).sum().item() for p in model.parameters()": "p.pow(2).sum().item()",
    "p.data.pow(2).sum() for p in model.parameters()": "p.data",
    "p.detach().pow(2).sum() for p in model.parameters()": "p.detach()",
    "float(p.norm()) for p in model.parameters()": "float(p.norm())",
    "w.pow(2).sum() for w in model.state_dict().values()": "model.state_dict()",
}


@pytest.mark.parametrize("text", DETACHED)
def test_what_cuts_a_penalty_off_is_named(text):
    penalty = only(in_a_step(f"loss = loss + 0.1 * sum({text})"))
    assert penalty.in_loss and penalty.detached is not None
    assert penalty.syntax.source(penalty.detached) == DETACHED[text]


def test_gradients_that_are_off_cut_it_off_too():
    penalty = only(
        in_a_step("with torch.no_grad():", "    l2 = sum(p.norm() for p in model.parameters())", "loss = loss + l2")
    )
    assert penalty.detached is not None and type(penalty.detached).__name__ == "With"


def test_a_penalty_that_is_also_logged_is_not_detached():
    penalty = only(in_a_step("l2 = model[0].weight.pow(2).sum()", "print(l2.item())", "loss = loss + l2"))
    assert penalty.in_loss and penalty.detached is None


def test_a_number_that_weighs_a_penalty_is_no_detached_penalty():
    penalty = only(in_a_step("l2 = model[0].weight.pow(2).sum()", "loss = loss + 0.1 * loss.item() / l2.item() * l2"))
    assert penalty.in_loss and penalty.detached is None


FATES = {
    "total = loss + 0.1 * sum(p.norm() for p in model.parameters())": "unused",
    "print(sum(p.norm() for p in model.parameters()))": "reported",
    "norm = sum(p.norm() for p in model.parameters())\nlog(f'{norm:.3f}')": "reported",
    "history.keep(sum(p.norm() for p in model.parameters()))": "unknown",
    "self.total = sum(p.norm() for p in model.parameters())": "unknown",
    "loss = loss + sum(p.norm() for p in model.parameters())": "loss",
    "l2 = sum(p.norm() for p in model.parameters())\nl2 = 0\nloss = loss + l2": "unused",
}


@pytest.mark.parametrize("text", FATES)
def test_where_it_ends_is_told(text):
    penalty = only(in_a_step(*text.split("\n")))
    assert penalty.fate == FATES[text]


ENDS = [
    "scaler.scale(loss).backward()",
    "accelerator.backward(loss)",
    "self.manual_backward(loss)",
    "torch.autograd.grad(loss, list(model.parameters()))",
    "(loss / 4).mean().backward()",
    "with amp.scale_loss(loss, optimizer) as scaled:\n        scaled.backward()",
]


@pytest.mark.parametrize("text", ENDS)
def test_every_way_to_take_a_gradient_counts(text):
    penalty = only(read(f"def step(x):\n    loss = f(x) + model[0].weight.norm()\n    {text}\n"))
    assert penalty.fate == "loss"


LIGHTNING = """
import lightning as L

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(3))

    def l2(self):
        return self.l1.weight.pow(2).sum() + self.scale.square().sum()

    def training_step(self, batch, index):
        loss = F.mse_loss(self(batch[0]), batch[1]) + 1e-3 * self.l2()
        return {"loss": loss}
"""


def test_what_a_training_step_returns_is_the_loss():
    weight, scale = read(LIGHTNING)
    assert (weight.over, weight.of, weight.fate, weight.strength) == ("one", "self.l1.weight", "loss", 1e-3)
    assert (scale.over, scale.of, scale.fate) == ("one", "self.scale", "loss")


def test_the_notebook_has_one_over_all_parameters_that_nobody_reads():
    cells = "lambda_reg = 0.001\nloss = 0\nl2_loss = sum(torch.norm(param) ** 2 for param in model.parameters())\n"
    penalty = only(read(cells + "total_loss = loss + lambda_reg * l2_loss\n"))
    assert (penalty.kind, penalty.squared, penalty.over, penalty.of) == ("l2", True, "all", "model")
    assert (penalty.fate, penalty.in_loss) == ("unused", False)


KERAS = """
from tensorflow import keras
from tensorflow.keras import regularizers

net = keras.Sequential([keras.layers.Dense(4, kernel_regularizer=regularizers.l2(0.02)), keras.layers.Dense(2)])
net.compile(loss="mse")
"""


def test_regularizers_of_keras_are_penalties_of_matrices():
    penalty = only(read(KERAS))
    assert (penalty.kind, penalty.over, penalty.framework, penalty.strength) == ("l2", "matrices", "keras", 0.02)
    assert penalty.in_loss


TAPE = """
import tensorflow as tf

def step(x):
    with tf.GradientTape() as tape:
        loss = f(net(x)) + 0.1 * tf.add_n([tf.nn.l2_loss(v) for v in net.trainable_variables])
    return tape.gradient(loss, net.trainable_variables)
"""


def test_a_sum_of_tensorflow_counts_half():
    penalty = only(read(TAPE))
    assert (penalty.kind, penalty.over, penalty.of) == ("l2", "all", "net")
    assert penalty.fate == "loss" and penalty.strength == pytest.approx(0.05)


NOTHING = [
    "loss = loss + 0.1 * model[0].weight.grad.norm()",
    "loss = loss + 0.1 * out.pow(2).mean()",
    "loss = loss + 0.1 * sum(g.norm() for g in gradients)",
    "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    "count = sum(p.numel() for p in model.parameters())",
    "loss = loss + 0.1 * sum(p.sum() for p in model.parameters())",
]


@pytest.mark.parametrize("line", NOTHING)
def test_what_is_no_size_of_weights_is_none(line):
    assert in_a_step(line) == []


def test_they_are_looked_for_once():
    program = read_source(HEAD + "sum(p.norm() for p in model.parameters())")
    assert penalties_of(program) is penalties_of(program)
