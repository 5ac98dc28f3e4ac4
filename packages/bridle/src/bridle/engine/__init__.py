"""The stacked engine: many variants of a network trained as one program."""

from bridle.engine.precision import resolve_precision as resolve_precision
from bridle.engine.stack import Stack as Stack
from bridle.engine.training import make_stack as make_stack
from bridle.engine.training import step_losses as step_losses
from bridle.engine.training import train as train
from bridle.engine.training import train_variants as train_variants
from bridle.engine.variant_grids import MEMORY as MEMORY
