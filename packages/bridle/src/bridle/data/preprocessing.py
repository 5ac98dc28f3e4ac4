"""From the columns of a table to numbers for a network, fitted on the training rows only.

- Numbers: missing ones become the median, then mean 0 and standard deviation 1; a column with enough missing values
  also gets a column that says where they were.
- Categories: one column of zeros and ones per category; missing is a category of its own; rare ones are put together,
  and one never met in training counts as rare, or as none of all where there are no rare ones.
- What is constant over the training rows is dropped, before and after.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bridle.data.arrays import copied_as
from bridle.data.float32_range import HUGE, TINY, origin, shifted
from bridle.data.names import distinct
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["ColumnOutcome", "Prepared", "prepare"]

RARE = "(rare)"
ENOUGH = 10  # training rows for a column of its own; see least_rows ...
ENOUGH_SHARE = 0.01  # ... or this share of them, in a table too small for that
MOST_CATEGORIES = 100  # of one column; the rarest beyond these are put together
SHOWN = 5  # columns that an error names
MOST = 1e300  # of a value outside the training rows, which is too far away for float32
FAR = 1e6  # times its half-width: so far from zero a column may lie


class ColumnOutcome(NamedTuple):
    """The outcome of one column: how many features, what was done, and why it was left out, where it was."""

    features: int
    done: tuple[str, ...] = ()
    notable: tuple[str, ...] = ()
    dropped: str = ""


class Prepared(NamedTuple):
    """The numbers of the parts, each float32 of shape (rows, features), the names of the features, and the columns."""

    parts: list[np.ndarray]
    names: tuple[str, ...]
    made: dict[str, ColumnOutcome]


def prepare(train: pd.DataFrame, others: list[pd.DataFrame]) -> Prepared:
    """Turn columns of numbers or words into numbers, fitted on ``train``; the parts are ``train`` and ``others``.

    Raises ``ValueError`` where no column varies over the training rows.
    """
    varied = [name for name in train.columns if train[name].nunique(dropna=False) > 1]
    made = {name: constant_outcome(name, train, others) for name in train.columns if name not in varied}
    if not varied:
        raise InputError(no_feature({name: each.dropped for name, each in made.items()}))
    extreme = extreme_columns(train[varied])
    steady = [rescale_extremes(part[varied], train, extreme) for part in (train, *others)]
    transformer = columns_to_numbers(steady[0])
    x_train = transformer.fit_transform(steady[0]).astype(np.float32)
    kept = x_train.max(axis=0) > x_train.min(axis=0)
    others_x = [copied_as(transformer.transform(part)[:, kept], np.float32) for part in steady[1:]]
    labels = transformer.get_feature_names_out()
    names = [feature_name(name) for name, keep in zip(labels, kept, strict=True) if keep]
    made |= describe(transformer, train[varied], others, kept)
    if not names:
        raise InputError(no_feature({name: each.dropped for name, each in made.items()}))
    return Prepared([x_train[:, kept], *others_x], distinct(names), {name: made[name] for name in train.columns})


def no_feature(dropped: dict[str, str]) -> str:
    """The sentence for a table whose columns are all left out."""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in list(dropped.items())[:SHOWN])
    more = f"; and {len(dropped) - SHOWN} more" if len(dropped) > SHOWN else ""
    which = (
        "the one column beside the target is"
        if len(dropped) == 1
        else f"all {len(dropped)} columns beside the target are"
    )
    return f"no feature is left: {which} left out ({reasons}{more})"


def constant_outcome(name: str, train: pd.DataFrame, others: list[pd.DataFrame]) -> ColumnOutcome:
    """Return why a column that does not vary over the training rows is left out."""
    everything = pd.concat([part[name] for part in (train, *others)])
    missing = train[name].isna().all()
    what = "every value is missing" if missing else "constant"
    only = " only" if everything.nunique(dropna=False) > 1 else ""
    return ColumnOutcome(0, dropped=f"{what} in the training rows{only}")


def rescale_extremes(part: pd.DataFrame, train: pd.DataFrame, extreme: list[str]) -> pd.DataFrame:
    """Return a copy whose extreme columns are counted from a training value and scaled by the spread around it."""
    if not extreme:
        return part
    changed = part.copy()
    for name in extreme:
        start, power = origin(train[name].dropna().to_numpy())
        changed[name] = np.clip(shifted(part[name].to_numpy(), start, power), -MOST, MOST)
    return changed


def extreme_columns(train: pd.DataFrame) -> list[str]:
    """Columns of numbers that must be moved; see Note [numbers at the ends of float64] in float32_range."""
    whole = list(train.select_dtypes(["int64", "uint64"]).columns)  # those that float64 rounds; others are float64
    amounts = train.select_dtypes("float64")
    least, most = amounts.min().to_numpy(), amounts.max().to_numpy()
    halved = most / 2 - least / 2  # a difference of halves cannot overflow
    size = np.maximum(np.abs(least), np.abs(most))
    usual = (halved == 0) | ((halved > TINY) & (halved < HUGE) & (size / FAR < halved))
    return [*whole, *amounts.columns[~usual]]


def describe(
    transformer: ColumnTransformer, train: pd.DataFrame, others: list[pd.DataFrame], kept: np.ndarray
) -> dict[str, ColumnOutcome]:
    """Return what the fitted transformer made of each column; ``kept`` marks its outputs that vary."""
    (_, _, amounts), (_, _, gappy), (_, one_hot, words) = transformer.transformers_
    made = {}
    missing = sum(part[amounts].isna().sum() for part in (train, *others))
    gaps = dict(zip(gappy, kept[len(amounts) :].tolist(), strict=False))
    for position, name in enumerate(amounts):
        made[name] = number_outcome(train[name], int(missing[name]), bool(kept[position]), gaps.get(name, False))
    position = len(amounts) + len(gappy)
    for name, known, rare in zip(words, *fitted_categories(one_hot, words), strict=True):
        width = len(known) - len(rare) + bool(len(rare))
        outside = {word for part in others for word in part[name].unique()} - set(known)
        made[name] = category_outcome(
            train[name], len(known), set(rare), outside, int(kept[position : position + width].sum())
        )
        position += width
    return made


def fitted_categories(one_hot: Any, words: list[str]) -> tuple[list[Any], list[Any]]:
    """For each column of words the categories of the training rows, and those of them that are rare."""
    if not words:
        return [], []
    rare = one_hot.infrequent_categories_
    return list(one_hot.categories_), [() if each is None else each for each in rare]


def number_outcome(train: pd.Series[Any], missing: int, kept: bool, gap_kept: bool) -> ColumnOutcome:
    """Return what became of a column of numbers, of which ``missing`` are missing in all rows."""
    if not kept:
        return ColumnOutcome(int(gap_kept), dropped="" if gap_kept else "constant in the training rows")
    if not missing:
        return ColumnOutcome(1)
    gap = ", and a column says where" if gap_kept else ""
    filled = f"{missing} missing became the median of the training rows, {train.median():.6g}{gap}"
    return ColumnOutcome(1 + gap_kept, (filled,))


def category_outcome(
    train: pd.Series[Any], known: int, rare: set[str], outside: set[str], features: int
) -> ColumnOutcome:
    """Return what became of a column of words."""
    enough = least_rows(len(train))
    if not features:
        own = known == len(train)
        why = "another word in every row, as an id has" if own else f"no word is in {enough} or more training rows"
        return ColumnOutcome(0, dropped=f"{why}" if own else f"text: {why}")
    in_rare = int(train.isin(rare).sum())
    put = "is rare" if len(rare) == 1 else "put together as rare"
    together = f"{len(rare)} of {known} words {put}, {in_rare} of {len(train)} training rows"
    taken_for = "rare" if rare else "none of these"
    strange = f"{counted('word', len(outside))} met outside the training rows only: counted as {taken_for}"
    often = 2 * in_rare > len(train)
    done = (*((together,) if rare and not often else ()), *((strange,) if outside else ()))
    return ColumnOutcome(features, done, (together,) if often else ())


def columns_to_numbers(train: pd.DataFrame) -> ColumnTransformer:
    """The scikit-learn transformer for the columns of ``train``, not yet fitted."""
    enough = least_rows(len(train))
    amounts = [name for name in train.columns if is_numeric_dtype(train[name].dtype)]
    gappy = [name for name in amounts if train[name].isna().sum() >= enough]
    words = [name for name in train.columns if name not in amounts]
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=enough,
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
        feature_name_combiner=category_name,
    )
    return ColumnTransformer(
        [
            ("amount", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), amounts),
            ("gap", MissingIndicator(features="all"), gappy),
            ("category", one_hot, words),
        ],
        sparse_threshold=0,
    )


def least_rows(rows: int) -> int:
    """The training rows that a category, or the fact of being missing, needs for a column of its own."""
    return min(ENOUGH, math.ceil(ENOUGH_SHARE * rows))


def category_name(column: str, category: str) -> str:
    """``workclass=Private``; what scikit-learn calls infrequent is ``workclass=(rare)``."""
    return f"{column}={RARE if category == 'infrequent_sklearn' else category}"


def feature_name(name: str) -> str:
    """A feature's name without scikit-learn's prefixes.

    >>> feature_name("amount__age"), feature_name("gap__missingindicator_age"), feature_name("category__sex=Male")
    ('age', 'age is missing', 'sex=Male')
    """
    kind, _, column = name.partition("__")
    return f"{column.removeprefix('missingindicator_')} is missing" if kind == "gap" else column
