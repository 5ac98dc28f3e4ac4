"""The public names: one list, which type checkers and users see alike, and nothing heavy behind `import bridle`."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bridle
from bridle_audit.lazy_names import lazy_names


def test_each_name_is_listed_once_and_reexported_for_type_checkers():
    tree = ast.parse(Path(bridle.__file__).read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    aliases = [node for guard in guarded for node in ast.walk(guard) if isinstance(node, ast.alias)]
    assert all(alias.asname == alias.name for alias in aliases), "`import X as X` is what re-exports"
    assert len(aliases) == len(lazy_names("bridle"))


@pytest.mark.parametrize("name", bridle.__all__)
def test_every_public_name_resolves_and_is_listed(name):
    assert getattr(bridle, name) is not None
    assert name in dir(bridle)


def test_a_public_name_is_the_object_of_its_home_even_once_all_homes_are_imported():
    # Importing a module makes it an attribute of the package: a public name like a module's would turn into it.
    homes = {name: importlib.import_module(module) for name, module in lazy_names("bridle").items()}
    for name, home in homes.items():
        assert getattr(bridle, name) is getattr(home, name)


def test_every_regularizer_of_the_catalog_is_public():
    assert set(bridle.CATALOG) <= set(bridle.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'bridle' has no attribute 'Dropuot'"):
        bridle.Dropuot  # noqa: B018


@pytest.mark.parametrize("module", ["bridle", "bridle.cli"])
def test_importing_does_not_import_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
