"""A hook that is left out when its module is copied or saved."""

from __future__ import annotations

from contextlib import nullcontext

__all__ = ["Hook"]


class Hook:
    """A callable to run before a module's forward; a copy or a saved file of the module has a no-op in its place.

    A copy (``AveragedModel`` makes one) is not the model that is watched, and a model that was saved whole within must
    load where there is no bridle. So a copy of a hook is ``nullcontext().__exit__``: it takes any arguments, returns
    None, and is in every Python.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (nullcontext(), "__exit__")
