# Actor and critic with shared layers: entropy bonus, clipped objective, clipped gradients; no penalty of weights.
import torch
import torch.nn as nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self, observations, actions):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(observations, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.actor = nn.Linear(64, actions)
        self.critic = nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return Categorical(logits=self.actor(h)), self.critic(h).squeeze(-1)


def update(net, optimizer, batch, clip=0.2, epochs=4):
    for _ in range(epochs):
        dist, value = net(batch["obs"])
        ratio = (dist.log_prob(batch["act"]) - batch["logp"]).exp()
        advantage = batch["adv"]
        surrogate = torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
        loss = -surrogate + 0.5 * (value - batch["ret"]).pow(2).mean() - 0.01 * dist.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()


@torch.no_grad()
def act(net, obs):
    dist, value = net(torch.as_tensor(obs, dtype=torch.float32))
    action = dist.sample()
    return action.item(), dist.log_prob(action), value


net = ActorCritic(8, 4)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-4, eps=1e-5)
