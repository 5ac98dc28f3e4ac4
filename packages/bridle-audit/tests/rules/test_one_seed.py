"""one-seed: what seeds alone make, and which programs compare."""

from __future__ import annotations

import pytest
from probing import read

import bridle
from bridle_audit.rules import RULES

RULE = "one-seed"


def test_seeds_differ_by_more_than_the_dropout_of_the_example_does():
    protocol = bridle.Protocol(epochs=20, lr=0.002)
    study = bridle.compare("digits", ["Dropout(rate=0.1)"], seeds=5, network=bridle.mlp(64), protocol=protocol)
    plain, dropped = (each.scores["valid"]["accuracy"].values for each in study.contenders)
    assert max(plain) - min(plain) == pytest.approx(0.008, abs=0.004)
    assert dropped[0] < plain[0] and dropped[1] == pytest.approx(plain[1], abs=0.003)
    assert list(RULES[RULE].find("study", study)) == []


HEAD = "import torch\nfrom torch import nn\n"
TRAIN = """
def train(model, optimizer):
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
def accuracy(model):
    model.eval()
    with torch.no_grad():
        return (model(x_valid).argmax(1) == y_valid).float().mean()
"""
SWEEP = """
for {name} in {values}:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout({rate}), nn.Linear(8, 2))
    train(model, torch.optim.AdamW(model.parameters(), weight_decay={decay}))
    print(accuracy(model))
"""
SECTIONS = """
model = nn.Sequential(nn.Linear(4, 2))
train(model, torch.optim.SGD(model.parameters(), lr=0.1))
print(accuracy(model))
model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.1))
train(model, torch.optim.SGD(model.parameters(), lr=0.1))
print(accuracy(model))
"""


@pytest.mark.parametrize(
    "text",
    [
        SWEEP.format(name="p", values="[0.1, 0.5]", rate="p", decay=0.01),
        SWEEP.format(name="wd", values="(0.0, 0.01, 0.1)", rate=0.1, decay="wd"),
        SWEEP.format(name="value", values="(0.0, 0.01)", rate=0.1, decay="value"),
        SECTIONS,
    ],
)
def test_comparisons_are_found(text):
    assert len(read(RULE, HEAD + TRAIN + text)) == 1
    repeated = "for seed in range(5):\n    torch.manual_seed(seed)\n"
    assert read(RULE, HEAD + TRAIN + repeated + text) == []


@pytest.mark.parametrize(
    "text",
    [
        SWEEP.format(name="epoch", values="[1, 2]", rate=0.1, decay=0.01),
        SWEEP.format(name="lr", values="[0.1, 0.01]", rate=0.1, decay=0.01),
        SWEEP.format(name="p", values="[0.5]", rate="p", decay=0.01),
        SWEEP.format(name="p", values="rates", rate="p", decay=0.01),
        SECTIONS.replace(", nn.Dropout(0.1)", ""),
        SECTIONS.partition("print")[0],
    ],
)
def test_what_compares_nothing_is_silent(text):
    assert read(RULE, HEAD + TRAIN + text) == []
