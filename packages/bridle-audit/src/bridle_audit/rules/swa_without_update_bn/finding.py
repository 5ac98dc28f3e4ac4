"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = "torch.optim.swa_utils.update_bn(train_loader, averaged)  # once, when all is averaged"
