"""What a star import brings, and the one name under which a thing is known here, whatever way it was imported."""

from __future__ import annotations

import builtins
import re
from functools import lru_cache

BUILTINS = frozenset(vars(builtins))

LAYERS = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss AdaptiveMaxPool1d AdaptiveMaxPool2d
AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d
BatchNorm3d Bilinear CELU CTCLoss ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d
ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss CosineSimilarity
CrossEntropyLoss CrossMapLRN2d DataParallel Dropout Dropout1d Dropout2d Dropout3d ELU Embedding EmbeddingBag
FeatureAlphaDropout Flatten Fold FractionalMaxPool2d FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss GroupNorm
Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity InstanceNorm1d InstanceNorm2d
InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LSTM LSTMCell LayerNorm LazyBatchNorm1d LazyBatchNorm2d
LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d
LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear LeakyReLU Linear LocalResponseNorm LogSigmoid
LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Mish Module
ModuleDict ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention NLLLoss NLLLoss2d
PReLU PairwiseDistance Parameter ParameterDict ParameterList PixelShuffle PixelUnshuffle PoissonNLLLoss RMSNorm RNN
RNNBase RNNCell RNNCellBase RReLU ReLU ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d
ReplicationPad2d ReplicationPad3d SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin
Softplus Softshrink Softsign SyncBatchNorm Tanh Tanhshrink Threshold Transformer TransformerDecoder
TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer TripletMarginLoss TripletMarginWithDistanceLoss
UninitializedBuffer UninitializedParameter Unflatten Unfold Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d
ZeroPad2d ZeroPad3d functional init utils
"""

FUNCTIONS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear binary_cross_entropy
binary_cross_entropy_with_logits celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d
conv_transpose2d conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout dropout1d
dropout2d dropout3d elu elu_ embedding embedding_bag feature_alpha_dropout fold fractional_max_pool2d
fractional_max_pool3d gaussian_nll_loss gelu glu grid_sample group_norm gumbel_softmax hardshrink hardsigmoid hardswish
hardtanh hardtanh_ hinge_embedding_loss huber_loss instance_norm interpolate kl_div l1_loss layer_norm leaky_relu
leaky_relu_ linear local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss
max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d mish mse_loss multi_head_attention_forward
multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss normalize one_hot pad pairwise_distance
pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu6 relu_ rms_norm rrelu rrelu_
scaled_dot_product_attention selu selu_ sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink
softsign tanh tanhshrink threshold threshold_ triplet_margin_loss triplet_margin_with_distance_loss unfold upsample
upsample_bilinear upsample_nearest
"""

OPTIMIZERS = """
ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam Optimizer RAdam RMSprop Rprop SGD SparseAdam
lr_scheduler swa_utils
"""

TORCH = """
abs argmax autocast bmm cat clamp concat einsum enable_grad exp flatten from_numpy inference_mode log log_softmax
manual_seed matmul max mean mm nn no_grad norm ones optim rand randn relu selu sigmoid softmax sqrt square squeeze stack
sum tanh tensor unsqueeze utils zeros
"""

KERAS_LAYERS = """
Activation ActivityRegularization AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization
Bidirectional Concatenate Conv1D Conv2D Conv2DTranspose Conv3D Dense Dropout ELU Embedding Flatten GRU GaussianDropout
GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization
Input InputLayer LSTM LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D PReLU ReLU Reshape SimpleRNN Softmax
SpatialDropout1D SpatialDropout2D add concatenate
"""

# Where the name is looked up when a module is imported with a star.
STARS = {
    "torch": dict.fromkeys(TORCH.split(), "torch"),
    "torch.nn": dict.fromkeys(LAYERS.split(), "torch.nn"),
    "torch.nn.functional": dict.fromkeys(FUNCTIONS.split(), "torch.nn.functional"),
    "torch.optim": dict.fromkeys(OPTIMIZERS.split(), "torch.optim"),
    "keras.layers": dict.fromkeys(KERAS_LAYERS.split(), "keras.layers"),
}

# Other homes of what is known under a shorter name.
SHORTER = (
    (re.compile(r"^tensorflow\.(?:python\.)?keras\b|^tf_keras\b|^keras\.(?:api|src)\b"), "keras"),
    (
        re.compile(r"^keras\.layers\.(?:core|convolutional|pooling|recurrent|normalization|embeddings)\."),
        "keras.layers.",
    ),
    (re.compile(r"^(?:pytorch_lightning|lightning\.pytorch|lightning\.pytorch\.core|lightning_fabric)\b"), "lightning"),
    (re.compile(r"^lightning\.(?:core|core\.lightning|core\.module)\.(?=[A-Z])"), "lightning."),
    (re.compile(r"^torch\.nn\.modules\.(?:[a-z_]+\.)?(?=[A-Z])"), "torch.nn."),
    (re.compile(r"^torch\.nn\.parameter\."), "torch.nn."),
    (re.compile(r"^torch\.nn\.parallel\.(?:distributed|data_parallel)\."), "torch.nn.parallel."),
    (re.compile(r"^torch\.optim\._?(?!lr_scheduler|swa_utils)[a-z0-9_]+\.(?=[A-Z])"), "torch.optim."),
    (re.compile(r"^torch\.autograd\.(?:grad_mode\.)?(?=no_grad|inference_mode|set_grad_enabled)"), "torch."),
    (re.compile(r"^transformers\.(?:[a-z_0-9]+\.)+(?=[A-Z])"), "transformers."),
    (re.compile(r"^timm\.(?:models\.)?layers\.(?:[a-z_0-9]+\.)?"), "timm.layers."),
    (re.compile(r"^timm\.loss\.[a-z_0-9]+\."), "timm.loss."),
    (re.compile(r"^timm\.optim\.[a-z_0-9]+\.(?=[A-Z])"), "timm.optim."),
    (re.compile(r"^timm\.models\.(?:factory|_factory)?\.?(?=create_model)"), "timm."),
)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """The name under which a thing is known here.

    >>> canonical("torch.nn.modules.activation.ReLU"), canonical("tensorflow.keras.layers.Dense")
    ('torch.nn.ReLU', 'keras.layers.Dense')
    """
    for pattern, short in SHORTER:
        name = pattern.sub(short, name)
    return name


def from_star(name: str, modules: list[str]) -> str | None:
    """What a name means that only a star import can have brought; None where none of the known ones has it."""
    for module in modules:
        if name in STARS.get(canonical(module), ()):
            return f"{canonical(module)}.{name}"
    return None
