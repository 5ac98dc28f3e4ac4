"""Python files and notebooks read as syntax, never run: what the ``static`` checks of rules are given.

Its rooms, each of which knows only those below it: ``dataflow`` (where values go, and what is penalized, averaged,
smoothed), ``program`` (what a rule is given), ``interpreter`` (what data go through on their way through a network),
``facts`` (what calls, classes and loops say of themselves), ``syntax`` (what can be asked of any file), ``constants``
(what expressions are worth), ``scopes`` (who is called what), ``libraries`` (what the libraries' names mean), and
``source`` (from a path to a tree).
"""

from bridle_audit.static.constants.folding import UNKNOWN as UNKNOWN
from bridle_audit.static.facts.calls import Call as Call
from bridle_audit.static.facts.loops import Evaluation as Evaluation
from bridle_audit.static.facts.loops import Training as Training
from bridle_audit.static.facts.optimizers import Optimizer as Optimizer
from bridle_audit.static.interpreter import Loss as Loss
from bridle_audit.static.interpreter import Network as Network
from bridle_audit.static.interpreter import Op as Op
from bridle_audit.static.interpreter import before as before
from bridle_audit.static.interpreter import meaningful as meaningful
from bridle_audit.static.program import Program as Program
from bridle_audit.static.program import read_file as read_file
from bridle_audit.static.program import read_source as read_source
from bridle_audit.static.source.files import find_files as find_files
from bridle_audit.static.source.text import Unreadable as Unreadable
