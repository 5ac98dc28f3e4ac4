"""Where layers and functions are told the share that they drop, by name."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["drop_rates"]


class DropRate(NamedTuple):
    """The argument of a call that is a rate of dropping, as :meth:`Call.number` takes it."""

    position: int | None  # None: by keyword alone
    keyword: str
    default: float | None = None  # None: it must be given


RECURRENT_KERAS = (DropRate(None, "dropout", 0.0), DropRate(None, "recurrent_dropout", 0.0))
TRANSFORMER_LAYER = (DropRate(3, "dropout", 0.1),)
# The first pattern that the whole name fits decides.
RATES: tuple[tuple[re.Pattern[str], tuple[DropRate, ...]], ...] = tuple(
    (re.compile(pattern), rates)
    for pattern, rates in (
        (r"torch\.nn\.(?:Feature)?(?:Alpha)?Dropout[123]?d?", (DropRate(0, "p", 0.5),)),
        (r"torch\.nn\.functional\.(?:feature_)?(?:alpha_)?dropout[123]?d?_?", (DropRate(1, "p", 0.5),)),
        (r"torch\.(?:feature_)?(?:alpha_)?dropout_?", (DropRate(1, "p"),)),
        (r"torch\.nn\.functional\.scaled_dot_product_attention", (DropRate(4, "dropout_p", 0.0),)),
        (r"torch\.nn\.MultiheadAttention", (DropRate(2, "dropout", 0.0),)),
        (r"torch\.nn\.Transformer(?:Encoder|Decoder)Layer", TRANSFORMER_LAYER),
        (r"torch\.nn\.Transformer", (DropRate(5, "dropout", 0.1),)),
        (r"torch\.nn\.(?:LSTM|GRU|RNN)", (DropRate(None, "dropout", 0.0),)),
        (r"torchvision\.ops\.(?:StochasticDepth|DropBlock[23]d)", (DropRate(0, "p"),)),
        (r"torchvision\.ops\.(?:stochastic_depth|drop_block[23]d)", (DropRate(1, "p"),)),
        (r"timm\.layers\.DropPath", (DropRate(0, "drop_prob", 0.0),)),
        (r"timm\.layers\.DropBlock2d", (DropRate(0, "drop_prob", 0.1),)),
        (r"timm\.layers\.drop_path", (DropRate(1, "drop_prob", 0.0),)),
        (r"timm\.layers\.drop_block_2d", (DropRate(1, "drop_prob", 0.1),)),
        (r"keras\.layers\.(?:Alpha|Gaussian|Spatial)?Dropout[123]?D?", (DropRate(0, "rate"),)),
        (r"keras\.layers\.(?:LSTM|GRU|SimpleRNN|ConvLSTM[123]D|(?:LSTM|GRU|SimpleRNN)Cell)", RECURRENT_KERAS),
        (r"keras\.layers\.(?:MultiHead|GroupQuery)Attention", (DropRate(3, "dropout", 0.0),)),
        (r"keras\.layers\.(?:Additive)?Attention", (DropRate(None, "dropout", 0.0),)),
        (r"(?:keras\.random|tensorflow\.nn)\.(?:alpha_)?dropout", (DropRate(1, "rate"),)),
    )
)


def drop_rates(name: str) -> tuple[DropRate, ...]:
    """Return the arguments of a layer or function that are rates of dropping; none for what drops nothing.

    >>> drop_rates("torch.nn.functional.dropout2d"), drop_rates("keras.layers.Dropout"), drop_rates("torch.nn.Linear")
    ((DropRate(position=1, keyword='p', default=0.5),), (DropRate(position=0, keyword='rate', default=None),), ())
    """
    return next((rates for pattern, rates in RATES if pattern.fullmatch(name)), ())
