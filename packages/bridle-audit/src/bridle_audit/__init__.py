"""Find regularization mistakes: in scripts and notebooks, which are read, and, with torch, in models and loops.

Read in this order: ``rule`` (what a rule is) and ``rules`` (all of them, a folder each); what rules are given:
``static`` (files as syntax), ``probe`` (a model, measured on a copy), ``watching`` (the record of a loop); what runs
them: ``run``; and ``decay`` (the decay that optimizers apply, measured: the ledger, strengths in other units). Only
``probe``, ``watching``, ``decay`` and ``parameter_kinds`` need torch.
"""

# Note [lazy names]
# Files are read where there is no torch, and `bridle-audit --help` waits for nothing: a public name is imported when it
# is first used. The imports below are the list of them, for type checkers and at run time.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bridle_audit.errors import DependencyError
from bridle_audit.lazy_names import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bridle_audit.decay.ledger import Ledger as Ledger
    from bridle_audit.decay.ledger import ledger as ledger
    from bridle_audit.decay.strengths import conversions as conversions
    from bridle_audit.decay.strengths import convert_strength as convert_strength
    from bridle_audit.decay.strengths import exactness as exactness
    from bridle_audit.findings import Finding as Finding
    from bridle_audit.run.factories import audit_factory as audit_factory
    from bridle_audit.run.files import audit_files as audit_files
    from bridle_audit.run.loops import watch as watch
    from bridle_audit.run.models import audit as audit
    from bridle_audit.run.targets import audit_targets as audit_targets

OPTIONAL = ("numpy", "torch")  # what `bridle-audit[probe]` brings


def __getattr__(name: str) -> Any:
    names = lazy_names(__name__)
    if name == "__all__":
        return ["__version__", *names]
    if name not in names:
        raise AttributeError(f"module 'bridle_audit' has no attribute {name!r}")
    try:
        module = import_module(names[name])
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        raise DependencyError(
            f"bridle_audit.{name} needs {error.name}; install it with pip install 'bridle-audit[probe]'",
            name=error.name,
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(["__version__", *lazy_names(__name__)])
