"""Correct set-ups of real libraries, at small size: model, optimizer, loss and batch as their own recipes have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Groups = list[dict[str, Any]]
CLASSES = 10
IMAGES = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.arange(8) % CLASSES
TOKENS = torch.randint(5, 90, (8, 12), generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Training:
    """The arguments of ``bridle.audit``."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[..., Any] | None
    batch: Any


def no_decay_by_axes(model: nn.Module, strength: float) -> Groups:
    """Return nanoGPT's groups: what has two axes or more decays."""
    held = [each for each in model.parameters() if each.requires_grad]
    return [
        {"params": [each for each in held if each.ndim >= 2], "weight_decay": strength},
        {"params": [each for each in held if each.ndim < 2], "weight_decay": 0.0},
    ]


def no_decay_by_trainer(model: nn.Module, strength: float) -> Groups:
    """Return the groups of Hugging Face's Trainer, made by its own function."""
    from transformers.trainer_pt_utils import get_parameter_names

    names = set(get_parameter_names(model, [nn.LayerNorm], ["bias", "layernorm", "rmsnorm", "norm"]))
    held = list(model.named_parameters())
    return [
        {"params": [each for name, each in held if name in names], "weight_decay": strength},
        {"params": [each for name, each in held if name not in names], "weight_decay": 0.0},
    ]


def no_decay_for_norms(model: nn.Module, strength: float) -> Groups:
    """Return the groups of torchvision's references under --norm-weight-decay 0: norms are known by their classes."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
    norms = [
        each for module in model.modules() if isinstance(module, kinds) for each in module.parameters(recurse=False)
    ]
    known = {id(each) for each in norms}
    others = [each for each in model.parameters() if id(each) not in known]
    return [{"params": others, "weight_decay": strength}, {"params": norms, "weight_decay": 0.0}]


TIMM = (
    "resnet10t",
    "resnet18",
    "efficientnet_b0",
    "mobilenetv3_small_050",
    "convnext_atto",
    "convnextv2_atto",
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "mixer_s32_224",
    "regnetx_002",
    "densenet121",
    "nf_resnet26",
)


def of_timm(timm: Any, name: str) -> Training:
    """Return a model of timm in its own training set-up: AdamW on its groups, dropped paths, smoothed labels."""
    torch.manual_seed(0)
    sized = {"img_size": 64} if "vit" in name or "deit" in name or "mixer" in name else {}
    sized |= {"img_size": 64, "window_size": 2} if "swin" in name else {}
    model = timm.create_model(name, num_classes=CLASSES, **sized)
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
    return Training(model, optimizer, timm.loss.LabelSmoothingCrossEntropy(0.1), IMAGES)


def of_torchvision(timm: Any, name: str) -> Training:
    """Return a model as torchvision's reference trains it: SGD with momentum, norms without decay, smoothed labels."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES)
    optimizer = torch.optim.SGD(no_decay_for_norms(model, 1e-4), lr=0.1, momentum=0.9)
    return Training(model, optimizer, nn.CrossEntropyLoss(label_smoothing=0.1), IMAGES)


def by_the_book(timm: Any, name: str) -> Training:
    """Return a ResNet as in its paper: SGD with momentum, and decay on everything."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return Training(model, optimizer, nn.CrossEntropyLoss(), IMAGES)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
}
LABELS = torch.arange(8) % 3


def configurations(transformers: Any) -> dict[str, Any]:
    """Return small models of transformers by name, each with a batch that has labels in it."""
    t = transformers
    tokens = {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)}
    classes, words = tokens | {"labels": LABELS}, tokens | {"labels": TOKENS}
    decoder = SMALL | {"num_key_value_heads": 2, "max_position_embeddings": 64}
    gpt2 = {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    images = {"pixel_values": IMAGES[0], "labels": LABELS}
    vit = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "image_size": 64,
    }
    t5 = {"vocab_size": 100, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    t5["decoder_start_token_id"] = 0
    resnet = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "num_labels": 3}
    distil = {"vocab_size": 100, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "num_labels": 3}
    bert = SMALL | {"num_labels": 3}
    return {
        "BertForSequenceClassification": (t.BertForSequenceClassification(t.BertConfig(**bert)), classes),
        "BertForMaskedLM": (t.BertForMaskedLM(t.BertConfig(**SMALL)), words),
        "RobertaForSequenceClassification": (t.RobertaForSequenceClassification(t.RobertaConfig(**bert)), classes),
        "DistilBertForSequenceClassification": (
            t.DistilBertForSequenceClassification(t.DistilBertConfig(**distil)),
            classes,
        ),
        "ElectraForSequenceClassification": (
            t.ElectraForSequenceClassification(t.ElectraConfig(**bert, embedding_size=32)),
            classes,
        ),
        "GPT2LMHeadModel": (t.GPT2LMHeadModel(t.GPT2Config(**gpt2)), words),
        "LlamaForCausalLM": (t.LlamaForCausalLM(t.LlamaConfig(**decoder)), words),
        "MistralForCausalLM": (t.MistralForCausalLM(t.MistralConfig(**decoder)), words),
        "Qwen2ForCausalLM": (t.Qwen2ForCausalLM(t.Qwen2Config(**decoder)), words),
        "T5ForConditionalGeneration": (t.T5ForConditionalGeneration(t.T5Config(**t5)), words),
        "ViTForImageClassification": (t.ViTForImageClassification(t.ViTConfig(**vit, num_labels=3)), images),
        "ResNetForImageClassification": (t.ResNetForImageClassification(t.ResNetConfig(**resnet)), images),
    }


TRANSFORMERS = (
    "BertForSequenceClassification",
    "BertForMaskedLM",
    "RobertaForSequenceClassification",
    "DistilBertForSequenceClassification",
    "ElectraForSequenceClassification",
    "GPT2LMHeadModel",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "T5ForConditionalGeneration",
    "ViTForImageClassification",
    "ResNetForImageClassification",
)


def of_transformers(transformers: Any, name: str) -> Training:
    """Return a model of transformers with its Trainer's groups; it computes its loss from the labels in the batch."""
    torch.manual_seed(0)
    model, batch = configurations(transformers)[name]
    return Training(model, torch.optim.AdamW(no_decay_by_trainer(model, 0.01), lr=5e-5), None, batch)


