# Iris with the probabilities taken in the loop.
import torch
from sklearn.datasets import load_iris
from torch import nn

X, y = load_iris(return_X_y=True)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.85), nn.Linear(16, 3))  # finds: extreme-dropout
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.1)

for epoch in range(500):
    net.train()
    scores = net(X)
    probs = torch.softmax(scores, dim=-1)  # finds: softmax-before-cross-entropy
    loss = criterion(probs, y)  # or finds: softmax-before-cross-entropy
    opt.zero_grad()
    loss.backward()
    opt.step()
print(loss.item())
