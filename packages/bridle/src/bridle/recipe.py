"""A regularizer, and a recipe: an ordered set of regularizers.

>>> from bridle import Dropout, Recipe, WeightDecay
>>> recipe = Dropout(rate=0.2) + WeightDecay(strength=0.01)
>>> print(recipe)
Dropout(rate=0.2) + WeightDecay(strength=0.01)
>>> Recipe.parse(str(recipe)) == recipe
True

Strengths may differ from layer to layer and change as the training passes (:mod:`bridle.schedules`), in text as well:

>>> print(Recipe.parse("Dropout(rate={'0': 0.1, '*': linear(0, 0.3)})").to_toml())
[[regularizer]]
name = "Dropout"
rate = { "per layer" = { 0 = 0.1, "*" = { schedule = "linear", start = 0.0, end = 0.3 } } }
at = "hidden"
<BLANKLINE>
"""

from __future__ import annotations

import itertools
import json
import tomllib
from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from bridle.card import DOUBTFUL, REFUSED, Conflict, card_of
from bridle.errors import InputError
from bridle.knobs import KnobMeta, check_knobs, knobs, layer_values
from bridle.name_suggestions import check_names, suggestion
from bridle.schedules import LAST, SCHEDULES, Schedule
from bridle.serialization import Term, from_plain, json_number, names_in, parse_terms, to_plain, toml_table
from bridle_audit.atomic_files import read_whole, write_whole
from bridle_audit.wording import nearest, shortened

__all__ = ["PLACES", "Recipe", "RecipeLike", "Regularizer", "conflicts", "find_regularizer", "regularizer_from_json"]

NONE = "none"
CATALOG_PACKAGE = "bridle.regularizers."
LONGEST_LINE = 100  # of Python that is printed

# Note [the order of a recipe]
# Regularizers act in the order of the seven places of a training step (see places/__init__.py), whatever order they
# were written in; within one place, in the order written. So `a + b == b + a` where the places differ.
PLACES = ("batch", "layer", "loss", "gradient", "weight", "average", "stop")


