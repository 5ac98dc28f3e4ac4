"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = (
    "model.eval()\n"
    "with torch.no_grad():\n"
    "    train_loss = loss(model(x_train), y_train)  # the rows once more, as the validation rows are scored"
)
