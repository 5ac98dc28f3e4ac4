"""The handle of an attached recipe."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle.attaching.assembly import Assembly, Options
from bridle.attaching.compiled import GUARDS
from bridle.attaching.detaching import acts_in_evaluation, check_detach
from bridle.attaching.evaluation_weights import EvaluationWeights
from bridle.attaching.finish_plan import FinishPlan
from bridle.attaching.finishing import finish
from bridle.attaching.grad_scaler import LossScaler, backward, take_step
from bridle.attaching.gradient_accumulation import GradientAccumulation
from bridle.attaching.handle_registry import check_not_attached, register_handle
from bridle.attaching.handle_state import handle_state, load_handle_state
from bridle.attaching.model_inputs import call_model
from bridle.attaching.optimizer_hooks import OptimizerHooks, check_optimizer
from bridle.attaching.placement_log import describe_placements
from bridle.attaching.required_calls import ASCEND, BATCH, PENALTY, RequiredCalls
from bridle.attaching.requirements import check_types
from bridle.attaching.sample_input import SampleInput
from bridle.attaching.second_gradient import SecondGradient
from bridle.errors import InputError, StateError
from bridle.recipe import Recipe

__all__ = ["Handle"]


class Handle:
    """A recipe attached to a model, an optimizer and a loop: made by :func:`attach`, ended by :meth:`finish`.

    ``notes`` are sentences on surprises and likely oversights; ``print(handle)`` shows what acts where.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, recipe: Recipe, options: Options) -> None:
        check_types(model, optimizer)
        check_optimizer(optimizer)
        check_not_attached(model, optimizer, recipe)
        self.recipe: Recipe = recipe
        self.model, self.optimizer, self.loss = model, optimizer, options.loss
        self._ended = ""  # "finished" or "detached", once it is
        self._sample_input = SampleInput(options.example)
        self.parts = Assembly(model, optimizer, recipe, options)
        with self.parts.undo as undo:  # all that follows: whatever fails, nothing stays attached
            self._required_calls = RequiredCalls(self.parts)
            self._accumulation = GradientAccumulation(self.parts)
            self._evaluation_weights = EvaluationWeights(self.parts)
            self.second_gradient = SecondGradient(self.parts, self._required_calls)
            self._optimizer_hooks = OptimizerHooks(
                self.parts, self._required_calls, self.second_gradient, self._evaluation_weights
            )
            GUARDS.keep(undo)
            self._optimizer_hooks.register(undo)
            if any(acts_in_evaluation(unit) for unit in recipe):
                undo.callback(model.register_forward_pre_hook(self._sample_input.capture, with_kwargs=True).remove)
            register_handle(model, self, undo)
            self.parts.undo = undo.pop_all()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a handle acts in one model and optimizer and cannot be copied or pickled: save handle.state_dict(), or "
            "what handle.finish() gives back"
        )

    @property
    def notes(self) -> list[str]:
        """Return sentences on surprises and likely oversights."""
        return list(self.parts.notes)

    @property
    def steps_done(self) -> int:
        """Return the number of optimizer steps since the recipe was attached."""
        return self.parts.progress.step

    def __repr__(self) -> str:
        return describe_placements(self.parts)

    def batch(self, x: Any, y: Tensor) -> tuple[Any, Tensor]:
        """Transform a batch by the recipe: Mixup, label smoothing, input noise, adversarial examples and others.

        ``x`` is (batch, ...) and keeps its shape and dtype; if only targets change, it may be a dictionary or a tuple.
        ``y`` is (batch,) of class ids, or (batch,) or (batch, outputs) of numbers; if the recipe changes targets, ids
        become shares of classes (batch, classes), which ``nn.CrossEntropyLoss`` takes as well. If the loss has class
        weights, or ignores some rows, the shares are scaled so that it remains the mean that it was.
        Raises ``ValueError`` for a batch that the recipe cannot change.
        """
        self._check_attached()
        self.parts.recorder.begin_batch()
        if not self._required_calls.record(BATCH):
            return x, y
        return self.parts.batch_transforms.transform(x, y, self.parts.progress)

    def penalty(self) -> Tensor:
        """Return the penalties on activations and outputs of the last training pass, to be added to the loss.

        A number with its graph; zero if the recipe has none. Penalties on weights are not included: they act in
        ``optimizer.step()``, see :meth:`penalty_value`.
        """
        self._check_attached()
        if self._required_calls.record(PENALTY):
            return self.parts.forward_penalties.penalty(self.parts.progress)
        return torch.zeros((), device=next(self.model.parameters()).device)

    @torch.no_grad()
    def penalty_value(self) -> Tensor:
        """Return the sum of all penalties on the current weights: a number without a graph, for logging."""
        self._check_attached()
        total = torch.zeros((), device=next(self.model.parameters()).device)
        for each in self.parts.penalties:
            total = total + each.value(self.parts.progress).to(total.device)
        return total

    def step(
        self,
        x: Any,
        y: Any,
        *,
        model: nn.Module | None = None,
        scaler: LossScaler | None = None,
        update: bool = True,
        weight: float | None = None,
    ) -> Tensor:
        """Run one whole training step on a batch; return the data loss, a number without a graph.

        ``model`` is called in place of the attached model, if that is wrapped (``DistributedDataParallel``,
        ``torch.compile``). Put ``torch.autocast`` around the step, and give its ``GradScaler`` as ``scaler``.

        ``update=False`` only accumulates gradients: the next step with an update takes all batches since the last
        as if they were one. Each is weighted by its number of targets; class ids are weighted by their classes, and
        ignored ones do not count, as torch's losses take their mean; other losses are tried on outputs of our own. If a
        loss is the mean of something else, give the number of its terms as ``weight``, for each batch. Losses that are
        sums are added up. The penalties of a batch are weighted as its loss.
        """
        if self.loss is None:
            raise InputError("handle.step computes the loss: attach(..., loss=your loss function)")
        run = self.model if model is None else model
        accumulation = self._accumulation
        share = accumulation.share(x, y, weight)  # shares of classes that are made of ids keep its mean
        x, y = self.batch(x, y)
        loss = self._backward(run, x, y, share, scaler)
        accumulation.add(x, y, share)
        if update:
            if accumulation.average_gradients():
                self.second_gradient.record_averaged()
            self.ascend(lambda: accumulation.repeat(partial(self._backward, run, scaler=scaler)), scaler)
            take_step(self.optimizer, scaler)
            self.optimizer.zero_grad()
            accumulation.clear()
        return loss.detach()

    def _backward(self, run: nn.Module, x: Any, y: Any, share: float, scaler: LossScaler | None) -> Tensor:
        """Accumulate the gradients of a batch by its share, penalties included; return the data loss."""
        assert self.loss is not None
        loss = self.loss(call_model(run, x, self.model), y)
        total = loss + self.penalty()
        backward(total if share == 1 else total * share, scaler)
        return loss

    @torch.no_grad()
    def ascend(self, closure: Callable[[], object], scaler: LossScaler | None = None) -> None:
        """Replace the gradients by those at the ascent point of SAM or ASAM: call it after ``loss.backward()``.

        ``closure()`` computes the loss again, as before, and returns it; or calls ``backward`` itself, for each of
        several small batches, and returns ``None``. It sees the noise of the last pass, and updates no running
        statistics. With ``scaler`` (a ``GradScaler``, before it unscales), both backward passes are scaled alike, and
        infinite gradients are left to it. Does nothing if the recipe has no such regularizer.

        Raises ``RuntimeError`` if the gradients are not those of this step as ``backward()`` has left them, or are
        scaled by a scaler that is not given.
        """
        self._check_attached()
        if self._required_calls.record(ASCEND):
            self._optimizer_hooks.update_parameters()
            self.second_gradient.take(closure, scaler)

    def stop(self, loss: float, metric: float | None = None) -> bool:
        """Return True if training should stop, given the validation scores of an epoch: call it once per epoch.

        A lower ``loss`` is better, and a higher ``metric`` (for ``watch="metric"``); measure both within
        :meth:`averaged`. The weights of the best epoch are kept, for :meth:`restore_best`. Several processes must all
        be given the same scores. False if the recipe has no early stopping.
        """
        self._check_attached()
        stopping = self.parts.stopping
        if not stopping.units:
            return False
        improved, over = stopping.update(loss, metric, self.parts.progress)
        if improved or not stopping.best:
            stopping.best = self._evaluation_weights.weights()
        return over

    @torch.no_grad()
    def restore_best(self) -> None:
        """Load the weights of the best epoch, as they were evaluated, into the model and the averages.

        Does nothing if the recipe has no early stopping; ``RuntimeError`` before the first call of :meth:`stop`.
        """
        self._check_attached()
        stopping = self.parts.stopping
        if not stopping.units:
            return
        if not stopping.best:
            raise StateError("there is no best epoch yet: call handle.stop(valid_loss) after each")
        self.model.load_state_dict(stopping.best)
        for average in self.parts.averages:
            average.copy_from_model()

    @contextmanager
    def averaged(self, batches: Iterable[object] | None = None) -> Iterator[nn.Module]:
        """Have the averaged weights in the model within the context, or let an ensemble predict jointly.

        ``batches`` of training data, tensors, tuples whose first element is the model's input, or dictionaries,
        re-estimate running statistics if the recipe averages weights that were never trained with any (SWA). Without
        them the statistics are averaged, too. Yields the model; changes nothing if the recipe has no averages. Do not
        train the model within.
        """
        self._check_attached()
        with self._evaluation_weights.averaged(batches):
            yield self.model

    def finish(self, batches: Iterable[object] | None = None) -> nn.Module:
        """End the training: turn the model into the evaluated one, as plain torch without bridle, and return it.

        That is the model of the best epoch if the recipe stops early and :meth:`stop` was called, as
        :meth:`restore_best` loads it; else that of the averages, as within :meth:`averaged`; else as training left
        it. ``batches`` are those of :meth:`averaged`, for running statistics that were not re-estimated there since the
        last step. The outputs in evaluation mode remain the same, but for rounding:

        - whatever acts in training only is removed: dropout, noise, penalties, hooks, parameter groups;
        - parametrized weights (WeightNorm, SpectralNorm, ...) become plain ones;
        - norms that scale and shift each unit by running statistics (BatchNorm, GhostBatchNorm) are folded into the
          weights beside them if that is exact; a layer without a bias gets one;
        - all other norms remain, as torch's own layers: in an ``nn.Sequential`` as a further step after ``name``,
          called ``name_norm1``, elsewhere beside it in an ``nn.Sequential`` of its own, which takes its place.

        The model is the same object and may be saved, loaded and trained without bridle; ``print(model)`` shows it. The
        optimizer trains it on, new parameters included, and resets the moments of weights that were rewritten; a
        learning-rate schedule made while the recipe was attached has counted its groups: make a new one.

        Raises ``ValueError`` if no plain model is equivalent, as for an ensemble; nothing is changed then, and the
        recipe stays attached.
        """
        self._check_attached()
        if self._evaluation_weights.active:
            raise StateError("the averaged weights are in the model: leave handle.averaged() before handle.finish()")
        plan = FinishPlan(self.parts, self._sample_input)
        if self.parts.stopping.units and not self.parts.stopping.best:
            warnings.warn(
                f"{self.parts.stopping.units[0]!r} was never asked, so no epoch is the best: the weights of the last "
                f"step are handed over; call handle.stop(valid_loss) after each epoch",
                stacklevel=2,
            )
        self.hand_over(batches)
        self._ended = "finished"
        return finish(plan)

    def hand_over(self, batches: Iterable[object] | None = None) -> None:
        """Load the evaluated weights into the model, as :meth:`finish` does, and keep the recipe attached."""
        self._check_attached()
        if self.parts.stopping.best:
            self.restore_best()
        elif self.parts.averages:
            self.model.load_state_dict(self._evaluation_weights.weights(batches))

    def detach(self, *, discard: bool = False) -> None:
        """Remove the recipe's layers, hooks and parameter groups; the weights remain as training left them.

        :meth:`finish` is the end of a training; this is for a recipe that was only tried. It raises ``RuntimeError`` if
        the trained network differs without the recipe's layers (norms, parametrized weights), and warns if averages or
        the weights of the best epoch are not in the model; ``discard=True`` discards them. A learning-rate schedule
        that was made while the recipe was attached has counted its groups: make a new one.
        """
        self._check_attached()
        if not discard:
            check_detach(self.parts)
        self._ended = "detached"
        self.parts.undo.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the recipe's state, to be saved between two steps with the states of model and optimizer.

        Tensors are not copied, as in ``Module.state_dict``. A training resumed with all three, with its schedule and,
        if ``seed`` is not given, torch's generators, goes on bit for bit as if it had not been interrupted.
        """
        self._check_attached()
        return handle_state(self.parts)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state that :meth:`state_dict` returned: attach the same recipe in the same way first.

        Raises ``ValueError`` for the state of another recipe.
        """
        self._check_attached()
        load_handle_state(self.parts, state)

    def _check_attached(self) -> None:
        """Raise ``RuntimeError`` if the recipe is no longer attached."""
        if self._ended:
            raise StateError(f"this handle was {self._ended}: its recipe acts no more; attach it again")
