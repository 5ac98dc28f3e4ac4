"""Regularizers used one at a time, without a recipe: each as a module or a function, and bad input gets a sentence."""

from typing import Any

import pytest
import torch
from torch import nn

from bridle import (
    CATALOG,
    L2,
    BatchNorm,
    ConfidencePenalty,
    Dropout,
    L2ToInit,
    MaxNorm,
    RDrop,
    SpectralNorm,
    WeightDecay,
    WeightNorm,
)
from bridle.errors import InputError
from bridle.places import ActivityLoss, Layer, Loss, OutputLoss, PassLoss, Weight, WeightLayer
from bridle.schedules import linear

W = torch.tensor([[3.0, -4.0, 0.5, 0.0], [0.3, 0.4, -1.0, 2.0]])
STEP = {"lr": 0.1, "peak": 0.1, "step": 3, "steps": 10}


def of_kind(*kinds):
    return [leaf for leaf in CATALOG.values() if issubclass(leaf, kinds)]


@pytest.mark.parametrize("leaf", of_kind(Layer))
def test_a_layer_is_a_module_for_any_network(leaf):
    axes = 4 if leaf.maps else 2
    network = nn.Sequential(leaf().module(4, axes))
    h = torch.randn(16, 4, *[6] * (axes - 2), requires_grad=True)
    out = network(h)
    assert out.shape == h.shape
    out.sum().backward()
    assert h.grad is not None
    assert torch.equal(network.eval()(h), network(h)), "evaluation draws no noise"


@pytest.mark.parametrize("leaf", of_kind(WeightLayer))
@pytest.mark.parametrize("layer", [lambda: nn.Linear(4, 6), lambda: nn.ConvTranspose2d(4, 6, 3, groups=2)])
def test_a_weight_layer_parametrizes_a_layer_of_any_network(leaf, layer):
    plain = layer()
    made = leaf().parametrize(plain)
    assert made is plain and made.weight.shape == plain.parametrizations.weight.original.shape
    made.weight.square().sum().backward()
    assert plain.parametrizations.weight.original.grad is not None


@pytest.mark.parametrize("leaf", of_kind(Loss))
def test_a_penalty_is_a_function_of_a_weight_of_any_shape(leaf):
    for shape in ((2, 4), (8,), (2, 1, 2, 2)):
        w = W.reshape(shape).clone().requires_grad_()
        penalty = leaf()(w)
        assert penalty.shape == () and bool(penalty.isfinite())
        penalty.backward()
        assert w.grad is not None and w.grad.shape == w.shape


@pytest.mark.parametrize("leaf", of_kind(ActivityLoss, OutputLoss))
def test_a_penalty_is_a_function_of_activations_or_outputs(leaf):
    assert leaf()(W).shape == ()


@pytest.mark.parametrize("leaf", of_kind(PassLoss))
def test_a_penalty_compares_the_outputs_of_two_passes(leaf):
    assert float(leaf()(W, W)) == pytest.approx(0, abs=1e-6)
    assert float(leaf()(W, W + torch.eye(2, 4))) > 0


@pytest.mark.parametrize("leaf", of_kind(Weight))
def test_a_weight_change_returns_the_new_weight_and_leaves_the_old_one(leaf):
    before = W.clone()
    changed = leaf()(W, **{name: STEP[name] for name in leaf.step_inputs})
    assert changed.shape == W.shape and torch.equal(W, before)


def test_weight_layers_stack_as_parametrizations_of_torch_do():
    layer = WeightNorm().parametrize(SpectralNorm().parametrize(nn.Linear(4, 3)))
    assert [*layer.get_submodule("parametrizations.weight").named_children()][-1][0] == "1"  # of two, from 0
    assert layer(W).shape == (2, 3)


def test_knobs_on_a_schedule_are_taken_at_a_moment():
    assert Dropout(rate=linear(0.0, 0.5)).at_moment().module().p == pytest.approx(0.5)


def test_the_start_of_a_weight_may_be_given():
    assert float(L2ToInit(strength=0.5)(W, W - 1)) == 0.5 * W.numel()


NO_TENSOR: Any = [1.0]
REFUSED = [
    (lambda: L2()(NO_TENSOR), "L2.* acts on tensors, got list"),
    (lambda: MaxNorm()(NO_TENSOR), "MaxNorm.* acts on tensors, got list"),
    (lambda: L2ToInit()(W, NO_TENSOR), "acts on tensors, got list; give torch.as_tensor\\(initial\\)"),
    (lambda: ConfidencePenalty()(torch.zeros(3)), "z has the shape \\(3,\\); give \\(batch, units\\)"),
    (lambda: RDrop()(W, NO_TENSOR), "acts on tensors, got list"),
    (lambda: WeightDecay()(W), "is called with \\(w\\) and lr=, peak=, got w alone"),
    (lambda: MaxNorm()(W, lr=0.1), "is called with \\(w\\) and no further arguments, got lr"),
    (lambda: BatchNorm().module(), "has a value for each unit; give their number"),
    (lambda: BatchNorm().module(0), "units must be a whole number of at least 1, got 0"),
    (lambda: BatchNorm().module(4, axes=7), "axes must be one of 2, 3, 4, 5, got 7"),
    (
        lambda: Dropout(rate=linear(0.0, 0.5)).module(),
        "used alone it takes plain numbers, which .at_moment\\(\\) gives",
    ),
    (lambda: L2(strength={"linear1": 0.1, "*": 0.2})(W), "used alone it takes plain numbers"),
    (lambda: SpectralNorm(limit=linear(2.0, 1.0)).parametrize(nn.Linear(2, 2)), "used alone it takes plain numbers"),
    (lambda: L2()(W.int()), "acts on real numbers, and w is torch.int32; give w.float\\(\\)"),
    (lambda: L2()(W[:0]), "w of the shape \\(0, 4\\) has none"),
    (lambda: L2()(W, W), "does not know where a weight began; call it with the weight alone"),
    (lambda: L2ToInit()(W, W[0]), "takes w and initial of one shape, got \\(2, 4\\) and \\(4,\\)"),
    (lambda: RDrop()(W, W[:1]), "takes z and other of one shape"),
    (lambda: WeightDecay()(W, lr=NO_TENSOR), "lr is a number, got \\[1.0\\]"),
    (lambda: SpectralNorm().parametrize(nn.ReLU()), "ReLU has no parameter 'weight'; name one of its own"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED)
def test_what_cannot_be_acted_on_gets_a_sentence(call, said):
    with pytest.raises(InputError, match=said):
        call()
