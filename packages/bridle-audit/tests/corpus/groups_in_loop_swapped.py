# Parameter groups made in a loop, with the lists mixed up.
import torch
from torch import nn
from transformers import AutoModelForTokenClassification


def make_optimizer(model, lr=3e-5, weight_decay=0.01):
    decay, no_decay = [], []
    for name, p in model.named_parameters():
        if p.ndim == 1 or name.endswith(".bias"):
            decay.append(p)  # or finds: swapped-decay-groups
        else:
            no_decay.append(p)  # or finds: swapped-decay-groups
    return torch.optim.AdamW(  # finds: swapped-decay-groups
        [{"params": decay, "weight_decay": 0.01}, {"params": no_decay, "weight_decay": 0.0}], lr=lr
    )


def train(loader, epochs=3):
    model = AutoModelForTokenClassification.from_pretrained("bert-base-cased", num_labels=9)
    optimizer = make_optimizer(model)
    for _ in range(epochs):
        model.train()
        for batch in loader:
            loss = model(**batch).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
