"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "torch.optim.swa_utils.update_bn(train_loader, averaged)  # once, when all is averaged"
