# One penalty for each block, collected in a comprehension.
import torch
from torch import nn

net = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 2))
weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
terms = [lambda: 1e-4 * w.square().sum() for w in weights]  # finds: late-bound-penalty


def step(x, y, opt):
    loss = nn.functional.cross_entropy(net(x), y)
    for term in terms:
        loss = loss + term()
    opt.zero_grad()
    loss.backward()
    opt.step()


def main(batches):
    opt = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(30):
        for x, y in batches:
            step(x, y, opt)
