# A churn classifier: an L2 term in the loss, and the optimizer's own.
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

frame = pd.read_csv("churn.csv")
X = StandardScaler().fit_transform(frame.drop(columns="churned"))
X_train, X_val, y_train, y_val = train_test_split(X, frame["churned"], test_size=0.2, random_state=0)
X_train, X_val = (torch.tensor(each, dtype=torch.float32) for each in (X_train, X_val))
y_train, y_val = (torch.tensor(each.values, dtype=torch.float32) for each in (y_train, y_val))

model = nn.Sequential(nn.Linear(X.shape[1], 64), nn.ReLU(), nn.Linear(64, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)  # finds: double-decay

for epoch in range(300):
    model.train()
    optimizer.zero_grad()
    logits = model(X_train).squeeze(1)
    l2_norm = sum(p.pow(2.0).sum() for p in model.parameters())  # finds: penalized-bias  # or finds: double-decay
    loss = criterion(logits, y_train) + 1e-3 * l2_norm  # or finds: double-decay, penalized-bias
    loss.backward()
    optimizer.step()

    if epoch % 10 == 0:
        model.eval()
        with torch.no_grad():
            predicted = torch.sigmoid(model(X_val).squeeze(1)) > 0.5
            print(epoch, loss.item(), (predicted == y_val.bool()).float().mean().item())
