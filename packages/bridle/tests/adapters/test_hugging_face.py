"""A recipe in Hugging Face's trainer does what it does in a plain loop, and outlives checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from steps import BATCH, CLASSES, EVERYTHING_AT_ONCE, FEATURES, ROWS, SEED, VALID_X, VALID_Y, X, Y, assert_same, weights
from torch import Tensor, nn

from bridle.adapters import hugging_face
from bridle.attaching import attach


class Net(nn.Module):
    """A model as the trainer expects it; remembers the weights of each pass in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES))
        self.evaluated: list[dict[str, Tensor]] = []

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.net(x)
        if not self.training:
            self.evaluated.append(weights(self))
        return {"logits": logits} if labels is None else {"loss": F.cross_entropy(logits, labels), "logits": logits}


def rows_of(x: Tensor, y: Tensor) -> list[dict[str, Tensor]]:
    return [{"x": row, "labels": target} for row, target in zip(x, y, strict=True)]


@pytest.fixture
def make(transformers: Any, tmp_path: Path) -> Any:
    """Makes a trainer with a recipe, and a list of the weights behind each of its steps."""

    class Recorder(transformers.TrainerCallback):
        def __init__(self, seen: list[Any]) -> None:
            self.seen = seen

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            self.seen.append(weights(model))

    def trainer(model: nn.Module, recipe: Any, *, options: Any = None, more: Any = None, **settings: Any) -> Any:
        usual = {
            "output_dir": str(tmp_path),
            "use_cpu": True,
            "report_to": "none",
            "disable_tqdm": True,
            "logging_strategy": "no",
            "save_strategy": "no",
            "eval_strategy": "epoch",
            "num_train_epochs": 2,
            "per_device_train_batch_size": BATCH,
            "per_device_eval_batch_size": ROWS,
            "train_sampling_strategy": "sequential",
            "dataloader_pin_memory": False,
            "lr_scheduler_type": "constant",
            "learning_rate": 0.05,
            "max_grad_norm": 0.0,
            "optim": "adamw_torch",
        }
        arguments = transformers.TrainingArguments(**{**usual, **settings})
        given = {"train_dataset": rows_of(X, Y), "eval_dataset": rows_of(VALID_X, VALID_Y), **(more or {})}
        seen: list[Any] = []
        made = transformers.Trainer(model, arguments, callbacks=[Recorder(seen)], **given)
        if recipe is not None:
            made.regularize = hugging_face.Regularize(recipe, made, **(options or {}))
            made.add_callback(made.regularize)
        return made, seen

    return trainer


def plain_loop(recipe: str, epochs: int) -> tuple[Net, list[Any], list[Any]]:
    """The same training in a loop with attach: the model, its weights behind each step and at each validation."""
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.0)
    handle = attach(model, optimizer, recipe, seed=SEED)
    seen, validated = [], []
    for _ in range(epochs):
        for batch in zip(X.split(BATCH), Y.split(BATCH), strict=True):
            x, y = handle.batch(*batch)
            (model(x, y)["loss"] + handle.penalty()).backward()
            handle.ascend(lambda: model(x, y)["loss"] + handle.penalty())  # noqa: B023 - called at once
            handle.optimizer.step()
            handle.optimizer.zero_grad()
            seen.append(weights(model))
        with handle.averaged(), torch.no_grad():
            model.eval()
            validated.append(weights(model))
            loss = model(VALID_X, VALID_Y)["loss"]
            model.train()
        if handle.stop(loss.item()):
            break
    handle.restore_best()
    handle.detach(discard=True)
    return model, seen, validated


@pytest.mark.parametrize(
    "recipe",
    [
        "Dropout(rate=0.2) + L2(strength=0.01) + WeightDecay(strength=0.1) + ClipNorm(limit=0.5) + EMA(decay=0.8)",
        EVERYTHING_AT_ONCE,
    ],
)
def test_each_step_is_that_of_a_plain_loop(make: Any, recipe: str) -> None:
    model = Net()
    trainer, steps = make(model, recipe, options={"seed": SEED}, num_train_epochs=3)
    trainer.train()
    mine, seen, validated = plain_loop(recipe, 3)
    for one, other in zip(steps + model.evaluated, seen + validated, strict=True):
        assert_same(one, other)
    if "EarlyStopping" in recipe:
        assert_same(weights(model), weights(mine))


