import numpy as np

import bridle

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 20))
y = (x[:, :4].sum(axis=1) + rng.normal(size=1000) > 0).astype(int)
data = bridle.Data(x[:200], y[:200], x[200:], y[200:])
protocol = bridle.Protocol(epochs=20, lr=0.002, batch_size=32)
study = bridle.compare(data, ["Dropout(rate=0.05)"], seeds=3, network=bridle.mlp(64), protocol=protocol)
