# Contrastive learning: cross-entropy over similarities, batch norm in the projection head.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models import resnet18


class SimCLR(nn.Module):
    def __init__(self, dim=128, temperature=0.1):
        super().__init__()
        self.temperature = temperature
        self.backbone = resnet18(num_classes=512)
        self.projector = nn.Sequential(nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, dim))

    def forward(self, x):
        return F.normalize(self.projector(self.backbone(x)), dim=1)

    def loss(self, view1, view2):
        z = torch.cat([self(view1), self(view2)])
        similarity = z @ z.T / self.temperature
        similarity.fill_diagonal_(float("-inf"))
        n = len(view1)
        positives = torch.cat([torch.arange(n, 2 * n), torch.arange(n)]).to(z.device)
        return F.cross_entropy(similarity, positives)


def pretrain(loader, epochs=200):
    model = SimCLR().cuda()
    decay = [p for p in model.parameters() if p.ndim > 1]
    no_decay = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decay, "weight_decay": 1e-4}, {"params": no_decay, "weight_decay": 0}], lr=0.6, momentum=0.9
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()
    for epoch in range(epochs):
        for (view1, view2), _ in loader:
            loss = model.loss(view1.cuda(), view2.cuda())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        print(epoch, loss.item())
    torch.save(model.backbone.state_dict(), "simclr.pt")
