"""swa-without-update-bn: the numbers of its example, and averages whose statistics are their own."""

from __future__ import annotations

import copy

import pytest
import torch
from page_code import run_page
from probing import line_of, probed, read
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

RULE = "swa-without-update-bn"


def error_of_means(names):
    """How far the averaged norm's means are off, in standard deviations, on average over its units."""
    with torch.no_grad():
        h = names["averaged"].module[0](names["x"])
    return float(((h.mean(0) - names["averaged"].module[1].running_mean) / h.std(0)).abs().mean())


def test_the_means_of_the_example_are_off_and_those_behind_update_bn_are_not():
    assert error_of_means(run_page(RULE, "Example")) == pytest.approx(0.14, abs=0.02)
    assert error_of_means(run_page(RULE, "Use instead")) < 1e-6


def network() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    model(torch.randn(32, 4) + 1)
    return model


def moved(model: nn.Module) -> nn.Module:
    """The same after a step of training."""
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.1 * torch.randn_like(each))
    return model


def test_an_average_that_was_updated_is_silent():
    model = network()
    averaged = AveragedModel(model)
    averaged.update_parameters(model)
    averaged.update_parameters(moved(model))
    assert len(probed(RULE, model, averaged=averaged)) == 1
    update_bn([torch.randn(32, 4)], averaged)
    assert probed(RULE, model, averaged=averaged) == []


def test_an_average_of_nothing_yet_and_one_of_layer_norms_are_silent():
    model = network()
    assert probed(RULE, model, averaged=AveragedModel(model)) == []
    other = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8))
    averaged = AveragedModel(other)
    averaged.update_parameters(copy.deepcopy(other))
    assert probed(RULE, moved(other), averaged=averaged) == []


HEAD = """
import torch, torchvision
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
model = torchvision.models.resnet18().to(device)
swa = AveragedModel(model{more})
for x, y in loader:
    train(model, x, y)
    swa.update_parameters(model)
{last}
"""


@pytest.mark.parametrize("last", ["swa.eval()", "accuracy = evaluate(swa, valid)", "z = swa(x)"])
def test_an_average_that_is_used_is_read(last):
    (found,) = read(RULE, HEAD.format(more="", last=last))
    assert line_of(found) == 5


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ("", "torch.optim.swa_utils.update_bn(loader, swa)\nswa.eval()"),
        ("", "reset_bn(swa, loader)\nswa.eval()"),
        ("", "torch.save(swa.state_dict(), 'swa.pt')"),
        (", use_buffers=True", "swa.eval()"),
        (", multi_avg_fn=get_ema_multi_avg_fn(0.99)", "swa.eval()"),
        (", **options", "swa.eval()"),
    ],
)
def test_an_average_that_is_measured_or_not_used_here_is_silent(more, last):
    assert read(RULE, HEAD.format(more=more, last=last)) == []


def test_a_network_without_batch_norm_is_silent():
    text = HEAD.format(more="", last="swa.eval()").replace(
        "torchvision.models.resnet18()", "torch.nn.Sequential(torch.nn.Linear(2, 2))"
    )
    assert read(RULE, text) == []
    assert read(RULE, text.replace("torch.nn.Sequential(torch.nn.Linear(2, 2))", "torchvision.models.vit_b_16()")) == []
