"""Python files and notebooks read as syntax, never run: what the audit's ``read`` checks are given.

Read in this order: ``program`` (what a check sees), ``syntax`` and ``calls`` (places, names, values), ``ops`` (what
data go through), ``tracer`` (how a program is followed to find that out; ``things``, ``machine``, ``expressions``,
``statements`` and ``calling`` are its parts), ``losses``, ``optimizers``, ``loops``; ``files``, ``notebook`` and
``source`` are the way from a path to a program.
"""

from bridle.auditing.reading.calls import Call as Call
from bridle.auditing.reading.constants import UNKNOWN as UNKNOWN
from bridle.auditing.reading.files import find_files as find_files
from bridle.auditing.reading.files import read_file as read_file
from bridle.auditing.reading.files import read_source as read_source
from bridle.auditing.reading.loops import Evaluation as Evaluation
from bridle.auditing.reading.loops import Training as Training
from bridle.auditing.reading.losses import Loss as Loss
from bridle.auditing.reading.networks import Network as Network
from bridle.auditing.reading.ops import Op as Op
from bridle.auditing.reading.ops import before as before
from bridle.auditing.reading.ops import meaningful as meaningful
from bridle.auditing.reading.optimizers import Optimizer as Optimizer
from bridle.auditing.reading.program import Program as Program
from bridle.auditing.reading.source import Unreadable as Unreadable
