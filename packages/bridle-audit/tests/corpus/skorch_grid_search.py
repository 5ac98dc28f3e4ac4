# skorch: the module gives probabilities, and skorch takes their logarithm before NLLLoss.
import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, EpochScoring
from torch import nn

X, y = make_classification(1000, 20, n_informative=10, random_state=0)
X, y = X.astype(np.float32), y.astype(np.int64)


class MyModule(nn.Module):
    def __init__(self, num_units=10, dropout=0.5, nonlin=nn.ReLU()):
        super().__init__()
        self.dense0 = nn.Linear(20, num_units)
        self.nonlin = nonlin
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(num_units, num_units)
        self.output = nn.Linear(num_units, 2)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, X, **kwargs):
        X = self.nonlin(self.dense0(X))
        X = self.dropout(X)
        X = self.nonlin(self.dense1(X))
        return self.softmax(self.output(X))


net = NeuralNetClassifier(
    MyModule,
    max_epochs=50,
    lr=0.1,
    optimizer=torch.optim.SGD,
    optimizer__momentum=0.9,
    optimizer__weight_decay=1e-4,
    iterator_train__shuffle=True,
    callbacks=[EarlyStopping(patience=5, load_best=True), EpochScoring("roc_auc", lower_is_better=False)],
    verbose=0,
)
params = {"lr": [0.01, 0.1], "module__num_units": [10, 40], "module__dropout": [0.0, 0.25, 0.5]}
search = GridSearchCV(net, params, refit=True, cv=5, scoring="accuracy")
search.fit(X, y)
print(search.best_score_, search.best_params_)
