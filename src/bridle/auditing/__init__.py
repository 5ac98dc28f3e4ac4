"""The audit: finds regularization mistakes in models, loops, recipes, studies, scripts and notebooks.

Read in this order: ``rule`` (what a rule is) and ``rules`` (all of them, one file each); what rules are given:
``probing`` (a model, measured on a copy), ``record`` and ``watching`` (what is seen of a loop), ``reading`` (files as
syntax) and ``meaning`` (what that says of regularization); what runs the rules: ``audit``, ``watch``, ``files``,
``factories`` and ``targets``; and ``shrinkage`` (what makes weights smaller: the ledger, strengths in other units).
"""

from bridle.auditing.audit import audit as audit
from bridle.auditing.factories import audit_factory as audit_factory
from bridle.auditing.files import audit_files as audit_files
from bridle.auditing.shrinkage.ledger import Ledger as Ledger
from bridle.auditing.shrinkage.ledger import ledger as ledger
from bridle.auditing.shrinkage.strengths import conversions as conversions
from bridle.auditing.shrinkage.strengths import convert_strength as convert_strength
from bridle.auditing.shrinkage.strengths import exactness as exactness
from bridle.auditing.targets import audit_targets as audit_targets
from bridle.auditing.watch import watch as watch
