"""The vanilla engine: a neural network, its optimizers and its training loop in NumPy, every gradient by hand.

It is the definition that the fast engine is tested against, written to be read, in this order: ``layers`` (linear
layer, activation, and what a recipe adds), ``network`` (a chain of parts), ``optimizers``, ``step`` (one training step,
place by place), ``training``, ``evaluation``.
"""

from bridle.vanilla.network import VanillaNetwork as VanillaNetwork
from bridle.vanilla.training import check_recipes as check_recipes
from bridle.vanilla.training import resolve_precision as resolve_precision
from bridle.vanilla.training import step_losses as step_losses
from bridle.vanilla.training import train_variants as train_variants
