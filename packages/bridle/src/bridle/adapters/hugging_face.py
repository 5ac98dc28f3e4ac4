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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from bridle.adapters.checkpoints import (
    end_training,
    keeps_layers,
    load_as_plain,
    resume,
    training_state,
    weights_to_save,
)
from bridle.adapters.hugging_face_step import HuggingFaceStep, task_of
from bridle.adapters.recipe_checks import check_validation, check_wrapper, single_network_recipe
from bridle.adapters.trainer_methods import first_batches, override_method
from bridle.attaching import Handle, attach
from bridle.attaching.model_inputs import to_device
from bridle.errors import DependencyError, InputError, StateError
from bridle.recipe import Recipe, RecipeLike
from bridle_audit.atomic_files import write_whole

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_utils import EvalLoopOutput, TrainOutput


def __getattr__(name: str) -> type[HuggingFaceHooks]:
    if name != "Regularize":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    members = {"__doc__": HuggingFaceHooks.__doc__, "__module__": __name__}
    made: type[HuggingFaceHooks] = type(name, (HuggingFaceHooks, library().TrainerCallback), members)
    globals()[name] = made
    return made


def library() -> ModuleType:
    """Return transformers; raise ``ImportError`` where it is not installed."""
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise DependencyError(
            "bridle.adapters.hugging_face needs transformers: pip install transformers[torch]"
        ) from error


