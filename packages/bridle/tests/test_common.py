"""Every check on every regularizer of the catalog."""

import pytest
from card_checks import FILE_CHECKS

from bridle import CATALOG, places
from bridle.testing import checks_of
from bridle.testing.cases import sample_variants
from bridle.testing.place_checks import CHECKS_BY_PLACE

PAIRS = [
    pytest.param(check, leaf, id=f"{name}-{check.__name__}")
    for name, leaf in CATALOG.items()
    for check in (*checks_of(leaf), *FILE_CHECKS)
]


@pytest.mark.parametrize(("check", "leaf"), PAIRS)
def test_every_regularizer_passes(check, leaf):
    check(leaf)


def test_the_catalog_lists_each_regularizer_under_its_own_name():
    assert {name: leaf.__name__ for name, leaf in CATALOG.items()} == {name: name for name in CATALOG}


def test_every_kind_of_regularizer_has_its_checks():
    kinds = {each for each in vars(places).values() if isinstance(each, type) and "forms" in vars(each)}
    assert set(CHECKS_BY_PLACE) == kinds


@pytest.mark.parametrize("leaf", CATALOG.values(), ids=list(CATALOG))
def test_the_settings_that_are_tried_differ_in_every_number_and_none_is_off(leaf):
    units = sample_variants(leaf)
    for name in units[0].settings(numbers=True):
        assert len({getattr(unit, name) for unit in units}) == len(units)
    assert not any(unit.is_off for unit in units)
