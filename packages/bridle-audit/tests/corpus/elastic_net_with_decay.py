# A penalty of whole columns for few features, and the optimizer's own decay: two different things.
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(x, y, l1=1e-3, l2=1e-3, epochs=100):
    model = nn.Sequential(nn.Linear(x.shape[1], 32), nn.Tanh(), nn.Linear(32, 1))
    first = model[0]
    optimizer = torch.optim.SGD(
        [{"params": [first.weight, model[2].weight], "weight_decay": l2}, {"params": [first.bias, model[2].bias]}],
        lr=0.05,
        momentum=0.9,
    )
    criterion = nn.SmoothL1Loss()
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    for epoch in range(epochs):
        for xb, yb in loader:
            group_norms = first.weight.norm(dim=0)
            loss = criterion(model(xb).squeeze(1), yb) + l1 * group_norms.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 20 == 0:
            print(epoch, loss.item(), (group_norms < 1e-2).sum().item(), "features are nearly off")
    return model
