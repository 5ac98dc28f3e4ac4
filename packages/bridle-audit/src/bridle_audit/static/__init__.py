"""Python files and notebooks read as syntax, never run: what the audit's ``read`` checks are given.

Read in this order: ``program`` (what a check sees), ``syntax`` and ``calls`` (places, names, values), ``ops`` (what
data go through), ``tracer`` (how a program is followed to find that out; ``things``, ``machine``, ``expressions``,
``statements`` and ``calling`` are its parts), ``losses``, ``optimizers``, ``loops``; ``files``, ``notebook`` and
``source`` are the way from a path to a program.
"""

from bridle_audit.static.calls import Call as Call
from bridle_audit.static.constants import UNKNOWN as UNKNOWN
from bridle_audit.static.files import find_files as find_files
from bridle_audit.static.files import read_file as read_file
from bridle_audit.static.files import read_source as read_source
from bridle_audit.static.loops import Evaluation as Evaluation
from bridle_audit.static.loops import Training as Training
from bridle_audit.static.losses import Loss as Loss
from bridle_audit.static.networks import Network as Network
from bridle_audit.static.ops import Op as Op
from bridle_audit.static.ops import before as before
from bridle_audit.static.ops import meaningful as meaningful
from bridle_audit.static.optimizers import Optimizer as Optimizer
from bridle_audit.static.program import Program as Program
from bridle_audit.static.source import Unreadable as Unreadable
