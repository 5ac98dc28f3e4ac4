"""A recipe in skorch's nets does what it does in a plain loop, and outlives searching, saving and further training."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from steps import assert_same, weights
from torch import Tensor, nn

import bridle
from bridle.attaching import attach
from needed import library

skorch = library("skorch")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor  # noqa: E402
from skorch.callbacks import Callback, Checkpoint, LRScheduler  # noqa: E402
from skorch.helper import predefined_split  # noqa: E402
from torch.utils.data import TensorDataset  # noqa: E402

from bridle.adapters.skorch import Regularize  # noqa: E402

ROWS, FEATURES, CLASSES, BATCH = 48, 6, 3, 16
rng = np.random.default_rng(5)
X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
Y = (X[:, :CLASSES] + 0.5 * rng.normal(size=(ROWS, CLASSES))).argmax(1)
VALID = predefined_split(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)))


class Net(nn.Module):
    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = (
            nn.Linear(FEATURES, hidden),
            nn.Linear(hidden, hidden),
            nn.Linear(hidden, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


class Probabilities(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


def classifier(regularize: Callback | None, *, more: tuple[Any, ...] = (), **settings: Any) -> NeuralNetClassifier:
    callbacks = [("regularize", regularize), *more] if regularize else [*more]
    usual: dict[str, Any] = {
        "module": Net,
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.01,
        "max_epochs": 2,
        "batch_size": BATCH,
        "train_split": None,
        "verbose": 0,
        "callbacks": callbacks,
    }
    return NeuralNetClassifier(**{**usual, **settings})


class Weights(Callback):
    """The weights after each training batch, and those with which each epoch is judged."""

    def initialize(self) -> Weights:
        self.trained_: list[dict[str, Tensor]] = []
        self.judged_: list[dict[str, Tensor]] = []
        return self

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training:
            self.trained_.append(weights(net.module_))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.judged_.append(weights(net.module_))


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "L1(strength=0.001) + ClipNorm(limit=0.5) + MaxNorm(limit=1.5)",
        "WeightDecay(strength=0.1) + GradientNoise",
        "Mixup(alpha=0.4) + LabelSmoothing(strength=0.1) + Dropout(rate=0.2)",
        "FGSM(radius=0.05) + BatchNorm()",
        "ActivityL1(strength=0.01) + ConfidencePenalty(strength=0.1) + Dropout(rate=0.2)",
        "RDrop(strength=1.0) + Dropout(rate=0.3)",
        "SAM(radius=0.1) + BatchNorm() + Dropout(rate=0.2)",
        "WeightNorm() + Dropout(rate=linear(0, 0.4)) + SWA(start=0.5)",
    ],
)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_net_trains_like_a_plain_loop_with_the_recipe_attached(recipe: str, optimizer: Any) -> None:
    seen = Weights()
    net = classifier(Regularize(recipe), more=(("seen", seen),), optimizer=optimizer)
    torch.manual_seed(3)
    net.initialize()
    torch.manual_seed(3)
    net.partial_fit(X, Y)

    model, criterion = Net(), nn.CrossEntropyLoss()
    own = optimizer(model.parameters(), lr=0.01)
    steps = 2 * ROWS // BATCH
    torch.manual_seed(3)
    handle = attach(model, own, recipe, loss=criterion, steps=steps)
    trained = []
    for step in range(steps):
        if step % (ROWS // BATCH) == 0:
            torch.empty((), dtype=torch.int64).random_()  # what a DataLoader draws when an epoch begins
        rows = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        handle.step(torch.from_numpy(X[rows]), torch.from_numpy(Y[rows]))
        trained.append(weights(model))
    assert len(seen.trained_) == steps
    for ours, plain in zip(seen.trained_, trained, strict=True):
        assert_same(ours, plain)


def test_l2_is_the_decay_of_sgd() -> None:
    one = classifier(Regularize("L2(strength=0.05, on='all')"), optimizer=torch.optim.SGD).fit(X, Y)
    other = classifier(None, optimizer=torch.optim.SGD, optimizer__weight_decay=0.1).fit(X, Y)
    for name, each in other.module_.state_dict().items():
        torch.testing.assert_close(one.module_.state_dict()[name], each)


def test_sam_is_its_formula() -> None:
    net = classifier(Regularize("SAM(radius=0.2)"), optimizer=torch.optim.SGD).fit(X, Y)
    model = Net()
    for step in range(2 * ROWS // BATCH):
        rows = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        x, y = torch.from_numpy(X[rows]), torch.from_numpy(Y[rows])
        before = [each.detach().clone() for each in model.parameters()]
        first = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), [*model.parameters()])
        length = torch.stack([each.norm() for each in first]).norm()
        with torch.no_grad():
            for w, g in zip(model.parameters(), first, strict=True):
                w.add_(0.2 * g / length)
        second = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), [*model.parameters()])
        with torch.no_grad():
            for w, old, g in zip(model.parameters(), before, second, strict=True):
                w.copy_(old - 0.01 * g)
    for name, each in model.state_dict().items():
        torch.testing.assert_close(net.module_.state_dict()[name], each)


def test_averaged_weights_are_those_of_validation_and_predict_and_the_trained_ones_go_on() -> None:
    seen = Weights()
    net = classifier(Regularize("EMA(decay=0.8, warmup=0)"), more=(("seen", seen),), train_split=VALID).fit(X, Y)
    average = weights(Net())
    judged = []
    for step, trained in enumerate(seen.trained_):
        average = {name: 0.8 * average[name] + 0.2 * each for name, each in trained.items()}
        if (step + 1) % (ROWS // BATCH) == 0:
            judged.append(average)
    for found, expected in zip(seen.judged_, judged, strict=True):
        for name, each in expected.items():
            torch.testing.assert_close(found[name], each)
    assert_same(weights(net.module_), seen.judged_[-1])
    with torch.no_grad():
        loss = nn.functional.cross_entropy(net.module_(torch.from_numpy(X)), torch.from_numpy(Y))
    assert net.history[-1, "valid_loss"] == pytest.approx(float(loss), rel=1e-6)
    plain = Weights()
    classifier(None, more=(("seen", plain),), train_split=VALID).fit(X, Y)
    assert_same(seen.trained_[-1], plain.trained_[-1])


RICH = "Mixup + Dropout(rate=0.2) + BatchNorm() + L2(strength=0.01) + EMA(decay=0.9)"


def test_two_trainings_are_one_long_one() -> None:
    long, short = Weights(), Weights()
    net = classifier(Regularize(RICH, seed=7), more=(("seen", long),), max_epochs=4).fit(X, Y)
    parts = classifier(Regularize(RICH, seed=7), more=(("seen", short),)).fit(X, Y).partial_fit(X, Y)
    for one, other in zip(long.trained_, short.trained_, strict=True):
        assert_same(one, other)
    assert_same(weights(net.module_), weights(parts.module_))
    warm = classifier(Regularize(RICH, seed=7), warm_start=True).fit(X, Y).fit(X, Y)
    assert_same(weights(net.module_), weights(warm.module_))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize(
    ("recipe", "seed"),
    [
        (RICH, 7),
        ("SWA(start=0.2) + BatchNorm()", None),
        ("SAM + Dropout(rate=0.3)", None),
        ("SnapshotEnsemble(cycles=2)", None),
    ],
)
def test_pickled_net_predicts_and_trains_on_like_the_one_that_it_was(
    recipe: str, seed: int | None, again: Callable[[Any], Any]
) -> None:
    net = classifier(Regularize(recipe, seed=seed, steps=12)).fit(X, Y)
    other = again(net)
    assert np.array_equal(other.predict_proba(X), net.predict_proba(X))
    third = again(other)
    for each in (net, other, third):
        torch.manual_seed(1)
        each.partial_fit(X, Y)
    assert_same(weights(other.module_), weights(net.module_))
    assert_same(weights(third.module_), weights(net.module_))
    assert np.array_equal(other.predict_proba(X), net.predict_proba(X))


def test_pickled_net_that_is_fitted_begins_anew() -> None:
    net = classifier(Regularize(RICH, seed=7)).fit(X, Y)
    other = pickle.loads(pickle.dumps(net)).fit(X, Y)
    assert_same(weights(other.module_), weights(net.module_))


@pytest.mark.parametrize("recipe", [RICH, "SWA(start=0.2) + BatchNorm()", "WeightNorm() + SAM + Dropout(rate=0.1)"])
@pytest.mark.parametrize("last", ["f_params", "f_regularize"])
def test_saved_params_bring_everything_back(recipe: str, last: str) -> None:
    net = classifier(Regularize(recipe, seed=7, steps=12)).fit(X, Y)
    files = {name: io.BytesIO() for name in ("f_params", "f_optimizer", "f_regularize")}
    net.save_params(**files)
    files[last] = files.pop(last)
    regularize = Regularize(recipe, seed=7, steps=12)
    other = classifier(regularize).initialize()
    regularize.attach(other)
    for name, file in files.items():
        file.seek(0)
        other.load_params(**{name: file})
    assert np.array_equal(other.predict_proba(X), net.predict_proba(X))
    assert_same(weights(net.partial_fit(X, Y).module_), weights(other.partial_fit(X, Y).module_))


def test_checkpoint_brings_the_judged_weights_back(tmp_path: Path) -> None:
    best = Checkpoint(monitor="valid_loss_best", dirname=str(tmp_path), load_best=True, f_pickle="net.pkl")
    regularize = Regularize("Mixup + EMA(decay=0.5)", seed=1)
    seen = Weights()
    net = classifier(regularize, more=(("best", best), ("seen", seen)), train_split=VALID, lr=0.2, max_epochs=4).fit(
        X, Y
    )
    epoch = int(np.argmin(net.history[:, "valid_loss"]))
    assert_same(weights(net.module_), seen.judged_[epoch])
    with (tmp_path / "net.pkl").open("rb") as file:
        pickled = pickle.load(file)
    assert_same(weights(pickled.module_), seen.judged_[epoch])
    assert "train_step_single" not in vars(pickled)


def test_early_stopping_ends_training_with_the_best_weights() -> None:
    seen = Weights()
    net = classifier(
        Regularize("EarlyStopping(patience=2)"),
        more=(("seen", seen),),
        optimizer=torch.optim.SGD,
        lr=3.0,
        max_epochs=50,
        train_split=VALID,
    ).fit(X, Y)
    losses = net.history[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 50
    assert_same(weights(net.module_), seen.judged_[best])
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(net.module_(torch.from_numpy(X)), torch.from_numpy(Y)))
    assert loss == pytest.approx(losses[best], rel=1e-6)
    net.partial_fit(X, Y)  # has patience of its own, and no weights of another training come back
    assert len(net.history) >= len(losses) + 2


def test_training_goes_on_from_the_best_weights_and_else_from_those_that_were_trained() -> None:
    for recipe, instance in (("EMA(decay=0.999) + EarlyStopping(patience=2)", False), ("EMA(decay=0.999)", True)):
        seen = Weights()
        net = classifier(
            Regularize(recipe), more=(("seen", seen),), module=Net() if instance else Net, lr=0.1, train_split=VALID
        ).fit(X, Y)
        best = weights(net.module_)
        trained = seen.trained_[-1]
        assert not torch.allclose(best["first.weight"], trained["first.weight"], atol=0.01)
        net.set_params(lr=1e-7)
        again = (net.fit if instance else net.partial_fit)(X, Y)
        first = seen.trained_[0] if instance else seen.trained_[len(seen.trained_) // 2]
        for name, each in (trained if instance else best).items():
            torch.testing.assert_close(first[name], each, atol=1e-4, rtol=0)
        assert again is net


def test_early_stopping_may_watch_a_metric() -> None:
    net = classifier(Regularize("EarlyStopping(patience=1, watch='metric')"), max_epochs=30, train_split=VALID).fit(
        X, Y
    )
    accuracies = net.history[:, "valid_acc"]
    assert len(accuracies) < 30
    assert net.score(X, Y) == max(accuracies)


def test_grid_search_chooses_between_recipes() -> None:
    recipes = ["none", bridle.Dropout(rate=0.9) + bridle.EMA(decay=0.999), "BatchNorm() + L2(strength=0.001)", None]
    net = classifier(Regularize("none"), max_epochs=8, lr=0.02)
    grid = {"callbacks__regularize__recipe": recipes, "lr": [0.02]}
    search = GridSearchCV(net, grid, cv=2, scoring="accuracy", error_score="raise").fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[3]
    assert scores[1] < max(scores)
    best = search.best_estimator_
    chosen = search.best_params_["callbacks__regularize__recipe"]
    assert str(dict(best.callbacks_)["regularize"].handle_.recipe) == str(bridle.Recipe.of(chosen))
    alone = classifier(Regularize(chosen), max_epochs=8, lr=0.02).fit(X, Y)
    assert np.array_equal(best.predict_proba(X), alone.predict_proba(X))


def test_clone_of_a_trained_net_is_untrained_and_equal() -> None:
    net = classifier(Regularize(RICH, seed=7)).fit(X, Y)
    assert {"train_step_single", "regularize_"}.isdisjoint(net.get_params())
    other = clone(net)
    assert not other.initialized_
    assert_same(weights(other.fit(X, Y).module_), weights(net.module_))


def test_new_recipe_replaces_the_old_one() -> None:
    net = classifier(Regularize("BatchNorm() + EMA")).fit(X, Y)
    net.set_params(callbacks__regularize__recipe="Dropout(rate=0.5)")
    net.partial_fit(X, Y)
    assert str(dict(net.callbacks_)["regularize"].handle_.recipe) == "Dropout(rate=0.5)"
    assert not [name for name in net.module_.state_dict() if "norm" in name]


def test_module_given_as_an_instance_is_left_alone_between_fits() -> None:
    module = Net()
    net = classifier(Regularize("BatchNorm() + Dropout(rate=0.2)"), module=module).fit(X, Y)
    layers = [type(each).__name__ for each in module.modules()]
    assert [type(each).__name__ for each in net.fit(X, Y).module_.modules()] == layers
    other = clone(net)
    with pytest.raises(ValueError, match="holds the layers of a recipe already"):
        other.fit(X, Y)
    with pytest.raises(ValueError, match="given as a class"):
        pickle.loads(pickle.dumps(net)).partial_fit(X, Y)


def test_schedules_know_the_length_of_the_training() -> None:
    regularize = Regularize("Dropout(rate=linear(0, 0.5)) + WeightDecay(strength=0.1)")
    schedule = LRScheduler(policy=torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    net = classifier(regularize, more=(("schedule", schedule),), optimizer=torch.optim.AdamW, max_epochs=3).fit(X, Y)
    assert regularize.handle_ is not None
    assert regularize.handle_.steps_done == regularize.handle_.parts.progress.steps == 3 * ROWS // BATCH
    assert {group["lr"] for group in net.optimizer_.param_groups} == {0.01 / 8}
    assert {group["weight_decay"] for group in net.optimizer_.param_groups} == {0.1, 0.0}


def test_regression_and_dictionaries_of_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = nn.Linear(FEATURES, 4), nn.Linear(4, 1)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.out(torch.relu(self.hidden(torch.cat([a, b], 1))))

    inputs = {"a": X[:, :2], "b": X[:, 2:]}
    target = X[:, :1] - X[:, 1:2]
    regularize = Regularize("ActivityL2(strength=0.01) + SAM + SWA(start=0.5) + Dropout(rate=0.1)")
    torch.manual_seed(0)  # one start in twenty is already as good as five epochs make it
    net = NeuralNetRegressor(Two, lr=0.05, max_epochs=5, verbose=0, callbacks=[regularize], batch_size=BATCH)
    net.fit(inputs, target)
    assert net.history[-1, "valid_loss"] < net.history[0, "valid_loss"]
    assert net.predict(inputs).shape == (ROWS, 1)


class OwnStep(NeuralNetClassifier):
    def train_step(self, batch: Any, **fit_params: Any) -> Any:
        return super().train_step(batch, **fit_params)


@pytest.mark.parametrize(
    ("recipe", "make", "words"),
    [
        ("ConfidencePenalty", {"module": Probabilities, "criterion": nn.NLLLoss}, "needs logits"),
        ("FGSM", {"module": Probabilities, "criterion": nn.NLLLoss}, "needs logits"),
        ("Mixup", {"module": Probabilities, "criterion": nn.NLLLoss}, "takes class ids alone"),
        ("EarlyStopping", {}, "give the net a train_split"),
        ("L2", {"optimizer": torch.optim.LBFGS}, "LBFGS"),
        ("L2 +", {}, "cannot read|expected|unknown|ends"),
    ],
)
def test_what_cannot_act_says_so(recipe: str, make: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        classifier(Regularize(recipe), **make).fit(X, Y)


def test_a_step_of_the_users_own_keeps_what_acts_in_the_optimizer() -> None:
    settings: dict[str, Any] = {
        "module": Net,
        "criterion": nn.CrossEntropyLoss,
        "train_split": None,
        "verbose": 0,
        "max_epochs": 1,
    }
    own = OwnStep(**settings, callbacks=[Regularize("L2(strength=0.1) + EMA")]).fit(X, Y)
    usual = NeuralNetClassifier(**settings, callbacks=[Regularize("L2(strength=0.1) + EMA")]).fit(X, Y)
    assert_same(weights(own.module_), weights(usual.module_))
    with pytest.raises(ValueError, match="OwnStep has one of its own"):
        OwnStep(**settings, callbacks=[Regularize("SAM")]).fit(X, Y)


def test_state_is_loaded_only_where_the_recipe_is_attached() -> None:
    with pytest.raises(ValueError, match=r"regularize\.attach"):
        Regularize("EMA").load_state_dict({})


def test_data_of_unknown_length_need_the_number_of_steps() -> None:
    class Stream(torch.utils.data.IterableDataset[tuple[Tensor, int]]):
        def __iter__(self) -> Any:
            return iter(zip(torch.from_numpy(X), Y.tolist(), strict=True))

    def fit(recipe: str, **more: Any) -> NeuralNet:
        settings: dict[str, Any] = {"optimizer": torch.optim.SGD, "train_split": None, "verbose": 0, "max_epochs": 1}
        return NeuralNet(Net, nn.CrossEntropyLoss, callbacks=[Regularize(recipe, **more)], **settings).fit(Stream())

    fit("L2")
    fit("Dropout(rate=linear(0, 0.5))", steps=3)
    with pytest.raises(ValueError, match="steps=all its steps"):
        fit("Dropout(rate=linear(0, 0.5))")


@pytest.mark.parametrize("recipe", [RICH, "SWA(start=0.2) + BatchNorm()", "WeightNorm() + EarlyStopping"])
def test_a_finished_net_predicts_the_same_with_a_plain_module(recipe: str) -> None:
    stops = "EarlyStopping" in recipe
    net = classifier(Regularize(recipe, seed=7), train_split=VALID if stops else None).fit(X, Y)
    regularize = dict(net.callbacks_)["regularize"]
    expected = net.predict_proba(X)
    assert regularize.finish(net) is net.module_
    assert np.allclose(net.predict_proba(X), expected, atol=1e-6)
    assert list(net.module_.state_dict()) == list(Net().state_dict())
    with pytest.raises(RuntimeError, match="not in this net"):
        regularize.finish(net)
    net.partial_fit(X, Y)


def test_a_binary_classifier_has_its_one_label_smoothed() -> None:
    labels = (X[:, 0] > 0).astype(np.float32)

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.last = nn.Linear(FEATURES, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(x).squeeze(1)

    def trained(recipe: str, criterion: Any, y: Any) -> Any:
        net = NeuralNet(
            One, criterion, max_epochs=2, batch_size=BATCH, train_split=None, verbose=0, callbacks=[Regularize(recipe)]
        )
        return net.fit(X, y).module_.last.weight.detach()

    loss = nn.BCEWithLogitsLoss
    expected = trained("none", loss, (0.9 * labels + 0.05).astype(np.float32))
    torch.testing.assert_close(trained("LabelSmoothing(strength=0.1)", loss, labels), expected)
    with pytest.raises(ValueError, match="is for classes, and MSELoss compares numbers"):
        trained("ConfidencePenalty", nn.MSELoss, labels)
