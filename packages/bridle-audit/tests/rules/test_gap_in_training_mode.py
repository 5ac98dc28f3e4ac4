"""gap-in-training-mode: the numbers of its example, and which differences are of that kind."""

from __future__ import annotations

import pytest
import torch
from page_code import run_page
from probing import probed, read
from torch import nn

RULE = "gap-in-training-mode"


def test_the_same_rows_cost_more_with_dropout():
    names = run_page(RULE, "Example")
    (found,) = probed(RULE, names["model"], names["loss"], (names["x"], names["y"]))
    assert found.numbers["with dropout"] == pytest.approx(0.43, abs=0.02)
    assert found.numbers["without dropout"] == pytest.approx(0.31, abs=0.02)


def test_a_new_network_and_batch_norm_are_silent():
    batch = (torch.randn(64, 20), torch.arange(64) % 4)
    new = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 4))
    normed = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    assert probed(RULE, new, nn.CrossEntropyLoss(), batch) == probed(RULE, normed, nn.CrossEntropyLoss(), batch) == []


HEAD = "import torch, keras\nfrom torch import nn\nmodel = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))\n"
FUNCTIONS = """
def train(loader):
    for x, y in loader:
        criterion(model(x), y).backward()
    return correct / total
{train_acc} = train(loader)
val_acc = evaluate(valid_loader)
print(train_acc - val_acc)
"""
SUMMED = """
for epoch in range(9):
    train_loss = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        train_loss += loss.item()
    val_loss = evaluate(valid_loader)
    gap = val_loss - train_loss / len(loader)
    gap = val_loss - train_loss
"""
HISTORY = 'gap = history.history["accuracy"][-1] - history.history["val_accuracy"][-1]\n'


@pytest.mark.parametrize("text", [FUNCTIONS.format(train_acc="train_acc"), SUMMED, HISTORY])
def test_differences_to_scores_of_the_loop_are_found(text):
    assert len(read(RULE, HEAD + text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        FUNCTIONS.format(train_acc="train_acc").replace("train(loader)\nval", "evaluate(loader)\nval"),
        SUMMED.replace("gap = val_loss - train_loss\n", "drop = first_loss - train_loss\n"),
        'drop = history.history["loss"][0] - history.history["loss"][-1]\n',
    ],
)
def test_other_differences_are_silent(text):
    assert read(RULE, HEAD + text) == []


def test_a_network_without_dropout_is_silent():
    assert read(RULE, (HEAD + HISTORY).replace("nn.Dropout(0.5)", "nn.Dropout(0.0)")) == []


OTHER_LAYERS = [
    "nn.Dropout2d({rate})",
    "nn.FeatureAlphaDropout(p={rate})",
    "nn.LSTM(4, 4, 2, dropout={rate})",
    "nn.MultiheadAttention(4, 2, {rate})",
    "nn.TransformerEncoderLayer(4, 2, 8, {rate})",
    "nn.functional.dropout(x, {rate})",
    "nn.functional.dropout3d(x, p={rate})",
    "nn.functional.alpha_dropout(x, {rate}, training=model.training)",
    "nn.functional.scaled_dot_product_attention(q, k, v, dropout_p={rate})",
    "keras.layers.Dropout({rate})",
    "keras.layers.Dropout(rate={rate})",
    "keras.layers.AlphaDropout({rate})",
    "keras.layers.GaussianDropout(rate={rate})",
    "keras.layers.SpatialDropout2D({rate})",
    "keras.layers.LSTM(8, dropout={rate})",
    "keras.layers.GRU(8, recurrent_dropout={rate})",
    "keras.layers.MultiHeadAttention(2, 8, dropout={rate})",
    "tf.keras.layers.Dropout({rate})",
    "timm.layers.DropPath(drop_prob={rate})",
    "torchvision.ops.StochasticDepth({rate}, 'row')",
]


@pytest.mark.parametrize("layer", OTHER_LAYERS)
def test_every_layer_that_drops_counts_at_its_own_rate(layer):
    head = "import torch, keras, timm, torchvision\nimport tensorflow as tf\nfrom torch import nn\n"
    assert len(read(RULE, f"{head}layer = {layer.format(rate=0.3)}\n{HISTORY}")) == 1
    assert len(read(RULE, f"{head}layer = {layer.format(rate='rate')}\n{HISTORY}")) == 1
    assert read(RULE, f"{head}layer = {layer.format(rate=0.0)}\n{HISTORY}") == []


def test_layers_drop_what_they_drop_by_default():
    head = "import torch, keras\nfrom torch import nn\n"
    for layer in ("nn.Dropout1d()", "nn.functional.dropout2d(x)", "nn.Transformer()"):
        assert len(read(RULE, f"{head}layer = {layer}\n{HISTORY}")) == 1
    for layer in ("nn.LSTM(4, 4)", "nn.functional.alpha_dropout(x)", "keras.layers.LSTM(8)", "keras.layers.Dense(8)"):
        assert read(RULE, f"{head}layer = {layer}\n{HISTORY}") == []
    assert read(RULE, f"{head}layer = nn.functional.dropout(x, 0.5, False)\n{HISTORY}") == []
