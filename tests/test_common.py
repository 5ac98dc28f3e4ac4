"""Every check on every regularizer of the catalog."""

import pytest
from card_checks import CARD_CHECKS
from place_checks import AT_PLACE, numerical_checks

from bridle import CATALOG

PAIRS = [
    pytest.param(check, leaf, id=f"{name}-{check.__name__}")
    for name, leaf in CATALOG.items()
    for check in (*numerical_checks(leaf), *CARD_CHECKS)
]


@pytest.mark.parametrize(("check", "leaf"), PAIRS)
def test_every_regularizer_passes(check, leaf):
    check(leaf)


def test_the_catalog_lists_each_regularizer_under_its_own_name():
    assert {name: leaf.__name__ for name, leaf in CATALOG.items()} == {name: name for name in CATALOG}


def test_every_place_in_the_catalog_has_its_checks():
    assert {leaf.place for leaf in CATALOG.values()} <= set(AT_PLACE)
