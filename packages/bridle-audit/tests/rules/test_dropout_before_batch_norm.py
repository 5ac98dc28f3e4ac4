"""The variance that a batch norm remembers, over the one that it meets."""

import pytest
import torch
import torch.nn.functional as F
from probing import probed
from torch import nn

RULE = "dropout-before-batch-norm"
X, Y = torch.randn(64, 20, generator=torch.Generator().manual_seed(3)), torch.arange(64) % 4


class Given(nn.Module):
    """Batch norm of what it is given, through some layers first."""

    def __init__(self, *layers, units=64):
        super().__init__()
        self.first, self.norm = nn.Sequential(*layers), nn.BatchNorm1d(units)

    def forward(self, x):
        return self.norm(self.first(x))


@pytest.mark.parametrize("between", [[], [nn.Linear(64, 64)]])
def test_the_variance_behind_a_relu_and_dropout_is_two_and_a_half_times_what_it_was(between):
    torch.manual_seed(0)
    model = Given(nn.ReLU(), nn.Dropout(0.5), *between)
    (finding,) = probed(RULE, model, None, (torch.randn(2000, 64), None))
    assert finding.numbers["norm"] == pytest.approx(2.47, abs=0.15)
    assert finding.where == "norm"


def test_the_running_variance_ends_up_where_the_rule_says_it_will():
    torch.manual_seed(0)
    model, x = Given(nn.ReLU(), nn.Dropout(0.5)), torch.randn(2000, 64)
    (finding,) = probed(RULE, model, None, (x, None))
    for _ in range(60):
        model(x)
    ratio = (model.norm.get_buffer("running_var") / x.relu().var(0)).mean().item()
    assert ratio == pytest.approx(finding.numbers["norm"], rel=0.05)


def test_it_sees_dropout_that_is_a_function():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(20)

        def forward(self, x):
            return self.norm(F.dropout(x.relu(), 0.5, self.training))

    assert probed(RULE, Net(), None, (X, None))


def test_a_norm_on_the_way_takes_most_of_the_difference_out():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.BatchNorm1d(64),
    )
    (finding,) = probed(RULE, model, None, (X, None))
    assert finding.numbers["3"] == pytest.approx(2.5, abs=0.15)
    assert finding.numbers.get("6", 1.0) < 1.4


@pytest.mark.parametrize(
    "layers",
    [
        [nn.ReLU(), nn.Dropout(0.05)],  # too little to matter
        [nn.ReLU(), nn.Dropout(0.0)],
        [nn.Identity()],
        [nn.AlphaDropout(0.2)],  # keeps the variance of what is normal
    ],
    ids=["a little", "off", "none", "alpha"],
)
def test_what_keeps_the_variance_is_silent(layers):
    torch.manual_seed(0)
    assert probed(RULE, Given(*layers), None, (torch.randn(256, 64), None)) == []


def test_a_frozen_norm_is_not_meant():
    model = Given(nn.ReLU(), nn.Dropout(0.5), units=20)
    model.norm.eval()
    assert probed(RULE, model, None, (X, None)) == []


def test_dropout_behind_the_last_norm_is_silent():
    model = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


class Wide(nn.Module):
    """A block of a wide residual network, with its dropout between the convolutions."""

    def __init__(self, inputs, units):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, units, 3, padding=1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(units), nn.Conv2d(units, units, 3, padding=1, bias=False)
        self.drop = nn.Dropout(0.3)
        self.shortcut = None if inputs == units else nn.Conv2d(inputs, units, 1, bias=False)

    def forward(self, x):
        active = self.norm1(x).relu()
        h = self.conv2(self.drop(self.norm2(self.conv1(active)).relu()))
        return h + (x if self.shortcut is None else self.shortcut(active))


def test_wide_residual_networks_are_worth_no_more_than_a_note():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), Wide(16, 64), Wide(64, 64), Wide(64, 128), Wide(128, 128), nn.BatchNorm2d(128)
    )
    for each in model.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight)
    (finding,) = probed(RULE, model, None, (torch.randn(8, 3, 8, 8), None))
    assert finding.severity == "note"
    assert 1.25 < max(finding.numbers.values()) < 1.5
