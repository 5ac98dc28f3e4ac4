"""Every check on every regularizer of the catalog."""

import pytest
from card_checks import CARD_CHECKS
from cases import KINDS, settings
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


def test_every_kind_of_regularizer_has_its_checks():
    assert set(AT_PLACE) == set(KINDS)
    assert all(issubclass(leaf, KINDS) for leaf in CATALOG.values())


@pytest.mark.parametrize("leaf", CATALOG.values(), ids=list(CATALOG))
def test_the_settings_that_are_tried_differ_in_every_number_and_none_is_off(leaf):
    units = settings(leaf)
    for name in units[0].settings(numbers=True):
        assert len({getattr(unit, name) for unit in units}) == len(units)
    assert not any(unit.is_off for unit in units)
