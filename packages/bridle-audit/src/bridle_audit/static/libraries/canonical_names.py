"""Canonical names of libraries' functions and classes, whatever way they are imported, also by a star."""

from __future__ import annotations

import builtins
import re
from functools import lru_cache

from bridle_audit.static.libraries.kinds import kind_of

__all__ = ["BUILTINS", "canonical", "from_star"]

BUILTINS = frozenset(vars(builtins))

# The modules that programs import with a star, and how each writes the names that it exports.
STARS = {
    "torch": re.compile(r"[a-z]\w*|\w*Tensor"),
    "torch.nn": re.compile(r"[A-Z]\w*(?<!Tensor)|functional|init|parameter|utils"),
    "torch.nn.functional": re.compile(r"[a-z]\w*"),
    "torch.optim": re.compile(r"[A-Z]\w*|lr_scheduler|swa_utils"),
    "keras.layers": re.compile(r"[A-Z]\w*|[a-z]\w*"),
}

# Other homes of what is known under a shorter name.
ALIASES = (
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
    for pattern, short in ALIASES:
        name = pattern.sub(short, name)
    return name


def from_star(name: str, modules: list[str]) -> str | None:
    """Resolve a name that nothing in the file binds, by the modules imported with a star; None if none fits.

    It is a library's if the library has that layer, function or loss. Any other name that is written as the library
    writes its own is, too, unless it is Python's, or a module that is not known here may have brought it.

    >>> from_star("Linear", ["torch.nn", "models"]), from_star("Identity", ["torch.nn"])
    ('torch.nn.Linear', 'torch.nn.Identity')
    >>> from_star("Encoder", ["torch.nn", "models"]), from_star("print", ["torch"])
    (None, None)
    """
    homes = [canonical(each) for each in modules]
    fitting = [f"{home}.{name}" for home in homes if home in STARS and STARS[home].fullmatch(name)]
    known = [each for each in fitting if kind_of(each) != "other"]
    is_certain = name not in BUILTINS and all(home in STARS for home in homes)
    return next(iter(known or (fitting if is_certain else ())), None)
