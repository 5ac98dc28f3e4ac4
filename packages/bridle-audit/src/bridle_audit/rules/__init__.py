"""The rules: one rule, one folder; those of other packages join by the entry point group ``bridle_audit.rules``.

Such an entry point names a package whose folders are rules. A folder without a page, which has the name of a rule
that there is, adds its checks to that one: so bridle adds what it sees of some of them in recipes and studies.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from bridle_audit.errors import InputError
from bridle_audit.rule import Rule, checks_in, kinds
from bridle_audit.wording import error_message

GROUP = "bridle_audit.rules"


def found_rules() -> dict[str, Rule]:
    """Return all rules by name; raise ``InputError`` for a package whose rules cannot be read."""
    rules = {rule.name: rule for rule in (Rule.read(each, f"{__name__}.{each.name}") for each in folders(__name__))}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        try:
            join(rules, entry)
        except Exception as error:  # whatever somebody else's package raises when it is imported
            owner = entry.dist.name if entry.dist else entry.name
            raise InputError(
                f"{owner} brings rules that cannot be used ({error_message(error)}); mend or uninstall it"
            ) from error
    return dict(sorted(rules.items()))


def join(rules: dict[str, Rule], entry: EntryPoint) -> None:
    """Take in the rules of another package, and the checks that it adds to those that there are."""
    for folder in folders(entry.load().__name__):
        package, name = f"{entry.value}.{folder.name}", folder.name.replace("_", "-")
        check_folder(folder)
        if (folder / "page.md").is_file():
            if name in rules:
                raise InputError(f"there is a rule {name} already")
            rules[name] = Rule.read(folder, package)
        elif name in rules:
            rules[name] = rules[name].with_checks(checks_in(folder, package))
        else:
            raise InputError(f"the folder {folder.name} has no page.md, and there is no rule {name} to add checks to")


def folders(package: str) -> Iterator[Traversable]:
    """Yield the folders in a package, by name; those without a file, as caches leave them, are no folders of rules."""
    inside = sorted(files(package).iterdir(), key=lambda each: each.name)
    named = (each for each in inside if each.is_dir() and not each.name.startswith((".", "__")))
    return (each for each in named if any(inner.is_file() for inner in each.iterdir()))


def check_folder(folder: Traversable) -> None:
    """Raise ``ValueError`` unless a folder can be imported and has a page or a check."""
    if not (folder / "__init__.py").is_file():
        raise InputError(f"the folder {folder.name} has no __init__.py, so it cannot be imported")
    parts = ["page.md", *(f"{kind}.py" for kind in kinds())]
    if not any((folder / each).is_file() for each in parts):
        raise InputError(f"the folder {folder.name} has neither a page nor a check: none of {', '.join(parts)}")


RULES = found_rules()
