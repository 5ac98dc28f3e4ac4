"""The training step of a Lightning module with a recipe: transformed batches, penalties, second gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bridle.adapters.recipe_checks import batch_penalties, has_second_gradient, loss_dependent
from bridle.adapters.trainer_methods import override_method
from bridle.attaching import Handle
from bridle.errors import InputError, StateError
from bridle.recipe import Recipe

__all__ = ["LightningStep", "batch_field"]

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

StepOutput = Tensor | Mapping[str, Any] | None  # what training_step may return


class LightningStep:
    """Overrides ``training_step`` and ``optimizer_step`` of a module to which a recipe is attached."""

    def __init__(self, trainer: Trainer, handle: Handle, fields: tuple[Any, Any]) -> None:
        self.trainer, self.handle, self.fields = trainer, handle, fields
        self.recipe = handle.recipe
        self.repeating = False  # whether training_step runs for the second time on a batch
        self.small_batches: list[tuple[tuple[Any, ...], Any]] = []  # since the last step, and their noise, for SAM

    def training_step(self, own: Callable[..., StepOutput], *args: Any) -> StepOutput:
        """Run the module's own step on a transformed batch, and add the recipe's penalties to its loss."""
        if self.repeating:
            return self.with_penalty(own(*args))
        if self.recipe.at("batch"):
            args = (self.transformed(args[0]), *args[1:])
        result = own(*args)
        recorder = self.handle.parts.recorder
        if recorder.keeps_marks and recorder.mark is None:
            raise StateError(
                f"{self.recipe} must see the passes through {type(self.handle.model).__name__}, and training_step "
                f"makes none; say what it calls: Regularize(..., part=the network's name in the module)"
            )
        if has_second_gradient(self.recipe):
            self.small_batches.append((args, recorder.mark))
        return self.with_penalty(result)

    def transformed(self, batch: Any) -> Any:
        """Return a batch as the recipe transforms it, in the form in which it came."""
        rows, targets = self.fields
        x, y = self.handle.batch(batch_field(self.recipe, batch, rows), batch_field(self.recipe, batch, targets))
        changed = list(batch) if isinstance(batch, tuple) else copy.copy(batch)
        changed[rows], changed[targets] = x, y
        if isinstance(batch, tuple):
            return type(batch)(*changed) if hasattr(batch, "_fields") else tuple(changed)
        return changed

    def with_penalty(self, result: StepOutput) -> StepOutput:
        """Return the result of training_step with the penalties on activations and outputs added to its loss."""
        needing = loss_dependent(self.recipe)
        if needing and result is None:
            raise InputError(f"{needing[0]!r} needs the loss of every step, and training_step has given None")
        if result is None or not batch_penalties(self.recipe):
            return result
        penalty = self.handle.penalty()
        return {**result, "loss": result["loss"] + penalty} if isinstance(result, Mapping) else result + penalty

    def optimizer_step(self, own: Callable[..., object], *args: Any) -> None:
        """Take the module's own step, with the second gradient behind the first."""
        *others, closure = args

        def both_gradients() -> object:
            result = closure()
            self.handle.ascend(self.second_gradient, getattr(self.trainer.precision_plugin, "scaler", None))
            self.small_batches.clear()
            return result

        own(*others, both_gradients)

    def second_gradient(self) -> None:
        """Run forward and backward once more, for all small batches of the step."""
        trainer, noise = self.trainer, self.handle.parts.recorder.noise
        with ExitStack() as silent:
            override_method(silent, trainer.lightning_module, "log", lambda own, *args, **kwargs: None)
            silent.callback(setattr, self, "repeating", False)
            self.repeating = True
            for args, mark in self.small_batches:
                with noise.replay(mark):
                    result = trainer.strategy.training_step(*args)
                    loss = result["loss"] if isinstance(result, Mapping) else result
                    trainer.strategy.backward(loss / trainer.accumulate_grad_batches, trainer.optimizers[0])


def batch_field(recipe: Recipe, batch: Any, field: Any) -> Any:
    """Return a field of a batch; raise ``ValueError`` where it is not there."""
    try:
        if not isinstance(batch, Tensor):
            return batch[field]
    except (KeyError, IndexError, TypeError):
        pass
    has = f" with the keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else ""
    raise InputError(
        f"{recipe} must find the rows and the targets of a batch, and this is of type {type(batch).__name__}"
        f"{has}; say where they are: Regularize(..., fields=(..., ...))"
    )