def mean_over_the_step(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
    """A loss as the trainer wants it of ``compute_loss_func``: divided by the rows of all small batches of a step."""
    rows = len(labels) if num_items_in_batch is None else num_items_in_batch
    return F.cross_entropy(outputs["logits"], labels, reduction="sum") / rows


@pytest.mark.parametrize("compute", [None, mean_over_the_step])
def test_small_batches_that_are_gathered_make_the_step_that_handle_makes_of_them(make: Any, compute: Any) -> None:
    recipe = "Mixup(alpha=0.4) + Dropout(rate=0.2) + ConfidencePenalty(strength=0.1) + SAM(radius=0.1) + L2 + EMA"
    model, mine = Net(), Net()
    trainer, steps = make(
        model,
        recipe,
        options={"seed": SEED},
        more={"compute_loss_func": compute},
        gradient_accumulation_steps=2,
        max_steps=2,
        eval_strategy="no",
    )
    trainer.train()
    optimizer = torch.optim.AdamW(mine.parameters(), lr=0.05, weight_decay=0.0)
    handle = attach(mine, optimizer, recipe, seed=SEED, loss=lambda output, y: F.cross_entropy(output["logits"], y))
    seen = []
    for number, (x, y) in enumerate(list(zip(X.split(BATCH), Y.split(BATCH), strict=True))[:4]):
        handle.step(x, y, update=number % 2 == 1)
        seen.append(weights(mine))
    for one, other in zip(steps, seen[1::2], strict=True):
        for name, each in one.items():
            assert torch.allclose(each, other[name], atol=1e-6), name


def test_adversarial_rows_follow_the_loss_of_the_trainer(make: Any) -> None:
    trainer, _ = make(Net(), "FGSM(radius=0.1)")
    with pytest.raises(ValueError, match="follows the slope of the loss"):
        trainer.train()
    trainer, steps = make(Net(), "FGSM(radius=0.1)", more={"compute_loss_func": mean_over_the_step})
    trainer.train()
    plain, without = make(Net(), None, more={"compute_loss_func": mean_over_the_step})
    plain.train()
    assert not torch.equal(steps[0]["net.0.weight"], without[0]["net.0.weight"])


@pytest.mark.parametrize(("seed", "saved"), [(SEED, "epoch"), (None, "epoch"), (None, 7)])
def test_a_resumed_training_is_the_uninterrupted_one(
    make: Any, tmp_path: Path, seed: int | None, saved: str | int
) -> None:
    recipe = EVERYTHING_AT_ONCE.replace("rate=0.2", "rate=linear(0.1, 0.4)").replace("patience=2", "patience=4")
    recipe += " + L2ToInit + SpectralPenalty"
    settings = {
        "options": {"seed": seed},
        "num_train_epochs": 4,
        **({"save_strategy": saved} if isinstance(saved, str) else {"save_strategy": "steps", "save_steps": saved}),
        "train_sampling_strategy": "random",
        "lr_scheduler_type": "linear",
    }
    model, again, step = Net(), Net(), 5 if saved == "epoch" else 7
    trainer, whole = make(model, recipe, **settings)
    trainer.train()
    resumed, steps = make(again, recipe, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
    assert len(steps) == 20 - step
    for one, other in zip(steps, whole[step:], strict=True):
        assert_same(one, other)
    assert_same(weights(again), weights(model))


def test_the_same_trainer_can_be_resumed_and_trained_again(make: Any) -> None:
    recipe = "Dropout(rate=0.2) + WeightDecay(strength=0.1) + EMA(decay=0.8)"
    trainer, steps = make(Net(), recipe, save_strategy="epoch")
    trainer.train()
    whole = list(steps)
    steps.clear()
    trainer.train(resume_from_checkpoint=trainer.args.output_dir + "/checkpoint-5")
    for one, other in zip(steps, whole[5:], strict=True):
        assert_same(one, other)
    steps.clear()
    trainer.train()
    assert len(steps) == 10
    steps.clear()
    trainer.train(resume_from_checkpoint=True)  # of a training that is over
    assert not steps


def test_the_recipe_is_off_when_training_is_over(make: Any) -> None:
    model = Net()
    names, parts, own = list(model.state_dict()), [type(each) for each in model.modules()], set(vars(model))
    trainer, _ = make(model, "Dropout(rate=0.2) + DropConnect(rate=0.2) + SAM + EMA + WeightDecay + L2")
    trainer.train()
    assert (list(model.state_dict()), [type(each) for each in model.modules()]) == (names, parts)
    assert set(vars(model)) - own <= {"_is_accelerate_prepared"}
    assert not set(trainer.regularize.overrides()) & set(vars(trainer))
    assert trainer.regularize.handle is None


def test_a_callback_that_was_not_added_adds_itself(make: Any) -> None:
    trainer, steps = make(Net(), None)
    regularize = hugging_face.Regularize("L2(strength=0.5)", trainer)
    trainer.train()
    assert trainer.callback_handler.callbacks.count(regularize) == 1
    again, other = make(Net(), "L2(strength=0.5)")
    again.train()
    assert_same(steps[-1], other[-1])


def test_a_saved_model_has_the_averaged_weights_under_the_names_of_the_model(make: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = Net()
    trainer, steps = make(
        model, "DropConnect(rate=0.2) + WeightDecay + EMA(decay=0.9, warmup=0)", save_strategy="epoch"
    )
    trainer.train()
    saved = load_file(tmp_path / "checkpoint-10" / "model.safetensors")
    assert set(saved) == set(Net().state_dict())
    for name, each in saved.items():
        attached = name.replace(".weight", ".parametrizations.weight.original")
        assert torch.equal(each, model.evaluated[-1][attached]), name
        assert torch.equal(each, model.state_dict()[name]), name
        assert not torch.equal(each, steps[-1][attached]), name


def test_the_trainer_may_load_its_own_best_model(make: Any) -> None:
    model = Net()
    trainer, _ = make(
        model,
        "DropConnect(rate=0.5) + EMA(decay=0.5, warmup=0)",
        save_strategy="epoch",
        load_best_model_at_end=True,
        num_train_epochs=4,
        learning_rate=0.5,
    )
    trainer.train()
    losses = [each["eval_loss"] for each in trainer.state.log_history if "eval_loss" in each]
    best = losses.index(min(losses))
    assert best < 3
    for name, each in weights(model).items():
        attached = name.replace(".weight", ".parametrizations.weight.original")
        assert torch.equal(each, model.evaluated[best][attached]), name


def test_training_stops_where_the_recipe_stops_and_leaves_the_best_weights(make: Any) -> None:
    scores = iter([0.9, 0.5, 0.6, 0.7, 0.1])
    model = Net()
    trainer, steps = make(
        model,
        "EMA(decay=0.5) + EarlyStopping(patience=2, watch='metric')",
        more={"compute_metrics": lambda predicted: {"accuracy": -next(scores)}},
        num_train_epochs=5,
    )
    trainer.train()
    assert len(steps) == 4 * ROWS // BATCH
    assert_same(weights(model), model.evaluated[1])


def test_one_of_several_data_sets_is_watched(make: Any) -> None:
    sets = {"near": rows_of(X, Y), "far": rows_of(VALID_X, VALID_Y)}
    trainer, _ = make(
        Net(), "EarlyStopping(patience=9)", options={"valid_loss": "eval_far_loss"}, more={"eval_dataset": sets}
    )
    judged = []
    own = hugging_face.HuggingFaceHooks.stop_by_scores

    def judge(self: Any, metrics: Any, prefix: str) -> None:
        own(self, metrics, prefix)
        judged.append(self.attached.parts.stopping.states[0][0])

    trainer.regularize.stop_by_scores = lambda metrics, prefix: judge(trainer.regularize, metrics, prefix)
    trainer.train()
    losses = [each["eval_far_loss"] for each in trainer.state.log_history if "eval_far_loss" in each]
    assert judged[1::2] == pytest.approx([losses[0], min(losses)])


def test_norms_of_the_recipe_stay_in_the_network_and_are_trained_further(make: Any, tmp_path: Path) -> None:
    recipe = "BatchNorm + WeightDecay + EMA(decay=0.5)"
    model, again = Net(), Net()
    trainer, steps = make(model, recipe, save_strategy="epoch")
    trainer.train()
    (*_, last) = (each["eval_loss"] for each in trainer.state.log_history if "eval_loss" in each)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(last)
    scale = "net.0.recipe_norm1.weight"
    before = weights(model)[scale]
    steps.clear()
    trainer.train()
    first_step = 0.05 + 0.05 * 0.01  # of Adam, and the decay
    assert (steps[0][scale] - before).abs().max() < first_step < (before - 1).abs().max()

    resumed, last = make(again, recipe)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    assert_same(last[-1], steps[-1])
    trainer.regularize.detach()
    assert list(model.state_dict()) == list(Net().state_dict())


def test_averaged_weights_get_running_statistics_of_their_own(make: Any) -> None:
    class Normed(Net):
        def __init__(self) -> None:
            super().__init__()
            self.net.insert(1, nn.BatchNorm1d(8))

    model = Normed()
    random = {"train_sampling_strategy": "random", "eval_strategy": "no", "per_device_eval_batch_size": BATCH}
    trainer, steps = make(model, "SWA(start=0)", save_strategy="epoch", **random)
    trainer.train()
    batches = model.net[0](X).detach().reshape(-1, BATCH, 8)
    assert torch.allclose(model.net.get_buffer("1.running_mean"), batches.mean((0, 1)), atol=1e-5)
    plain, without = make(Normed(), None, **random)
    plain.train()
    assert_same(steps[-1], without[-1])  # measuring has used up no random numbers


@pytest.fixture
def bert(transformers: Any) -> Any:
    """Makes a tiny BERT that classifies."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=CLASSES, **shape)

    def made() -> Any:
        torch.manual_seed(0)
        return transformers.BertForSequenceClassification(config)

    return made


def sentences() -> list[dict[str, Tensor]]:
    ids = torch.randint(20, (ROWS, 6), generator=torch.Generator().manual_seed(2))
    return [{"labels": y, "input_ids": each} for each, y in zip(ids, Y, strict=True)]


TEXT: dict[str, Any] = {"train_dataset": sentences(), "eval_dataset": sentences()}


def test_a_transformer_is_trained_with_penalties_on_its_outputs(make: Any, bert: Any, tmp_path: Path) -> None:
    model = bert()
    recipe = "Dropout(rate=0.3, at='Dropout') + RDrop(strength=0.5) + WeightDecay(strength=0.1) + SAM + EMA(decay=0.5)"
    trainer, steps = make(model, recipe, more=TEXT, save_strategy="epoch", learning_rate=0.01)
    trainer.train()
    losses = [each["eval_loss"] for each in trainer.state.log_history if "eval_loss" in each]
    assert len(steps) == 10
    assert losses[-1] < losses[0]
    loaded = type(model).from_pretrained(tmp_path / "checkpoint-10")
    assert_same(weights(loaded), weights(model))
    assert {part.p for part in model.modules() if isinstance(part, nn.Dropout)} == {0.1}


def test_a_model_that_takes_class_ids_alone_is_not_given_shares(make: Any, bert: Any) -> None:
    trainer, _ = make(bert(), "LabelSmoothing(strength=0.1)", more=TEXT)
    with pytest.raises(ValueError, match="BertForSequenceClassification takes class ids"):
        trainer.train()
    smoothing = {"label_smoothing_factor": 0.1}

    class Configured(Net):
        config = None

    trainer, _ = make(Configured(), "Mixup", **smoothing)
    with pytest.raises(ValueError, match="Trainer's label_smoothing_factor takes class ids"):
        trainer.train()

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        return F.cross_entropy(outputs.logits, labels)

    model = bert()
    trainer, steps = make(model, "LabelSmoothing(strength=0.1)", more={**TEXT, "compute_loss_func": loss})
    trainer.train()
    assert len(steps) == 10


def test_words_are_not_moved(make: Any, bert: Any) -> None:
    trainer, _ = make(bert(), "InputNoise", more=TEXT)
    with pytest.raises(ValueError, match="ids of words or categories have nothing in between"):
        trainer.train()
    trainer, _ = make(bert(), "JacobianPenalty", more=TEXT)
    with pytest.raises(ValueError, match="moves the model's input a little, and that is numbers of type"):
        trainer.train()


@pytest.mark.parametrize(
    ("recipe", "settings", "options", "sentence"),
    [
        ("EarlyStopping", {"eval_strategy": "no"}, {}, "stops by validation scores, and there are none"),
        (
            "EarlyStopping",
            {"load_best_model_at_end": True, "save_strategy": "epoch"},
            {},
            "keeps the best weights itself",
        ),
        ("EarlyStopping", {}, {"valid_loss": "eval_other"}, "watches 'eval_other', and the evaluation gives eval_loss"),
        ("Mixup", {}, {"fields": ("image", "labels")}, "must find the rows and the targets of a batch, and this has x"),
    ],
)
def test_what_cannot_act_is_refused_in_a_sentence(
    make: Any, recipe: str, settings: Any, options: Any, sentence: str
) -> None:
    trainer, _ = make(Net(), recipe, options=options, **settings)
    with pytest.raises(ValueError, match=sentence):
        trainer.train()
    assert not any("recipe" in name for name, _ in trainer.model.named_modules())


def test_after_an_error_the_weights_that_train_are_in_the_model(make: Any) -> None:
    def fail(predicted: Any) -> Any:
        raise ZeroDivisionError

    model = Net()
    trainer, steps = make(model, "Dropout + EMA(decay=0.99, warmup=0)", more={"compute_metrics": fail})
    with pytest.raises(ZeroDivisionError):
        trainer.train()
    assert_same(weights(model), steps[-1])
    assert not any("recipe" in name for name, _ in model.named_modules())
    assert not set(trainer.regularize.overrides()) & set(vars(trainer))


def test_the_library_is_imported_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"needs transformers: pip install transformers\[torch\]"):
        hugging_face.library()
    with pytest.raises(AttributeError, match="has no attribute 'Regularizer'"):
        hugging_face.Regularizer  # noqa: B018


def test_a_finished_model_predicts_the_same_under_its_own_names(make: Any, tmp_path: Path) -> None:
    model = Net()
    trainer, _ = make(model, "BatchNorm + WeightNorm + EMA(decay=0.5)")
    trainer.train()
    expected = model.eval()(VALID_X)["logits"].detach()
    with pytest.warns(UserWarning, match=r"call regularize\.finish\(\) first"):
        trainer.save_model(tmp_path / "attached")
    trainer.regularize.finish()
    trainer.save_model(tmp_path / "finished")
    assert list(model.state_dict()) == list(Net().state_dict())
    torch.testing.assert_close(model(VALID_X)["logits"].detach(), expected)
    trainer.train()


@pytest.mark.parametrize("said", [True, False])
def test_a_model_of_several_labels_has_the_forms_of_sigmoids(transformers: Any, tmp_path: Path, said: bool) -> None:
    problem = "multi_label_classification" if said else None
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    drops = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = transformers.BertConfig(**sizes, **drops, intermediate_size=8, num_labels=CLASSES, problem_type=problem)
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config)
    ids, labels = torch.randint(20, (BATCH, 4)), (X[:BATCH, :CLASSES] > 0).float()
    rows = [{"input_ids": each, "labels": label} for each, label in zip(ids, labels, strict=True)]
    settings = {"use_cpu": True, "report_to": "none", "disable_tqdm": True, "max_steps": 1, "learning_rate": 0.0}
    arguments = transformers.TrainingArguments(str(tmp_path), save_strategy="no", **settings)
    trainer = transformers.Trainer(model, arguments, train_dataset=rows)
    trainer.add_callback(hugging_face.Regularize("ConfidencePenalty(strength=0.5)", trainer))
    found = trainer.train().training_loss
    with torch.no_grad():
        z = model.eval()(input_ids=ids).logits
    p = z.sigmoid()
    sure = -(p * p.log() + (1 - p) * (1 - p).log()).sum(1).mean()
    assert found == pytest.approx(float(F.binary_cross_entropy_with_logits(z, labels) - 0.5 * sure), rel=1e-4)
