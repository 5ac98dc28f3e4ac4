"""From the columns of a table to numbers for a network, fitted on the training rows only.

- Numbers: missing ones become the median, then mean 0 and standard deviation 1; a column with enough missing values
  also gets a column that says where they were.
- Categories: one column of zeros and ones per category; missing is a category of its own; rare ones are put together,
  and one never met in training counts as rare, or as none of all where there are no rare ones.
- What is constant over the training rows is dropped, before and after.
"""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bridle.data.arrays import listed

MISSING = "missing"
RARE = "(rare)"
ENOUGH = 10  # training rows that a category, or the fact of being missing, needs for a column of its own ...
ENOUGH_SHARE = 0.01  # ... or this share of them, in a table too small for that
MOST_CATEGORIES = 100  # of one column; the rarest beyond these are put together


class Prepared(NamedTuple):
    """The numbers of the parts, each float32 of shape (rows, features), and the names of the features."""

    parts: list[np.ndarray]
    names: tuple[str, ...]


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Every column as float64 (nan where missing) or as words ("missing" where missing).

    Raises ``ValueError`` for a column of neither numbers nor words, and for infinite numbers.
    """
    return pd.DataFrame({name: typed_column(name, table[name]) for name in table.columns}, index=table.index)


def typed_column(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """One column of a table as numbers or as words."""
    if is_numeric_dtype(column.dtype) and not (is_bool_dtype(column.dtype) or is_complex_dtype(column.dtype)):
        amounts = column.astype("float64")
        infinite = np.isinf(amounts.to_numpy())
        if infinite.any():
            raise ValueError(f"column {name!r} is infinite in {listed(infinite, first=1)}; correct these values")
        return amounts
    boxed = column.astype(object)
    strange = next((v for v in boxed[column.notna()] if not isinstance(v, str | numbers.Real | np.bool_)), None)
    if strange is not None:
        raise ValueError(
            f"column {name!r} holds {type(strange).__name__} such as {strange!r}; bridle reads numbers and words: "
            "write it as one of these (a date as days, say) or leave it out"
        )
    return boxed.map(str).where(column.notna(), MISSING)


def prepare(train: pd.DataFrame, others: list[pd.DataFrame]) -> Prepared:
    """Turn typed columns into numbers, fitted on ``train``; the parts are ``train`` and ``others``, in this order.

    Raises ``ValueError`` where no column varies over the training rows.
    """
    varied = [name for name in train.columns if train[name].nunique(dropna=False) > 1]
    if not varied:
        raise ValueError(
            f"no feature is left: all {len(train.columns)} columns beside the target are constant in the training rows"
        )
    transformer = columns_to_numbers(train[varied])
    x_train = transformer.fit_transform(train[varied]).astype(np.float32)
    kept = x_train.max(axis=0) > x_train.min(axis=0)
    others_x = [transformer.transform(other[varied]).astype(np.float32)[:, kept] for other in others]
    names = [readable(name) for name, keep in zip(transformer.get_feature_names_out(), kept, strict=True) if keep]
    return Prepared([x_train[:, kept], *others_x], tuple(names))


def columns_to_numbers(train: pd.DataFrame) -> ColumnTransformer:
    """The scikit-learn transformer for the columns of ``train``, not yet fitted."""
    enough = min(ENOUGH, math.ceil(ENOUGH_SHARE * len(train)))
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


def category_name(column: str, category: str) -> str:
    """``workclass=Private``; what scikit-learn calls infrequent is ``workclass=(rare)``."""
    return f"{column}={RARE if category == 'infrequent_sklearn' else category}"


def readable(name: str) -> str:
    """A feature's name without scikit-learn's prefixes.

    >>> readable("amount__age"), readable("gap__missingindicator_age"), readable("category__sex=Male")
    ('age', 'age is missing', 'sex=Male')
    """
    kind, _, column = name.partition("__")
    return f"{column.removeprefix('missingindicator_')} is missing" if kind == "gap" else column
