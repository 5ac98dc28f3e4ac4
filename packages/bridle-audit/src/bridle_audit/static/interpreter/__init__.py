"""An abstract interpreter: follows a program as it would run, with layers and ops on data instead of values.

Its results are in ``flow`` (the ops that data pass), ``networks`` (the networks that a program defines) and ``losses``
(the losses that it computes). Other packages import only the names below.

Within, read in this order: ``values`` (the abstract values), ``machine`` (the state, and the generic functions that the
others register with), ``expressions``, ``references``, ``statements``, ``calls``, ``functions``, ``attributes``,
``methods`` and ``library`` (the semantics of the language and of libraries), ``run`` (the order in which a file is
followed), ``trace`` (the results).
"""

from bridle_audit.static.interpreter.flow import Op as Op
from bridle_audit.static.interpreter.flow import before as before
from bridle_audit.static.interpreter.flow import meaningful as meaningful
from bridle_audit.static.interpreter.losses import Loss as Loss
from bridle_audit.static.interpreter.losses import losses_of as losses_of
from bridle_audit.static.interpreter.networks import Network as Network
from bridle_audit.static.interpreter.networks import networks_of as networks_of
from bridle_audit.static.interpreter.run import interpret as interpret
from bridle_audit.static.interpreter.trace import Trace as Trace
