"""Trainers that change passes and parameters: gradient checkpointing, a backbone that is unfrozen later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bridle.adapters import hugging_face, lightning

ROWS, CLASSES, BATCH, RATE, STRENGTH = 16, 3, 8, 0.1, 0.1


def bert(transformers: Any, recipe: str, *, reentrant: bool | None, to: Path) -> dict[str, Tensor]:
    """The weights of a small transformer behind two steps."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=CLASSES, **sizes)
    model = transformers.BertForSequenceClassification(config)
    ids = torch.randint(0, 20, (ROWS, 5))
    given = [{"input_ids": row, "labels": row[0] % CLASSES} for row in ids]
    settings = {"use_cpu": True, "report_to": "none", "disable_tqdm": True, "save_strategy": "no", "max_steps": 2}
    settings |= {"learning_rate": 0.05, "optim": "sgd", "per_device_train_batch_size": BATCH}
    if reentrant is not None:
        settings |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": reentrant}}
    arguments = transformers.TrainingArguments(str(to), logging_strategy="no", dataloader_pin_memory=False, **settings)
    trainer = transformers.Trainer(model, arguments, train_dataset=given)
    trainer.add_callback(hugging_face.Regularize(recipe, trainer, seed=1))
    trainer.train()
    runs_again = any(getattr(each, "gradient_checkpointing", False) for each in model.modules())
    assert runs_again is (reentrant is not None)
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


@pytest.mark.filterwarnings("ignore:.*use_reentrant", "ignore:.*is deprecated and will be removed in v6:FutureWarning")
@pytest.mark.parametrize("recipe", ["ActivityL2(strength=0.5) + SpectralNorm", "RDrop + Dropout(rate=0.3) + BatchNorm"])
def test_gradient_checkpointing_of_transformers_changes_nothing(transformers: Any, recipe: str, tmp_path: Path) -> None:
    plain, *others = [bert(transformers, recipe, reentrant=way, to=tmp_path) for way in (None, True, False)]
    for other in others:
        torch.testing.assert_close(other, plain)


X = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(ROWS) % CLASSES


def parts() -> tuple[nn.Sequential, nn.Linear]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, CLASSES)


def by_hand(recipe: str) -> dict[str, Tensor]:
    """Two epochs of the head alone, then two of both; the backbone at half the rate."""
    backbone, head = parts()
    model = nn.ModuleDict({"backbone": backbone, "head": head})
    backbone.requires_grad_(False)
    optimizer = torch.optim.SGD(head.parameters(), lr=RATE)
    average: dict[str, Tensor] = {}
    for epoch in range(4):
        if epoch == 2:
            backbone.requires_grad_(True)
            optimizer.add_param_group({"params": list(backbone.parameters()), "lr": RATE / 2})
        for x, y in zip(X.split(BATCH), Y.split(BATCH), strict=True):
            matrices = [each for each in model.parameters() if each.ndim > 1 and each.requires_grad]
            penalty = STRENGTH * torch.stack([each.square().sum() for each in matrices]).sum()
            optimizer.zero_grad()
            before = {name: each.detach().clone() for name, each in model.named_parameters()}
            (F.cross_entropy(head(backbone(x)), y) + ("L2" in recipe) * penalty).backward()
            if "WeightDecay" in recipe:
                for group in optimizer.param_groups:
                    for each in group["params"]:
                        each.data.mul_(1 - group["lr"] * STRENGTH * (each.ndim > 1))
            optimizer.step()
            for name, each in model.named_parameters():
                average[name] = (average.get(name, before[name]) + each.detach()) / 2
    return average if "EMA" in recipe else {name: each.detach() for name, each in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning", "ignore:.*does not have many workers")
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "recipe", [f"L2(strength={STRENGTH})", f"WeightDecay(strength={STRENGTH})", "EMA(decay=0.5, warmup=0)"]
)
def test_a_backbone_that_lightning_unfreezes_is_acted_on(pl: Any, recipe: str, first: bool, tmp_path: Path) -> None:
    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = parts()

        def training_step(self, batch: Any, number: int) -> Tensor:
            return F.cross_entropy(self.head(self.backbone(batch[0])), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.head.parameters(), lr=RATE)

    finetuning = pl.callbacks.BackboneFinetuning(
        2, lambda epoch: 1.0, backbone_initial_lr=RATE / 2, backbone_initial_ratio_lr=1.0, should_align=False
    )
    callbacks = [finetuning, lightning.Regularize(recipe)]
    model, quiet = Net(), {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        max_epochs=4, accelerator="cpu", callbacks=callbacks if first else callbacks[::-1], default_root_dir=tmp_path,
        enable_model_summary=False, log_every_n_steps=1, **quiet,
    )  # fmt: skip
    trainer.fit(model, DataLoader(TensorDataset(X, Y), BATCH))
    torch.testing.assert_close(dict(model.named_parameters()), by_hand(recipe), check_dtype=False, rtol=1e-4, atol=1e-6)
