"""An abstract interpreter: follows a program as it would run, with layers and ops on data instead of values.

Its results are in ``flow`` (the ops that data pass), ``networks`` (the networks that a program defines) and ``losses``
(the losses that it computes). Other packages import only the names below.

Within, read in this order: ``abstract_values``, ``machine`` (the state, and the generic functions that the
others register with), ``expressions``, ``references``, ``statements``, ``applications``, ``functions``, ``attributes``,
``methods`` and ``library`` (the semantics of the language and of libraries), ``run`` (the order in which a file is
followed), ``trace`` (the results).
"""

from bridle_audit.static.interpreter.flow import Op as Op
from bridle_audit.static.interpreter.flow import ops_before as ops_before
from bridle_audit.static.interpreter.flow import value_changing as value_changing
from bridle_audit.static.interpreter.losses import ComputedLoss as ComputedLoss
from bridle_audit.static.interpreter.losses import losses_of as losses_of
from bridle_audit.static.interpreter.networks import Network as Network
from bridle_audit.static.interpreter.networks import networks_of as networks_of
from bridle_audit.static.interpreter.run import interpret as interpret
from bridle_audit.static.interpreter.trace import ProgramTrace as ProgramTrace
