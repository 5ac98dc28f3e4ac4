"""An abstract interpreter: follows a program as it would run, with layers and data on their way instead of values.

One room with three doors: ``flow`` (what data go through), ``networks`` (the networks that a program defines) and
``losses`` (where it computes a loss). Nobody outside imports anything but what this module has.

Within, read in this order: ``values`` (what is computed with), ``machine`` (the state, and the generic functions that
the others register with), ``expressions``, ``references``, ``statements``, ``calls``, ``functions``, ``attributes``,
``methods`` and ``library`` (what the language and the libraries do), ``run`` (how a whole file is followed), ``trace``
(what that has shown).
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
