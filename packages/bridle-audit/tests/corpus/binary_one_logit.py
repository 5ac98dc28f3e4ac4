# Binary classification with one logit; the sigmoid belongs to the loss, and to predictions.
import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pos-weight", type=float, default=3.0)
    return parser.parse_args()


class BinaryClassifier(nn.Module):
    def __init__(self, features, dropout):
        super().__init__()
        self.layer_1 = nn.Linear(features, 64)
        self.layer_2 = nn.Linear(64, 64)
        self.layer_out = nn.Linear(64, 1)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(p=dropout)
        self.batchnorm1 = nn.BatchNorm1d(64)
        self.batchnorm2 = nn.BatchNorm1d(64)

    def forward(self, inputs):
        x = self.batchnorm1(self.relu(self.layer_1(inputs)))
        x = self.batchnorm2(self.relu(self.layer_2(x)))
        x = self.dropout(x)
        return self.layer_out(x)


def main():
    args = parse_args()
    data = torch.load("heart.pt")
    train_set = TensorDataset(data["x_train"], data["y_train"])
    loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
    model = BinaryClassifier(data["x_train"].shape[1], args.dropout)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(args.pos_weight))
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.weight_decay)
    for epoch in range(args.epochs):
        model.train()
        for x, y in loader:
            loss = criterion(model(x), y.unsqueeze(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        predicted = torch.round(torch.sigmoid(model(data["x_val"])))
    print((predicted.squeeze(1) == data["y_val"]).float().mean().item())


if __name__ == "__main__":
    main()
