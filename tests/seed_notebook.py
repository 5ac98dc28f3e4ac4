"""The notebook that this project grew out of: its code cells as they are, and ways to put them into a file."""

import json
import re
from pathlib import Path

CELLS = [
    """\
import math
import numpy as np
import torch
from pathlib import Path
import pickle
import gzip

import torch
from torch.utils.data import DataLoader
import torch.nn as nn
import torch.optim as optim""",
    """\
MNIST_URL='https://github.com/mnielsen/neural-networks-and-deep-learning/blob/master/data/mnist.pkl.gz?raw=true'
path_data = Path('data')
path_data.mkdir(exist_ok=True)
path_gz = path_data/'mnist.pkl.gz'""",
    """\
from urllib.request import urlretrieve
if not path_gz.exists(): urlretrieve(MNIST_URL, path_gz)""",
    """\
def load_data():
    with gzip.open(path_gz, 'rb') as f:
        ((x_train, y_train), (x_valid, y_valid), _) = pickle.load(f, encoding='latin-1')
        
    x_train, y_train, x_valid, y_valid = map(lambda x: torch.from_numpy(x).float(),
                                             (x_train, y_train, x_valid, y_valid))
    
    return (x_train, y_train, x_valid, y_valid)""",
    "x_train, y_train, x_valid, y_valid = load_data()",
    "x_train.shape",
    """\
class Network(nn.Module):
    
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
        nn.Linear(784, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
        nn.ReLU()
        )
        
    def forward(self, x):
        return self.model(x)""",
    """\
def train(model, x, y, criterion, optimizer, epochs=500):
    
    for epoch in range(epochs):
        preds = model(x)
        loss = criterion(preds, y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        
        if epoch == 1: print(loss)
        if epoch % 100 == 0: print(loss)""",
    """\
def calc_acc(model, x, y):
    
    model.eval() 
    correct = 0
    total = 0

    with torch.no_grad(): 

        outputs = model(x)
        _, predicted = torch.max(outputs, 1)
        total += y.size(0)
        correct += (predicted == y).sum().item() 

    accuracy = (correct / total) * 100
    return accuracy""",
    """\
model = Network()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)""",
    """\
x_train, y_train, x_valid, y_valid = load_data()
small_x_train = x_train[:10000]
small_y_train = y_train[:10000]""",
    "%time train(model, x_train, y_train, criterion, optimizer)",
    "calc_acc(model, x_valid, y_valid)",
    """\
lambda_reg = 0.001
loss = 0""",
    """\
l2_loss = sum(torch.norm(param) ** 2 for param in model.parameters())
total_loss = loss + lambda_reg * l2_loss""",
    "t = torch.tensor([3.,4.])",
    "torch.norm(t)",
    "math.sqrt(3**2 + 4**2)",
    """\
model = Network()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-15)""",
    "x_train, y_train, x_valid, y_valid = load_data()",
    "%time train(model, x_train, y_train, criterion, optimizer)",
    "calc_acc(model, x_valid, y_valid)",
    """\
class NetworkWithDropout(nn.Module):
    
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
        nn.Linear(784, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(64, 10),
        nn.ReLU(),
        nn.Dropout()
        )
        
    def forward(self, x):
        return self.model(x)""",
    """\
model = NetworkWithDropout()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)""",
    "x_train, y_train, x_valid, y_valid = load_data()",
    "%time train(model, x_train, y_train, criterion, optimizer)",
    "calc_acc(model, x_valid, y_valid)",
    """\
class NetworkWithBatchNorm(nn.Module):
    
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
        nn.Linear(784, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 10),
        nn.BatchNorm1d(10),
        nn.ReLU(),
        )
        
    def forward(self, x):
        return self.model(x)""",
    """\
model = NetworkWithBatchNorm()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.1)""",
    "x_train, y_train, x_valid, y_valid = load_data()",
    "%time train(model, x_train, y_train, criterion, optimizer)",
    "calc_acc(model, x_valid, y_valid)",
    "model.model",
    """\
for i, layer in enumerate(model.model):
    if isinstance(layer, nn.BatchNorm1d):
        print(f"BatchNorm Layer {i}:")
        print(f"  Gamma (Scale): {layer.weight.data}")
#         print(f"  Beta (Shift): {layer.bias.data}")""",
]


def write_notebook(path: Path, cells: list[str] = CELLS, **parts: object) -> Path:
    """Write the notebook as Jupyter keeps it, behind a cell of prose; ``parts`` are fields of the file's own."""
    printed = {"output_type": "stream", "name": "stdout", "text": ["tensor(2.3022)\n"]}
    prose = {"cell_type": "markdown", "metadata": {}, "source": ["# Regularization in Machine Learning"]}
    code = [
        {"cell_type": "code", "metadata": {}, "source": each.splitlines(keepends=True), "outputs": [printed]}
        for each in cells
    ]
    notebook = {"cells": [prose, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **parts}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def write_script(path: Path) -> Path:
    """Write the notebook as a script; what IPython times is run without the clock."""
    path.write_text("\n\n".join(re.sub("^%time ", "", cell) for cell in CELLS) + "\n", encoding="utf-8")
    return path
