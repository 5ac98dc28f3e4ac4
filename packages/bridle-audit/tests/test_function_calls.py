"""Every dropout is seen at work, in whichever form it is called, and can be kept from dropping."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bridle_audit.probe.function_calls import WithoutDropout, record_function_calls

X = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(3))


class Calling(nn.Module):
    """Something of the module is done to what it is given."""

    def __init__(self, change, **parts):
        super().__init__()
        self.change = change
        for name, each in parts.items():
            setattr(self, name, each)

    def forward(self, x):
        return self.change(self, x)


FORMS = {
    "module": (Calling(lambda self, x: self.drop(x), drop=nn.Dropout(0.3)), "dropout", "0.drop"),
    "channels": (Calling(lambda self, x: self.drop(x), drop=nn.Dropout1d(0.3)), "dropout1d", "0.drop"),
    "function": (Calling(lambda self, x: F.dropout(x, 0.3, self.training)), "dropout", "dropout in 0"),
    "by name": (Calling(lambda self, x: F.dropout(x, training=self.training, p=0.3)), "dropout", "dropout in 0"),
    "torch": (Calling(lambda self, x: torch.dropout(x, 0.3, self.training)), "dropout", "dropout in 0"),
    "alpha": (Calling(lambda self, x: F.alpha_dropout(x, 0.3, self.training)), "alpha_dropout", "alpha_dropout in 0"),
    "attention": (
        Calling(lambda self, x: F.scaled_dot_product_attention(x, x, x, None, 0.3 if self.training else 0.0)),
        "scaled_dot_product_attention",
        "scaled_dot_product_attention in 0",
    ),
    "attention layer": (
        Calling(lambda self, x: self.att(x, x, x)[0], att=nn.MultiheadAttention(8, 2, 0.3, batch_first=True)),
        "multi_head_attention_forward",
        "0.att",
    ),
}


@pytest.mark.parametrize(("module", "function", "site"), FORMS.values(), ids=FORMS)
def test_each_form_is_seen_once_with_its_rate_and_its_site(module, function, site):
    model = nn.Sequential(module)
    with record_function_calls(model) as uses:
        model(X)
    (use,) = uses
    assert (use.function, use.site, use.rate) == (function, site, 0.3)
    assert use.drops


@pytest.mark.parametrize("module", [each[0] for each in FORMS.values()], ids=FORMS)
def test_in_evaluation_mode_nothing_drops(module):
    model = nn.Sequential(module).eval()
    with record_function_calls(model) as uses:
        model(X)
    model.train()
    assert not any(use.drops for use in uses)


@pytest.mark.parametrize("module", [each[0] for each in FORMS.values()], ids=FORMS)
def test_each_form_can_be_kept_from_dropping(module):
    model = nn.Sequential(module).train()
    with WithoutDropout():
        once, again = model(X), model(X)
    assert torch.equal(once, again)
    assert not torch.equal(model(X), model(X))


def test_a_layer_that_works_in_place_is_seen_as_it_was_before():
    model = nn.Sequential(nn.Dropout(0.5, inplace=True))
    with record_function_calls(model) as uses:
        model(X.clone())
    assert uses[0].input is not None and torch.equal(uses[0].input, X)
    assert uses[0].output is not None and not torch.equal(uses[0].output, X)


def test_the_hooks_are_gone_afterwards():
    model = nn.Sequential(nn.Dropout(0.5))
    with record_function_calls(model):
        model(X)
    assert not model[0]._forward_hooks and not model[0]._forward_pre_hooks
