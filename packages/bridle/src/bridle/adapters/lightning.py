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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from bridle.adapters import shared
from bridle.attaching import Handle, attach
from bridle.attaching.model_inputs import to_device
from bridle.attaching.noise import TorchNoise
from bridle.attaching.objectives import LossFunction
from bridle.attaching.requirements import needs_steps
from bridle.errors import DependencyError, InputError, StateError
from bridle.places import Ascent
from bridle.recipe import Recipe, RecipeLike

LIBRARIES = ("lightning.pytorch", "pytorch_lightning")


def __getattr__(name: str) -> Any:
    if name != "Regularize":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    members = {"__doc__": Hooks.__doc__, "__module__": __name__}
    globals()[name] = made = type(name, (Hooks, library().Callback), members)
    return made


def library() -> Any:
    """Lightning, under the name by which it is imported already, or else is installed."""
    for name in sorted(LIBRARIES, key=lambda name: name not in sys.modules):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, name.partition(".")[0]):
                raise
    raise DependencyError("bridle.adapters.lightning needs PyTorch Lightning: pip install lightning")


class Hooks:
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
        self.recipe = shared.read(recipe)
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
        self.trainer: Any = None  # while there is training
        self.names: set[str] = set()  # of the module's weights when nothing is attached
        self.lent = ExitStack()  # methods of the module that are ours meanwhile
        self.evaluating: ExitStack | None = None  # the averaged weights, while validation sees them
        self.again = False  # whether training_step runs for the second time on a batch
        self.small_batches: list[tuple[tuple[Any, ...], Any]] = []  # since the last step, and their noise, for SAM
        self.waiting: dict[str, Any] = {}  # the state to go on from, until the recipe is attached
        self.generators = TorchNoise([])  # torch's, as far as the module's device has some
        self.resumed: list[Tensor] = []  # where they stood in the checkpoint, until the first batch
        self.ended: dict[str, Any] = {}  # the state at the end of the training
        self.optimizer_ended: dict[str, Any] = {}

    @property
    def attached(self) -> Handle:
        """The handle, of which there is one now."""
        assert self.handle is not None
        return self.handle

    # Training begins and ends.

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before a checkpoint is loaded and the optimizer made: leave the module as it was before the last training."""
        if stage != "fit":
            return
        check_trainer(trainer, self.recipe)
        self.waiting, self.ended = {}, {}
        if self.handle is not None and self.handle.model is not self.network(pl_module):
            self.handle = None  # another module, which keeps what it has become
        if self.handle is not None:
            self.waiting = {"weights": copy.deepcopy(self.handle.model.state_dict())}
        self.detach()
        self.lent.callback(shared.loading_plain(pl_module).remove)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the recipe: the optimizer is there, its state is not loaded yet."""
        self.lent.close()
        check_module(trainer, pl_module, self.recipe)
        self.names = set(pl_module.state_dict())
        model, example = self.network(pl_module), self.example
        if example is None and model is pl_module:
            example = pl_module.example_input_array
        self.trainer, self.generators = trainer, TorchNoise([pl_module.device])
        waiting, self.waiting = self.waiting, {}
        self.resumed = waiting.get("generators", [])
        self.rewind(self.resumed)
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
        shared.go_on(self.handle, waiting)
        self.rewind(before if self.resumed else [])
        shared.lend(self.lent, pl_module, "training_step", self.training_step)
        shared.lend(self.lent, pl_module, "on_save_checkpoint", self.on_save)
        if shared.of_kind(self.recipe, Ascent):
            # on_after_backward runs behind the second gradient, too
            self.handle.second_gradient.history.allows_changes = True
            shared.lend(self.lent, pl_module, "optimizer_step", self.optimizer_step)

    def rewind(self, mark: list[Tensor]) -> None:
        """Let torch's generators stand where they stood; of several processes, a checkpoint has those of the first."""
        if mark and self.trainer.world_size == 1:
            self.generators.go_to(mark)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """A training that was resumed is on its way."""
        self.resumed = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Where it was resumed behind the last batch of an epoch, rows were shuffled that nobody will see."""
        self.rewind(self.resumed)

    def network(self, pl_module: Any) -> nn.Module:
        """What the recipe is attached to."""
        whole: nn.Module = pl_module
        if self.part:
            return whole.get_submodule(self.part)
        kinds: tuple[Any, ...] = type(whole).__mro__
        base = next(kind for kind in kinds if kind.__name__ == "LightningModule")
        parts = [each for each in whole.children() if any(True for _ in each.parameters())]
        return parts[0] if kinds[0].forward is base.forward and len(parts) == 1 else whole

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave in the module what the recipe hands over, and take the recipe off."""
        if self.trainer is None:
            return
        self.ended = copy.deepcopy(self.state_dict())
        self.optimizer_ended = self.attached.optimizer.state_dict()
        self.lent.close()
        if shared.end(self.attached, self.measured()):
            self.handle = None
        self.trainer = None

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """The same where nothing was left to train."""
        self.on_train_end(trainer, pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Put back the weights that train: what was reached may be saved now."""
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
        self.lent.close()
        if self.handle is not None:
            self.handle.detach(discard=True)
        self.handle, self.trainer = None, None
        self.small_batches.clear()

    # A step.

    def training_step(self, own: Any, *args: Any) -> Any:
        """The module's own, on a batch as the recipe shows it, with the recipe's penalties in its loss."""
        if self.again:
            return self.with_penalty(own(*args))
        if self.recipe.at("batch"):
            args = (self.shown(args[0]), *args[1:])
        result = own(*args)
        tape = self.attached.parts.recorder
        if tape.marks and tape.mark is None:
            raise StateError(
                f"{self.recipe} must see the passes through {type(self.attached.model).__name__}, and training_step "
                f"makes none; say what it calls: Regularize(..., part=the network's name in the module)"
            )
        if shared.of_kind(self.recipe, Ascent):
            self.small_batches.append((args, tape.mark))
        return self.with_penalty(result)

    def shown(self, batch: Any) -> Any:
        """A batch as the recipe shows it to the network, in the form in which it came."""
        rows, targets = self.fields
        x, y = self.attached.batch(self.field(batch, rows), self.field(batch, targets))
        changed = list(batch) if isinstance(batch, tuple) else copy.copy(batch)
        changed[rows], changed[targets] = x, y
        if isinstance(batch, tuple):
            return type(batch)(*changed) if hasattr(batch, "_fields") else tuple(changed)
        return changed

    def field(self, batch: Any, field: Any) -> Any:
        """A field of a batch; ``ValueError`` where it is not there."""
        try:
            if not isinstance(batch, Tensor):
                return batch[field]
        except (KeyError, IndexError, TypeError):
            pass
        has = f" with the keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else ""
        raise InputError(
            f"{self.recipe} must find the rows and the targets of a batch, and this is of type {type(batch).__name__}"
            f"{has}; say where they are: Regularize(..., fields=(..., ...))"
        )

    def with_penalty(self, result: Any) -> Any:
        """What training_step gives back, with the penalties on activations and outputs in the loss."""
        needing = shared.lines(self.recipe)
        if needing and result is None:
            raise InputError(f"{needing[0]!r} needs the loss of every step, and training_step has given None")
        if not shared.in_the_loss(self.recipe):
            return result
        penalty = self.attached.penalty()
        return {**result, "loss": result["loss"] + penalty} if isinstance(result, Mapping) else result + penalty

    def optimizer_step(self, own: Any, *args: Any) -> None:
        """The module's own, with the second gradient behind the first."""
        *others, closure = args

        def both() -> Any:
            result = closure()
            self.attached.ascend(self.second, getattr(self.trainer.precision_plugin, "scaler", None))
            self.small_batches.clear()
            return result

        own(*others, both)

    def second(self) -> None:
        """Forward and backward once more, for all small batches of the step."""
        trainer, noise = self.trainer, self.attached.parts.recorder.noise
        with ExitStack() as silent:
            shared.lend(silent, trainer.lightning_module, "log", lambda own, *args, **kwargs: None)
            silent.callback(setattr, self, "again", False)
            self.again = True
            for args, mark in self.small_batches:
                with noise.replay(mark):
                    result = trainer.strategy.training_step(*args)
                    loss = result["loss"] if isinstance(result, Mapping) else result
                    trainer.strategy.backward(loss / trainer.accumulate_grad_batches, trainer.optimizers[0])

    # Validation.

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Show validation the averaged weights."""
        if self.trainer is not None:
            self.evaluating = ExitStack()
            with torch.inference_mode(False):  # what is copied here outlives validation
                self.evaluating.enter_context(self.attached.averaged(self.measured()))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Judge the scores, then put back the weights that train."""
        if self.evaluating is not None:
            with torch.inference_mode(False):
                if self.recipe.at("stop") and not trainer.sanity_checking:
                    self.judge()
                self.stop_evaluating()

    def stop_evaluating(self) -> None:
        """Put back the weights that train."""
        if self.evaluating is not None:
            self.evaluating.close()
            self.evaluating = None

    def judge(self) -> None:
        """Stop the trainer, if the recipe does."""
        logged = self.trainer.callback_metrics
        if self.valid_loss not in logged:
            raise InputError(
                f"{self.recipe.at('stop')[0]!r} watches {self.valid_loss!r}, and validation has logged "
                f"{', '.join(logged) or 'nothing'}: Regularize(..., valid_loss=its name)"
            )
        metric = self.score(self.valid_metric) if self.valid_metric in logged else None
        if self.attached.stop(self.score(self.valid_loss), metric):
            self.trainer.should_stop = True

    def score(self, name: str) -> float:
        """A score that validation has logged: of several processes, which must judge alike, the mean."""
        return float(self.trainer.strategy.reduce(self.trainer.callback_metrics[name], reduce_op="mean"))

    def measured(self) -> Iterator[Any]:
        """Training rows on which running statistics can be measured anew."""
        trainer = self.trainer

        def rows() -> Iterator[Any]:
            for batch in trainer.train_dataloader:
                yield batch if isinstance(batch, Tensor) else self.field(batch, self.fields[0])

        return shared.first_rows(rows, len)

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know beyond what Lightning saves."""
        if self.ended or self.trainer is None:
            return self.ended
        if self.evaluating is not None and self.recipe.at("average"):
            raise StateError("during validation the averaged weights are in the module; save a checkpoint behind it")
        return {**shared.state_of(self.attached), "generators": self.generators.mark()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until the recipe is attached."""
        self.waiting = state_dict

    def on_save(self, own: Any, checkpoint: dict[str, Any]) -> None:
        """The module's own, with the weights that the recipe would hand over now in the checkpoint."""
        with self.attached.averaged(self.measured()):
            weights = {name: each.clone() for name, each in self.trainer.lightning_module.state_dict().items()}
        checkpoint["state_dict"] = shared.saved(weights, self.names, self.recipe)
        own(checkpoint)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """After the training, save the optimizer as it was with the recipe's groups."""
        if self.ended:
            checkpoint["optimizer_states"] = [self.optimizer_ended]


def check_trainer(trainer: Any, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a trainer in which the recipe cannot act."""
    if trainer.strategy.restore_checkpoint_after_setup:
        raise InputError(
            f"{type(trainer.strategy).__name__} cuts the parameters into pieces, and a recipe acts on whole ones; "
            f'take strategy="ddp"'
        )
    shared.check_stop(recipe, validates=trainer.enable_validation, hint="give trainer.fit validation data")


def check_module(trainer: Any, pl_module: Any, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a module in which the recipe cannot act."""
    if len(trainer.optimizers) != 1:
        raise InputError(
            f"a recipe is attached to one optimizer, and configure_optimizers gives {len(trainer.optimizers)}; use "
            f"bridle.attach for each part of the module in its training_step"
        )
    if not pl_module.automatic_optimization:
        for unit in shared.lines(recipe):
            raise InputError(
                f"{unit!r} needs the loss, which a module that optimizes manually keeps to itself; use bridle.attach "
                f"in its training_step"
            )
    shared.check_wrapper(recipe, pl_module, trainer.strategy.model)


def estimated_steps(trainer: Any, recipe: Recipe) -> int | None:
    """How long the training is, where the recipe must know."""
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
