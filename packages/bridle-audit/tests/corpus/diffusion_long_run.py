# Diffusion on images: an average with a long memory in a run that is long enough.
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

TRAIN_STEPS = 400_000
EMA_DECAY = 0.9999


class ResBlock(nn.Module):
    def __init__(self, c, emb):
        super().__init__()
        self.n1, self.c1 = nn.GroupNorm(32, c), nn.Conv2d(c, c, 3, padding=1)
        self.emb = nn.Linear(emb, c)
        self.n2, self.drop, self.c2 = nn.GroupNorm(32, c), nn.Dropout(0.1), nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, t):
        h = self.c1(F.silu(self.n1(x)))
        h = h + self.emb(F.silu(t))[:, :, None, None]
        return x + self.c2(self.drop(F.silu(self.n2(h))))


class Denoiser(nn.Module):
    def __init__(self, c=128, steps=1000):
        super().__init__()
        self.time = nn.Embedding(steps, c)
        self.inp = nn.Conv2d(3, c, 3, padding=1)
        self.blocks = nn.ModuleList([ResBlock(c, c) for _ in range(8)])
        self.out = nn.Sequential(nn.GroupNorm(32, c), nn.SiLU(), nn.Conv2d(c, 3, 3, padding=1))

    def forward(self, x, t):
        t, x = self.time(t), self.inp(x)
        for block in self.blocks:
            x = block(x, t)
        return self.out(x)


def ema(source, target, decay):
    source_dict, target_dict = source.state_dict(), target.state_dict()
    for key in source_dict.keys():
        target_dict[key].data.copy_(target_dict[key].data * decay + source_dict[key].data * (1 - decay))


def train(batches, alphas_bar):
    net = Denoiser().cuda()
    ema_net = copy.deepcopy(net)
    optim = torch.optim.Adam(net.parameters(), lr=2e-4)
    for step in range(TRAIN_STEPS):
        x0 = next(batches).cuda()
        t = torch.randint(1000, (len(x0),), device=x0.device)
        noise = torch.randn_like(x0)
        a = alphas_bar[t].view(-1, 1, 1, 1)
        loss = F.mse_loss(net(a.sqrt() * x0 + (1 - a).sqrt() * noise, t), noise)
        optim.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optim.step()
        ema(net, ema_net, EMA_DECAY)
        if step % 5000 == 0:
            torch.save(
                {"net": net.state_dict(), "ema": ema_net.state_dict(), "optim": optim.state_dict(), "step": step}, "ckpt.pt"
            )
