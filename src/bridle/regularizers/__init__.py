"""The table of contents: every regularizer there is, one line each."""

from bridle.places import Layer as Layer
from bridle.places import Loss as Loss
from bridle.places import Weight as Weight
from bridle.recipe import Recipe as Recipe
from bridle.recipe import Regularizer as Regularizer
from bridle.regularizers.layer.batch_norm import BatchNorm as BatchNorm
from bridle.regularizers.layer.dropout import Dropout as Dropout
from bridle.regularizers.loss.l2 import L2 as L2
from bridle.regularizers.weight.weight_decay import WeightDecay as WeightDecay

CATALOG: dict[str, type[Regularizer]] = {leaf.__name__: leaf for leaf in (L2, WeightDecay, Dropout, BatchNorm)}
