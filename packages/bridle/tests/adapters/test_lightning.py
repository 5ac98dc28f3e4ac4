"""A recipe in Lightning's trainer does what it does in a plain loop, and outlives checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from steps import BATCH, CLASSES, EVERYTHING_AT_ONCE, FEATURES, ROWS, SEED, VALID_X, VALID_Y, X, Y, assert_same, weights
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bridle.adapters import lightning
from bridle.attaching import attach

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),  # within Lightning
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
]


@pytest.fixture
def net(pl: Any) -> Any:
    """A module's class; its pieces can be overwritten."""

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = F.cross_entropy(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            z = self(batch[0])
            self.log("val_loss", F.cross_entropy(z, batch[1]))
            self.log("val_acc", (z.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.05, weight_decay=0.0)

    return Net


def rows(*, shuffle: bool = False) -> DataLoader[Any]:
    return DataLoader(TensorDataset(X, Y), BATCH, shuffle=shuffle)


def valid_rows() -> DataLoader[Any]:
    return DataLoader(TensorDataset(VALID_X, VALID_Y), ROWS)


def trainer(pl: Any, *callbacks: Any, **settings: Any) -> Any:
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    return pl.Trainer(
        **{"accelerator": "cpu", "devices": 1, "max_epochs": 2, "callbacks": [*callbacks], **quiet, **settings}
    )


@pytest.fixture
def recorder(pl: Any) -> Any:
    """A callback that remembers the weights behind each step, and those that validation saw."""

    class Recorder(pl.Callback):
        def __init__(self) -> None:
            self.steps: list[dict[str, Tensor]] = []
            self.validated: list[dict[str, Tensor]] = []

        def on_train_batch_end(self, trainer: Any, module: Any, *details: Any) -> None:
            self.steps.append(weights(module))

        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            self.validated.append(weights(module))

    return Recorder()


def plain_loop(model: Any, recipe: str, epochs: int) -> tuple[list[Any], list[Any]]:
    """The same training in a loop with attach: the weights behind each step, and at each validation."""
    batches = list(rows())
    handle = attach(model, model.configure_optimizers(), recipe, seed=SEED)
    seen, validated = [], []
    for _ in range(epochs):
        for batch in batches:
            x, y = handle.batch(*batch)
            loss = F.cross_entropy(model(x), y)
            (loss + handle.penalty()).backward()
            handle.ascend(lambda: F.cross_entropy(model(x), y) + handle.penalty())  # noqa: B023 - called at once
            handle.optimizer.step()
            handle.optimizer.zero_grad()
            seen.append(weights(model))
        with handle.averaged(), torch.no_grad():
            model.eval()
            validated.append(weights(model))
            loss = F.cross_entropy(model(VALID_X), VALID_Y)
            model.train()
        if handle.stop(loss.item()):
            break
    handle.restore_best()
    handle.detach(discard=True)
    return seen, validated


@pytest.mark.parametrize(
    "recipe",
    [
        "Dropout(rate=0.2) + L2(strength=0.01) + WeightDecay(strength=0.1) + ClipNorm(limit=0.5) + EMA(decay=0.8)",
        EVERYTHING_AT_ONCE,
    ],
)
def test_each_step_is_that_of_a_plain_loop(pl: Any, net: Any, recorder: Any, recipe: str) -> None:
    model, mine = net(), net()
    regularize = lightning.Regularize(recipe, seed=SEED)
    trainer(pl, regularize, recorder, max_epochs=3, num_sanity_val_steps=0).fit(model, rows(), valid_rows())
    seen, validated = plain_loop(mine, recipe, 3)
    assert len(recorder.steps) == len(seen)
    for one, other in zip(recorder.steps + recorder.validated, seen + validated, strict=True):
        assert_same(one, other)
    if "EarlyStopping" in recipe:
        assert_same(weights(model), weights(mine))


def test_small_batches_that_are_gathered_make_the_step_that_handle_makes_of_them(
    pl: Any, net: Any, recorder: Any
) -> None:
    recipe = "Mixup(alpha=0.4) + Dropout(rate=0.2) + ConfidencePenalty(strength=0.1) + SAM(radius=0.1) + L2 + EMA"
    model, mine = net(), net()
    regularize = lightning.Regularize(recipe, seed=SEED)
    trainer(pl, regularize, recorder, max_epochs=1, accumulate_grad_batches=2, limit_train_batches=4).fit(model, rows())
    handle = attach(mine, mine.configure_optimizers(), recipe, loss=F.cross_entropy, seed=SEED)
    seen = []
    for number, (x, y) in enumerate(list(rows())[:4]):
        handle.step(x, y, update=number % 2 == 1)
        seen.append(weights(mine))
    for one, other in zip(recorder.steps, seen, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_recipes_train_in_other_precisions(pl: Any, net: Any, precision: str) -> None:
    torch.manual_seed(0)
    model = net()
    before = weights(model)
    wide = DataLoader(TensorDataset(X.double() if precision == "64-true" else X, Y), BATCH)
    regularize = lightning.Regularize("Dropout(rate=0.1) + RDrop + SAM + L2 + ClipNorm + EMA")
    trainer(pl, regularize, precision=precision, max_epochs=1).fit(model, wide)
    for name, each in weights(model).items():
        assert each.isfinite().all(), name
        assert not torch.equal(each, before[name].to(each.dtype)), name


def test_scaled_gradients_of_half_precision_take_the_same_way(pl: Any, net: Any) -> None:
    ends = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**12)):
        half = [pl.plugins.precision.MixedPrecision("16-mixed", "cpu", scaler)] if scaler else []
        model, regularize = net(), lightning.Regularize("ConfidencePenalty + SAM + L2(strength=0.1) + ClipNorm + EMA")
        trainer(pl, regularize, plugins=half, max_epochs=1).fit(model, rows())
        ends.append(weights(model))
    for name, each in ends[0].items():
        assert torch.allclose(each, ends[1][name], atol=5e-3), name


def test_batches_of_dictionaries_and_named_tuples_keep_their_form(pl: Any, net: Any, recorder: Any) -> None:
    class Table(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            return {"image": X[row], "label": Y[row], "row": row}

    class Keyed(net):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            assert len(batch["row"]) == BATCH
            return {"loss": F.cross_entropy(self(batch["image"]), batch["label"]), "more": 1}

    model, mine = Keyed(), net()
    recipe = "Mixup(alpha=0.4) + ConfidencePenalty(strength=0.1)"
    regularize = lightning.Regularize(recipe, seed=SEED, fields=("image", "label"))
    trainer(pl, regularize, recorder, max_epochs=1).fit(model, DataLoader(Table(), BATCH))
    seen, _ = plain_loop(mine, recipe, 1)
    assert_same(recorder.steps[-1], seen[-1])


def test_a_module_without_a_forward_hands_on_to_its_only_network(pl: Any, net: Any, recorder: Any) -> None:
    class Outside(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.loss = net().net, nn.CrossEntropyLoss()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.loss(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.05, weight_decay=0.0)

    recipe = "Dropout(rate=0.2) + RDrop(strength=0.5) + SAM + WeightDecay(strength=0.1)"
    model, mine = Outside(), net()
    trainer(pl, lightning.Regularize(recipe, seed=SEED), recorder, max_epochs=1).fit(model, rows())
    seen, _ = plain_loop(mine, recipe, 1)
    for (name, one), (_, other) in zip(recorder.steps[-1].items(), seen[-1].items(), strict=True):
        assert torch.equal(one, other), name


def test_training_stops_where_the_recipe_stops_and_leaves_the_best_weights(pl: Any, net: Any, recorder: Any) -> None:
    scores = [0.9, 0.5, 0.6, 0.7, 0.1]

    class Scored(net):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("loss_there", scores[self.current_epoch])

    model = Scored()
    regularize = lightning.Regularize("EMA(decay=0.5) + EarlyStopping(patience=2)", valid_loss="loss_there")
    fitting = trainer(pl, regularize, recorder, max_epochs=5)
    fitting.fit(model, rows(), valid_rows())
    assert fitting.current_epoch == 4
    epochs = recorder.validated[1:]  # the first was the trainer's sanity check
    assert len(epochs) == 4
    assert_same(weights(model), epochs[1])


def test_a_metric_can_be_watched(pl: Any, net: Any) -> None:
    scores = [0.5, 0.6, 0.4, 0.3, 0.2]

    class Scored(net):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log_dict({"val_loss": 0.0, "accuracy": scores[self.current_epoch]})

    regularize = lightning.Regularize("EarlyStopping(patience=2, watch='metric')", valid_metric="accuracy")
    fitting = trainer(pl, regularize, max_epochs=5)
    fitting.fit(Scored(), rows(), valid_rows())
    assert fitting.current_epoch == 4


def test_the_recipe_is_off_when_training_is_over(pl: Any, net: Any) -> None:
    model = net()
    names, parts, own = list(model.state_dict()), [type(each) for each in model.modules()], set(vars(model))
    regularize = lightning.Regularize("Dropout(rate=0.2) + DropConnect(rate=0.2) + SAM + EMA + WeightDecay + L2")
    fitting = trainer(pl, regularize, max_epochs=1)
    fitting.fit(model, rows(), valid_rows())
    assert (list(model.state_dict()), [type(each) for each in model.modules()]) == (names, parts)
    assert set(vars(model)) - own <= {"_trainer", "_hparams"}  # the trainer's
    assert regularize.handle is None
    assert len(fitting.optimizers[0].param_groups) == 1


def test_what_training_step_logs_in_the_second_pass_of_sam_is_dropped(pl: Any, net: Any) -> None:
    logged = []

    class Counting(net):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            logged.append(loss.item())
            return loss

    fitting = trainer(pl, lightning.Regularize("SAM(radius=0.5)"), max_epochs=1)
    fitting.fit(Counting(), rows())
    assert len(logged) == 2 * ROWS // BATCH
    assert fitting.callback_metrics["train_loss"].item() == pytest.approx(sum(logged[::2]) / (ROWS // BATCH))


def checkpoints(pl: Any, path: Path, **settings: Any) -> Any:
    return pl.callbacks.ModelCheckpoint(path, "{epoch}", save_top_k=-1, **settings)


@pytest.mark.parametrize(
    "case", [(SEED, "epoch", "linear(0.1, 0.4)"), (None, "epoch", "linear(0.1, 0.4)"), (None, "validation", "0.2")]
)
def test_a_resumed_training_is_the_uninterrupted_one(
    pl: Any, net: Any, recorder: Any, tmp_path: Path, case: tuple[int | None, str, str]
) -> None:
    seed, behind, rate = case
    recipe = EVERYTHING_AT_ONCE.replace("Dropout(rate=0.2)", f"Dropout(rate={rate})").replace(
        "patience=2", "patience=4"
    )
    recipe += " + L2ToInit + SpectralPenalty"

    def fit(seed_of_torch: int, **settings: Any) -> Any:
        model, saving = net(), checkpoints(pl, tmp_path, save_on_train_epoch_end=behind == "epoch")
        torch.manual_seed(seed_of_torch)
        fitting = trainer(
            pl, lightning.Regularize(recipe, seed=seed), recorder, saving, enable_checkpointing=True, max_epochs=4
        )
        fitting.fit(model, rows(shuffle=True), valid_rows(), **settings)
        return model

    model = fit(5)
    whole, recorder.steps = recorder.steps, []
    resumed = fit(99, ckpt_path=tmp_path / "epoch=1.ckpt")
    assert len(recorder.steps) == len(whole) // 2
    for one, other in zip(recorder.steps, whole[len(whole) // 2 :], strict=True):
        assert_same(one, other)
    assert_same(weights(resumed), weights(model))


def test_a_checkpoint_saved_behind_the_training_is_one_to_go_on_from(
    pl: Any, net: Any, recorder: Any, tmp_path: Path
) -> None:
    recipe = "Dropout(rate=0.2) + SAM + WeightDecay(strength=0.1) + EMA(decay=0.8)"
    trainer(pl, lightning.Regularize(recipe, seed=SEED), recorder, max_epochs=4).fit(net(), rows())
    whole, recorder.steps = recorder.steps, []
    first = trainer(pl, lightning.Regularize(recipe, seed=SEED), max_epochs=2)
    first.fit(net(), rows())
    first.save_checkpoint(tmp_path / "two.ckpt")
    second = trainer(pl, lightning.Regularize(recipe, seed=SEED), recorder, max_epochs=4)
    second.fit(net(), rows(), ckpt_path=tmp_path / "two.ckpt")
    assert_same(recorder.steps[-1], whole[-1])
    assert_same(recorder.steps[0], whole[len(whole) // 2])


@pytest.mark.parametrize("weights_only", [True, False])
def test_a_checkpoint_has_the_averaged_weights_under_the_names_of_the_module(
    pl: Any, net: Any, recorder: Any, tmp_path: Path, weights_only: bool
) -> None:
    regularize = lightning.Regularize("DropConnect(rate=0.2) + WeightDecay + EMA(decay=0.9, warmup=0)")
    saving = checkpoints(pl, tmp_path, save_weights_only=weights_only)
    trainer(pl, regularize, recorder, saving, enable_checkpointing=True).fit(net(), rows(), valid_rows())
    loaded = net.load_from_checkpoint(tmp_path / "epoch=1.ckpt", weights_only=True)
    seen = recorder.validated[-1]
    for name, each in weights(loaded).items():
        attached = name.replace(".weight", ".parametrizations.weight.original")
        assert torch.equal(each, seen[attached if attached in seen else name]), name


def test_norms_of_the_recipe_stay_in_the_network_and_are_trained_further(
    pl: Any, net: Any, recorder: Any, tmp_path: Path
) -> None:
    model = net()
    regularize = lightning.Regularize("BatchNorm + WeightDecay + EMA(decay=0.5)")
    options = {"enable_checkpointing": True, "max_epochs": 2}
    fitting = trainer(pl, regularize, checkpoints(pl, tmp_path), recorder, **options)
    fitting.fit(model, rows(), valid_rows())
    norm = "net.0.recipe_norm1.running_mean"
    assert torch.equal(model.state_dict()[norm], recorder.validated[-1][norm])
    (scores,) = fitting.validate(model, valid_rows(), verbose=False)
    (loaded,) = fitting.validate(model, valid_rows(), ckpt_path=tmp_path / "epoch=1.ckpt", verbose=False)
    assert loaded == scores
    with pytest.raises(RuntimeError, match="recipe_norm1"):
        net.load_from_checkpoint(tmp_path / "epoch=1.ckpt", weights_only=True)

    before = weights(model)
    trainer(pl, regularize, recorder, max_epochs=1, limit_train_batches=0).fit(model, rows())
    assert_same(weights(model), before)
    recorder.steps.clear()
    resumed = trainer(pl, lightning.Regularize("BatchNorm + WeightDecay + EMA(decay=0.5)"), recorder, max_epochs=3)
    resumed.fit(net(), rows(), valid_rows(), ckpt_path=tmp_path / "epoch=1.ckpt")
    assert len(recorder.steps) == ROWS // BATCH

    regularize.detach()
    assert list(model.state_dict()) == list(net().state_dict())


def test_averaged_weights_get_running_statistics_of_their_own(pl: Any, net: Any, recorder: Any) -> None:
    class Normed(net):
        def __init__(self) -> None:
            super().__init__()
            self.net.insert(1, nn.BatchNorm1d(8))

    torch.manual_seed(3)
    model = Normed()
    trainer(pl, lightning.Regularize("SWA(start=0)", seed=SEED), recorder).fit(model, rows(shuffle=True))
    hidden = model.net[0](X).detach()
    batches = hidden.reshape(-1, BATCH, 8)
    assert torch.allclose(model.net[1].running_mean, batches.mean((0, 1)), atol=1e-5)

    drawn = recorder.steps[-1]
    torch.manual_seed(3)
    recorder.steps.clear()
    trainer(pl, recorder).fit(Normed(), rows(shuffle=True))
    assert_same(recorder.steps[-1], drawn)  # measuring has used up no random numbers


@pytest.mark.parametrize(
    ("recipe", "options", "sentence"),
    [
        ("EarlyStopping", {}, "stops by validation scores, and there are none"),
        ("Mixup", {"fields": ("x", "y")}, "must find the rows and the targets of a batch, and this is of type list"),
        ("SAM", {"part": "unused"}, "must see the passes through Linear, and training_step makes none"),
        ("SWA", {"steps": None}, "must know how long the training is, and the trainer does not"),
    ],
)
def test_what_cannot_act_is_refused_in_a_sentence(
    pl: Any, net: Any, recipe: str, options: dict[str, Any], sentence: str
) -> None:
    class Wide(net):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(2, 2)

    endless = {"max_epochs": -1} if recipe == "SWA" else {}
    with pytest.raises((ValueError, RuntimeError), match=sentence):
        trainer(pl, lightning.Regularize(recipe, **options), **endless).fit(Wide(), rows())


def test_an_ensemble_is_refused() -> None:
    from bridle.adapters.recipe_checks import single_network_recipe

    with pytest.raises(ValueError, match="several networks, and this trainer saves and tests one"):
        single_network_recipe("SnapshotEnsemble")


def test_a_score_that_was_not_logged_is_asked_for(pl: Any, net: Any) -> None:
    with pytest.raises(ValueError, match="watches 'other', and validation has logged "):
        trainer(pl, lightning.Regularize("EarlyStopping", valid_loss="other")).fit(net(), rows(), valid_rows())


def test_a_step_without_a_loss_is_refused_where_the_recipe_needs_it(pl: Any, net: Any) -> None:
    class Silent(net):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self(batch[0])

    with pytest.raises(ValueError, match="needs the loss of every step, and training_step has given None"):
        trainer(pl, lightning.Regularize("RDrop")).fit(Silent(), rows())


def test_a_module_that_optimizes_by_hand_has_no_penalties_on_outputs(pl: Any, net: Any) -> None:
    class ByHand(net):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.optimizers().zero_grad()
            self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]))
            self.optimizers().step()

    with pytest.raises(ValueError, match="needs the loss, which a module that optimizes manually keeps to itself"):
        trainer(pl, lightning.Regularize("RDrop")).fit(ByHand(), rows())
    one, other = ByHand(), net()
    for model in (one, other):
        trainer(pl, lightning.Regularize("L2(strength=0.1) + Mixup(alpha=0.4)", seed=SEED)).fit(model, rows())
    assert_same(weights(one), weights(other))


def test_two_optimizers_are_refused(pl: Any, net: Any) -> None:
    class Two(net):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.net[0], self.net[2])]

    with pytest.raises(ValueError, match="attached to one optimizer, and configure_optimizers gives 2"):
        trainer(pl, lightning.Regularize("L2")).fit(Two(), rows())


def test_after_an_error_the_weights_that_train_are_in_the_module(pl: Any, net: Any) -> None:
    class Failing(net):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            raise ZeroDivisionError

    model = Failing()
    regularize = lightning.Regularize("Dropout + EMA(decay=0.99, warmup=0)")
    seen: list[Any] = []

    class Before(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None: ...

        def on_train_batch_end(self, trainer: Any, module: Any, *details: Any) -> None:
            seen.append(weights(module))

    with pytest.raises(ZeroDivisionError):
        trainer(pl, regularize, Before(), num_sanity_val_steps=0).fit(model, rows(), valid_rows())
    assert_same(weights(model), seen[-1])
    regularize.detach()
    assert not any("recipe" in name for name, _ in model.named_modules())


def test_the_library_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*lightning.LIBRARIES, "lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="needs PyTorch Lightning: pip install lightning"):
        lightning.library()
    with pytest.raises(AttributeError, match="has no attribute 'Regularizer'"):
        lightning.Regularizer  # noqa: B018


@pytest.mark.parametrize("recipe", ["BatchNorm + WeightNorm + EMA(decay=0.5)", "BatchNorm + EarlyStopping"])
def test_a_finished_module_predicts_the_same_and_loads_without_the_recipe(
    pl: Any, net: Any, tmp_path: Path, recipe: str
) -> None:
    model, regularize = net(), lightning.Regularize(recipe)
    fitting = trainer(pl, regularize)
    fitting.fit(model, rows(), valid_rows())
    expected = model.eval()(VALID_X).detach()
    regularize.finish()
    torch.testing.assert_close(model(VALID_X).detach(), expected)
    fitting.save_checkpoint(tmp_path / "finished.ckpt", weights_only=True)
    loaded = net.load_from_checkpoint(tmp_path / "finished.ckpt", weights_only=True)
    torch.testing.assert_close(loaded.eval()(VALID_X).detach(), expected)
    trainer(pl, regularize, max_epochs=1).fit(model.train(), rows(), valid_rows())
