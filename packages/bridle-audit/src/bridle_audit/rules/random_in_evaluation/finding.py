"""Shared by the checks of this rule."""

from __future__ import annotations

DROPOUT = "h = F.dropout(h, rate, training=self.training)"
ATTENTION = "F.scaled_dot_product_attention(q, k, v, dropout_p=rate if self.training else 0.0)"
