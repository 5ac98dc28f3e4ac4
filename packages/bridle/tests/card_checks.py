"""What the project asks of its own files besides ``bridle.testing``: their form, and a whole card."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from collections.abc import Callable
from pathlib import Path

from bridle import CATALOG
from bridle.card import OPTIONAL, SECTIONS, Conflict, card_of
from bridle.places.base import Placed

Leaf = type[Placed]


def snake_case(name: str) -> str:
    """Return the name of a class's file: ``WeightDecay`` -> ``weight_decay``, ``L2ToInit`` -> ``l2_to_init``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def source_file(leaf: Leaf) -> Path:
    """Return the file in which the class stands."""
    return Path(inspect.getsourcefile(leaf) or "")


def check_file_form(leaf: Leaf) -> None:
    """Check that a file has its regularizer's name, lies in its place's folder and defines vanilla, torch, class."""
    path, name = source_file(leaf), snake_case(leaf.__name__)
    assert path.name == f"{name}.py", f"{leaf.__name__} stands in {path.name}, expected {name}.py"
    assert path.parent.name == leaf.place, f"{path} is not in the folder {leaf.place}"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    form = [f"{name}_vanilla", name, leaf.__name__]
    assert [each for each in defined if each in form] == form, f"{path.name} defines {defined}, expected {form}"
    assert [leaf.vanilla.__name__, leaf.torch.__name__] == form[:2], f"{leaf.__name__} does not use {form[:2]}"


def check_vanilla_is_free_of_torch(leaf: Leaf) -> None:
    """Check that the NumPy form mentions neither torch nor anything imported from it."""
    tree = ast.parse(source_file(leaf).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    forbidden = {"torch", "Tensor"}
    for node in imported:
        module = getattr(node, "module", None) or ""
        forbidden |= {
            alias.asname or alias.name for alias in node.names if (module or alias.name).split(".")[0] == "torch"
        }
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name.endswith("_vanilla"):
            words = set(re.findall(r"\w+", ast.unparse(function)))
            assert not words & forbidden, f"{function.name} mentions {words & forbidden}"


def check_card(leaf: Leaf) -> None:
    """Check that a docstring has one opening sentence and the card's sections, in order, none of them empty."""
    card = card_of(leaf)
    assert card.summary.endswith("."), f"{leaf.__name__}: the card opens with a sentence"
    expected = [each for each in SECTIONS if each in card.headings or each not in OPTIONAL]
    assert list(card.headings) == expected, f"{leaf.__name__} has {card.headings}, expected {expected}"
    for heading, text in card.sections:
        assert text, f"{leaf.__name__}: {heading} is empty"
    assert re.search(r"https?://", card["Paper"]), f"{leaf.__name__}: the paper has no address"
    for conflict in card.conflicts:
        check_conflict(leaf, conflict)


def check_conflict(leaf: Leaf, conflict: Conflict) -> None:
    """Check that a conflict is with regularizers of the catalog, is a sentence, and is stated by one of the two."""
    assert conflict.sentence.endswith("."), f"{leaf.__name__}: {conflict.sentence!r} is no sentence"
    for name in conflict.names:
        assert name in CATALOG, f"{leaf.__name__}: the catalog has no {name}, with which it has a conflict"
        back = [each for entry in card_of(CATALOG[name]).conflicts for each in entry.names]
        assert name == leaf.__name__ or leaf.__name__ not in back, (
            f"{leaf.__name__} and {name} state their conflict twice"
        )
    named = [name for each in card_of(leaf).conflicts for name in each.names]
    assert len(named) == len(set(named)), f"{leaf.__name__} names a regularizer in two conflicts: {named}"


def check_example_shows_it(leaf: Leaf) -> None:
    """Check that a card has an example, which uses the regularizer and prints something."""
    steps = doctest.DocTestParser().get_examples(leaf.__doc__ or "")
    uses = any(leaf.__name__ in step.source for step in steps)
    assert uses and any(step.want for step in steps), f"{leaf.__name__}: no example that prints something"


FILE_CHECKS: tuple[Callable[[Leaf], None], ...] = (
    check_file_form,
    check_vanilla_is_free_of_torch,
    check_card,
    check_example_shows_it,
)
