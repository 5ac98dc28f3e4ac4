"""validation-in-training-mode and training-in-evaluation-mode, read: across functions, and what is done on purpose."""

from __future__ import annotations

import pytest
from probing import read

HEAD = """
import torch, torchvision
from torch import nn
from transformers import AutoModelForSequenceClassification
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    def forward(self, x):
        return self.layers(x)
model = Net()
optimizer = torch.optim.Adam(model.parameters())
def train(model, loader):
    {mode}
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
@torch.no_grad()
def evaluate(model, loader):
    {evaluation}
    return sum((model(x).argmax(1) == y).sum() for x, y in loader)
for epoch in range(9):
    train(model, loader)
    accuracy = evaluate(model, valid)
"""
VALIDATION, TRAINING = "validation-in-training-mode", "training-in-evaluation-mode"


def text(mode: str, evaluation: str) -> str:
    return HEAD.format(mode=mode, evaluation=evaluation)


def test_neither_mode_is_set():
    assert len(read(VALIDATION, text("pass", "pass"))) == 1
    assert read(TRAINING, text("pass", "pass")) == []


def test_only_evaluation_mode_is_set():
    assert len(read(TRAINING, text("pass", "model.eval()"))) == 1
    assert read(VALIDATION, text("pass", "model.eval()")) == []


@pytest.mark.parametrize("rule", [VALIDATION, TRAINING])
@pytest.mark.parametrize(
    ("mode", "evaluation"),
    [
        ("model.train()", "model.eval()"),
        ("model.train(True)", "model.train(False)"),
        ("pass", "model.eval(); score = 0; model.train()"),
        ("set_mode(model)", "model.eval(); was = model.training; model.train(was)"),
    ],
)
def test_both_modes_are_set_somewhere(rule, mode, evaluation):
    assert read(rule, text(mode, evaluation)) == []


@pytest.mark.parametrize("rule", [VALIDATION, TRAINING])
def test_a_network_without_such_layers_is_silent(rule):
    for mode, evaluation in (("pass", "pass"), ("pass", "model.eval()")):
        assert read(rule, text(mode, evaluation).replace("nn.Dropout(0.5)", "nn.LayerNorm(8)")) == []
        assert read(rule, text(mode, evaluation).replace("nn.Dropout(0.5)", "nn.Dropout(0.0)")) == []


def test_an_evaluation_mode_in_front_of_the_loop_is_meant():
    assert read(TRAINING, text("pass", "pass").replace("for epoch", "model.eval()\nfor epoch")) == []


def test_an_evaluation_of_another_model_is_silent():
    other = text("pass", "pass").replace("accuracy = evaluate(model, valid)", "teacher.eval()")
    assert read(TRAINING, other) == []
    assert read(TRAINING, other.replace("teacher.eval()", "model.layers.eval()")) == []


def test_the_last_evaluation_before_the_loop_is_left_is_silent():
    left = text("pass", "pass").replace(
        "accuracy = evaluate(model, valid)", "if epoch == 8:\n        model.eval()\n        break"
    )
    assert read(TRAINING, left) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def evaluate", "def mc_evaluate"),
        (
            "for epoch in range(9):\n    train(model, loader)\n    accuracy = evaluate(model, valid)\n",
            "",
        ),  # callers elsewhere
        ("model = Net()", "model = torch.load('model.pt')"),
    ],
)
def test_scores_whose_mode_is_meant_or_not_known_are_silent(old, new):
    changed = (
        text("pass", "pass").replace(old, new).replace("= evaluate", "= mc_evaluate" if "mc" in new else "= evaluate")
    )
    assert read(VALIDATION, changed) == []


def test_targets_for_the_same_step_are_silent():
    step = "    for x, u in loader:\n        with torch.no_grad():\n            labels = model(u).argmax(1)\n"
    step += "        nn.functional.cross_entropy(model(x), labels).backward()\n"
    assert read(VALIDATION, text("pass", "model.eval()") + "def match(loader):\n" + step) == []


def test_models_of_libraries_are_known_by_their_names():
    for made, found in (("torchvision.models.resnet18()", 1), ("torchvision.models.vit_b_16()", 0)):
        assert len(read(TRAINING, text("pass", "model.eval()").replace("model = Net()", f"model = {made}"))) == found
    bert = "model = AutoModelForSequenceClassification.from_pretrained('bert-base-uncased').to(device)"
    assert len(read(TRAINING, text("pass", "model.eval()").replace("model = Net()", bert))) == 1


FUNCTIONAL = HEAD.replace("return self.layers(x)", "return {step}").replace("nn.Dropout(0.5)", "nn.ReLU()")


@pytest.mark.parametrize(
    "step",
    [
        "nn.functional.dropout(self.layers(x), {rate}, self.training)",
        "nn.functional.dropout1d(self.layers(x), p={rate}, training=self.training)",
        "nn.functional.dropout2d(self.layers(x), {rate}, self.training)",
        "nn.functional.dropout3d(self.layers(x), {rate}, training=self.training)",
        "nn.functional.alpha_dropout(self.layers(x), {rate}, self.training)",
        "nn.functional.feature_alpha_dropout(self.layers(x), {rate}, self.training)",
        "torch.dropout(self.layers(x), {rate}, self.training)",
        "torchvision.ops.stochastic_depth(self.layers(x), {rate}, 'row', self.training)",
    ],
)
def test_a_function_that_drops_has_its_rate_behind_its_input(step):
    def found(rate: float):
        text = FUNCTIONAL.format(step=step.format(rate=rate), mode="pass", evaluation="pass")
        return read(VALIDATION, text)

    assert len(found(0.3)) == 1
    assert found(0.0) == []


def test_a_function_that_is_told_that_this_is_no_training_is_silent():
    for step in ("nn.functional.dropout2d(self.layers(x), 0.3, False)", "nn.functional.alpha_dropout(self.layers(x))"):
        assert read(VALIDATION, FUNCTIONAL.format(step=step, mode="pass", evaluation="pass")) == []
