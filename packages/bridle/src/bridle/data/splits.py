"""How rows are split into train, valid and test, as it is asked: plain data, for Python, the command line and JSON."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bridle.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["DEFAULT", "Splits", "as_splits", "check_ordered", "whole_number"]

KINDS = ("holdout", "repeated", "kfold")
COLUMNS = ("groups", "time", "column")  # the fields that name columns of a table
LEAST_FOLDS = 3  # one is test, one is valid, and there must be something to learn from
OPTIONS = {"kind": "--split", "seed": "--split-seed", "column": "--split-column"}  # where they have another name


@dataclass(frozen=True)
class Splits:
    """How the rows of a data set are split into train, valid and test.

    - ``"holdout"``: once, 60/20/20, within each class; seed 0 is the split that there is without options.
    - ``"repeated"``: repeat i is a hold-out of its own, drawn from ``(seed, i)``; repeat 0 is the hold-out of ``seed``.
    - ``"kfold"``: in repeat i, fold ``i % folds`` is test, the next one valid and the others train; the rows are
      shuffled anew after each ``folds`` repeats.

    ``groups`` names a column of a table whose rows of one value stay on one side. ``time`` names one of dates or
    numbers: train comes before valid and valid before test, equal times on one side; repeats are then expanding
    windows, of which there are ``folds``. ``column`` names one that says "train", "valid" or "test" of every row.
    None of the three is a feature, and neither is a column of weights.

    Raises ``ValueError`` for a combination that means nothing.

    >>> Splits("kfold", folds=10, groups="patient").columns
    {'groups': 'patient'}
    """

    kind: str = "holdout"
    seed: int = 0
    folds: int = 5  # of kfold, and the windows of what is repeated in time order
    groups: str | None = None
    time: str | None = None
    column: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.kind, str) and self.kind in KINDS):
            hint = nearest(self.kind, list(KINDS)) if isinstance(self.kind, str) else f"; known are {', '.join(KINDS)}"
            raise InputError(f"there is no split {self.kind!r}{hint}")
        for name, least in (("seed", 0), ("folds", 2)):
            object.__setattr__(self, name, whole_number(f"the split's {name}", getattr(self, name), least))
        check_columns({name: getattr(self, name) for name in COLUMNS})
        if self.column is not None:
            self.check_column_alone()
        if self.time is not None:
            check_ordered(self.seed, self.time)
        self.check_folds()

    def check_column_alone(self) -> None:
        """Raise ``ValueError`` for what a split of the user's own leaves no room for."""
        for name, why in (
            ("kind", "is one split, which cannot be drawn anew"),
            ("seed", "leaves nothing to chance"),
            ("folds", "has no folds"),
        ):
            value = getattr(self, name)
            if value != getattr(Splits, name):
                raise InputError(
                    f"the split of column {self.column!r} {why}: leave {name}={value!r} ({option_of(name)}) out, or "
                    "the column"
                )

    def check_folds(self) -> None:
        """Raise ``ValueError`` for too few folds, and for folds of what has none."""
        if self.kind == "kfold" and self.time is None and self.folds < LEAST_FOLDS:
            raise InputError(
                f"kfold needs at least {LEAST_FOLDS} folds, got {self.folds}: one is test, one is valid, the others "
                "are train"
            )
        if self.folds != Splits.folds and not self.has_folds:
            other = "kind='kfold' (--split kfold)"
            raise InputError(f"folds={self.folds} (--folds) means nothing to a {self.kind} split; ask for {other}")

    @property
    def varies(self) -> bool:
        """Whether there is another split for each repeat."""
        return self.kind != "holdout"

    @property
    def has_folds(self) -> bool:
        """Whether ``folds`` says something."""
        return self.kind == "kfold" or (self.kind == "repeated" and self.time is not None)

    @property
    def columns(self) -> dict[str, str]:
        """The columns of a table that it goes by, by what they say: "groups", "time", "column"."""
        return {role: name for role in COLUMNS if (name := getattr(self, role)) is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain values, as study.json has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for a key that there is not."""
        known = [f.name for f in dataclasses.fields(cls)]
        strange = next((name for name in data if name not in known), None)
        if strange is not None:
            raise InputError(f"splits has no {strange!r}{nearest(str(strange), known)}")
        return cls(**data)


def as_splits(given: Splits | str | Mapping[str, Any] | None) -> Splits:
    """What was asked, or the default; a text is the kind.

    >>> as_splits("kfold"), as_splits(None)
    (Splits(kind='kfold', ...), Splits(kind='holdout', ...))
    """
    if isinstance(given, Splits):
        return given
    if given is None or isinstance(given, str):
        return Splits() if given is None else Splits(given)
    if isinstance(given, Mapping):
        return Splits.from_json(given)
    raise InputError(f"splits must be a bridle.Splits or one of {', '.join(KINDS)}, got {type(given).__name__}")


def option_of(field: str) -> str:
    """The field's name on the command line."""
    return OPTIONS.get(field, f"--{field}")


def whole_number(what: str, given: Any, least: int) -> int:
    """A whole number; ``ValueError`` for anything else, and for one below ``least``."""
    try:
        number = least - 1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        number = least - 1
    if number < least:
        raise InputError(f"{what} must be a whole number from {least} on, got {given!r}")
    return number


def check_ordered(seed: int, time: str) -> None:
    """Raise ``ValueError`` for a seed of what is split in the order of ``time``."""
    if seed:
        raise InputError(
            f"the split's seed is {seed}, but in the order of {time!r} nothing is drawn at random; leave the seed out"
        )


def check_columns(names: dict[str, Any]) -> None:
    """Raise ``ValueError`` unless these are different names of columns, or None."""
    by_column: dict[str, str] = {}
    for role, name in names.items():
        if name is None:
            continue
        if not isinstance(name, str) or not name:
            raise InputError(f"{role} must be the name of a column, as text, got {name!r}")
        if name in by_column:
            raise InputError(f"{role} and {by_column[name]} both name the column {name!r}; each needs its own")
        by_column[name] = role


DEFAULT = Splits()
