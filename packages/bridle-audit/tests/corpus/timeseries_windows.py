# Forecasts from windows that stay in their order; validation is the later part, the scale comes from the earlier.
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Forecaster(nn.Module):
    def __init__(self, features, horizon, hidden=64):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, num_layers=1, batch_first=True)
        self.head = nn.Sequential(nn.LayerNorm(hidden), nn.Dropout(0.1), nn.Linear(hidden, horizon))

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.head(states[:, -1])


def windows(series, length, horizon):
    x = torch.stack([series[i : i + length] for i in range(len(series) - length - horizon)])
    y = torch.stack([series[i + length : i + length + horizon, 0] for i in range(len(series) - length - horizon)])
    return TensorDataset(x, y)


def main(series, length=48, horizon=12, epochs=100, patience=10):
    split = int(0.8 * len(series))
    mean, std = series[:split].mean(0), series[:split].std(0)
    series = (series - mean) / std
    train_loader = DataLoader(windows(series[:split], length, horizon), batch_size=64, shuffle=True)
    val_loader = DataLoader(windows(series[split:], length, horizon), batch_size=256, shuffle=False)
    model = Forecaster(series.shape[1], horizon)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    criterion = nn.HuberLoss()
    best, wait = float("inf"), 0
    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val = sum(criterion(model(x), y).item() * len(x) for x, y in val_loader) / len(val_loader.dataset)
        if val < best:
            best, wait = val, 0
            torch.save(model.state_dict(), "forecaster.pt")
        else:
            wait += 1
            if wait == patience:
                break
    model.load_state_dict(torch.load("forecaster.pt"))
    return model, best
