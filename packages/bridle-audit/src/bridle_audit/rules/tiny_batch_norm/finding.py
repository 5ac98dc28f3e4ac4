"""Shared by the checks of this rule."""

from __future__ import annotations

DROP = "DataLoader(data, batch_size=32, shuffle=True, drop_last=True)  # no small batch at the end"
FEW = "with at most 2 rows in a batch its statistics are those of hardly more than one row"
GROUPS = "nn.GroupNorm(32, channels)  # in place of batch norm: it does not need the other rows"
