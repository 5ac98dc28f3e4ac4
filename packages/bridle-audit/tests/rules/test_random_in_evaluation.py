"""What is random in evaluation mode: dropout by mistake, masks by hand, and noise on purpose."""

import pytest
import torch
import torch.nn.functional as F
from probing import line_of, probed, read
from torch import nn

RULE = "random-in-evaluation"
X = torch.randn(8, 5, 16, generator=torch.Generator().manual_seed(3))


class Attention(nn.Module):
    def __init__(self, rate_of):
        super().__init__()
        self.q, self.k, self.v, self.rate_of = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16), rate_of

    def forward(self, x):
        return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), dropout_p=self.rate_of(self.training))


class Between(nn.Module):
    """Two layers and a function of the module between them."""

    def __init__(self, change):
        super().__init__()
        self.first, self.last, self.change = nn.Linear(16, 16), nn.Linear(16, 16), change

    def forward(self, x):
        return self.last(self.change(self, self.first(x)))


def test_attention_that_knows_no_mode_is_named_with_its_rate():
    (finding,) = probed(RULE, nn.Sequential(Attention(lambda on: 0.2)), None, (X, None))
    assert (finding.severity, finding.where) == ("error", "scaled_dot_product_attention in 0")
    assert "drops 0.2" in finding.message
    assert "if self.training" in finding.cure


@pytest.mark.parametrize(
    "model",
    [
        Attention(lambda on: 0.2 if on else 0.0),
        nn.TransformerEncoderLayer(16, 2, 32, dropout=0.3, batch_first=True),
        Between(lambda self, h: F.dropout(h, 0.5, self.training)),
        Between(lambda self, h: h + torch.randn_like(h) if self.training else h),
    ],
    ids=["attention", "transformer", "function", "noise"],
)
def test_what_knows_the_mode_is_silent(model):
    assert probed(RULE, model, None, (X, None)) == []


def test_a_mask_that_is_drawn_by_hand_is_an_error():
    (finding,) = probed(RULE, Between(lambda self, h: h * (torch.rand_like(h) > 0.5)), None, (X, None))
    assert finding.severity == "error"
    assert "mask" in finding.message


def test_noise_is_a_note_as_it_may_be_meant():
    (finding,) = probed(RULE, Between(lambda self, h: h + torch.randn_like(h)), None, (X, None))
    assert finding.severity == "note"


def test_noise_in_front_of_a_relu_is_no_mask():
    (finding,) = probed(RULE, Between(lambda self, h: (h + torch.randn_like(h)).relu()), None, (X, None))
    assert finding.severity == "note"


TEXT = """
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.rate = 0.3

    def forward(self, x, q=None, k=None, v=None):
        {line}
        return self.fc(x)
"""


@pytest.mark.parametrize(
    "line",
    [
        "x = F.dropout(x, 0.5)",
        "x = F.dropout(x, p=self.rate)",
        "x = F.dropout(x)",
        "x = F.dropout2d(x, 0.2)",
        "x = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1)",
    ],
)
def test_it_reads_functions_that_no_one_tells_the_mode(line):
    (finding,) = read(RULE, TEXT.format(line=line))
    assert line_of(finding) == 13


@pytest.mark.parametrize(
    "line",
    [
        "x = F.dropout(x, 0.5, self.training)",
        "x = F.dropout(x, 0.5, training=self.training)",
        "x = F.dropout(x, 0.5, training=True)",  # who writes it means it
        "x = F.dropout(x, 0.5) if self.training else x",
        "x = F.dropout(x, 0.0)",
        "x = F.alpha_dropout(x, 0.5)",  # its training is False where nothing is said
        "x = F.scaled_dot_product_attention(q, k, v)",
        "x = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)",
    ],
)
def test_it_reads_nothing_into_what_is_right(line):
    assert read(RULE, TEXT.format(line=line)) == []


def test_a_function_of_a_training_loop_may_drop():
    assert read(RULE, "import torch.nn.functional as F\nfor x, y in loader:\n    x = F.dropout(x, 0.2)\n") == []
