"""The training step of a Hugging Face trainer with a recipe: transformed batches, penalties, second gradients."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from bridle.adapters.recipe_checks import batch_penalties, has_second_gradient
from bridle.attaching import Handle
from bridle.attaching.objectives import CLASSIFICATION, MULTILABEL, REGRESSION
from bridle.errors import InputError
from bridle.recipe import Recipe

__all__ = ["HuggingFaceStep", "task_of"]

if TYPE_CHECKING:
    from transformers import Trainer

PROBLEMS = {  # what models call their tasks
    "single_label_classification": CLASSIFICATION,
    "multi_label_classification": MULTILABEL,
    "regression": REGRESSION,
}
Fields = tuple[str, str]  # the names of the rows and of their targets in a batch
Inputs = dict[str, Any]  # a batch by the names of its fields


class SmallBatch(NamedTuple):
    """One of the batches that a step gathers, as it is passed once more for a second gradient."""

    inputs: Inputs
    args: tuple[object, ...]
    noise: Any  # the mark of its first pass
    scale: float | Tensor


class HuggingFaceStep:
    """Overrides ``training_step`` and ``compute_loss`` of a trainer; does nothing as long as there is no ``handle``."""

    def __init__(self, trainer: Trainer, recipe: Recipe, fields: Fields | None) -> None:
        self.trainer, self.recipe, self.fields = trainer, recipe, fields
        self.handle: Handle | None = None  # while there is training
        self.repeating = False  # whether training_step runs for the second time on a batch
        self.inputs: Inputs = {}  # the last batch, as the model saw it
        self.scale: float | Tensor = 1.0  # of a mean over the last batch, to count as its loss does
        self.small_batches: list[SmallBatch] = []  # since the last step, for SAM

    def training_step(self, own: Callable[..., Tensor], model: nn.Module, inputs: Inputs, *args: object) -> Tensor:
        """Run the trainer's own step, with the second gradient behind the first."""
        loss = own(model, inputs, *args)
        if self.handle is not None and has_second_gradient(self.recipe):
            self.small_batches.append(SmallBatch(self.inputs, args, self.handle.parts.recorder.mark, self.scale))
            accelerator = self.trainer.accelerator
            if accelerator.sync_gradients:
                self.handle.ascend(partial(self.second_gradient, self.handle, own, model), accelerator.scaler)
                self.small_batches.clear()
        return loss

    def second_gradient(self, handle: Handle, own: Callable[..., Tensor], model: nn.Module) -> None:
        """Run forward and backward once more, for all small batches of the step."""
        with ExitStack() as once:
            once.callback(setattr, self, "repeating", False)
            self.repeating = True
            for each in self.small_batches:
                self.scale = each.scale
                with handle.parts.recorder.noise.replay(each.noise):
                    own(model, dict(each.inputs), *each.args)

    def compute_loss(
        self, own: Callable[..., Any], model: nn.Module, inputs: Inputs, *args: object, **kwargs: Any
    ) -> Any:
        """Compute the trainer's own loss on a transformed batch, and add the recipe's penalties."""
        handle = self.handle
        if handle is None or not model.training:
            return own(model, inputs, *args, **kwargs)
        rows, targets = self.fields_of(inputs)
        inputs = {rows: inputs[rows], **inputs}  # second passes move what comes first
        if not self.repeating:
            self.scale = self.loss_scale(inputs, kwargs.get("num_items_in_batch"))
            if self.recipe.at("batch"):
                inputs |= self.transformed(handle, inputs, rows, targets)
        self.inputs = dict(inputs)  # the trainer takes out the targets
        result = own(model, inputs, *args, **kwargs)
        if not batch_penalties(self.recipe):
            return result
        task = task_of(self.trainer)  # the model may have found out by its first labels
        if task and not handle.parts.objective.task:
            handle.parts.set_task(task)
        penalty = handle.penalty() * self.scale
        return (result[0] + penalty, *result[1:]) if isinstance(result, tuple) else result + penalty

    def fields_of(self, inputs: Inputs) -> Fields:
        """Return the names of the rows and of their targets; raise ``ValueError`` where they are not in the batch."""
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

    def transformed(self, handle: Handle, inputs: Inputs, rows: str, targets: str) -> Inputs:
        """Return the rows and the targets of a batch as the recipe transforms them."""
        x, y = handle.batch(inputs[rows], inputs[targets])
        if y.is_floating_point() and not inputs[targets].is_floating_point():
            self.check_takes_probabilities()
        return {rows: x, targets: y}

    def check_takes_probabilities(self) -> None:
        """Raise ``ValueError`` where the loss takes class ids alone, or would misread shares of several classes."""
        trainer, model = self.trainer, self.trainer.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        pretrained = import_module("transformers").PreTrainedModel
        by_model = trainer.compute_loss_func is None and isinstance(base, pretrained)
        if by_model or trainer.label_smoother is not None:
            whose = type(base).__name__ if by_model else "Trainer's label_smoothing_factor"
            raise InputError(
                f"{self.recipe.at('batch')[-1]!r} gives each row a share of several classes, and {whose} takes class "
                f"ids; take Trainer(compute_loss_func=lambda outputs, labels, num_items_in_batch=None: "
                f"F.cross_entropy(outputs.logits, labels))"
            )

    def loss_scale(self, inputs: Inputs, items: Tensor | int | None) -> float | Tensor:
        """Return the factor of a mean over a batch in the step's loss; 1 where the trainer divides itself.

        Of ``items``, over which the loss of all small batches of a step is the mean, it is the batch's own part.
        """
        trainer = self.trainer
        divided = getattr(trainer, "loss_is_scaled_for_ga", None)  # which earlier trainers do not know
        if divided is None:
            divided = trainer.compute_loss_func is not None or (trainer.model_accepts_loss_kwargs and items is not None)
        if not divided:
            return 1.0
        count = getattr(trainer, "_get_num_items_in_batch", None)  # which earlier trainers do not know either
        if items is None or count is None:
            return 1 / float(trainer.current_gradient_accumulation_steps)
        own: float | Tensor = count([inputs], trainer.args.device) / items
        return own


def task_of(trainer: Trainer) -> str | None:
    """Return the task of the model's outputs, where the model computes the loss and names it."""
    config = getattr(trainer.model, "config", None) if trainer.compute_loss_func is None else None
    return PROBLEMS.get(getattr(config, "problem_type", None) or "")
