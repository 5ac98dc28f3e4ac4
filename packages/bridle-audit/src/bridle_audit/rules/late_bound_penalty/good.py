from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5))
penalties = []
for layer in (model[0], model[2], model[4]):
    penalties.append(lambda layer=layer: 1e-3 * layer.weight.square().sum())
