"""What Keras' losses are told: whether they expect logits or probabilities."""

from __future__ import annotations

import re

from bridle_audit.static.facts.calls import Call

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
    """What a loss is by its name and by what it takes; None for one that is not known, or where that cannot be told."""
    kinds = KINDS.get(word.lower().replace("_", ""))
    takes_logits = constructor.value(None, "from_logits", False)
    if kinds is None or not isinstance(takes_logits, bool):
        return None
    return kinds[0] if takes_logits else kinds[1]
