# A denoising diffusion model on 8x8 digits: the decay of the average is the paper's, the run is not.
import copy

import torch
from sklearn.datasets import load_digits
from torch import nn

STEPS = 3000
EMA_DECAY = 0.9999
T = 200


class Denoiser(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.time = nn.Embedding(T, width)
        self.first = nn.Linear(64, width)
        self.blocks = nn.ModuleList([nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU()) for _ in range(4)])
        self.last = nn.Linear(width, 64)

    def forward(self, x, t):
        h = self.first(x) + self.time(t)
        for block in self.blocks:
            h = h + block(h)
        return self.last(h)


@torch.no_grad()
def update_average(average, model, decay):
    for a, p in zip(average.parameters(), model.parameters()):
        a.lerp_(p, 1 - decay)


images = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.05, T), 0)
model = Denoiser()
average = copy.deepcopy(model)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)

for step in range(STEPS):
    x = images[torch.randint(len(images), (128,))]
    t = torch.randint(T, (128,))
    noise = torch.randn_like(x)
    a = alphas[t].unsqueeze(1)
    predicted = model(a.sqrt() * x + (1 - a).sqrt() * noise, t)
    loss = nn.functional.mse_loss(predicted, noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    update_average(average, model, EMA_DECAY)  # finds: average-too-long
torch.save(average.state_dict(), "digits_ddpm.pt")
