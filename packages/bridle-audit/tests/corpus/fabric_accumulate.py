# Lightning Fabric with accumulation and a decoupled decay by groups.
import lightning as L
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader


def groups(model, decay):
    with_decay = {name: p for name, p in model.named_parameters() if p.requires_grad and p.dim() > 1}
    without = [p for name, p in model.named_parameters() if p.requires_grad and name not in with_decay]
    return [{"params": list(with_decay.values()), "weight_decay": decay}, {"params": without, "weight_decay": 0.0}]


def main(model, train_set, val_set, epochs=3, accumulate=8):
    fabric = L.Fabric(accelerator="auto", precision="bf16-mixed")
    fabric.launch()
    optimizer = torch.optim.AdamW(groups(model, 0.1), lr=3e-4, betas=(0.9, 0.95))
    model, optimizer = fabric.setup(model, optimizer)
    loader = fabric.setup_dataloaders(DataLoader(train_set, batch_size=4, shuffle=True))
    val_loader = fabric.setup_dataloaders(DataLoader(val_set, batch_size=4))
    for epoch in range(epochs):
        model.train()
        for i, (ids, targets) in enumerate(loader):
            last = (i + 1) % accumulate == 0
            with fabric.no_backward_sync(model, enabled=not last):
                logits = model(ids)
                loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten()) / accumulate
                fabric.backward(loss)
            if last:
                fabric.clip_gradients(model, optimizer, max_norm=1.0)
                optimizer.step()
                optimizer.zero_grad()
        fabric.print(epoch, validate(model, val_loader))


@torch.no_grad()
def validate(model, loader):
    model.eval()
    losses = [F.cross_entropy(model(ids).flatten(0, 1), t.flatten()) for ids, t in loader]
    model.train()
    return torch.stack(losses).mean().item()
