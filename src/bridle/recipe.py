"""A regularizer, and a recipe: an ordered set of regularizers.

>>> from bridle import Dropout, Recipe, WeightDecay
>>> recipe = Dropout(rate=0.2) + WeightDecay(strength=0.01)
>>> print(recipe)
Dropout(rate=0.2) + WeightDecay(strength=0.01)
>>> Recipe.parse(str(recipe)) == recipe
True
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from bridle.knobs import check, knobs

NONE = "none"
LONGEST_SHOWN = 120  # characters of a text that an error repeats

# Note [the order of a recipe]
# Regularizers act in the order of the seven places of a training step (see places.py), whatever order they were
# written in; within one place, in the order written. So `a + b == b + a` where the places differ.
PLACES = ("batch", "layer", "loss", "gradient", "weight", "average", "stop")


@dataclass(frozen=True, repr=False)
class Regularizer:
    """What every regularizer has: checked knobs, ``+``, a repr that reads back, and a JSON form.

    The leaves are found by name when a recipe is parsed, a user's own among them.
    """

    place: ClassVar[str]
    leaves: ClassVar[dict[str, type[Regularizer]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "place" not in vars(cls):  # the abstract bases are those that say their place
            Regularizer.leaves[cls.__name__] = cls

    def __post_init__(self) -> None:
        check(self)
        for declared in knobs(self):
            if declared.is_number:  # 1 and 1.0 are one setting and must print and hash alike
                object.__setattr__(self, declared.name, float(getattr(self, declared.name)))

    def __add__(self, other: Regularizer | Recipe) -> Recipe:
        return Recipe((self,)) + other

    def __repr__(self) -> str:
        # What can be off is the strength of a method and is always said; the rest where it is not the default.
        shown = [k for k in knobs(self) if k.off is not None or getattr(self, k.name) != k.default]
        return f"{type(self).__name__}({', '.join(f'{k.name}={getattr(self, k.name)!r}' for k in shown)})"

    @property
    def is_off(self) -> bool:
        """Whether some knob stands at the value at which this regularizer does nothing."""
        return any(k.off is not None and getattr(self, k.name) == k.off for k in knobs(self))

    def settings(self, *, numbers: bool) -> dict[str, Any]:
        """The knobs that are numbers (which the formulas take), or those that are words (which say where)."""
        return {k.name: getattr(self, k.name) for k in knobs(self) if k.is_number == numbers}

    def to_json(self) -> dict[str, Any]:
        """``{"name": "L2", "strength": 0.001, "on": "matrices"}``; read back by :func:`from_json`."""
        return {"name": type(self).__name__, **{k.name: getattr(self, k.name) for k in knobs(self)}}


@dataclass(frozen=True, repr=False)
class Recipe:
    """An ordered set of regularizers; ``Recipe()`` is "none".

    Raises ``ValueError`` where the same regularizer is asked for twice in the same spot.
    """

    regularizers: tuple[Regularizer, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "regularizers", tuple(sorted(self.regularizers, key=lambda r: PLACES.index(r.place))))
        spots = [(type(r).__name__, tuple(r.settings(numbers=False).values())) for r in self.regularizers]
        for name, spot in spots:
            if spots.count((name, spot)) > 1:
                where = f" at {', '.join(spot)!r}" if spot else ""
                raise ValueError(f"{name} stands twice in one recipe{where}; give it once, with the value you mean")

    def __add__(self, other: Regularizer | Recipe) -> Recipe:
        if isinstance(other, Regularizer):
            return Recipe((*self.regularizers, other))
        if isinstance(other, Recipe):
            return Recipe(self.regularizers + other.regularizers)
        return NotImplemented

    def __iter__(self) -> Iterator[Regularizer]:
        return iter(self.regularizers)

    def __len__(self) -> int:
        return len(self.regularizers)

    def __bool__(self) -> bool:
        # An empty recipe is still a recipe: `if recipe` must not mean `if it has members`.
        return True

    def __str__(self) -> str:
        return " + ".join(map(repr, self.regularizers)) or NONE

    def __repr__(self) -> str:
        return f"Recipe.parse({str(self)!r})"

    def at(self, place: str) -> tuple[Regularizer, ...]:
        """The regularizers that act at one of the seven places."""
        return tuple(r for r in self.regularizers if r.place == place)

    def to_json(self) -> list[dict[str, Any]]:
        """A list of the regularizers' JSON forms, in order."""
        return [r.to_json() for r in self.regularizers]

    @classmethod
    def from_json(cls, data: list[Mapping[str, Any]]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for an unknown name or a bad knob."""
        return cls(tuple(from_json(item) for item in data))

    @classmethod
    def of(cls, recipe: Recipe | Regularizer | str | None) -> Recipe:
        """Whatever a user may mean by a recipe: a recipe, one regularizer, a text, or ``None``."""
        if isinstance(recipe, Recipe):
            return recipe
        if isinstance(recipe, Regularizer):
            return cls((recipe,))
        if recipe is None:
            return cls()
        if isinstance(recipe, str):
            return cls.parse(recipe)
        raise ValueError(
            f"a recipe is text such as 'Dropout(rate=0.2)', a regularizer, a sum of regularizers or None, "
            f"got {type(recipe).__name__}"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"Dropout(rate=0.2) + WeightDecay(strength=0.01)"`` or ``"none"``; nothing is evaluated.

        Raises ``ValueError`` with the nearest known name, the knobs there are, or what could not be read.
        """
        if text.strip().lower() == NONE:
            return cls()
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(unreadable(text)) from error
        return cls(tuple(terms(tree, text)))


def from_json(data: Mapping[str, Any]) -> Regularizer:
    """A regularizer from ``{"name": ..., knob: value, ...}``."""
    settings = dict(data)
    leaf = find(str(settings.pop("name", "")))
    return build(leaf, settings)


def find(name: str) -> type[Regularizer]:
    """The regularizer of that name; ``ValueError`` with the nearest names if there is none."""
    if name in Regularizer.leaves:
        return Regularizer.leaves[name]
    raise ValueError(f"unknown regularizer {shortened(name)}{nearest(name, Regularizer.leaves)}")


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """``"; did you mean ...?"``, or the list of what is known where nothing is near."""
    folded = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(folded[each] for each in close)}?"
    return f"; known are {', '.join(sorted(known))}"