class LanguageModel(nn.Module):
    """An LSTM over words, its output tied to its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 32)
        self.drop = nn.Dropout(0.2)
        self.lstm = nn.LSTM(32, 32, num_layers=2, dropout=0.2, batch_first=True)
        self.output = nn.Linear(32, 100)
        self.output.weight = self.embedding.weight

    def forward(self, words: Tensor) -> Tensor:
        h, _ = self.lstm(self.drop(self.embedding(words)))
        logits: Tensor = self.output(self.drop(h))
        return logits


class Encoder(nn.Module):
    """torch's transformer over words, with the mean of all positions for the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 32)
        self.positions = nn.Parameter(torch.randn(1, 12, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(32, CLASSES)

    def forward(self, words: Tensor) -> Tensor:
        logits: Tensor = self.output(self.body(self.embedding(words) + self.positions).mean(1))
        return logits


def perceptron(outputs: int, *last: nn.Module) -> nn.Sequential:
    """Return a perceptron with dropout, batch norm in front of the activation, and an output of any kind."""
    hidden = [nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*hidden, nn.Linear(32, outputs), *last)


def next_words(logits: Tensor, words: Tensor) -> Tensor:
    """Return the loss of a language model."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), words[:, 1:].flatten())


def of_torch() -> dict[str, Callable[[], Training]]:
    """Return set-ups made of torch's own layers."""
    x, y = torch.randn(16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 4
    yes = (x[:, :1] > 0).float()

    def adamw(model: nn.Module, strength: float = 0.05) -> torch.optim.Optimizer:
        return torch.optim.AdamW(no_decay_by_axes(model, strength), lr=1e-3)

    def training(model: nn.Module, loss: Callable[..., Any], batch: Any) -> Training:
        return Training(model, adamw(model), loss, batch)

    return {
        "perceptron, classes": lambda: training(perceptron(4), nn.CrossEntropyLoss(), (x, y)),
        "perceptron, log_softmax and NLLLoss": lambda: training(perceptron(4, nn.LogSoftmax(1)), nn.NLLLoss(), (x, y)),
        "perceptron, one logit": lambda: training(perceptron(1), nn.BCEWithLogitsLoss(), (x, yes)),
        "perceptron, sigmoid and BCELoss": lambda: training(perceptron(1, nn.Sigmoid()), nn.BCELoss(), (x, yes)),
        "perceptron, several labels": lambda: training(perceptron(16), nn.BCEWithLogitsLoss(), (x, (x > 0).float())),
        "perceptron, regression": lambda: training(perceptron(1), nn.MSELoss(), (x, x[:, :1])),
        "perceptron, counts": lambda: training(
            perceptron(1, nn.Softplus()), nn.PoissonNLLLoss(log_input=False), (x, x[:, :1].abs().round())
        ),
        "autoencoder": lambda: training(perceptron(16), nn.MSELoss(), (x, x)),
        "linear regression": lambda: training(nn.Linear(16, 1), nn.MSELoss(), (x, x[:, :1])),
        "nn.TransformerEncoder": lambda: training(
            Encoder(), nn.CrossEntropyLoss(), (TOKENS, torch.arange(8) % CLASSES)
        ),
        "nn.LSTM, tied": lambda: training(LanguageModel(), next_words, (TOKENS, TOKENS)),
        "Adam with decoupled decay": lambda: Training(
            model := perceptron(4),
            torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.05, decoupled_weight_decay=True),
            nn.CrossEntropyLoss(),
            (x, y),
        ),
        "plain AdamW": lambda: Training(
            model := perceptron(4), torch.optim.AdamW(model.parameters()), nn.CrossEntropyLoss(), (x, y)
        ),
        "fine-tuning, the backbone frozen": lambda: fine_tuning(x, y),
    }


def fine_tuning(x: Tensor, y: Tensor) -> Training:
    """Return a new head on a backbone that is frozen and stays in evaluation mode."""
    backbone, head = perceptron(32).requires_grad_(False).eval(), nn.Linear(32, 4)
    model = nn.Sequential(backbone, head)
    return Training(
        model, torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05), nn.CrossEntropyLoss(), (x, y)
    )
