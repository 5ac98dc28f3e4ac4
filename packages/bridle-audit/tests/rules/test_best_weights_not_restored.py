"""best-weights-not-restored: the numbers of its example, the frameworks' defaults, and states that are no copies."""

from __future__ import annotations

import pytest
import torch
from page_code import run_page
from probing import read
from torch import nn

RULE = "best-weights-not-restored"


def test_the_weights_that_are_left_are_worse_than_the_best():
    def left(part):
        names = run_page(RULE, part)
        with torch.no_grad():
            return names["best"], nn.functional.cross_entropy(names["model"](names["x_valid"]), names["y_valid"]).item()

    best, last = left("Example")
    assert (best, last) == (pytest.approx(0.66, abs=0.01), pytest.approx(0.87, abs=0.02))
    best, restored = left("Use instead")
    assert restored == pytest.approx(best, abs=1e-6)


HEAD = """
import torch, keras, skorch, copy
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
"""
LOOP = """
best = float("inf")
for epoch in range(100):
    criterion(model(x), y).backward()
    loss = validate(model)
    if loss < best:
        best, bad = loss, 0{keep}
    else:
        bad += 1
        if bad > patience:
            break
"""
STATE = """
best_state = None
for epoch in range(100):
    criterion(model(x), y).backward()
    if validate(model) < best:
        best_state = {state}
model.load_state_dict(best_state)
"""


@pytest.mark.parametrize(
    "text",
    [
        "stop = keras.callbacks.EarlyStopping(patience=3)\n",
        "stop = skorch.callbacks.EarlyStopping(patience=3)\n",
        'trainer = pl.Trainer(callbacks=[EarlyStopping("val_loss")])\n',
        'trainer = pl.Trainer(callbacks=[EarlyStopping("val_loss")])\ntrainer.test(model, ckpt_path=["a.ckpt"])\n',
        LOOP.format(keep=""),
        STATE.format(state="model.state_dict()"),
    ],
)
def test_the_last_weights_are_found(text):
    assert len(read(RULE, HEAD + text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)\n",
        'c = [keras.callbacks.EarlyStopping(), keras.callbacks.ModelCheckpoint("b.keras", save_best_only=True)]\n',
        "stop = keras.callbacks.EarlyStopping(**options)\n",
        "stop = skorch.callbacks.EarlyStopping(load_best=True)\n",
        "c = [skorch.callbacks.EarlyStopping(), skorch.callbacks.Checkpoint()]\n",
        'trainer = pl.Trainer(callbacks=[EarlyStopping("val_loss"), ModelCheckpoint(monitor="val_loss")])\n',
        LOOP.format(keep='\n        torch.save(model.state_dict(), "best.pt")'),
        LOOP.format(keep="").replace("bad > patience", "epoch > 50"),
        STATE.format(state="copy.deepcopy(model.state_dict())"),
        STATE.format(state="{name: each.clone() for name, each in model.state_dict().items()}"),
    ],
)
def test_the_best_weights_are_silent(text):
    assert read(RULE, HEAD + text) == []


def test_a_state_dict_is_no_copy():
    model = nn.Linear(1, 1)
    state = model.state_dict()
    nn.init.constant_(model.weight, 7.0)
    assert state["weight"].item() == 7.0
