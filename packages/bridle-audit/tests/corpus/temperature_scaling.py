# Calibration after training: one temperature, fitted by LBFGS on validation logits.
import torch
from torch import nn, optim
from torch.nn import functional as F


class ModelWithTemperature(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.temperature = nn.Parameter(torch.ones(1) * 1.5)

    def forward(self, x):
        return self.model(x) / self.temperature

    def set_temperature(self, valid_loader):
        self.model.eval()
        nll = nn.CrossEntropyLoss()
        logits, labels = [], []
        with torch.no_grad():
            for x, y in valid_loader:
                logits.append(self.model(x))
                labels.append(y)
        logits, labels = torch.cat(logits), torch.cat(labels)
        optimizer = optim.LBFGS([self.temperature], lr=0.01, max_iter=50)

        def closure():
            optimizer.zero_grad()
            loss = nll(logits / self.temperature, labels)
            loss.backward()
            return loss

        optimizer.step(closure)
        return self


def expected_calibration_error(logits, labels, bins=15):
    confidence, prediction = F.softmax(logits, dim=1).max(1)
    correct = prediction.eq(labels)
    error = torch.zeros(1)
    for low, high in zip(torch.linspace(0, 1, bins + 1)[:-1], torch.linspace(0, 1, bins + 1)[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += (confidence[inside].mean() - correct[inside].float().mean()).abs() * inside.float().mean()
    return error.item()
