"""The seven places of a training step at which a regularizer can act.

The place is the type: it fixes the arguments, the order, the folder and the checks.

    x, y = BATCH(x, y)                      mixup, cutmix, cutout, input noise, label smoothing, FGSM
    z    = network(x)    with LAYER inside  the dropout family, norms, stochastic depth, weight and spectral norm
    loss = data_loss(z, y) + LOSS(w, h, z)  L1, L2, group lasso, orthogonality, activity, confidence, R-drop
    g    = GRADIENT(gradient of loss)       SAM, clipping, gradient noise, centralization
    w    = WEIGHT(optimizer(WEIGHT(w), g))  decoupled weight decay before the update; max-norm, proximal steps behind it
    a    = AVERAGE(a, w)                    EMA, SWA, lookahead, snapshots
    stop = STOP(score)                      early stopping with best weights restored

What holds at every place (Note [the formulas]):

- A formula is a pure function: arrays are positional, knobs keyword-only. Its arguments come in one order: the
  subjects (``x, y``; ``h``; ``w``; ...), the noise in the order of ``noise``, its ``extra_inputs``, its
  ``parameters``, its ``state``; then as keywords its knobs and its
  ``step_inputs``. New state is returned behind the result.
- Nothing branches on a knob's value. In the stacked engine a knob is an array with one value per variant, broadcast
  against the subject, whose leading axes are (seeds, recipes): so the PyTorch forms count axes from the end, and a sum
  that ends in one number per variant takes its knobs in before it sums.
- Noise, parameters and state arrive in shapes that broadcast against the subject. What all recipes share comes once:
  the subject itself may be (seeds, 1, ...) where knobs, parameters and state are (seeds or 1, recipes, ...).
- Knobs that are words (``on``, ``at``, ``groups``) say where or which; they are not passed to a formula, unless they
  are declared with ``in_formula``, and then as what they are: words.

A new base states its ``place``, its ``forms`` and its answers to :class:`bridle.recipe.Regularizer` (``on_parameters``,
``second_pass``, ...): checks, notes and adapters ask for these and know no base. What runs a recipe does know it: the
base gets lines in ``vanilla``, ``engine``, ``attaching`` and ``exporting``, and in ``testing/place_checks.py``.
"""

from bridle.places.average import Average as Average
from bridle.places.average import Ensemble as Ensemble
from bridle.places.base import AT as AT
from bridle.places.base import EVERYTHING as EVERYTHING
from bridle.places.base import HIDDEN as HIDDEN
from bridle.places.base import INPUT as INPUT
from bridle.places.base import MATRICES as MATRICES
from bridle.places.base import ON as ON
from bridle.places.base import Array as Array
from bridle.places.base import in_choices as in_choices
from bridle.places.batch import Batch as Batch
from bridle.places.gradient import Ascent as Ascent
from bridle.places.gradient import Gradient as Gradient
from bridle.places.layer import Layer as Layer
from bridle.places.layer import RunningStatistics as RunningStatistics
from bridle.places.layer import WeightLayer as WeightLayer
from bridle.places.loss import ActivityLoss as ActivityLoss
from bridle.places.loss import Loss as Loss
from bridle.places.loss import OutputLoss as OutputLoss
from bridle.places.loss import PassLoss as PassLoss
from bridle.places.noise import Draw as Draw
from bridle.places.stop import Stop as Stop
from bridle.places.weight import Weight as Weight
