"""The names of a block's tensors: of the network's own, of what regularizers keep beside them, and of copies."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["ValueName", "Values", "network_tensors"]


class ValueName(NamedTuple):
    """The name of one of a block's tensors.

    ``tensor`` is the parameter or buffer as an ordinary module calls it, `linear1.weight`, `norm1.running_mean`. What a
    regularizer keeps beside it in a shape of its own is a field of it, and may have fields in turn. A copy of either
    is in the same layout as the original, and says whose it is.
    """

    tensor: str
    fields: tuple[str, ...] = ()  # WeightNorm.gain
    copied_by: str = ""  # EMA
    number: int = 0  # of the copy, where one regularizer keeps several

    def __str__(self) -> str:
        """Return the name as patterns see it, and from which the noise is drawn: `linear1.weight@WeightNorm.gain`."""
        return "@".join((self.tensor, *self.fields))

    def field(self, regularizer: object, kind: str) -> ValueName:
        """Return the name of what a regularizer keeps beside it."""
        return self._replace(fields=(*self.fields, f"{type(regularizer).__name__}.{kind}"))

    def copy(self, keeper: str, number: int = 0) -> ValueName:
        """Return the name of a copy of it."""
        return self._replace(copied_by=keeper, number=number)

    @property
    def original(self) -> ValueName:
        """The name of that of which it is a copy, or its own."""
        return self._replace(copied_by="", number=0)


Values = dict[ValueName, Tensor]


def network_tensors(values: Values) -> dict[str, Tensor]:
    """Return those values that an ordinary module has, as it calls them."""
    return {name.tensor: value for name, value in values.items() if not name.fields and not name.copied_by}
