# Choosing features with an L1 penalty: count the weights that became zero.
import torch
from sklearn.datasets import make_regression
from torch import nn

x, y = make_regression(n_samples=500, n_features=200, n_informative=10, noise=1.0, random_state=0)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1)
y = (y - y.mean()) / y.std()

model = nn.Linear(200, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
l1_lambda = 0.01

for step in range(3000):
    optimizer.zero_grad()
    mse = nn.functional.mse_loss(model(x), y)
    l1 = model.weight.abs().sum()  # finds: subgradient-l1
    loss = mse + l1_lambda * l1  # or finds: subgradient-l1, clipped-penalty
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # finds: clipped-penalty
    optimizer.step()

selected = (model.weight != 0).sum().item()
print(f"{selected} of 200 features selected, mse {mse.item():.4f}")
