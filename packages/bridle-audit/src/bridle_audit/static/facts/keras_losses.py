"""Keras losses: the kind of loss by its name and ``from_logits``."""

from __future__ import annotations

import re

from bridle_audit.static.facts.calls import Call

__all__ = ["LOSS", "kind_of_loss"]

# What is expected of the outputs: with from_logits=True logits, else probabilities.
KINDS = {
    "categoricalcrossentropy": ("cross_entropy", "nll_probabilities"),
    "sparsecategoricalcrossentropy": ("cross_entropy", "nll_probabilities"),
    "binarycrossentropy": ("bce_logits", "bce"),
    "meansquarederror": ("mse", "mse"),
    "mse": ("mse", "mse"),
}
LOSS = re.compile(r"^keras\.losses\.(?P<word>\w+)$")


def kind_of_loss(word: str, constructor: Call) -> str | None:
    """Return the kind of a loss by its name and arguments; None if it is not known."""
    kinds = KINDS.get(word.lower().replace("_", ""))
    takes_logits = constructor.value(None, "from_logits", False)
    if kinds is None or not isinstance(takes_logits, bool):
        return None
    return kinds[0] if takes_logits else kinds[1]
