"""state-not-saved: averages and schedules that are saved in some way, or not."""

from __future__ import annotations

import pytest
from probing import line_of, read

RULE = "state-not-saved"
HEAD = """
import torch
from torch.optim.swa_utils import AveragedModel
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
AVERAGE = """
ema = AveragedModel(model)
ema.update_parameters(model)
print(evaluate(ema.module))
"""
SCHEDULE = """
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
scheduler.step()
"""
SAVE = 'torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt")\n'
LOAD = 'state = torch.load("last.pt")\noptimizer.load_state_dict(state["optimizer"])\n'


def test_an_average_of_which_nothing_is_saved_is_found():
    text = HEAD + AVERAGE.replace("print(evaluate(ema.module))\n", "ema.eval()\nz = ema(x)\n") + SAVE
    (found,) = read(RULE, text)
    assert found.where == "ema" and "torch.save" in text.splitlines()[line_of(found) - 1]


def test_a_schedule_is_found_where_the_optimizer_is_loaded():
    assert len(read(RULE, HEAD + SCHEDULE + SAVE + LOAD)) == 1
    assert read(RULE, HEAD + SCHEDULE + SAVE) == []


@pytest.mark.parametrize(
    "text",
    [
        HEAD + AVERAGE + SAVE.replace('"model"', '"ema": ema.state_dict(), "model"'),
        HEAD + AVERAGE + 'torch.save(ema.module.state_dict(), "ema.pt")\n' + SAVE,
        HEAD + AVERAGE + "save_checkpoint(model, ema, optimizer)\n" + SAVE,
        HEAD + AVERAGE + "held = {'ema': ema}\n" + SAVE,
        HEAD + AVERAGE + 'torch.save(model.state_dict(), "model.pt")\n',
        HEAD + SCHEDULE.replace("100)", "100, last_epoch=start)") + SAVE + LOAD,
        HEAD + SCHEDULE + SAVE.replace("model.state_dict()", "model.state_dict(), 's': scheduler.state_dict()") + LOAD,
        HEAD + SCHEDULE + LOAD,
    ],
)
def test_what_is_saved_handed_on_or_no_checkpoint_is_silent(text):
    assert read(RULE, text) == []
