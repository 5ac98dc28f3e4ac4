# SAM as in the popular implementation, batch norms running once per step.
import torch
import torch.nn.functional as F
from torch import nn


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        grad_norm = torch.norm(torch.stack([p.grad.norm(2) for g in self.param_groups for p in g["params"] if p.grad is not None]), 2)
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["old"] = p.data.clone()
                    p.add_(p.grad * scale)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.state[p]["old"]
        self.base_optimizer.step()
        self.zero_grad()


def set_running_stats(model, on):
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if on:
                module.momentum = module.backup_momentum
            else:
                module.backup_momentum = module.momentum
                module.momentum = 0


def train(model, loader, epochs=200):
    optimizer = SAM(model.parameters(), torch.optim.SGD, rho=0.05, lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            F.cross_entropy(model(x), y, label_smoothing=0.1).backward()
            optimizer.first_step()
            set_running_stats(model, False)
            F.cross_entropy(model(x), y, label_smoothing=0.1).backward()
            optimizer.second_step()
            set_running_stats(model, True)
