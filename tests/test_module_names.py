"""Each module says by its ``__all__`` which of its names are for other modules; the rest is detail."""

import pytest

from module_names import declared_names, modules, names_for_others

MODULES = [name for name in modules() if names_for_others(name)]  # the others register what they have


@pytest.mark.parametrize("module", MODULES)
def test_all_lists_what_other_modules_use_and_nothing_else(module):
    names = names_for_others(module)
    assert declared_names(module) == names, f"{module} should say __all__ = {names}"


def test_most_modules_have_details_of_their_own():
    assert len(MODULES) > 300
