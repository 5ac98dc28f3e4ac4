"""The notebook's ``mnist.pkl.gz``, read by an unpickler that admits NumPy arrays only.

A pickle is a program: it may call whatever it can name. This one can name the few things that a pickled array needs,
and each of those is a stand-in defined here, so nothing of the file's choice is ever called, NumPy's own
reconstruction included. Its steps are counted before it is run, so that it cannot build much from little either.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, Never

import numpy as np

from bridle.data.dataset import Data
from bridle.data.files import content
from bridle.data.own_test_rows import drawn_anew
from bridle.data.splits import DEFAULT, Splits
from bridle.errors import InputError

__all__ = ["read_pickle"]

NUMERIC = re.compile(r"[<>=|]?([biuf][1248])")
MOST_STEPS = 10_000  # of a pickle that is read: one of the layout below has less than 200
MOST_AXES = 8
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")  # remember under a number, for which the unpickler makes a list that long
LAYOUT = "((x_train, y_train), (x_valid, y_valid), (x_test, y_test)) with x of shape (rows, features)"


class PickledType:
    """Stands in for ``numpy.dtype``: a numeric type and its byte order."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        match = NUMERIC.fullmatch(word(code))
        if not match:
            raise pickle.UnpicklingError(f"it holds an array of type {word(code)!r}, only numbers are admitted")
        self.code, self.order = match[1], "|"

    def __setstate__(self, state: Any) -> None:
        order = word(state[1])
        self.order = order if order in ("<", ">") else "|"

    def dtype(self) -> np.dtype[Any]:
        """The type that was meant."""
        return np.dtype(self.order + self.code)


def word(given: object) -> str:
    """A short text of the file; what is none is named by its type, since printing it may take for ever.

    >>> word(b"f4"), word([[]]), word("x" * 99)
    ('f4', 'list', 'xxxxxxxxxxxxxxxxxxxx')
    """
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else given
    return text[:20] if isinstance(text, str) else type(given).__name__


class PickledArray:
    """Stands in for ``_reconstruct``: an array whose bytes arrive with its state."""

    array = np.empty(0, dtype=np.float32)  # what it is without a state

    def __init__(self, subtype: object, shape: object, code: object) -> None:
        """Take what ``_reconstruct`` takes; the state says it all again."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.array = filled(data, kind, shape, "F" if fortran else "C")


class PickledBuffer(PickledArray):
    """Stands in for ``_frombuffer``, which arrays use since pickle protocol 5."""

    def __init__(self, data: object, kind: object, shape: object, order: object) -> None:
        self.array = filled(data, kind, shape, "F" if order == "F" else "C")


class PickledClass:
    """Stands in for ``numpy.ndarray``, which is only ever named."""

    def __init__(self) -> None:
        raise pickle.UnpicklingError("it makes an array in an unknown way")

    def __setstate__(self, state: object) -> Never:
        raise pickle.UnpicklingError("it sets the state of a class")


class PickledBytes:
    """Stands in for ``_codecs.encode`` and for ``bytes``, by which Python 3 writes bytes in old protocols."""

    def __new__(cls, text: object = "", encoding: object = "latin1") -> Any:
        """Make plain bytes."""
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"it encodes as {word(encoding)!r}")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> Never:
        raise pickle.UnpicklingError("it sets the state of bytes")


def filled(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """An array of its own from the bytes of a pickle, after checking that they fit."""
    if isinstance(data, str):
        data = data.encode("latin1")  # the bytes of Python 2, as read with encoding="latin1"
    if not isinstance(data, bytes | bytearray) or not isinstance(kind, PickledType):
        raise pickle.UnpicklingError(f"it holds an array of {type(data).__name__} instead of bytes")
    if not (isinstance(shape, tuple) and len(shape) <= MOST_AXES and all(map(is_size, shape))):
        raise pickle.UnpicklingError("it holds an array whose shape is not a few whole numbers")
    expected = math.prod(shape) * kind.dtype().itemsize
    if len(data) != expected:
        raise pickle.UnpicklingError(f"an array of shape {shape} needs {expected} bytes and has {len(data)}")
    return np.frombuffer(data, dtype=kind.dtype()).reshape(shape, order=order)


def is_size(given: object) -> bool:
    """Return True where an axis can be as long as this."""
    return isinstance(given, int) and 0 <= given < 2**48


STAND_INS = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): PickledArray for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): PickledBuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): PickledClass,
    ("numpy", "dtype"): PickledType,
    ("_codecs", "encode"): PickledBytes,
    ("__builtin__", "bytes"): PickledBytes,
}


class ArrayUnpickler(pickle.Unpickler):
    """Knows NumPy arrays, and what needs no names: tuples, lists, numbers, text."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The stand-in for a name, or ``UnpicklingError``."""
        if (module_name, global_name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, only NumPy arrays are admitted")
        return STAND_INS[module_name, global_name]


def unpickle(data: bytes, source: str) -> Any:
    """Return what the pickle holds, its arrays as :class:`PickledArray`; ``ValueError`` for anything else.

    ``source`` is the name used in errors.
    """
    try:
        check_steps(data)
        return ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a malformed pickle can fail in any way at all
        raise InputError(f"{source} was refused as a pickle of arrays: {str(error) or type(error).__name__}") from error


def check_steps(data: bytes) -> None:
    """Raise ``UnpicklingError`` for a program that is longer, or remembers more, than that of six arrays."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if number >= MOST_STEPS or (opcode.name in MEMO and isinstance(argument, int) and argument >= MOST_STEPS):
            raise pickle.UnpicklingError(f"it has more than {MOST_STEPS} steps, more than a few arrays need")


def read_pickle(path: Path, name: str, task: str | None = None, splits: Splits = DEFAULT) -> Data:
    """The data set of a pickle in the notebook's layout, plain or .gz; its test rows stay what they are."""
    found = unpickle(content(path), str(path))
    if not (isinstance(found, tuple | list) and len(found) == 3 and all(map(is_pair, found))):
        raise InputError(f"{path} does not have the layout {LAYOUT}")
    arrays = [each.array for pair in found for each in pair]
    return drawn_anew(Data(*arrays, task=task, name=name, target="label"), splits)


def is_pair(found: object) -> bool:
    """Return True where this is (x, y)."""
    return isinstance(found, tuple | list) and len(found) == 2 and all(isinstance(x, PickledArray) for x in found)