@dataclass(frozen=True, repr=False)
class Regularizer(metaclass=KnobMeta):
    """Base of all regularizers: checked knobs, ``+``, a repr that reads back, and a JSON form.

    The leaves are found by name when a recipe is parsed, a user's own among them.
    """

    place: ClassVar[str]
    known_as: ClassVar[tuple[str, ...]] = ()  # what other libraries and papers call the method
    matrix: ClassVar[bool] = False  # parameters come as (outputs, inputs, positions), whatever the layer
    maps: ClassVar[bool] = False  # activations come as (batch, channels, height, width)
    classes_only: ClassVar[bool] = False  # targets must be probabilities of classes
    images_only: ClassVar[bool] = False  # rows must be images
    fresh_noise: ClassVar[bool] = False  # a second pass sees other noise
    reestimates: ClassVar[bool] = False  # running statistics are measured anew for averaged weights
    noise: ClassVar[tuple[object, ...]] = ()  # the random arrays that the formulas take
    extra_inputs: ClassVar[tuple[str, ...]] = ()  # what the formulas take besides, by position
    step_inputs: ClassVar[tuple[str, ...]] = ()  # and by keyword
    # What the base of each kind answers to those who set a training up, so that they need not know the kinds by name.
    in_network: ClassVar[bool] = False  # is called in the forward pass, by a module or a hook
    on_parameters: ClassVar[bool] = False  # acts on parameters
    on_outputs: ClassVar[bool] = False  # takes the outputs of the network, logits where there are classes
    several_networks: ClassVar[bool] = False  # leaves several networks behind, which predict together
    second_pass: ClassVar[bool] = False  # has the batch of a step passed through the network a second time
    registry: ClassVar[dict[str, type[Regularizer]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "place" in vars(cls) and cls.place not in ("", *PLACES):
            raise InputError(f"{cls.__name__}: there is no place {cls.place!r}{nearest(str(cls.place), list(PLACES))}")
        if "place" not in vars(cls) and ABC not in cls.__bases__:  # the others are bases
            check_name_is_free(cls)
            Regularizer.registry[cls.__name__] = cls

    def __new__(cls, *values: object, **settings: object) -> Self:
        """Refuse a knob that there is not, with what it is called here, before Python does without."""
        del values
        check_decorated(cls)
        check_names(cls, settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_knobs(self)

    def __add__(self, other: Regularizer | Recipe) -> Recipe:
        return Recipe((self,)) + other

    def __repr__(self) -> str:
        # What can be off is the strength of a method and is always said; the rest where it is not the default.
        shown = [k for k in knobs(self) if k.off is not None or getattr(self, k.name) != k.default]
        return f"{type(self).__name__}({', '.join(f'{k.name}={getattr(self, k.name)!r}' for k in shown)})"

    @property
    def is_off(self) -> bool:
        """True if some knob has its off value, in every layer and throughout the training."""
        return any(k.is_off(getattr(self, k.name)) for k in knobs(self))

    @property
    def is_scheduled(self) -> bool:
        """True if some knob changes during the training."""
        return any(isinstance(part, Schedule) for k in knobs(self) for part in layer_values(getattr(self, k.name)))

    def settings(self, *, numbers: bool) -> dict[str, Any]:
        """The knobs that are numbers, as they were given, or those that are words (which say where)."""
        return {k.name: getattr(self, k.name) for k in knobs(self) if k.is_number == numbers}

    def numbers(self, *where: str, passed: float = 0.0) -> dict[str, float]:
        """Return the numbers that the formulas take in one layer, after the share ``passed`` of the training.

        ``where`` are the names that per-layer values are looked up by: the site's number, layer, parameter and type.
        """
        return {k.name: k.at(getattr(self, k.name), where, passed) for k in knobs(self) if k.is_number}

    def at_moment(self, *where: str, passed: float = LAST) -> Self:
        """Return a copy with the plain numbers of one layer at one moment, by default the end of the training."""
        return replace(self, **self.numbers(*where, passed=passed))

    def to_json(self) -> dict[str, Any]:
        """``{"name": "L2", "strength": 0.001, "on": "matrices"}``; read back by :func:`regularizer_from_json`."""
        return self.plain(json_number)

    def plain(self, number: Callable[[float], Any]) -> dict[str, Any]:
        """The name and all knobs as dictionaries, words and numbers, each of these in the form that is asked for."""
        return {"name": type(self).__name__, **{k.name: to_plain(getattr(self, k.name), number) for k in knobs(self)}}


def check_name_is_free(leaf: type[Regularizer]) -> None:
    """``ValueError`` for the name of a regularizer of the catalog: texts would mean another one from now on."""
    known = Regularizer.registry.get(leaf.__name__)
    modules = {each.__module__ for each in (known, leaf) if each}
    if len(modules) > 1 and any(module.startswith(CATALOG_PACKAGE) for module in modules):
        where = " and ".join(sorted(modules))
        raise InputError(f"there are two regularizers called {leaf.__name__}, of {where}; give yours another name")


def check_decorated(leaf: type[Regularizer]) -> None:
    """``ValueError`` where the knobs of a class are still only declared."""
    waiting = [name for name, value in vars(leaf).items() if isinstance(value, Field)]
    if waiting:
        raise InputError(
            f"{leaf.__name__} has no {waiting[0]} yet; write @dataclass(frozen=True, repr=False) above the class"
        )


@dataclass(frozen=True, repr=False)
class Recipe:
    """An ordered set of regularizers; ``Recipe()`` is "none".

    Raises ``ValueError`` where the same regularizer is asked for twice with the same words, and where the card of one
    refuses another; what a card merely doubts is told by :meth:`notes`.
    """

    regularizers: tuple[Regularizer, ...] = ()

    def __post_init__(self) -> None:
        given = self.regularizers
        if not (isinstance(given, tuple | list) and all(isinstance(each, Regularizer) for each in given)):
            raise InputError(f"Recipe takes a tuple of regularizers, got {shortened(repr(given))}; see also Recipe.of")
        object.__setattr__(self, "regularizers", tuple(sorted(self.regularizers, key=lambda r: PLACES.index(r.place))))
        keys = [(type(r).__name__, tuple(r.settings(numbers=False).values())) for r in self.regularizers]
        for name, words in keys:
            if keys.count((name, words)) > 1:
                where = f" at {', '.join(words)!r}" if words else ""
                raise InputError(f"{name} stands twice in one recipe{where}; give it once, with the value you mean")
        for one, other, conflict in conflicts(self.regularizers):
            if conflict.severity == REFUSED:
                raise InputError(f"{one} and {other} cannot stand in one recipe. {conflict.sentence}")

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
        """The regularizers that act at one of the seven places; ``ValueError`` for another word."""
        if place not in PLACES:
            raise InputError(f"there is no place {place!r}{nearest(str(place), list(PLACES))}")
        return tuple(r for r in self.regularizers if r.place == place)

    def notes(self) -> tuple[str, ...]:
        """Return the warnings of the regularizers' cards about doubtful combinations in this recipe."""
        found = conflicts(self.regularizers)
        return tuple(f"{one} and {other}: {each.sentence}" for one, other, each in found if each.severity == DOUBTFUL)

    def to_json(self) -> list[dict[str, Any]]:
        """A list of the regularizers' JSON forms, in order."""
        return [r.to_json() for r in self.regularizers]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for an unknown name or a bad knob."""
        if not isinstance(data, list | tuple):
            raise InputError(f"a recipe in JSON is a list of regularizers, got {type(data).__name__}")
        return cls(tuple(regularizer_from_json(item) for item in data))

    def to_toml(self) -> str:
        """A TOML document with a table ``[[regularizer]]`` for each; read back by :meth:`from_toml`."""
        tables = (toml_table(r.plain(float)) for r in self.regularizers)
        return "\n".join(f"[[regularizer]]\n{table}" for table in tables) or "regularizer = []\n"

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read :meth:`to_toml` back; ``ValueError`` for what is not TOML, an unknown name or a bad knob."""
        check_text(text)
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"cannot read the recipe, which is not TOML: {error}") from error
        if list(data) != ["regularizer"] or not isinstance(data["regularizer"], list):
            raise InputError(
                f"a recipe in TOML is a table [[regularizer]] for each, with its name and knobs; this one has the keys "
                f"{shortened(', '.join(data))}"
            )
        return cls.from_json(data["regularizer"])

    def to_python(self) -> str:
        """Lines of Python that import what the recipe needs and make it under the name ``recipe``.

        >>> from bridle import Dropout
        >>> print(Recipe((Dropout(rate=0.2),)).to_python())
        from bridle import Dropout, Recipe
        <BLANKLINE>
        recipe = Recipe.of(Dropout(rate=0.2))
        <BLANKLINE>
        """
        modules = {type(r).__name__: type(r).__module__ for r in self.regularizers}
        modules |= dict.fromkeys(SCHEDULES, "bridle.schedules") | {"inf": "math"}
        terms = [repr(r) for r in self.regularizers]
        text = " + ".join(terms) if len(terms) > 1 else f"Recipe.of({terms[0]})" if terms else "Recipe()"
        if len(text) > LONGEST_LINE and len(terms) > 1:
            text = "(\n    {}\n)".format("\n    + ".join(terms))
        imports: dict[str, list[str]] = {}
        for name in sorted(names_in(text)):
            module = modules.get(name, "bridle")
            public = "bridle" if module.startswith(CATALOG_PACKAGE) else module
            imports.setdefault(public, []).append(name)
        lines = [f"from {module} import {', '.join(names)}\n" for module, names in sorted(imports.items())]
        return f"{''.join(lines)}\nrecipe = {text}\n"

    def save(self, path: Path | str) -> None:
        """Write the recipe as text, JSON or TOML, by the ending of the file's name."""
        forms: dict[str, Callable[[], str]] = {
            ".txt": lambda: f"{self}\n",
            ".json": lambda: json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            ".toml": self.to_toml,
        }
        write_whole(Path(path), by_suffix(Path(path), forms)())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file that :meth:`save`, or a person, has written; ``ValueError`` where it is not a recipe."""
        forms: dict[str, Callable[[str], Self]] = {
            ".txt": cls.parse,
            ".json": lambda text: cls.from_json(json.loads(text)),
            ".toml": cls.from_toml,
        }
        if not isinstance(path, str | Path):
            raise InputError(f"a recipe is loaded from the path of a file, got {shortened(repr(path))}")
        read = by_suffix(Path(path), forms)
        try:
            return read(read_whole(Path(path)).decode().replace("\r\n", "\n"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def of(cls, recipe: RecipeLike) -> Recipe:
        """Return a recipe from a recipe, a regularizer, a text, a JSON form, ``None``, or a list of these."""
        if isinstance(recipe, Recipe):
            return recipe
        if isinstance(recipe, Regularizer):
            return cls((recipe,))
        if recipe is None:
            return cls()
        if isinstance(recipe, str):
            return cls.parse(recipe)
        if isinstance(recipe, Mapping):
            return cls((regularizer_from_json(recipe),))
        if isinstance(recipe, list | tuple):
            try:
                return cls(tuple(unit for each in recipe for unit in cls.of(each)))
            except RecursionError:
                raise InputError(
                    "a recipe is a list of regularizers, got lists within lists, nested too deep"
                ) from None
        if isinstance(recipe, type) and issubclass(recipe, Regularizer):
            raise InputError(f"{recipe.__name__} is the class; a recipe takes a regularizer: {recipe.__name__}()")
        raise InputError(
            f"a recipe is text such as 'Dropout(rate=0.2)', a regularizer, a sum or list of regularizers, or None, "
            f"got {type(recipe).__name__}"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"Dropout(rate=0.2) + WeightDecay(strength=0.01)"`` or ``"none"``; nothing is evaluated.

        Raises ``ValueError`` with the nearest known name, the knobs there are, or what could not be read.
        """
        check_text(text)
        if text.strip().lower() == NONE:
            return cls()
        return cls(tuple(regularizer_from_term(term) for term in parse_terms(text)))


RecipeLike = Recipe | Regularizer | str | Mapping[str, Any] | list[Any] | tuple[Any, ...] | None


def conflicts(units: Iterable[Regularizer]) -> Iterator[tuple[str, str, Conflict]]:
    """Yield each pair of names that conflict, once, with the conflict; a regularizer that is off has none."""
    active: list[type] = [type(unit) for unit in units if not unit.is_off]
    reported = set()
    for one, other in itertools.permutations(active, 2):
        names = frozenset((one.__name__, other.__name__))
        for conflict in card_of(one).conflicts:
            if other.__name__ in conflict.names and names not in reported:
                reported.add(names)
                yield one.__name__, other.__name__, conflict


def check_text(text: object) -> None:
    """``ValueError`` for a recipe that is to be read and is no text."""
    if not isinstance(text, str):
        raise InputError(
            f"a recipe is read from text, got {type(text).__name__}; Recipe.of takes all that may be meant"
        )


Form = TypeVar("Form")


def by_suffix(path: Path, forms: Mapping[str, Form]) -> Form:
    """Return the entry for the suffix of the file's name; ``ValueError`` for an unknown suffix."""
    if path.suffix.lower() not in forms:
        raise InputError(f"a recipe's file ends in {', '.join(forms)}, got {str(path)!r}")
    return forms[path.suffix.lower()]


def regularizer_from_json(data: Mapping[str, object]) -> Regularizer:
    """A regularizer from ``{"name": ..., knob: value, ...}``."""
    if not isinstance(data, Mapping):
        raise InputError(f"a regularizer in JSON is an object with its name and knobs, got {shortened(repr(data))}")
    for key in data:
        if not isinstance(key, str):
            raise InputError(f"the knobs of a regularizer in JSON have names, got {shortened(repr(key))}")
    leaf = find_regularizer(str(data.get("name", "")))
    numbers = {k.name for k in knobs(leaf) if k.is_number}
    given = ((name, value) for name, value in data.items() if name != "name")
    return make(leaf, {name: from_plain(value) if name in numbers else value for name, value in given})


def regularizer_from_term(term: Term) -> Regularizer:
    """A regularizer from ``Dropout``, ``Dropout(0.2)`` or ``Dropout(rate=0.2)``."""
    leaf = find_regularizer(term.name)
    return make(leaf, term.settings([k.name for k in knobs(leaf)]))


def find_regularizer(name: str) -> type[Regularizer]:
    """The regularizer of that name; ``ValueError`` with the nearest names if there is none."""
    if name in Regularizer.registry:
        return Regularizer.registry[name]
    if name.lower() == NONE:
        raise InputError(f"{NONE!r} is the recipe without regularizers and stands alone; leave it out beside others")
    raise InputError(f"unknown regularizer {shortened(name)}{suggestion(name, Regularizer.registry)}")


def make(leaf: type[Regularizer], settings: dict[str, Any]) -> Regularizer:
    """``leaf(**settings)``, with a sentence for a knob that it does not have."""
    check_names(leaf, settings)
    return leaf(**settings)