class HuggingFaceHooks:
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
        trainer: Trainer,
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
        self.recipe, self.trainer = single_network_recipe(recipe), trainer
        self.options: dict[str, Any] = {"seed": seed, "classes": classes, "features": features, "task": task}
        self.steps, self.example = steps, example
        self.valid_loss, self.valid_metric = valid_loss, valid_metric
        self.handle: Handle | None = None
        self.stopped = False  # whether the recipe has stopped it
        self.names: set[str] = set()  # of the model's weights when nothing is attached
        self.loading = ExitStack()  # a checkpoint is loaded as long as nothing is attached
        self.step = HuggingFaceStep(trainer, self.recipe, fields)
        self.resume_state: dict[str, Any] = {}  # until the recipe is attached
        override_method(ExitStack(), trainer, "train", self.train)
        override_method(ExitStack(), trainer, "save_model", self.save_model)

    @property
    def attached(self) -> Handle:
        """The handle, while the recipe is attached."""
        assert self.handle is not None
        return self.handle

    @property
    def training(self) -> bool:
        """True while a training goes on in which the recipe acts."""
        return self.step.handle is not None

    # Training begins and ends.

    def overrides(self) -> dict[str, Callable[..., object]]:
        """Return the methods that are the trainer's during a training, by the names of those that they override."""
        return {
            "create_optimizer": self.create_optimizer,
            "compute_loss": self.step.compute_loss,
            "training_step": self.step.training_step,
            "evaluation_loop": self.evaluation_loop,
            "_save": self._save,
            "_load_best_model": self._load_best_model,
        }

    def train(
        self,
        own: Callable[..., TrainOutput],
        resume_from_checkpoint: str | bool | None = None,
        *args: object,
        **kwargs: object,
    ) -> TrainOutput:
        """Run the trainer's own training with the recipe in it."""
        trainer = self.trainer
        check_trainer(trainer, self.recipe)
        if self not in trainer.callback_handler.callbacks:
            trainer.add_callback(self)
        path = resume_from_checkpoint
        if path is True:
            path = import_module("transformers.trainer_utils").get_last_checkpoint(trainer.args.output_dir)
        self.release()
        if path:
            self.resume_state = load_state(Path(path), trainer.args.process_index)
        with ExitStack() as undo:
            undo.callback(self.loading.close)
            self.loading.callback(load_as_plain(trainer.model).remove)
            for name, method in self.overrides().items():
                override_method(undo, trainer, name, method)
            undo.callback(self.abort)
            return own(resume_from_checkpoint, *args, **kwargs)

    def release(self) -> None:
        """Restore the model as it was before the last training, and keep its weights to resume from."""
        self.resume_state = {}
        if self.handle is not None and self.handle.model is self.trainer.model:
            self.resume_state = {"weights": copy.deepcopy(self.handle.model.state_dict())}
            self.handle.detach(discard=True)
        self.handle, self.step.handle, self.stopped = None, None, False

    def create_optimizer(self, own: Callable[..., Optimizer], *args: object) -> Optimizer:
        """Create the trainer's optimizer and attach the recipe: nothing is wrapped and no state is loaded yet."""
        self.loading.close()
        trainer = self.trainer
        optimizer = own(*args)
        if self.training:
            self.attached.detach(discard=True)  # the trainer begins once more, with smaller batches
        check_wrapper(self.recipe, trainer.model, trainer.model_wrapped)
        if trainer.lr_scheduler is None:
            restore_initial_rates(optimizer)
        self.names = set(trainer.model.state_dict())
        compute = trainer.compute_loss_func
        self.handle = attach(
            trainer.model,
            getattr(optimizer, "optimizer", optimizer),
            self.recipe,
            loss=compute and partial(compute, num_items_in_batch=None),
            steps=self.steps or trainer.state.max_steps,
            example=to_device(self.example, trainer.args.device),
            **{**self.options, "task": self.options["task"] or task_of(trainer)},
        )
        self.step.handle = self.handle
        resume(self.handle, self.resume_state)
        return optimizer

    def _load_best_model(self, own: Callable[[], None]) -> None:
        """Take the recipe off, so that the trainer's own finds the model under its own names."""
        self.end()
        own()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Leave the final weights in the model, and take the recipe off."""
        self.end()

    def end(self) -> None:
        """End the training in the model, if it goes on."""
        if self.training:
            self.step.handle = None
            if end_training(self.attached, self.first_rows()):
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

    def save_model(self, own: Callable[..., None], *args: object, **kwargs: object) -> None:
        """Save the model as the trainer does; warn where layers of the recipe are saved that a plain model lacks."""
        if self.handle is not None and not self.training:
            warnings.warn(
                f"{self.recipe} has layers that belong to the network, and whoever loads what is saved has it without "
                f"them: call regularize.finish() first, which folds them in",
                stacklevel=2,
            )
        own(*args, **kwargs)

    def abort(self) -> None:
        """Take the recipe off a training that has failed, unless its layers are a part of the network."""
        if self.training and not keeps_layers(self.recipe):
            self.detach()
        self.step.handle = None
        self.step.small_batches.clear()

    def detach(self) -> None:
        """Take the recipe off, with the layers of its that have become a part of the network."""
        if self.handle is not None:
            self.handle.detach(discard=True)
        self.handle, self.step.handle = None, None

    # Evaluation and saving.

    def evaluating(self) -> AbstractContextManager[object]:
        """Put the averaged weights into the model within the context."""
        return self.attached.averaged(self.first_rows()) if self.training else nullcontext()

    def first_rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield training batches on which running statistics are measured anew."""
        trainer = self.trainer
        return first_batches(lambda: trainer.get_test_dataloader(trainer.train_dataset), count_rows)

    def evaluation_loop(self, own: Callable[..., EvalLoopOutput], *args: object, **kwargs: Any) -> EvalLoopOutput:
        """Run the trainer's own evaluation on the averaged weights; stop by its scores, if the recipe does."""
        with self.evaluating():
            output = own(*args, **kwargs)
            if self.training and self.recipe.at("stop") and self.trainer.state.global_step:
                self.stop_by_scores(output.metrics, kwargs.get("metric_key_prefix", "eval"))
        return output

    def stop_by_scores(self, metrics: Mapping[str, float], prefix: str) -> None:
        """Let the recipe decide by the metrics of an evaluation whether the training stops."""
        if self.valid_loss in metrics:
            self.stopped = self.attached.stop(metrics[self.valid_loss], metrics.get(self.valid_metric))
        elif prefix == "eval":  # of one data set, not of one among others
            raise InputError(
                f"{self.recipe.at('stop')[0]!r} watches {self.valid_loss!r}, and the evaluation gives "
                f"{', '.join(metrics)}: Regularize(..., valid_loss=its name)"
            )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> TrainerControl:
        """Stop the training, if the recipe does."""
        if self.stopped and self.training:
            control.should_training_stop = True
        return control

    def _save(
        self,
        own: Callable[..., None],
        output_dir: str | None = None,
        state_dict: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Save the weights that the recipe would leave in the model now, as the trainer does."""
        with self.evaluating():
            if self.training and state_dict is None:
                state_dict = weights_to_save(self.attached.model.state_dict(), self.names, self.recipe)
            own(output_dir, state_dict)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        """Save the recipe's state beside that of the optimizer."""
        if self.training and not (args.save_only_model or state.is_hyper_param_search):
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            save_state(training_state(self.attached), folder, args.process_index)


def check_trainer(trainer: Trainer, recipe: Recipe) -> None:
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
    check_validation(recipe, validates=validates, hint='take TrainingArguments(eval_strategy="epoch")')
    for unit in recipe.at("stop"):
        if args.load_best_model_at_end:
            raise InputError(f"{unit!r} keeps the best weights itself; take load_best_model_at_end=False")
    for unit in recipe.at("batch"):
        if "slope" in unit.extra_inputs and trainer.compute_loss_func is None:
            raise InputError(f"{unit!r} follows the slope of the loss: Trainer(compute_loss_func=...)")


def restore_initial_rates(optimizer: Optimizer) -> None:
    """Restore the learning rates with which the schedule of an earlier training began; the next one begins there."""
    for group in optimizer.param_groups:
        group["lr"] = group.pop("initial_lr", group["lr"])


def count_rows(batch: Mapping[str, Any]) -> int:
    """Return the number of rows of a batch."""
    return len(next(iter(batch.values())))


def save_state(state: dict[str, Any], folder: Path, process: int) -> None:
    """Save a recipe's state; of several processes, only the noise differs."""
    own = {"noise": state["handle"]["noise"]} if process else state
    written = io.BytesIO()
    torch.save(own, written)
    write_whole(folder / f"regularize_{process}.pt", written.getvalue())


def load_state(folder: Path, process: int) -> dict[str, Any]:
    """Load the state that :func:`save_state` has saved; empty if it has not."""
    first, mine = folder / "regularize_0.pt", folder / f"regularize_{process}.pt"
    if not first.exists():
        return {}
    state: dict[str, Any] = torch.load(first, map_location="cpu", weights_only=True)
    if process and mine.exists():
        state["handle"]["noise"] = torch.load(mine, map_location="cpu", weights_only=True)["noise"]
    return state
