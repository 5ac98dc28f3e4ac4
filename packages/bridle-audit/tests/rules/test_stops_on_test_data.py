"""stops-on-test-data: how much luck there is in the best of many epochs, and what speaks of test data."""

from __future__ import annotations

import pytest
import torch
from probing import read
from torch import nn

RULE = "stops-on-test-data"


def test_of_coin_flips_the_best_epoch_is_right_more_often_than_the_last():
    best, last = [], []
    for seed in range(20):
        torch.manual_seed(seed)
        x, y = torch.randn(200, 20), torch.randint(2, (200,))
        x_test, y_test = torch.randn(100, 20), torch.randint(2, (100,))
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        scores = []
        for _ in range(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                scores.append(float((model(x_test).argmax(1) == y_test).double().mean()))
        best.append(max(scores))
        last.append(scores[-1])
    assert sum(best) / 20 == pytest.approx(0.56, abs=0.015)
    assert sum(last) / 20 == pytest.approx(0.49, abs=0.015)


HEAD = """
import torch, keras, lightning, copy
from torch import nn
from transformers import EarlyStoppingCallback, Trainer
"""
CIFAR = """
def test(epoch):
    global best_acc
    correct = total = 0
    for x, y in testloader:
        correct += (net(x).argmax(1) == y).sum().item()
        total += len(y)
    acc = 100.0 * correct / total
    if acc > best_acc:
        torch.save(net.state_dict(), "ckpt.pth")
        best_acc = acc
"""
LOOP = """
for epoch in range(10):
    train(model)
    loss, accuracy = evaluate(model, {loader})
    if accuracy > best_accuracy:
        best_accuracy = accuracy
        best_state = copy.deepcopy(model.state_dict())
"""
KERAS = "model.fit(x_train, y_train, validation_data={data}, callbacks=[keras.callbacks.EarlyStopping(patience=3)])\n"
TRAINER = 'Trainer(model, args, eval_dataset=data["{split}"], callbacks=[EarlyStoppingCallback()])\n'


@pytest.mark.parametrize(
    "text",
    [
        CIFAR,
        LOOP.format(loader="test_loader"),
        LOOP.format(loader="data.testLoader"),
        KERAS.format(data="(x_test, y_test)"),
        TRAINER.format(split="test"),
    ],
)
def test_choices_on_test_data_are_found(text):
    assert len(read(RULE, HEAD + text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        CIFAR.replace("testloader", "valloader"),
        LOOP.format(loader="val_loader"),
        LOOP.format(loader="loader"),
        LOOP.format(loader="latest"),
        LOOP.format(loader="test_loader").replace("best_", "this_"),  # nothing is noted
        KERAS.format(data="(x_val, y_val)"),
        KERAS.format(data="(x_test, y_test)").replace("EarlyStopping(patience=3)", "CSVLogger('log')"),
        TRAINER.format(split="validation"),
        TRAINER.format(split="test").replace(", callbacks=[EarlyStoppingCallback()]", ""),
        "x_train, x_val = train_test_split(x)\n" + LOOP.format(loader="x_val"),
    ],
)
def test_choices_on_other_data_and_mere_scores_are_silent(text):
    assert read(RULE, HEAD + text) == []


NAMED = """
for epoch in range(10):
    train(model)
    {score} = evaluate(model, test_loader)
    if {score} > best_score:
        best_score = {score}
        {keep}
"""
KEEP = "best_state = copy.deepcopy(model.state_dict())"


@pytest.mark.parametrize("score", ["eval_acc", "evaluation", "device_acc", "interval_score", "strain_error", "value"])
def test_a_name_within_which_another_split_happens_to_stand_says_nothing(score):
    assert len(read(RULE, HEAD + NAMED.format(score=score, keep=KEEP))) == 1


@pytest.mark.parametrize(
    "score", ["val_acc", "valid_score", "validation_f1", "devAcc", "dev_score", "train_acc", "valacc"]
)
def test_a_name_that_speaks_of_another_split_is_believed(score):
    assert read(RULE, HEAD + NAMED.format(score=score, keep=KEEP)) == []


@pytest.mark.parametrize(("keep", "count"), [("save(model)", 1), ("saver.keep(model)", 1), ("plt.savefig(path)", 0)])
def test_weights_are_kept_by_what_is_called_saving(keep, count):
    assert len(read(RULE, HEAD + NAMED.format(score="accuracy", keep=keep))) == count
