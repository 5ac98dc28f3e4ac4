"""The public names: one table, which type checkers and users see alike, and nothing heavy behind `import bridle`."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bridle


def imports_for_type_checkers():
    """(module, name) of each import under TYPE_CHECKING, read from the file."""
    tree = ast.parse(Path(bridle.__file__).read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for guard in guarded for node in guard.body if isinstance(node, ast.ImportFrom)]
    aliases = [(node.module, alias) for node in imports for alias in node.names]
    assert all(alias.asname == alias.name for _, alias in aliases), "`import X as X` is what re-exports"
    return sorted((module, alias.name) for module, alias in aliases)


def test_the_lazy_table_and_the_imports_for_type_checkers_agree():
    table = sorted((module, name) for module, names in bridle.HOMES.items() for name in names)
    assert table == imports_for_type_checkers()


def test_no_name_has_two_homes():
    assert len(bridle.HOME) == sum(map(len, bridle.HOMES.values()))


@pytest.mark.parametrize("name", bridle.__all__)
def test_every_public_name_resolves_and_is_listed(name):
    assert getattr(bridle, name) is not None
    assert name in dir(bridle)


def test_a_public_name_is_the_object_of_its_home_even_once_all_homes_are_imported():
    # Importing a module makes it an attribute of the package: a public name like a module's would turn into it.
    homes = {name: importlib.import_module(module) for name, module in bridle.HOME.items()}
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
