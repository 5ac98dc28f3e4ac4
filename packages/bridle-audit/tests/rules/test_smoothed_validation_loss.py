"""smoothed-validation-loss: in loops, in functions that are named so, and in frameworks with one loss for both."""

from __future__ import annotations

import pytest
from probing import line_of, read

RULE = "smoothed-validation-loss"
HEAD = "import torch\nimport keras\nfrom torch import nn\nfrom transformers import TrainingArguments\n"
LOSS = "model = nn.Linear(5, 10)\ncriterion = nn.CrossEntropyLoss(label_smoothing=0.1)\n"
KERAS = """
model = keras.Sequential([keras.layers.Dense(5, activation="softmax")])
model.compile(loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
"""


def test_the_floor_is_in_the_message():
    (found,) = read(RULE, HEAD + LOSS + "with torch.no_grad():\n    loss = criterion(model(x), y)\n")
    assert "0.500" in found.message and line_of(found) == 8


@pytest.mark.parametrize(
    "text",
    [
        LOSS + "def validate(x, y):\n    return criterion(model(x), y)\n",
        KERAS + "model.fit(x, y, validation_split=0.1)\n",
        'TrainingArguments("out", label_smoothing_factor=0.1, eval_strategy="epoch")\n',
    ],
)
def test_other_forms_of_validation(text):
    assert len(read(RULE, HEAD + text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        LOSS + "criterion(model(x), y).backward()\n",
        LOSS + "with torch.no_grad():\n    loss = nn.CrossEntropyLoss()(model(x), y)\n",
        KERAS + "model.fit(x, y)\n",
        'TrainingArguments("out", label_smoothing_factor=0.1)\n',
        'TrainingArguments("out", eval_strategy="epoch")\n',
    ],
)
def test_training_alone_or_no_smoothing_is_silent(text):
    assert read(RULE, HEAD + text) == []
