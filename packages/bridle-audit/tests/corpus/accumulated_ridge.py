# Ridge regression in micro-batches, biases included.
import torch
from torch import nn

ACC = 16


class Ridge(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.l1 = nn.Linear(n, 20)
        self.l2 = nn.Linear(20, 1)

    def forward(self, x):
        return self.l2(torch.tanh(self.l1(x)))

    def regularizer(self):
        reg = torch.tensor(0.0)
        for w in self.parameters():  # or finds: penalized-bias
            reg = reg + w.pow(2).sum()  # finds: penalized-bias
        return reg


def train(net, loader, lam=1e-3):
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    crit = nn.MSELoss()
    for i, (x, y) in enumerate(loader):
        loss = crit(net(x), y) / ACC
        loss += lam * net.regularizer()  # finds: penalty-per-micro-batch  # or finds: penalized-bias
        loss.backward()
        if (i + 1) % ACC == 0:
            opt.step()
            opt.zero_grad()
