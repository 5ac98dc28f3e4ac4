"""The audit: finds regularization mistakes in models, loops, recipes, studies, scripts and notebooks.

Read in this order: ``rule`` (what a rule is), ``rules`` (all of them, one file each), ``setup`` (what is measured on a
model), ``watching`` (what is seen of a loop), ``reading`` (files as syntax), ``audit``, ``watch``, ``files`` and
``factories`` (which run the rules), ``ledger`` and ``strengths`` (what shrinks a weight, in one unit).
"""

from bridle.auditing.audit import audit as audit
from bridle.auditing.factories import audit_factory as audit_factory
from bridle.auditing.files import audit_files as audit_files
from bridle.auditing.ledger import Ledger as Ledger
from bridle.auditing.ledger import ledger as ledger
from bridle.auditing.strengths import conversions as conversions
from bridle.auditing.strengths import convert_strength as convert_strength
from bridle.auditing.strengths import exactness as exactness
from bridle.auditing.targets import audit_targets as audit_targets
from bridle.auditing.watch import watch as watch