def build(leaf: type[Regularizer], settings: dict[str, Any]) -> Regularizer:
    """``leaf(**settings)``, with a sentence for a knob that it does not have."""
    names = [k.name for k in knobs(leaf)]
    for name in settings:
        if name not in names:
            raise ValueError(f"{leaf.__name__} has no knob {shortened(name)}{nearest(name, names)}")
    return leaf(**settings)


def terms(tree: ast.expr, text: str) -> Iterator[Regularizer]:
    """The regularizers of a sum, left to right."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            nodes += [node.right, node.left]
        elif isinstance(node, ast.Name | ast.Call):
            yield term(node, text)
        else:
            raise ValueError(unreadable(text))


def term(node: ast.Name | ast.Call, text: str) -> Regularizer:
    """One regularizer: ``Dropout``, ``Dropout(0.2)`` or ``Dropout(rate=0.2)``."""
    if isinstance(node, ast.Name):
        return find(node.id)()
    if not isinstance(node.func, ast.Name):
        raise ValueError(unreadable(text))
    leaf = find(node.func.id)
    names = [k.name for k in knobs(leaf)]
    if len(node.args) > len(names) or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError(f"{unreadable(text)}; {leaf.__name__} has the knobs {', '.join(names)}")
    given = [*zip(names, node.args, strict=False), *((str(k.arg), k.value) for k in node.keywords)]
    settings: dict[str, Any] = {}
    for name, value in given:
        if name in settings:
            raise ValueError(f"{leaf.__name__}: {name} is given twice in {shortened(text)}")
        settings[name] = literal(value, text)
    return build(leaf, settings)


def literal(node: ast.expr, text: str) -> Any:
    """A number or a quoted word."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        value = ast.get_source_segment(text.strip(), node) or ""
        raise ValueError(f"{unreadable(text)}; {shortened(value)} is neither a number nor a quoted word") from error


def unreadable(text: str) -> str:
    """The sentence for a recipe that is not one."""
    form = "'Dropout(rate=0.2) + WeightDecay(strength=0.01)' or 'none'"
    return f"cannot read the recipe {shortened(text)}; write it as {form}"


def shortened(text: str) -> str:
    """The text in quotes, cut where it would fill the screen."""
    return repr(text) if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]!r}... ({len(text)} characters)"
