# Ridge-like training of a perceptron with small memory.
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from flights import Delays

net = nn.Sequential(nn.Linear(40, 200), nn.ReLU(), nn.Linear(200, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.01)
loader = DataLoader(Delays("train"), batch_size=16, shuffle=True)
accum_steps = 4
weight_reg = 0.001

for epoch in range(20):
    opt.zero_grad()
    for step, (x, y) in enumerate(loader, start=1):
        mse = F.mse_loss(net(x).squeeze(1), y)
        l2 = 0.0
        for param in net.parameters():  # or finds: penalized-bias
            l2 += torch.norm(param) ** 2  # finds: penalized-bias
        loss = mse / accum_steps + weight_reg * l2  # finds: penalty-per-micro-batch
        loss.backward()
        if step % accum_steps == 0:
            opt.step()
            opt.zero_grad()
    print(epoch, mse.item())
