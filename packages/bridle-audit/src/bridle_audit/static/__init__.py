"""Static analysis of Python files and notebooks, which are never run: the evidence of rules' ``static`` checks.

Its layers, each of which imports only those below it: ``dataflow`` (definitions and uses of values; penalties, averages
and label smoothing among them), ``program`` (a file as a rule sees it), ``interpreter`` (the layers that data pass in a
network), ``facts`` (calls, classes, loops, optimizers), ``syntax`` (queries on any file), ``constants`` (values of
expressions), ``scopes`` (name resolution), ``libraries`` (the libraries' names) and ``source`` (from a path to a tree).
"""

from bridle_audit.static.constants.folding import UNKNOWN as UNKNOWN
from bridle_audit.static.facts.calls import Call as Call
from bridle_audit.static.facts.optimizers import OptimizerCall as OptimizerCall
from bridle_audit.static.facts.training_loops import Evaluation as Evaluation
from bridle_audit.static.facts.training_loops import Training as Training
from bridle_audit.static.interpreter import ComputedLoss as ComputedLoss
from bridle_audit.static.interpreter import Network as Network
from bridle_audit.static.interpreter import Op as Op
from bridle_audit.static.interpreter import ops_before as ops_before
from bridle_audit.static.interpreter import value_changing as value_changing
from bridle_audit.static.program import Program as Program
from bridle_audit.static.program import read_file as read_file
from bridle_audit.static.program import read_source as read_source
from bridle_audit.static.source.loading import find_files as find_files
from bridle_audit.static.source.parsing import Unreadable as Unreadable
