"""The table of contents: every regularizer there is, one line each."""

from bridle.places.base import Placed
from bridle.recipe import Recipe as Recipe
from bridle.recipe import Regularizer as Regularizer
from bridle.regularizers.average.ema import EMA as EMA
from bridle.regularizers.average.lookahead import Lookahead as Lookahead
from bridle.regularizers.average.snapshot_ensemble import SnapshotEnsemble as SnapshotEnsemble
from bridle.regularizers.average.swa import SWA as SWA
from bridle.regularizers.batch.cut_mix import CutMix as CutMix
from bridle.regularizers.batch.cutout import Cutout as Cutout
from bridle.regularizers.batch.elastic_distortion import ElasticDistortion as ElasticDistortion
from bridle.regularizers.batch.fgsm import FGSM as FGSM
from bridle.regularizers.batch.hard_bootstrap import HardBootstrap as HardBootstrap
from bridle.regularizers.batch.image_shift import ImageShift as ImageShift
from bridle.regularizers.batch.input_noise import InputNoise as InputNoise
from bridle.regularizers.batch.label_smoothing import LabelSmoothing as LabelSmoothing
from bridle.regularizers.batch.mixup import Mixup as Mixup
from bridle.regularizers.gradient.adaptive_clip import AdaptiveClip as AdaptiveClip
from bridle.regularizers.gradient.asam import ASAM as ASAM
from bridle.regularizers.gradient.clip_norm import ClipNorm as ClipNorm
from bridle.regularizers.gradient.clip_value import ClipValue as ClipValue
from bridle.regularizers.gradient.gradient_centralization import GradientCentralization as GradientCentralization
from bridle.regularizers.gradient.gradient_noise import GradientNoise as GradientNoise
from bridle.regularizers.gradient.sam import SAM as SAM
from bridle.regularizers.layer.activation_noise import ActivationNoise as ActivationNoise
from bridle.regularizers.layer.alpha_dropout import AlphaDropout as AlphaDropout
from bridle.regularizers.layer.batch_norm import BatchNorm as BatchNorm
from bridle.regularizers.layer.drop_block import DropBlock as DropBlock
from bridle.regularizers.layer.drop_connect import DropConnect as DropConnect
from bridle.regularizers.layer.dropout import Dropout as Dropout
from bridle.regularizers.layer.gaussian_dropout import GaussianDropout as GaussianDropout
from bridle.regularizers.layer.ghost_batch_norm import GhostBatchNorm as GhostBatchNorm
from bridle.regularizers.layer.group_norm import GroupNorm as GroupNorm
from bridle.regularizers.layer.layer_norm import LayerNorm as LayerNorm
from bridle.regularizers.layer.rms_norm import RMSNorm as RMSNorm
from bridle.regularizers.layer.spatial_dropout import SpatialDropout as SpatialDropout
from bridle.regularizers.layer.spectral_norm import SpectralNorm as SpectralNorm
from bridle.regularizers.layer.stochastic_depth import StochasticDepth as StochasticDepth
from bridle.regularizers.layer.weight_norm import WeightNorm as WeightNorm
from bridle.regularizers.layer.weight_standardization import WeightStandardization as WeightStandardization
from bridle.regularizers.loss.activity_l1 import ActivityL1 as ActivityL1
from bridle.regularizers.loss.activity_l2 import ActivityL2 as ActivityL2
from bridle.regularizers.loss.confidence_penalty import ConfidencePenalty as ConfidencePenalty
from bridle.regularizers.loss.elastic_net import ElasticNet as ElasticNet
from bridle.regularizers.loss.group_lasso import GroupLasso as GroupLasso
from bridle.regularizers.loss.jacobian_penalty import JacobianPenalty as JacobianPenalty
from bridle.regularizers.loss.l1 import L1 as L1
from bridle.regularizers.loss.l2 import L2 as L2
from bridle.regularizers.loss.l2_to_init import L2ToInit as L2ToInit
from bridle.regularizers.loss.orthogonality import Orthogonality as Orthogonality
from bridle.regularizers.loss.r_drop import RDrop as RDrop
from bridle.regularizers.loss.spectral_penalty import SpectralPenalty as SpectralPenalty
from bridle.regularizers.loss.vat import VAT as VAT
from bridle.regularizers.stop.early_stopping import EarlyStopping as EarlyStopping
from bridle.regularizers.stop.generalization_loss import GeneralizationLoss as GeneralizationLoss
from bridle.regularizers.weight.group_soft_threshold import GroupSoftThreshold as GroupSoftThreshold
from bridle.regularizers.weight.max_norm import MaxNorm as MaxNorm
from bridle.regularizers.weight.non_negative import NonNegative as NonNegative
from bridle.regularizers.weight.shrink_perturb import ShrinkPerturb as ShrinkPerturb
from bridle.regularizers.weight.soft_threshold import SoftThreshold as SoftThreshold
from bridle.regularizers.weight.unit_norm import UnitNorm as UnitNorm
from bridle.regularizers.weight.weight_decay import WeightDecay as WeightDecay

IN_ORDER: tuple[type[Placed], ...] = (
    # batch
    CutMix,
    Cutout,
    ElasticDistortion,
    FGSM,
    HardBootstrap,
    ImageShift,
    InputNoise,
    LabelSmoothing,
    Mixup,
    # layer
    ActivationNoise,
    AlphaDropout,
    BatchNorm,
    DropBlock,
    DropConnect,
    Dropout,
    GaussianDropout,
    GhostBatchNorm,
    GroupNorm,
    LayerNorm,
    RMSNorm,
    SpatialDropout,
    SpectralNorm,
    StochasticDepth,
    WeightNorm,
    WeightStandardization,
    # loss
    ActivityL1,
    ActivityL2,
    ConfidencePenalty,
    ElasticNet,
    GroupLasso,
    JacobianPenalty,
    L1,
    L2,
    L2ToInit,
    Orthogonality,
    RDrop,
    SpectralPenalty,
    VAT,
    # gradient
    ASAM,
    AdaptiveClip,
    ClipNorm,
    ClipValue,
    GradientCentralization,
    GradientNoise,
    SAM,
    # weight
    GroupSoftThreshold,
    MaxNorm,
    NonNegative,
    ShrinkPerturb,
    SoftThreshold,
    UnitNorm,
    WeightDecay,
    # average
    EMA,
    Lookahead,
    SWA,
    SnapshotEnsemble,
    # stop
    EarlyStopping,
    GeneralizationLoss,
)
CATALOG: dict[str, type[Placed]] = {leaf.__name__: leaf for leaf in IN_ORDER}
