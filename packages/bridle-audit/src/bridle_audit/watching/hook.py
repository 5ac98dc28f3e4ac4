"""A hook that stays behind when its module is copied or saved."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any


class Hook:
    """What is called before a module's forward; in a copy or a file of the module, something that does nothing.

    A copy (``AveragedModel`` makes one) is not the model that is watched, and a model that was saved whole within must
    load where there is no bridle. So a copy of a hook is ``nullcontext().__exit__``: it takes any arguments, returns
    None, and is in every Python.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")
