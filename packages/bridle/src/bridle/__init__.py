"""bridle finds, applies and explains the regularization a neural network needs."""

# Note [lazy names]
# torch takes a second to import and `bridle --help` must not wait for it: a public name is imported when first used.
# The imports below are the list of them, for type checkers and at run time.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bridle_audit.lazy_names import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bridle.attaching import Handle as Handle
    from bridle.attaching import attach as attach
    from bridle.attaching import attached as attached
    from bridle.comparison import compare as compare
    from bridle.data import Data as Data
    from bridle.data import Splits as Splits
    from bridle.data import load as load
    from bridle.engine import train as train
    from bridle.exporting import to_code as to_code
    from bridle.metrics import Metric as Metric
    from bridle.networks import MLP as MLP
    from bridle.networks import Residual as Residual
    from bridle.networks import convnet as convnet
    from bridle.networks import linear as linear
    from bridle.networks import mlp as mlp
    from bridle.networks import residual_mlp as residual_mlp
    from bridle.protocol import Protocol as Protocol
    from bridle.regularizers import ASAM as ASAM
    from bridle.regularizers import CATALOG as CATALOG
    from bridle.regularizers import EMA as EMA
    from bridle.regularizers import FGSM as FGSM
    from bridle.regularizers import L1 as L1
    from bridle.regularizers import L2 as L2
    from bridle.regularizers import SAM as SAM
    from bridle.regularizers import SWA as SWA
    from bridle.regularizers import VAT as VAT
    from bridle.regularizers import ActivationNoise as ActivationNoise
    from bridle.regularizers import ActivityL1 as ActivityL1
    from bridle.regularizers import ActivityL2 as ActivityL2
    from bridle.regularizers import AdaptiveClip as AdaptiveClip
    from bridle.regularizers import AlphaDropout as AlphaDropout
    from bridle.regularizers import BatchNorm as BatchNorm
    from bridle.regularizers import ClipNorm as ClipNorm
    from bridle.regularizers import ClipValue as ClipValue
    from bridle.regularizers import ConfidencePenalty as ConfidencePenalty
    from bridle.regularizers import CutMix as CutMix
    from bridle.regularizers import Cutout as Cutout
    from bridle.regularizers import DropBlock as DropBlock
    from bridle.regularizers import DropConnect as DropConnect
    from bridle.regularizers import Dropout as Dropout
    from bridle.regularizers import EarlyStopping as EarlyStopping
    from bridle.regularizers import ElasticDistortion as ElasticDistortion
    from bridle.regularizers import ElasticNet as ElasticNet
    from bridle.regularizers import GaussianDropout as GaussianDropout
    from bridle.regularizers import GeneralizationLoss as GeneralizationLoss
    from bridle.regularizers import GhostBatchNorm as GhostBatchNorm
    from bridle.regularizers import GradientCentralization as GradientCentralization
    from bridle.regularizers import GradientNoise as GradientNoise
    from bridle.regularizers import GroupLasso as GroupLasso
    from bridle.regularizers import GroupNorm as GroupNorm
    from bridle.regularizers import GroupSoftThreshold as GroupSoftThreshold
    from bridle.regularizers import HardBootstrap as HardBootstrap
    from bridle.regularizers import ImageShift as ImageShift
    from bridle.regularizers import InputNoise as InputNoise
    from bridle.regularizers import JacobianPenalty as JacobianPenalty
    from bridle.regularizers import L2ToInit as L2ToInit
    from bridle.regularizers import LabelSmoothing as LabelSmoothing
    from bridle.regularizers import LayerNorm as LayerNorm
    from bridle.regularizers import Lookahead as Lookahead
    from bridle.regularizers import MaxNorm as MaxNorm
    from bridle.regularizers import Mixup as Mixup
    from bridle.regularizers import NonNegative as NonNegative
    from bridle.regularizers import Orthogonality as Orthogonality
    from bridle.regularizers import RDrop as RDrop
    from bridle.regularizers import Recipe as Recipe
    from bridle.regularizers import RMSNorm as RMSNorm
    from bridle.regularizers import ShrinkPerturb as ShrinkPerturb
    from bridle.regularizers import SnapshotEnsemble as SnapshotEnsemble
    from bridle.regularizers import SoftThreshold as SoftThreshold
    from bridle.regularizers import SpatialDropout as SpatialDropout
    from bridle.regularizers import SpectralNorm as SpectralNorm
    from bridle.regularizers import SpectralPenalty as SpectralPenalty
    from bridle.regularizers import StochasticDepth as StochasticDepth
    from bridle.regularizers import UnitNorm as UnitNorm
    from bridle.regularizers import WeightDecay as WeightDecay
    from bridle.regularizers import WeightNorm as WeightNorm
    from bridle.regularizers import WeightStandardization as WeightStandardization
    from bridle.results import Run as Run
    from bridle.results import Study as Study
    from bridle_audit import Finding as Finding
    from bridle_audit import audit as audit
    from bridle_audit import convert_strength as convert_strength
    from bridle_audit import ledger as ledger
    from bridle_audit import watch as watch


def __getattr__(name: str) -> Any:
    if name == "testing":  # a module that is a public name itself
        return import_module("bridle.testing")
    names = lazy_names(__name__)
    if name == "__all__":
        return ["__version__", *names]
    if name not in names:
        raise AttributeError(f"module 'bridle' has no attribute {name!r}{likely(name)}")
    return getattr(import_module(names[name]), name)


def likely(name: str) -> str:
    """Return ``"; did you mean ...?"`` for a name that the package does not have; nothing for Python's own names."""
    if name.startswith("_"):
        return ""
    naming, regularizers = import_module("bridle.name_suggestions"), import_module("bridle.regularizers")
    return str(naming.suggestion(name, regularizers.CATALOG, lazy_names(__name__)))


def __dir__() -> list[str]:
    return sorted(["__version__", *lazy_names(__name__)])
