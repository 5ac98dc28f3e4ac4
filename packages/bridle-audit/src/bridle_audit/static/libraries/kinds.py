"""Kinds of layers, functions and losses by name: one word for nn.ReLU, F.relu, torch.relu and x.relu()."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["LOSSES", "SHAPES", "UNKNOWN_KIND", "is_constructor", "kind_of"]

UNKNOWN_KIND = "?"
SHAPES = ("reshape", "flatten", "select")  # kinds that change no value

# Names without case, underscores, "Lazy" and numbers of dimensions.
WORDS = {
    "linear": "linear dense bilinear",
    "conv": "conv convtranspose conv1dtranspose conv2dtranspose conv3dtranspose depthwiseconv separableconv convtbc "
    "stdconv",
    "batch_norm": "batchnorm batchnormalization syncbatchnorm",
    "norm": "layernorm groupnorm rmsnorm instancenorm localresponsenorm crossmaplrn layernormalization "
    "groupnormalization unitnormalization rmsnormalization frozenbatchnorm",
    "normalize": "normalize",
    "dropout": "dropout alphadropout featuredropout featurealphadropout gaussiandropout spatialdropout",
    "drop_path": "droppath stochasticdepth dropblock",
    "noise": "gaussiannoise",
    "embedding": "embedding embeddingbag",
    "recurrent": "rnn lstm gru rnncell lstmcell grucell simplernn bidirectional",
    "attention": "multiheadattention scaleddotproductattention multiheadattentionforward attention",
    "transformer": "transformer transformerencoder transformerdecoder transformerencoderlayer transformerdecoderlayer",
    "pool": "maxpool avgpool adaptiveavgpool adaptivemaxpool lppool fractionalmaxpool maxpooling averagepooling "
    "globalaveragepooling globalmaxpooling adaptivemaxpoolwithindices",
    "upsample": "upsample interpolate upsamplingbilinear upsamplingnearest upsampling pixelshuffle pixelunshuffle "
    "maxunpool upsamplebilinear upsamplenearest gridsample",
    "pad": "pad constantpad zeropad reflectionpad replicationpad circularpad zeropadding",
    "flatten": "flatten ravel",
    "reshape": "unflatten reshape view viewas permute transpose t squeeze unsqueeze expand expandas swapaxes movedim "
    "repeat repeatinterleave channelshuffle unfold fold rearrange",
    "select": "narrow indexselect select gather chunk split unbind take",
    "reduce": "mean sum amax amin max min logsumexp norm std var prod",
    "clamp": "clamp clampmin clampmax clip hardtanh threshold",
    "detach": "detach item tolist numpy",
    "argmax": "argmax topk argsort",
    "concat": "cat concat stack hstack vstack concatenate",
    "gate": "glu",
}
ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "leakyrelu": "leaky_relu",
    "prelu": "prelu",
    "rrelu": "rrelu",
    "elu": "elu",
    "selu": "selu",
    "celu": "celu",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
    "logsigmoid": "log_sigmoid",
    "tanh": "tanh",
    "hardswish": "hardswish",
    "softplus": "softplus",
    "softsign": "softsign",
    "softmax": "softmax",
    "softmax2d": "softmax",
    "gumbelsoftmax": "softmax",
    "logsoftmax": "log_softmax",
    "softmin": "softmin",
    "tanhshrink": "tanhshrink",
    "hardshrink": "hardshrink",
    "softshrink": "softshrink",
    "abs": "abs",
    "exp": "exp",
    "square": "square",
    "sqrt": "sqrt",
    "log": "log",
    "expit": "sigmoid",
}
KIND_OF_WORD = {
    **{word: kind for kind, words in WORDS.items() for word in words.split()},
    **{word: f"activation:{name}" for word, name in ACTIVATIONS.items()},
}
KNOWN_MODULES = re.compile(
    r"^(?:method:|torch\.(?:nn\.(?:functional\.)?|special\.)?|keras\.(?:layers|activations|ops)\.|timm\.layers\."
    r"|torchvision\.ops\.|einops\.(?:layers\.torch\.)?)(?P<word>\w+)$"
)
MODELS = re.compile(
    r"^torchvision\.models\.|^timm\.create_model$|^torch\.hub\.load$|^[\w.]+\.from_(?:pretrained|config)$"
)
DIMENSIONS = re.compile(r"[123][dD]$")

# What is computed for training: the loss's kind, and the place and name of its logits are the first, "input".
LOSSES = {
    "torch.nn.CrossEntropyLoss": "cross_entropy",
    "torch.nn.functional.cross_entropy": "cross_entropy",
    "torch.nn.NLLLoss": "nll",
    "torch.nn.NLLLoss2d": "nll",
    "torch.nn.functional.nll_loss": "nll",
    "torch.nn.BCEWithLogitsLoss": "bce_logits",
    "torch.nn.functional.binary_cross_entropy_with_logits": "bce_logits",
    "torch.nn.MultiLabelSoftMarginLoss": "bce_logits",
    "torch.nn.functional.multilabel_soft_margin_loss": "bce_logits",
    "torchvision.ops.sigmoid_focal_loss": "bce_logits",
    "torch.nn.BCELoss": "bce",
    "torch.nn.functional.binary_cross_entropy": "bce",
    "torch.nn.MSELoss": "mse",
    "torch.nn.functional.mse_loss": "mse",
    "torch.nn.L1Loss": "l1",
    "torch.nn.functional.l1_loss": "l1",
    "torch.nn.SmoothL1Loss": "smooth_l1",
    "torch.nn.functional.smooth_l1_loss": "smooth_l1",
    "torch.nn.HuberLoss": "smooth_l1",
    "torch.nn.functional.huber_loss": "smooth_l1",
    "torch.nn.KLDivLoss": "kl",
    "torch.nn.functional.kl_div": "kl",
    "torch.nn.MultiMarginLoss": "multi_margin",
    "torch.nn.functional.multi_margin_loss": "multi_margin",
    "timm.loss.LabelSmoothingCrossEntropy": "cross_entropy",
    "timm.loss.SoftTargetCrossEntropy": "soft_cross_entropy",
    "timm.loss.BinaryCrossEntropy": "bce_logits",
}


@lru_cache(maxsize=4096)
def kind_of(name: str) -> str:
    """The kind of a layer, function or method; "other" for a name that is not known.

    >>> kind_of("torch.nn.LazyConv2d"), kind_of("torch.nn.functional.leaky_relu"), kind_of("my.thing")
    ('conv', 'activation:leaky_relu', 'other')
    """
    if name in LOSSES:
        return f"loss:{LOSSES[name]}"
    found = KNOWN_MODULES.match(name)
    if not found:
        return "other"
    word = DIMENSIONS.sub("", found["word"].rstrip("_")).removeprefix("Lazy").lower().replace("_", "")
    return KIND_OF_WORD.get(word, "other")


def is_constructor(name: str) -> bool:
    """Return True if a call of the name makes a layer or model, which is called later.

    >>> is_constructor("torch.nn.ReLU"), is_constructor("torch.nn.functional.relu"), is_constructor("timm.create_model")
    (True, False, True)
    """
    last = name.rpartition(".")[2]
    if last[:1].isupper() and not name.startswith(("torch.Tensor", "torch.cuda", "torch.nn.Parameter")):
        return True
    return MODELS.match(name) is not None
