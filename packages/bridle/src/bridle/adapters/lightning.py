"""PyTorch Lightning: a callback lets a recipe act in ``Trainer.fit``.

    from bridle.adapters.lightning import Regularize

    regularize = Regularize("Mixup + Dropout(rate=0.2) + WeightDecay + EMA + EarlyStopping")
    trainer = Trainer(max_epochs=20, callbacks=[regularize])
    trainer.fit(model, train_loader, valid_loader)

Lightning, as ``lightning`` or ``pytorch_lightning``, is imported when ``Regularize`` is.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bridle.adapters.checkpoints import end_training, load_as_plain, resume, training_state, weights_to_save
from bridle.adapters.lightning_step import LightningStep, batch_field
from bridle.adapters.recipe_checks import (
    check_validation,
    check_wrapper,
    has_second_gradient,
    loss_dependent,
    single_network_recipe,
)
from bridle.adapters.trainer_methods import first_batches, override_method
from bridle.attaching import Handle, attach
from bridle.attaching.loss_probing import LossFunction
from bridle.attaching.model_inputs import to_device
from bridle.attaching.noise import TorchNoise
from bridle.attaching.requirements import needs_steps
from bridle.errors import DependencyError, InputError, StateError
from bridle.recipe import Recipe, RecipeLike

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule, Trainer

LIBRARIES = ("lightning.pytorch", "pytorch_lightning")


def __getattr__(name: str) -> type[LightningHooks]:
    if name != "Regularize":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    members = {"__doc__": LightningHooks.__doc__, "__module__": __name__}
    made: type[LightningHooks] = type(name, (LightningHooks, library().Callback), members)
    globals()[name] = made
    return made


def library() -> ModuleType:
    """Return Lightning, under the name by which it is imported already, or else is installed."""
    for name in sorted(LIBRARIES, key=lambda name: name not in sys.modules):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                raise
    raise DependencyError("bridle.adapters.lightning needs PyTorch Lightning: pip install lightning")


class LightningHooks:
    """Lets a recipe act in Lightning's ``Trainer.fit``.

    Validation and checkpoints see the averaged weights where the recipe averages, and these, or those of the best epoch
    where it stops, are in the module after ``fit``. A run that is resumed from a checkpoint (``ckpt_path``) goes on as
    if it had never been interrupted: of one process, torch's generators go on, too. After ``fit`` the recipe is off;
    but layers that have become a part of the network, as norms do, stay until :meth:`finish`, which makes the module a
    plain one, or :meth:`detach`; until then a checkpoint names their weights. ``print(regularize.handle)`` says, while
    there is training, what acts where.

    Patience counts validations, of which there may be several in an epoch. With SAM, ``training_step`` runs twice on
    each batch: what it logs the second time is dropped, but a metric that it updates itself counts both. The trainer's
    ``gradient_clip_val`` clips before the gradients of penalties on weights are added, the recipe's ClipNorm behind.
    Of several processes that train with ``seed``, a checkpoint has the noise of the first; that of the others begins
    anew. A checkpoint holds the weights again for averages and for the best epoch.

    Args:
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        loss: ``loss(output, y)``, which adversarial examples follow.
        steps: optimizer steps of the whole training, if not those that the trainer estimates.
        example: a batch as the network takes it, which tells the order of its layers; by default the module's
            ``example_input_array``, if it has one.
        seed: of the recipe's noise; None: torch's own generators.
        classes: how many classes integer targets are of, if it is not what the network's last layer gives out.
        features: names of a table's columns; see :func:`bridle.attach`.
        task: what the outputs are, where no loss tells; see :func:`bridle.attach`.
        part: the name of the network in the module, where ``training_step`` calls it and not the module; by default
            the only part with parameters of a module without a ``forward``.
        fields: where in a batch its rows and their targets are: two places of a tuple, or two keys of a dictionary.
        valid_loss: the name under which validation logs the loss that early stopping watches.
        valid_metric: the name of the metric, better the higher, that ``watch="metric"`` watches.
    """

    def __init__(
        self,
        recipe: RecipeLike,
        *,
        loss: LossFunction | None = None,
        steps: int | None = None,
        example: Any = None,
        seed: int | None = None,
        classes: int | None = None,
        features: Sequence[str] = (),
        task: str | None = None,
        part: str = "",
        fields: tuple[Any, Any] = (0, 1),
        valid_loss: str = "val_loss",
        valid_metric: str = "val_acc",
    ) -> None:
        self.recipe = single_network_recipe(recipe)
        self.options: dict[str, Any] = {
            "loss": loss,
            "seed": seed,
            "classes": classes,
            "features": features,
            "task": task,
        }
        self.steps, self.example, self.part, self.fields = steps, example, part, fields
        self.valid_loss, self.valid_metric = valid_loss, valid_metric
        self.handle: Handle | None = None
        self.trainer: Trainer | None = None  # while there is training
        self.names: set[str] = set()  # of the module's weights when nothing is attached
        self.overrides = ExitStack()  # of the module's methods, while there is training
        self.evaluating: ExitStack | None = None  # the averaged weights, while validation sees them
        self.resume_state: dict[str, Any] = {}  # until the recipe is attached
        self.generators = TorchNoise([])  # torch's, as far as the module's device has some
        self.resumed_generators: list[Tensor] = []  # their states in the checkpoint, until the first batch
        self.final_state: dict[str, Any] = {}  # at the end of the training
        self.final_optimizer_state: dict[str, Any] = {}

    @property
    def attached(self) -> Handle:
        """The handle, while the recipe is attached."""
        assert self.handle is not None
        return self.handle

    @property
    def active_trainer(self) -> Trainer:
        """The trainer, while there is training."""
        assert self.trainer is not None
        return self.trainer

    # Training begins and ends.

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Restore the module as it was before the last training; no checkpoint is loaded and no optimizer made yet."""
        if stage != "fit":
            return
        check_trainer(trainer, self.recipe)
        self.resume_state, self.final_state = {}, {}
        if self.handle is not None and self.handle.model is not self.network(pl_module):
            self.handle = None  # another module, which keeps what it has become
        if self.handle is not None:
            self.resume_state = {"weights": copy.deepcopy(self.handle.model.state_dict())}
        self.detach()
        self.overrides.callback(load_as_plain(pl_module).remove)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach the recipe: the optimizer is there, its state is not loaded yet."""
        self.overrides.close()
        check_module(trainer, pl_module, self.recipe)
        self.names = set(pl_module.state_dict())
        model, example = self.network(pl_module), self.example
        if example is None and model is pl_module:
            example = pl_module.example_input_array
        self.trainer, self.generators = trainer, TorchNoise([pl_module.device])
        state, self.resume_state = self.resume_state, {}
        self.resumed_generators = state.get("generators", [])
        self.restore_generators(self.resumed_generators)
        steps = self.steps or estimated_steps(trainer, self.recipe)  # to count the rows, the trainer shuffles them
        before = self.generators.mark()
        self.handle = attach(
            model,
            trainer.optimizers[0],
            self.recipe,
            steps=steps,
            example=to_device(example, pl_module.device),
            **self.options,
        )
        resume(self.handle, state)
        self.restore_generators(before if self.resumed_generators else [])
        step = LightningStep(trainer, self.handle, self.fields)
        override_method(self.overrides, pl_module, "training_step", step.training_step)
        override_method(self.overrides, pl_module, "on_save_checkpoint", self.save_averaged)
        if has_second_gradient(self.recipe):
            # on_after_backward runs behind the second gradient, too
            self.handle.second_gradient.history.allows_changes = True
            override_method(self.overrides, pl_module, "optimizer_step", step.optimizer_step)

    def restore_generators(self, states: list[Tensor]) -> None:
        """Restore the states of torch's generators; of several processes, a checkpoint has those of the first."""
        if states and self.active_trainer.world_size == 1:
            self.generators.go_to(states)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Forget the generators of the checkpoint, once a resumed training has begun."""
        self.resumed_generators = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Undo the shuffling of an epoch without batches: the training was resumed behind the last one."""
        self.restore_generators(self.resumed_generators)

    def network(self, pl_module: LightningModule) -> nn.Module:
        """Return the network that the recipe is attached to: the module, or a part of it."""
        whole: nn.Module = pl_module
        if self.part:
            return whole.get_submodule(self.part)
        kinds: tuple[Any, ...] = type(whole).__mro__
        base = next(kind for kind in kinds if kind.__name__ == "LightningModule")
        parts = [each for each in whole.children() if any(True for _ in each.parameters())]
        return parts[0] if kinds[0].forward is base.forward and len(parts) == 1 else whole

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the final weights in the module, and take the recipe off."""
        if self.trainer is None:
            return
        self.final_state = copy.deepcopy(self.state_dict())
        self.final_optimizer_state = self.attached.optimizer.state_dict()
        self.overrides.close()
        if end_training(self.attached, self.first_rows()):
            self.handle = None
        self.trainer = None

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the training where none took place, as nothing was left to train."""
        self.on_train_end(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the weights that train, as the module may be saved now."""
        self.stop_evaluating()

    def finish(self) -> None:
        """Behind ``fit``, make the module a plain one that predicts the same, as :meth:`bridle.Handle.finish` does.

        Layers that belong to the network, such as norms, are folded into it or become torch's own. The next training
        attaches the recipe anew.
        """
        if self.trainer is not None:
            raise StateError("the trainer still trains: call regularize.finish() behind trainer.fit()")
        if self.handle is not None:
            self.handle.finish()
        self.handle = None

    def detach(self) -> None:
        """Take the recipe off, with the layers of its that have become a part of the network."""
        self.stop_evaluating()
        self.overrides.close()
        if self.handle is not None:
            self.handle.detach(discard=True)
        self.handle, self.trainer = None, None

    # Validation.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the averaged weights into the module."""
        if self.trainer is not None:
            self.evaluating = ExitStack()
            with torch.inference_mode(False):  # what is copied here outlives validation
                self.evaluating.enter_context(self.attached.averaged(self.first_rows()))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop by the scores, if the recipe does, then restore the weights that train."""
        if self.evaluating is not None:
            with torch.inference_mode(False):
                if self.recipe.at("stop") and not trainer.sanity_checking:
                    self.stop_by_scores()
                self.stop_evaluating()

    def stop_evaluating(self) -> None:
        """Restore the weights that train."""
        if self.evaluating is not None:
            self.evaluating.close()
            self.evaluating = None

    def stop_by_scores(self) -> None:
        """Stop the trainer, if the recipe does by the scores that validation has logged."""
        logged = self.active_trainer.callback_metrics
        if self.valid_loss not in logged:
            raise InputError(
                f"{self.recipe.at('stop')[0]!r} watches {self.valid_loss!r}, and validation has logged "
                f"{', '.join(logged) or 'nothing'}: Regularize(..., valid_loss=its name)"
            )
        metric = self.score(self.valid_metric) if self.valid_metric in logged else None
        if self.attached.stop(self.score(self.valid_loss), metric):
            self.active_trainer.should_stop = True

    def score(self, name: str) -> float:
        """Return a score that validation has logged: the mean of all processes, which must stop alike."""
        trainer = self.active_trainer
        return float(trainer.strategy.reduce(trainer.callback_metrics[name], reduce_op="mean"))

    def first_rows(self) -> Iterator[Any]:
        """Yield training rows on which running statistics are measured anew."""
        trainer = self.active_trainer

        def rows() -> Iterator[Any]:
            for batch in trainer.train_dataloader:
                yield batch if isinstance(batch, Tensor) else batch_field(self.recipe, batch, self.fields[0])

        return first_batches(rows, len)

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs beyond what Lightning saves."""
        if self.final_state or self.trainer is None:
            return self.final_state
        if self.evaluating is not None and self.recipe.at("average"):
            raise StateError("during validation the averaged weights are in the module; save a checkpoint behind it")
        return {**training_state(self.attached), "generators": self.generators.mark()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until the recipe is attached."""
        self.resume_state = state_dict

    def save_averaged(self, own: Callable[..., object], checkpoint: dict[str, Any]) -> None:
        """Save the weights that the recipe would leave in the module now, then run the module's own hook."""
        with self.attached.averaged(self.first_rows()):
            weights = {name: each.clone() for name, each in self.active_trainer.lightning_module.state_dict().items()}
        checkpoint["state_dict"] = weights_to_save(weights, self.names, self.recipe)
        own(checkpoint)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """After the training, save the optimizer as it was with the recipe's groups."""
        if self.final_state:
            checkpoint["optimizer_states"] = [self.final_optimizer_state]


def check_trainer(trainer: Trainer, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a trainer in which the recipe cannot act."""
    if trainer.strategy.restore_checkpoint_after_setup:
        raise InputError(
            f"{type(trainer.strategy).__name__} cuts the parameters into pieces, and a recipe acts on whole ones; "
            f'take strategy="ddp"'
        )
    check_validation(recipe, validates=trainer.enable_validation, hint="give trainer.fit validation data")


def check_module(trainer: Trainer, pl_module: LightningModule, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a module in which the recipe cannot act."""
    if len(trainer.optimizers) != 1:
        raise InputError(
            f"a recipe is attached to one optimizer, and configure_optimizers gives {len(trainer.optimizers)}; use "
            f"bridle.attach for each part of the module in its training_step"
        )
    if not pl_module.automatic_optimization:
        for unit in loss_dependent(recipe):
            raise InputError(
                f"{unit!r} needs the loss, which a module that optimizes manually keeps to itself; use bridle.attach "
                f"in its training_step"
            )
    check_wrapper(recipe, pl_module, trainer.strategy.model)


def estimated_steps(trainer: Trainer, recipe: Recipe) -> int | None:
    """Return the number of steps of the whole training, where the recipe needs it."""
    needing = [unit for unit in recipe if needs_steps(unit)]
    if not needing:
        return None
    steps = trainer.estimated_stepping_batches
    if steps < 1 or math.isinf(steps):
        raise InputError(
            f"{needing[0]!r} must know how long the training is, and the trainer does not: Regularize(..., "
            f"steps=all its steps)"
        )
    return int(steps)
