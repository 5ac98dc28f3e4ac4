# Strengths of L1 compared by one run each, and judged by how far training and validation are apart.
import torch
import torch.nn as nn

torch.manual_seed(7)  # or finds: one-seed


def l1_of(net):
    return net[0].weight.abs().sum()  # or finds: subgradient-l1


def fit(x, y, x_val, y_val, lam):
    net = nn.Sequential(nn.Linear(x.shape[1], 40), nn.ReLU(), nn.Dropout(0.3), nn.Linear(40, 1))
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(200):
        net.train()
        train_loss = nn.functional.mse_loss(net(x).squeeze(1), y)
        loss = train_loss + lam * l1_of(net)  # finds: subgradient-l1  # or finds: clipped-penalty
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # finds: clipped-penalty
        opt.step()
    net.eval()
    with torch.no_grad():
        val_loss = nn.functional.mse_loss(net(x_val).squeeze(1), y_val)
    print("overfitting by", (val_loss - train_loss).item())  # finds: gap-in-training-mode
    print("zeros:", (net[0].weight == 0).sum().item())
    return val_loss.item()


def main(data):
    losses = {lam: fit(*data, lam) for lam in (0.0, 1e-4, 1e-3, 1e-2)}  # finds: one-seed
    print("best strength", min(losses, key=losses.get))  # or finds: one-seed
