"""skorch: a callback lets a recipe act in a ``NeuralNet``, and scikit-learn's searches choose between recipes.

>>> import torch
>>> from skorch import NeuralNetClassifier
>>> from torch import nn
>>> class Net(nn.Module):
...     def __init__(self):
...         super().__init__()
...         self.hidden, self.out = nn.Linear(20, 16), nn.Linear(16, 2)
...     def forward(self, x):
...         return self.out(torch.relu(self.hidden(x)))
>>> regularize = Regularize("Dropout(rate=0.2) + WeightDecay(strength=0.01) + EMA")
>>> net = NeuralNetClassifier(
...     Net, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, callbacks=[("regularize", regularize)]
... )
>>> grid = {"callbacks__regularize__recipe": ["none", "Dropout(rate=0.2)", "Dropout(rate=0.2) + EMA"]}
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import Callback, LRScheduler
from skorch.dataset import get_len, unpack_data
from skorch.utils import to_device, to_tensor
from torch import Tensor, nn
from torch.utils.data import Dataset

from bridle.adapters.recipe_checks import loss_dependent
from bridle.adapters.trainer_methods import first_batches
from bridle.attaching import Handle, attach
from bridle.attaching.requirements import needs_steps
from bridle.attaching.stopping import Stopping
from bridle.errors import InputError, StateError
from bridle.places.module import FormulaModule
from bridle.recipe import Recipe, RecipeLike


class Regularize(Callback):  # type: ignore[misc]  # skorch has no types
    """Lets a recipe act in a skorch net from its first training on.

    Between trainings the recipe stays in the net: ``predict`` has its layers and the averaged or best weights, and
    ``partial_fit`` or a warm start goes on with the weights that were trained. Validation scores are those of the
    averaged weights; the training loss that is printed is the data loss, without penalties. :meth:`finish` makes the
    module a plain one. List it before schedules of the learning rate.

    The whole net may be pickled. Or save ``f_regularize`` beside the others, and load it once the recipe is attached::

        net.save_params(f_params="net.pt", f_optimizer="optimizer.pt", f_regularize="recipe.pt")
        regularize.attach(other.initialize())
        other.load_params(f_params="net.pt", f_optimizer="optimizer.pt", f_regularize="recipe.pt")

    Args:
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        steps: optimizer steps of the whole training, if not ``max_epochs`` times the batches of an epoch.
        example: a batch as the module takes it, which tells the order of its layers; see :func:`bridle.attach`.
        seed: of the recipe's noise; None: torch's own generators.
        metric: the score in the net's history, better the higher, that ``watch="metric"`` watches.
    """

    def __init__(
        self,
        recipe: RecipeLike,
        *,
        steps: int | None = None,
        example: Any = None,
        seed: int | None = None,
        metric: str = "valid_acc",
    ) -> None:
        self.recipe, self.steps, self.example, self.seed, self.metric = recipe, steps, example, seed, metric
        self.handle_: Handle | None = None
        self.counted_ = False  # whether the length of the training is known
        self.evaluating_: ExitStack | None = None  # while the module has the weights that predict
        self.trained_: dict[str, Tensor] = {}  # the weights that train, meanwhile
        self.dataset_: Dataset[Any] | None = None  # the training rows, while there is training
        self.pickled_: dict[str, Any] | None = None  # the state of a net that was pickled, until it is trained again

    @property
    def attached(self) -> Handle:
        """The handle, while the recipe is attached."""
        assert self.handle_ is not None
        return self.handle_

    def attach(self, net: NeuralNet) -> Handle:
        """Let the recipe act in an initialized net, as the first training would."""
        recipe = Recipe.of(self.recipe)
        model = getattr(net.module_, "_orig_mod", net.module_)
        check_net(net, model if self.handle_ is None or self.handle_.model is not model else None, recipe)
        steps = self.steps or max(net.max_epochs, 1)  # a guess until the first epoch begins
        self.release(model)
        self.handle_ = attach(
            model, net.optimizer_, recipe, loss=net.criterion_, steps=steps, example=self.example, seed=self.seed
        )
        self.counted_ = self.steps is not None
        net.regularize_ = self  # what save_params and load_params know as f_regularize
        return self.handle_

    def release(self, model: nn.Module) -> None:
        """Let go of the net that was trained before, and leave its module as it was if that is trained once more."""
        if self.handle_ is not None and self.handle_.model is model:
            self.load_training_weights()
            self.handle_.detach(discard=True)
        self.handle_, self.evaluating_, self.trained_ = None, None, {}

    def finish(self, net: NeuralNet) -> nn.Module:
        """Make the net's module a plain one that predicts the same, as :meth:`bridle.Handle.finish` does; give it back.

        The next training attaches the recipe anew.
        """
        handle = self.handle_
        if handle is None or not self.is_attached_to(net):
            raise StateError("the recipe is not in this net: train it first, or call regularize.attach(net)")
        shown = copy.deepcopy(handle.model.state_dict())
        self.load_training_weights()
        handle.model.load_state_dict(shown)
        handle.parts.stopping.best = shown
        for average in handle.parts.averages:
            average.copy_from_model()
        self.handle_, self.counted_ = None, False
        return handle.finish()

    def on_train_begin(self, net: NeuralNet, X: object = None, y: object = None, **kwargs: object) -> None:
        """Attach the recipe, if it is not attached to this net."""
        pickled, self.pickled_ = self.pickled_, None
        if pickled is not None and net.history:  # it has no epochs yet where all is initialized anew
            self.resume(net, pickled)
        elif not self.is_attached_to(net):
            self.attach(net)
        self.load_training_weights()
        self.attached.parts.stopping = Stopping(self.attached.recipe)

    def is_attached_to(self, net: NeuralNet) -> bool:
        """Return True if this recipe acts in the net's present module and optimizer."""
        handle, model = self.handle_, getattr(net.module_, "_orig_mod", net.module_)
        return (
            handle is not None
            and handle.model is model
            and handle.optimizer is net.optimizer_
            and handle.recipe == Recipe.of(self.recipe)
        )

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Dataset[Any] | None = None, **kwargs: object) -> None:
        """Load the weights that train; count the steps of the training."""
        self.load_training_weights()
        self.dataset_ = dataset_train
        if self.counted_:
            return
        try:
            batches = len(net.get_iterator(dataset_train, training=True))
        except TypeError:
            batches = 0
        if not batches and any(needs_steps(unit) for unit in self.attached.recipe):
            raise InputError("the length of the training data is not known: Regularize(..., steps=all its steps)")
        self.attached.parts.progress.steps = batches * net.max_epochs or None
        self.counted_ = True

    def on_batch_begin(self, net: NeuralNet, batch: object = None, training: bool = False, **kwargs: object) -> None:
        """Override the net's step for a training batch, if the recipe acts in it; else load the final weights."""
        if not training:
            self.load_final_weights(net)
        elif needs_own_step(self.attached.recipe):
            vars(net)["train_step_single"] = partial(self.train_step_single, net)

    def train_step_single(self, net: NeuralNet, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Run the net's own step with the recipe in it. It overrides that for one batch, so that it is never saved."""
        del vars(net)["train_step_single"]
        handle = self.attached
        net._set_training(True)
        x, y = unpack_data(batch)
        if handle.recipe.at("batch"):
            x, y = handle.batch(to_tensor(x, device=net.device), to_tensor(y, device=net.device))

        def forward() -> tuple[Any, Tensor]:
            output = net.infer(x, **fit_params)
            return output, net.get_loss(output, y, X=x, training=True)

        output, loss = forward()
        (loss + handle.penalty()).backward()
        handle.ascend(lambda: forward()[1] + handle.penalty())
        return {"loss": loss, "y_pred": output}

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        """Stop the training, if the recipe does by the scores of the epoch, as skorch's own callbacks do."""
        self.load_final_weights(net)
        units = self.attached.parts.stopping.units
        if not units:
            return
        scores = net.history[-1]
        if "valid_loss" not in scores:
            raise InputError(f"{units[0]!r} stops by validation scores, and there are none; give the net a train_split")
        if self.attached.stop(scores["valid_loss"], scores.get(self.metric)):
            raise KeyboardInterrupt

    def on_train_end(self, net: NeuralNet, X: object = None, y: object = None, **kwargs: object) -> None:
        """Leave the averaged weights, or those of the best epoch, in the module."""
        if self.attached.parts.stopping.best:
            self.load_training_weights()
            self.attached.restore_best()
        self.load_final_weights(net)
        self.dataset_ = None

    def load_final_weights(self, net: NeuralNet) -> None:
        """Load the weights that predict, such as the averaged ones, into the module, if they are not there."""
        if self.evaluating_ is not None:
            return
        handle = self.attached
        if handle.recipe.at("average"):
            self.trained_ = copy.deepcopy(handle.model.state_dict())
        self.evaluating_ = ExitStack()
        self.evaluating_.enter_context(handle.averaged(self.first_rows(net)))

    def first_rows(self, net: NeuralNet) -> Iterator[Any]:
        """Yield the inputs of the first training rows, on which running statistics are measured anew."""
        if self.dataset_ is not None:
            loader = partial(net.get_iterator, self.dataset_, training=False)
            for batch in first_batches(loader, lambda batch: get_len(unpack_data(batch)[0])):
                yield to_tensor(unpack_data(batch)[0], device=net.device)

    def load_training_weights(self) -> None:
        """Load the weights that train into the module, if they are not there."""
        if self.evaluating_ is not None:
            self.evaluating_.close()
            self.evaluating_ = None
        if self.trained_:
            self.attached.model.load_state_dict(self.trained_)
            self.trained_ = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the recipe, and the weights that train where others are in the module."""
        shown = self.attached.model.state_dict() if self.trained_ else {}
        steps = self.attached.parts.progress.steps if self.counted_ else None
        return {"handle": self.attached.state_dict(), "trained": self.trained_, "shown": shown, "steps": steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state; the recipe is attached already."""
        if self.handle_ is None:
            raise InputError(
                "the state of a recipe is loaded where it is attached: regularize.attach(net.initialize())"
            )
        self.load_training_weights()
        self.attached.load_state_dict(state["handle"])
        if state["steps"] is not None:
            self.attached.parts.progress.steps = state["steps"]
            self.counted_ = True
        if state["trained"]:
            self.evaluating_ = ExitStack()
            self.evaluating_.enter_context(self.attached.averaged())
            self.attached.model.load_state_dict(state["shown"])
            self.trained_ = dict(state["trained"])

    def __getstate__(self) -> dict[str, Any]:
        state = self.state_dict() if self.handle_ is not None else self.pickled_
        fresh = Regularize(**self.get_params(deep=False))
        return {**vars(fresh), "pickled_": state}

    def resume(self, net: NeuralNet, state: Mapping[str, Any]) -> None:
        """Resume with a net that was pickled: attach to a new module, with the weights and the state of the old one."""
        if isinstance(net.module, nn.Module):
            raise InputError("a net that was pickled is trained further only if its module was given as a class")
        before = [each for _, each in itertools.takewhile(lambda named: named[1] is not self, net.callbacks_)]
        if any(isinstance(each, LRScheduler) for each in before):
            raise InputError("list Regularize before LRScheduler: the net was pickled, and its optimizer is made anew")
        module, optimizer = net.module_.state_dict(), net.optimizer_.state_dict()
        with torch.random.fork_rng(devices=[]):  # the new weights are not those that count
            net.initialize_module()
        net.module_ = net.torch_compile(to_device(net.module_, net.device), name="module")
        net.initialize_optimizer()
        self.attach(net)
        net.module_.load_state_dict(module)
        net.optimizer_.load_state_dict(optimizer)
        self.load_state_dict(state)


def needs_own_step(recipe: Recipe) -> bool:
    """Return True if a recipe acts in the training step, where hooks of the optimizer do not reach."""
    return bool(recipe.at("batch") or loss_dependent(recipe))


def check_net(net: NeuralNet, model: nn.Module | None, recipe: Recipe) -> None:
    """Raise ``ValueError`` for a net in which a recipe cannot act; ``model`` is one that no recipe should be in yet."""
    if model is not None and any(isinstance(part, FormulaModule) for part in model.modules()):
        raise InputError("the module holds the layers of a recipe already; give the net a class, or a module without")
    own = (type(net).train_step, type(net).train_step_single)
    if needs_own_step(recipe) and own != (NeuralNet.train_step, NeuralNet.train_step_single):
        raise InputError(
            f"{recipe} needs lines in the training step, and {type(net).__name__} has one of its own: put the lines "
            f"of bridle.attach there"
        )
    if isinstance(net, NeuralNetClassifier) and isinstance(net.criterion_, nn.NLLLoss):
        for unit in recipe:
            if unit.on_outputs or {"slope", "prediction"} & {*unit.extra_inputs}:
                raise InputError(
                    f"{unit!r} needs logits, and with NLLLoss the module of a NeuralNetClassifier gives probabilities; "
                    f"let it give logits, with criterion=nn.CrossEntropyLoss"
                )
