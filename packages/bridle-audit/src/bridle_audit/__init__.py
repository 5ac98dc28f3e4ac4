"""Finds regularization mistakes: in scripts and notebooks, which are read, and, with torch, in models and loops.

Read in this order: ``rule`` (what a rule is) and ``rules`` (all of them, a folder each); what rules are given:
``static`` (files as syntax), ``probe`` (a model, measured on a copy), ``watch`` (what is seen of a loop); what runs
them: ``run``; and ``decay`` (what makes weights smaller: the
ledger, strengths in other units). Only ``probe``, ``watch``, ``decay`` and ``kinds`` need torch.
"""

# Note [lazy names]
# Files are read where there is no torch, and `bridle-audit --help` waits for nothing: a public name is imported when it
# is first used.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    from bridle_audit.run.models import audit as audit
    from bridle_audit.run.targets import audit_targets as audit_targets

HOME = {
    "Finding": "findings",
    "Ledger": "decay.ledger",
    "audit": "run.models",
    "audit_factory": "run.factories",
    "audit_files": "run.files",
    "audit_targets": "run.targets",
    "conversions": "decay.strengths",
    "convert_strength": "decay.strengths",
    "exactness": "decay.strengths",
    "ledger": "decay.ledger",
}
__all__ = ["__version__", *HOME]  # noqa: PLE0604  (the table above is the list)


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'bridle_audit' has no attribute {name!r}")
    return getattr(import_module(f"bridle_audit.{HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
