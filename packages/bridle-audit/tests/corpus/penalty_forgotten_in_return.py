# A linear model for gene expression: the penalty is computed and forgotten.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def loss_with_penalty(model, x, y, lam):
    prediction = model(x)
    data_term = F.mse_loss(prediction, y)
    penalty = lam * model.weight.norm(2)  # finds: penalty-never-added
    return data_term


def main():
    torch.manual_seed(1)
    x = torch.randn(400, 1000)
    y = x[:, :5].sum(1, keepdim=True) + 0.1 * torch.randn(400, 1)
    loader = DataLoader(TensorDataset(x[:300], y[:300]), batch_size=50, shuffle=True)
    model = nn.Linear(1000, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for epoch in range(100):
        for xb, yb in loader:
            loss = loss_with_penalty(model, xb, yb, lam=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            with torch.no_grad():
                print(epoch, F.mse_loss(model(x[300:]), y[300:]).item())


if __name__ == "__main__":
    main()
