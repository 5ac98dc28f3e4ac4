"""Keras 3 on torch: a callback lets a recipe act in ``model.fit``, everywhere but inside of the network.

Keras on torch has torch's parameters, but layers and optimizers of its own, and lays weights out in another way. So the
recipe is attached to a view of the model: a module whose parameters are the model's weights in torch's layout, with an
optimizer whose step is that of Keras's. Nothing of it is left in the model but the weights.

>>> from bridle.adapters.keras import Regularize  # before keras, or with KERAS_BACKEND=torch set
>>> import keras
>>> model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(2)])
>>> model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
>>> regularize = Regularize("Mixup(alpha=0.2) + WeightDecay(strength=0.01) + SAM + EMA")  # model.fit(callbacks=[...])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.attaching.objectives import CLASSIFICATION, MULTILABEL, REGRESSION
from bridle.errors import InputError
from bridle.recipe import Recipe, RecipeLike, Regularizer
from bridle.regularizers import WeightDecay

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras chooses when it is first imported
import keras

from bridle.adapters.keras_views import ModelView, OptimizerView, seed_states, to_keras_layout, to_torch_layout
from bridle.adapters.trainer_methods import override_method

Logs = Mapping[str, float] | None

LOSSES = {  # by their names as functions and as classes
    CLASSIFICATION: (
        "categoricalcrossentropy",
        "sparsecategoricalcrossentropy",
        "categoricalfocalcrossentropy",
        "kldivergence",
    ),
    MULTILABEL: ("binarycrossentropy", "binaryfocalcrossentropy"),
    REGRESSION: ("meansquarederror", "meanabsoluteerror", "huber", "logcosh", "meansquaredlogarithmicerror", "poisson"),
}


class Regularize(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no stubs
    """Lets a recipe act in ``model.fit``, from its beginning to its end.

    Validation is of the averaged weights. They, or those of the best epoch, are the model's when ``fit`` returns;
    another ``fit`` begins the recipe anew. The loss that is printed has the penalties on outputs in it, not those on
    weights.

    Acts at all places but layers, which Keras would not save: use its own. ``fit`` raises ``ValueError`` for what
    cannot act.

    Args:
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        steps: optimizer steps of the whole training, if not epochs times the batches of an epoch.
        seed: of the recipe's noise; None: torch's own generators.
        metric: the score, better the higher, that ``watch="metric"`` watches.
    """

    def __init__(
        self, recipe: RecipeLike, *, steps: int | None = None, seed: int | None = None, metric: str = "val_accuracy"
    ) -> None:
        super().__init__()
        self.recipe, self.steps, self.seed, self.metric = Recipe.of(recipe), steps, seed, metric
        self.handle: Handle | None = None
        self.evaluating: ExitStack | None = None  # while the averaged weights are in the model

    @property
    def attached(self) -> Handle:
        """The handle, while there is training."""
        assert self.handle is not None
        return self.handle

    def on_train_begin(self, logs: Logs = None) -> None:
        """Attach the recipe."""
        model, batches = self.model, self.params.get("steps")
        check_model(model, self.recipe)
        self.view = ModelView(model)
        self.view.check(self.recipe)
        self.optimizer_view = OptimizerView(self.view)
        self.handle = attach(
            self.view,
            self.optimizer_view,
            self.recipe,
            loss=lambda output, y: keras.losses.get(model.loss)(y, output),
            steps=self.steps or (batches and batches * self.params["epochs"]),
            seed=self.seed,
            task=task_of(model),
        )
        self.evaluating = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the weights that train into the model."""
        if self.evaluating is not None:
            self.evaluating.close()
            self.evaluating = None

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Override the model's step for this batch: whatever interrupts the training, it has its own again."""
        if "train_step" in self.model.__dict__:
            raise InputError("the model has another recipe, or a train_step set by hand; give one recipe, their sum")
        self.model.__dict__["train_step"] = self.train_step

    def train_step(self, data: Any) -> Any:
        """Run the model's own step with the recipe in it."""
        model = self.model
        del model.__dict__["train_step"]
        seeds, _ = self.view.noise_state()
        if self.recipe.at("batch"):
            data = self.transformed(*keras.utils.unpack_x_y_sample_weight(data))
            self.view.restore_noise(seeds)  # as if the transforms had made no pass
        self.last = self.view.noise_state(), *keras.utils.unpack_x_y_sample_weight(data)
        with ExitStack() as undo:
            override_method(undo, model, "compute_loss", self.compute_loss)
            override_method(undo, model.optimizer, "apply", self.apply)
            return model.train_step(data)

    def transformed(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Return the rows and targets of a batch as the recipe transforms them."""
        unit = self.recipe.at("batch")[0]
        if sample_weight is not None:
            raise InputError(f"{unit!r} changes batches, and these rows have weights; leave one of them out")
        are_ids = isinstance(y, Tensor) and not y.is_floating_point() and task_of(self.model) != MULTILABEL
        full = nn.functional.one_hot(y.long().flatten(), max(2, int(y.max()) + 1)).float() if are_ids else y
        new_x, new_y = self.attached.batch(to_torch_layout(x), full)
        if are_ids and new_y is not full:
            raise InputError(
                f"{unit!r} gives rows shares of several classes, and these are ids: take one-hot targets, with "
                f"CategoricalCrossentropy"
            )
        return to_keras_layout(new_x), y if are_ids else new_y

    def compute_loss(
        self,
        own: Callable[..., Tensor],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        **training: object,
    ) -> Tensor:
        """Return the model's own loss plus the penalties on outputs."""
        loss = own(x, y, y_pred, sample_weight, **training)
        if not any(unit.on_outputs for unit in self.recipe):
            return loss
        with self.view.returning(y_pred):
            self.view(to_torch_layout(x))
        return loss + self.attached.penalty()

    def second_gradient(self) -> None:
        """Take the gradients where SAM has gone, in place of the first."""
        mark, x, y, sample_weight = self.last
        self.view.restore_noise(*mark)
        self.model.zero_grad()
        self.model.compute_loss(x, y, self.view(to_torch_layout(x)), sample_weight).backward()
        for variable in self.model.trainable_variables:
            self.view.set_gradient(variable, variable.value.grad)

    def apply(
        self,
        own: Callable[..., object],
        gradients: Sequence[Tensor | None],
        variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Apply the gradients as the optimizer does, with the recipe before and behind."""
        variables = self.model.trainable_variables if variables is None else list(variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            self.view.set_gradient(variable, gradient)
        self.optimizer_view.param_groups[0]["lr"] = float(self.model.optimizer.learning_rate)
        recorder = self.attached.parts.recorder
        recorder.mark = recorder.noise.mark()  # the noise of the pass is Keras's, which the view repeats
        self.attached.ascend(self.second_gradient)
        self.optimizer_view.apply_update = lambda: own([self.view.get_gradient(each) for each in variables], variables)
        self.optimizer_view.step()
        self.view.zero_grad()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Put the averaged weights into the model, until the next epoch begins."""
        if self.handle is not None and self.evaluating is None:
            self.evaluating = ExitStack()
            self.evaluating.enter_context(self.attached.averaged())

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Stop the training, if the recipe does by the scores of the epoch."""
        self.on_test_begin()
        units, scores = self.recipe.at("stop"), logs or {}
        if not units:
            return
        if "val_loss" not in scores:
            raise InputError(f"{units[0]!r} stops by the scores of each epoch: fit(..., validation_data=...)")
        if self.attached.stop(scores["val_loss"], scores.get(self.metric)):
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Leave the averaged weights, or those of the best epoch, in the model, and take the recipe off."""
        self.on_epoch_begin(0)
        self.attached.finish()
        self.handle = None


def check_model(model: keras.Model, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a model in which a recipe cannot act."""
    optimizer = model.optimizer
    if keras.backend.backend() != "torch":
        raise InputError("Keras runs on another backend: set KERAS_BACKEND=torch before it is imported")
    if model.jit_compile:
        raise InputError("a compiled step cannot be changed: model.compile(..., jit_compile=False)")
    if optimizer.loss_scale_factor is not None or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise InputError("the optimizer scales the loss: take mixed_bfloat16, which needs no scale")
    if optimizer.gradient_accumulation_steps:
        raise InputError(
            "the optimizer adds gradients up, and updates where a recipe cannot see it: take larger batches"
        )
    for unit in recipe:
        for reason in (*model_conflicts(unit, model), *optimizer_conflicts(unit, optimizer)):
            raise InputError(f"{unit!r} {reason}")


def model_conflicts(unit: Regularizer, model: keras.Model) -> Iterator[str]:
    """Yield the reasons why a regularizer cannot act in a model."""
    second = unit.second_pass or bool({"slope", "prediction"} & {*unit.extra_inputs})
    if unit.in_network:
        yield "acts within the network, where Keras would not save it: use a layer of Keras's own"
    if unit.several_networks:
        yield "is several networks, and a Keras model is one: take EMA"
    in_step = unit.place == "batch" or unit.on_outputs or unit.second_pass
    if in_step and type(model).train_step is not keras.Model.train_step:
        yield "needs lines in the training step, and the model has one of its own"
    if second and any(isinstance(each, keras.layers.TorchModuleWrapper) for each in model._flatten_layers()):
        yield "needs a second pass, in which modules of torch within the model would not be as in the first"
    if unit.on_outputs and unit.second_pass and not unit.fresh_noise and seed_states(model):
        yield "needs a second pass under the noise of the first, and the model draws its own"
    if (unit.on_outputs or "prediction" in unit.extra_inputs) and not gives_logits(model):
        yield "needs logits: compile the model with a loss object that has from_logits=True"
    if unit.reestimates and ModelView(model).statistics:
        yield "measures running statistics anew, which Keras's layers cannot be told to: take EMA"


def optimizer_conflicts(unit: Regularizer, optimizer: keras.optimizers.Optimizer) -> Iterator[str]:
    """Yield the reasons why a regularizer would do again what an optimizer does already."""
    if isinstance(unit, WeightDecay) and optimizer.weight_decay:
        yield f"would act beside the optimizer's own weight_decay of {optimizer.weight_decay:g}: take one without"
    if unit.place == "average" and optimizer.use_ema:
        yield "would average beside the optimizer's own use_ema: leave one of them out"


def task_of(model: keras.Model) -> str | None:
    """Return the task that the model's loss is for; ``None`` for one that is not Keras's own."""
    loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    name = getattr(loss, "__name__", type(loss).__name__).lower().replace("_", "")
    return next((task for task, names in LOSSES.items() if name in names), None)


def gives_logits(model: keras.Model) -> bool:
    """Return True if the model's loss takes its outputs for logits."""
    loss = model.loss if not isinstance(model.loss, str) else None
    return bool(getattr(loss, "from_logits", False))
