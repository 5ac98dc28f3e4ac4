"""Hugging Face: a callback lets a recipe act in ``Trainer.train``.

    from bridle.adapters.hugging_face import Regularize

    trainer = Trainer(model, args, train_dataset=rows, eval_dataset=valid_rows)
    trainer.add_callback(Regularize("Dropout(rate=0.1) + WeightDecay + RDrop + EMA + EarlyStopping", trainer))
    trainer.train()

transformers is imported when ``Regularize`` is.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from bridle.adapters import shared
from bridle.attaching import Handle, attach
from bridle.attaching.detaching import acts_in_evaluation
from bridle.attaching.model_inputs import to_device
from bridle.attaching.objectives import CLASSIFICATION, MULTILABEL, REGRESSION
from bridle.errors import DependencyError, InputError, StateError
from bridle.places import Ascent, Batch, Stop
from bridle.recipe import Recipe, RecipeLike
from bridle_audit.files import write_whole

PROBLEMS = {  # what models call their tasks
    "single_label_classification": CLASSIFICATION,
    "multi_label_classification": MULTILABEL,
    "regression": REGRESSION,
}
METHODS = ("create_optimizer", "compute_loss", "training_step", "evaluation_loop", "_save", "_load_best_model")


def __getattr__(name: str) -> Any:
    if name != "Regularize":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    members = {"__doc__": Hooks.__doc__, "__module__": __name__}
    globals()[name] = made = type(name, (Hooks, library().TrainerCallback), members)
    return made


def library() -> Any:
    """The library, if it is installed."""
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise DependencyError(
            "bridle.adapters.hugging_face needs transformers: pip install transformers[torch]"
        ) from error


class Hooks:
    """Lets a recipe act in ``Trainer.train``.

    Evaluation and saved models see the averaged weights where the recipe averages, and these, or those of the best
    evaluation where it stops, are in the model after ``train``. A training that is resumed from a checkpoint goes on as
    if it had never been interrupted. After ``train`` the recipe is off; but layers that have become a part of the
    network, as norms do, stay until :meth:`finish`, which makes the model a plain one, or :meth:`detach`; until then a
    saved model names their weights. ``print(regularize.handle)`` says, while there is training, what acts where.

    With SAM each step takes two passes. Patience counts evaluations, of which there may be several in an epoch.

    Where the recipe makes shares of several classes of class ids, as mixup and label smoothing do, the loss must take
    these: ``Trainer(compute_loss_func=...)``. The trainer's own ``max_grad_norm``, 1 unless you say 0, clips before the
    gradients of penalties on weights are added, the recipe's ClipNorm behind.

    Args:
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        trainer: the trainer to act in, which a callback is not told otherwise.
        steps: optimizer steps of the whole training, if not those that the trainer counts.
        example: a batch as the model takes it, a dictionary, which tells the order of its layers.
        seed: of the recipe's noise; None: torch's own generators.
        classes: how many classes integer targets are of, if it is not what the model's last layer gives out.
        features: names of a table's columns; see :func:`bridle.attach`.
        task: what the outputs are, where no loss tells; see :func:`bridle.attach`.
        fields: the names of the rows and of their targets in a batch; by default the model's main input, or the first
            field if it names none, and the trainer's first label.
        valid_loss: the name of the loss that early stopping watches, in the evaluation's metrics.
        valid_metric: the name of the metric, better the higher, that ``watch="metric"`` watches.
    """

    def __init__(
        self,
        recipe: RecipeLike,
        trainer: Any,
        *,
        steps: int | None = None,
        example: Any = None,
        seed: int | None = None,
        classes: int | None = None,
        features: Sequence[str] = (),
        task: str | None = None,
        fields: tuple[str, str] | None = None,
        valid_loss: str = "eval_loss",
        valid_metric: str = "eval_accuracy",
    ) -> None:
        self.recipe, self.trainer = shared.read(recipe), trainer
        self.options: dict[str, Any] = {"seed": seed, "classes": classes, "features": features, "task": task}
        self.steps, self.example, self.fields = steps, example, fields
        self.valid_loss, self.valid_metric = valid_loss, valid_metric
        self.handle: Handle | None = None
        self.training = False  # whether a training goes on in which the handle acts
        self.over = False  # whether the recipe has stopped it
        self.names: set[str] = set()  # of the model's weights when nothing is attached
        self.loading = ExitStack()  # a checkpoint is loaded as long as nothing is
        self.again = False  # whether training_step runs for the second time on a batch
        self.seen: dict[str, Any] = {}  # the last batch, as the model saw it
        self.share: Any = 1.0  # by which a mean over the last batch is to be multiplied, to count as it does
        self.small_batches: list[tuple[dict[str, Any], tuple[Any, ...], Any, Any]] = []  # since the last step, for SAM
        self.waiting: dict[str, Any] = {}  # the state to go on from, until the recipe is attached
        shared.lend(ExitStack(), trainer, "train", self.train)
        shared.lend(ExitStack(), trainer, "save_model", self.save_model)

    @property
    def attached(self) -> Handle:
        """The handle, of which there is one now."""
        assert self.handle is not None
        return self.handle

    # Training begins and ends.

    def train(self, own: Any, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The trainer's own, with its methods lent to the recipe."""
        trainer = self.trainer
        check(trainer, self.recipe)
        if self not in trainer.callback_handler.callbacks:
            trainer.add_callback(self)
        path = resume_from_checkpoint
        if path is True:
            path = import_module("transformers.trainer_utils").get_last_checkpoint(trainer.args.output_dir)
        self.release()
        if path:
            self.waiting = load(Path(path), trainer.args.process_index)
        with ExitStack() as lent:
            lent.callback(self.loading.close)
            self.loading.callback(shared.loading_plain(trainer.model).remove)
            for name in METHODS:
                shared.lend(lent, trainer, name, getattr(self, name))
            lent.callback(self.give_up)
            return own(resume_from_checkpoint, *args, **kwargs)

    def release(self) -> None:
        """Leave the model as it was before the last training, and keep its weights to go on with."""
        self.waiting = {}
        if self.handle is not None and self.handle.model is self.trainer.model:
            self.waiting = {"weights": copy.deepcopy(self.handle.model.state_dict())}
            self.handle.detach(discard=True)
        self.handle, self.training, self.over = None, False, False

    def create_optimizer(self, own: Any, *args: Any) -> Any:
        """The trainer's own; behind it, nothing is wrapped and its state is not loaded yet: attach the recipe."""
        self.loading.close()
        trainer = self.trainer
        optimizer = own(*args)
        if self.training:
            self.attached.detach(discard=True)  # the trainer begins once more, with smaller batches
        shared.check_wrapper(self.recipe, trainer.model, trainer.model_wrapped)
        if trainer.lr_scheduler is None:
            forget_schedule(optimizer)
        self.names = set(trainer.model.state_dict())
        compute = trainer.compute_loss_func
        self.handle = attach(
            trainer.model,
            getattr(optimizer, "optimizer", optimizer),
            self.recipe,
            loss=compute and partial(compute, num_items_in_batch=None),
            steps=self.steps or trainer.state.max_steps,
            example=to_device(self.example, trainer.args.device),
            **{**self.options, "task": self.options["task"] or self.task()},
        )
        self.training = True
        shared.go_on(self.handle, self.waiting)
        return optimizer

    def _load_best_model(self, own: Any) -> None:
        """The trainer's own, which finds the model under its own names again."""
        self.end()
        own()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave in the model what the recipe hands over, and take the recipe off."""
        self.end()

    def end(self) -> None:
        """The same, if it is not done."""
        if self.training:
            self.training = False
            if shared.end(self.attached, self.measured()):
                self.handle = None

    def finish(self) -> None:
        """Behind ``train``, make the model a plain one that predicts the same, as :meth:`bridle.Handle.finish` does.

        Layers that belong to the network, such as norms, are folded into it or become torch's own. The next training
        attaches the recipe anew.
        """
        if self.training:
            raise StateError("the trainer still trains: call regularize.finish() behind trainer.train()")
        if self.handle is not None:
            self.handle.finish()
        self.handle = None

    def save_model(self, own: Any, *args: Any, **kwargs: Any) -> Any:
        """The trainer's own; says so where what it saves is not the whole of the model for whoever loads it."""
        if self.handle is not None and not self.training:
            warnings.warn(
                f"{self.recipe} has layers that belong to the network, and whoever loads what is saved has it without "
                f"them: call regularize.finish() first, which folds them in",
                stacklevel=2,
            )
        return own(*args, **kwargs)

    def give_up(self) -> None:
        """Take the recipe off a training that has failed, unless its layers are a part of the network."""
        if self.training and not any(acts_in_evaluation(unit) for unit in self.recipe):
            self.detach()
        self.training = False
        self.small_batches.clear()

    def detach(self) -> None:
        """Take the recipe off, with the layers of its that have become a part of the network."""
        if self.handle is not None:
            self.handle.detach(discard=True)
        self.handle, self.training = None, False

    # A step.

    def training_step(self, own: Any, model: Any, inputs: Any, *args: Any) -> Any:
        """The trainer's own, with the second gradient behind the first."""
        loss = own(model, inputs, *args)
        if shared.of_kind(self.recipe, Ascent):
            self.small_batches.append((self.seen, args, self.attached.parts.recorder.mark, self.share))
            if self.trainer.accelerator.sync_gradients:
                self.attached.ascend(partial(self.second, own, model), self.trainer.accelerator.scaler)
                self.small_batches.clear()
        return loss

    def second(self, own: Any, model: Any) -> None:
        """Forward and backward once more, for all small batches of the step."""
        with ExitStack() as once:
            once.callback(setattr, self, "again", False)
            self.again = True
            for seen, args, mark, share in self.small_batches:
                self.share = share
                with self.attached.parts.recorder.noise.replay(mark):
                    own(model, dict(seen), *args)

    def compute_loss(self, own: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The trainer's own, on a batch as the recipe shows it, with the recipe's penalties in its loss."""
        if not (self.training and model.training):
            return own(model, inputs, *args, **kwargs)
        rows, targets = self.fields_of(inputs)
        inputs = {rows: inputs[rows], **inputs}  # second passes move what comes first
        if not self.again:
            self.share = self.share_of(inputs, kwargs.get("num_items_in_batch"))
            if self.recipe.at("batch"):
                inputs |= self.shown(inputs, rows, targets)
        self.seen = dict(inputs)  # the trainer takes out the targets
        result = own(model, inputs, *args, **kwargs)
        if not shared.in_the_loss(self.recipe):
            return result
        task = self.task()  # the model may have found out by its first labels
        if task and not self.attached.parts.objective.task:
            self.attached.parts.set_task(task)
        penalty = self.attached.penalty() * self.share
        return (result[0] + penalty, *result[1:]) if isinstance(result, tuple) else result + penalty

    def task(self) -> str | None:
        """What the model takes its outputs for, where it computes the loss and says so."""
        trainer = self.trainer
        config = getattr(trainer.model, "config", None) if trainer.compute_loss_func is None else None
        return PROBLEMS.get(getattr(config, "problem_type", None) or "")

    def fields_of(self, inputs: Mapping[str, Any]) -> tuple[str, str]:
        """The names of the rows and of their targets; ``ValueError`` where they are not in the batch."""
        main = getattr(self.trainer.model, "main_input_name", "")
        labels = self.trainer.label_names
        first = next((name for name in inputs if name not in labels), "")
        rows, targets = self.fields or (main if main in inputs else first, labels[0] if labels else "labels")
        if rows not in inputs or (self.recipe.at("batch") and targets not in inputs):
            raise InputError(
                f"{self.recipe} must find the rows and the targets of a batch, and this has {', '.join(inputs)}; say "
                f"which they are: Regularize(..., fields=(..., ...))"
            )
        return rows, targets

    def shown(self, inputs: Mapping[str, Any], rows: str, targets: str) -> dict[str, Any]:
        """The rows and the targets as the recipe shows them to the model."""
        x, y = self.attached.batch(inputs[rows], inputs[targets])
        if y.is_floating_point() and not inputs[targets].is_floating_point():
            self.check_shares()
        return {rows: x, targets: y}

    def check_shares(self) -> None:
        """Raise ``ValueError`` where the loss takes class ids alone, or would make something else of shares."""
        trainer, model = self.trainer, self.trainer.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        by_model = trainer.compute_loss_func is None and isinstance(base, library().PreTrainedModel)
        if by_model or trainer.label_smoother is not None:
            whose = type(base).__name__ if by_model else "Trainer's label_smoothing_factor"
            raise InputError(
                f"{self.recipe.at('batch')[-1]!r} gives each row a share of several classes, and {whose} takes class "
                f"ids; take Trainer(compute_loss_func=lambda outputs, labels, num_items_in_batch=None: "
                f"F.cross_entropy(outputs.logits, labels))"
            )

    def share_of(self, inputs: Mapping[str, Any], items: Any) -> Any:
        """By what a mean over a batch is to be multiplied here; 1 where the trainer does it itself.

        Of ``items``, which the loss of all small batches of a step is the mean of, it is the batch's own part.
        """
        trainer = self.trainer
        divided = getattr(trainer, "loss_is_scaled_for_ga", None)  # which earlier trainers do not know
        if divided is None:
            divided = trainer.compute_loss_func is not None or (trainer.model_accepts_loss_kwargs and items is not None)
        if not divided:
            return 1.0
        count = getattr(trainer, "_get_num_items_in_batch", None)  # which earlier trainers do not know either
        if items is None or count is None:
            return 1 / trainer.current_gradient_accumulation_steps
        return count([inputs], trainer.args.device) / items

    # Evaluation and saving.

    def evaluating(self) -> AbstractContextManager[Any]:
        """Within, the model has the averaged weights."""
        return self.attached.averaged(self.measured()) if self.training else nullcontext()

    def measured(self) -> Iterator[Any]:
        """Training rows on which running statistics can be measured anew."""
        trainer = self.trainer
        return shared.first_rows(lambda: trainer.get_test_dataloader(trainer.train_dataset), rows_of)

    def evaluation_loop(self, own: Any, *args: Any, **kwargs: Any) -> Any:
        """The trainer's own, on the averaged weights; judges the scores."""
        with self.evaluating():
            output = own(*args, **kwargs)
            if self.training and self.recipe.at("stop") and self.trainer.state.global_step:
                self.judge(output.metrics, kwargs.get("metric_key_prefix", "eval"))
        return output

    def judge(self, metrics: Mapping[str, float], prefix: str) -> None:
        """Whether the recipe stops the training, for the metrics of an evaluation."""
        if self.valid_loss in metrics:
            self.over = self.attached.stop(metrics[self.valid_loss], metrics.get(self.valid_metric))
        elif prefix == "eval":  # of one data set, not of one among others
            raise InputError(
                f"{self.recipe.at('stop')[0]!r} watches {self.valid_loss!r}, and the evaluation gives "
                f"{', '.join(metrics)}: Regularize(..., valid_loss=its name)"
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Stop the training, if the recipe does."""
        if self.over and self.training:
            control.should_training_stop = True
        return control

    def _save(self, own: Any, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The trainer's own, for the weights that the recipe would hand over now."""
        with self.evaluating():
            if self.training and state_dict is None:
                state_dict = shared.saved(self.attached.model.state_dict(), self.names, self.recipe)
            own(output_dir, state_dict)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save the recipe's state beside that of the optimizer."""
        if self.training and not (args.save_only_model or state.is_hyper_param_search):
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            save(shared.state_of(self.attached), folder, args.process_index)


def check(trainer: Any, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a trainer in which a recipe cannot act."""
    args = trainer.args
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        raise InputError("DeepSpeed and FSDP cut the parameters into pieces, and a recipe acts on whole ones; take DDP")
    if args.n_gpu > 1:
        raise InputError(
            f"the trainer would copy the model to {args.n_gpu} devices at every step (DataParallel), and a recipe's "
            f"layers and penalties are in one; start it with torchrun"
        )
    validates = args.eval_strategy != "no"
    shared.check_stop(recipe, validates=validates, hint='take TrainingArguments(eval_strategy="epoch")')
    for unit in shared.of_kind(recipe, Stop):
        if args.load_best_model_at_end:
            raise InputError(f"{unit!r} keeps the best weights itself; take load_best_model_at_end=False")
    for unit in shared.of_kind(recipe, Batch):
        if "slope" in unit.extra_inputs and trainer.compute_loss_func is None:
            raise InputError(f"{unit!r} follows the slope of the loss: Trainer(compute_loss_func=...)")


def forget_schedule(optimizer: Any) -> None:
    """Give the groups the rates with which the schedule of a training before began; the next one begins there."""
    for group in optimizer.param_groups:
        group["lr"] = group.pop("initial_lr", group["lr"])


def rows_of(batch: Mapping[str, Any]) -> int:
    """How many rows a batch has."""
    return len(next(iter(batch.values())))


def save(state: dict[str, Any], folder: Path, process: int) -> None:
    """Save a recipe's state; of several processes, only the noise differs."""
    own = {"noise": state["handle"]["noise"]} if process else state
    written = io.BytesIO()
    torch.save(own, written)
    write_whole(folder / f"regularize_{process}.pt", written.getvalue())


def load(folder: Path, process: int) -> dict[str, Any]:
    """What :func:`save` has saved, if it has."""
    first, mine = folder / "regularize_0.pt", folder / f"regularize_{process}.pt"
    if not first.exists():
        return {}
    state: dict[str, Any] = torch.load(first, map_location="cpu", weights_only=True)
    if process and mine.exists():
        state["handle"]["noise"] = torch.load(mine, map_location="cpu", weights_only=True)["noise"]
    return state
