from __future__ import annotations

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridle.data import load
from bridle.data.pickles import MOST_STEPS, PickledArray, unpickle

X = np.arange(24, dtype=np.float32).reshape(6, 4) / 256
Y = np.array([0, 1, 0, 1, 0, 1])
NOTEBOOK = ((X, Y), (X[:2] + 1, Y[:2]), (X[:3] + 2, Y[:3]))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("packed", [False, True])
def test_the_notebooks_layout_is_read_in_every_protocol(tmp_path: Path, protocol: int, packed: bool) -> None:
    data = pickle.dumps(NOTEBOOK, protocol=protocol)
    path = tmp_path / ("mnist.pkl" + ".gz" * packed)
    path.write_bytes(gzip.compress(data) if packed else data)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.x_train, X)
    np.testing.assert_array_equal(loaded.y_train, Y)
    np.testing.assert_array_equal(loaded.x_test, X[:3] + 2)
    assert loaded.name == "mnist"


def python2(array: np.ndarray) -> bytes:
    """An array as Python 2 pickled it in protocol 2: NumPy's old module path, its bytes as a string."""
    order, code = array.dtype.byteorder, array.dtype.str[1:].encode()
    order = "<" if order == "=" else order
    raw = array.tobytes()
    shape = b"".join(b"M" + struct.pack("<H", size) for size in array.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R("
        b"K\x01(" + shape + b"tcnumpy\ndtype\nU\x02" + code + b"K\0K\x01\x87R("
        b"K\x03U\x01" + order.encode() + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T"
        + struct.pack("<i", len(raw)) + raw + b"tb"
    )  # fmt: skip


def test_a_pickle_of_python_2_is_read() -> None:
    data = b"\x80\x02" + python2(X) + python2(Y) + b"\x86."
    assert pickle.loads(data, encoding="latin1")[1].tolist() == Y.tolist()  # the test's own file is a right one
    x, y = unpickle(data, "old")
    np.testing.assert_array_equal(x.array, X)
    np.testing.assert_array_equal(y.array, Y)


@pytest.mark.parametrize("array", [np.asfortranarray(X), X.astype(">f8"), Y.astype(bool), X[:0], Y.astype(np.uint8)])
@pytest.mark.parametrize("protocol", [2, 5])
def test_order_and_type_of_arrays_survive(array: np.ndarray, protocol: int) -> None:
    read = unpickle(pickle.dumps(array, protocol=protocol), "one").array
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


class Hostile:
    """Makes a file when it is unpickled in the ordinary way."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("inside", [False, True])
def test_a_hostile_pickle_executes_nothing_and_is_refused(tmp_path: Path, protocol: int, inside: bool) -> None:
    trace = tmp_path / "trace"
    hostile: Any = Hostile(trace)
    data = pickle.dumps((*NOTEBOOK, hostile) if inside else hostile, protocol=protocol)
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(ValueError, match=r"refused .*: it asks for \w+\.system, only NumPy arrays are admitted"):
        load(path)
    assert not trace.exists()
    pickle.loads(data)
    assert trace.exists()  # the file was a dangerous one


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"c__builtin__\neval\n(S'1+1'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"c_codecs\ndecode\n(S'x'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'bz2'\ntR.",
        b"cnumpy\nndarray\n(K\x05tR.",
        b"cnumpy\nndarray\n}S'a'\nK\x01sb.",  # setting attributes on the stand-ins themselves
        b"cnumpy\ndtype\n}S'a'\nK\x01sb.",
        b"c_codecs\nencode\n}S'a'\nK\x01sb.",
        b"cnumpy.core.multiarray\n_reconstruct\n}S'a'\nK\x01sb.",
        b"cnumpy\ndtype.__init__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
        b"\x82\x01.",  # a registered extension
        b"Pname\n.",  # a persistent name
        b"",
        b"not a pickle",
        pickle.dumps(NOTEBOOK)[:-20],
        pickle.dumps(np.array([{}, None]), protocol=2),
        pickle.dumps(np.array([{}, None]), protocol=5),
        pickle.dumps(np.array(["words"])),
        pickle.dumps(np.zeros(2, dtype=[("a", "f4")])),
        pickle.dumps(np.float64(1.0)),
    ],
)
def test_other_programs_and_objects_are_refused(program: bytes) -> None:
    with pytest.raises(ValueError, match=r"this was refused as a pickle of arrays: .+"):
        unpickle(program, "this")
    assert not hasattr(PickledArray, "a")


def test_a_pickle_may_not_remember_or_do_more_than_a_few_arrays_need() -> None:
    small = pickle.dumps([[number] for number in range(2_000)])
    assert len(unpickle(small, "this")) == 2_000
    remembering = b"\x80\x02K\x01r" + struct.pack("<I", MOST_STEPS) + b"."  # LONG_BINPUT
    for program in (remembering, pickle.dumps([[number] for number in range(4_000)])):
        with pytest.raises(ValueError, match=r"this was refused .*: it has more than 10000 steps"):
            unpickle(program, "this")


@pytest.mark.parametrize(
    "program",
    [
        b"c_codecs\nencode\n(X\x01\0\0\0a%stR.",
        b"cnumpy\ndtype\n(%stR.",
        b"cnumpy\ndtype\n(X\x02\0\0\0f4tR(K\x03%stb.",
        b"cnumpy.core.numeric\n_frombuffer\n(X\x04\0\0\0abcdcnumpy\ndtype\n(X\x02\0\0\0f4tR%sX\x01\0\0\0CtR.",
    ],
)
def test_what_is_no_text_or_shape_is_not_written_out(program: bytes) -> None:
    nested = b")" + b"2\x86" * 12  # a tuple of two, twelve times over: four thousand in print
    try:
        found = str(unpickle(program % nested, "this"))
    except ValueError as error:
        found = str(error)
    assert len(found) < 200


def test_an_array_whose_bytes_do_not_fit_is_refused() -> None:
    data = b"\x80\x02" + python2(X).replace(b"M\x06\0", b"M\xff\xff") + b"."
    with pytest.raises(ValueError, match=r"an array of shape \(65535, 4\) needs 1048560 bytes and has 96"):
        unpickle(data, "this")


@pytest.mark.parametrize(
    "content",
    [
        NOTEBOOK[:2],
        (NOTEBOOK[0], NOTEBOOK[1], (X,)),
        (X, Y, X),
        {"x": X},
        "text",
        (("a", "b"), ("c", "d"), ("e", "f")),
    ],
)
def test_another_layout_is_refused_with_the_expected_one(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"other.pkl does not have the layout \(\(x_train, y_train\)"):
        load(path)


def test_an_array_made_without_a_state_is_no_data(tmp_path: Path) -> None:
    path = tmp_path / "bare.pkl"
    bare = b"cnumpy.core.multiarray\n_reconstruct\n)\x81"
    path.write_bytes(b"\x80\x02" + (bare + bare + b"\x86") * 3 + b"\x87.")
    with pytest.raises(ValueError, match=r"x_train must have shape"):
        load(path)
