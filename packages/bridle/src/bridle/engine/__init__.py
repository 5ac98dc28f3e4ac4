"""The stacked engine: many variants of a network trained as one program.

Written to be read from the top, and each file calls only those below it: ``training`` (the ways in),
``stack_training`` (one stack, epoch by epoch), ``checkpointing``, ``recording`` and ``evaluation``, ``stopping``;
``stack`` (blocks that share batches, noise and ``stack_optimizer``), ``block_training`` (the training step, place by
place), then what a recipe is at each place: ``objective`` (batches, outputs, passes), ``parameter_regularizers``
(penalties, gradients, weights, averages) and ``forward_regularizers`` (layers); ``block`` (the arrays and the forward
pass), as ``mlp_block`` and ``module_block``.
"""

from bridle.engine.precision import resolve_precision as resolve_precision
from bridle.engine.stack import Stack as Stack
from bridle.engine.training import check_recipes as check_recipes
from bridle.engine.training import make_stack as make_stack
from bridle.engine.training import step_losses as step_losses
from bridle.engine.training import train as train
from bridle.engine.training import train_variants as train_variants
from bridle.engine.variant_grids import MEMORY as MEMORY
