"""``attach``: a recipe acts in the user's own model, optimizer and loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from bridle.attaching.finishing import Finisher
from bridle.attaching.grad_scaler import unscale
from bridle.attaching.handle_registry import check_not_attached, handles_of, register_handle
from bridle.attaching.handle_state import handle_state, load_handle_state
from bridle.attaching.late_parameters import TrainableTracker
from bridle.attaching.model_inputs import call_model
from bridle.attaching.objectives import LossFunction
from bridle.attaching.placement_log import describe_placements
from bridle.attaching.required_calls import ASCEND, BATCH, PENALTY, RequiredCalls
from bridle.attaching.requirements import check_types
from bridle.attaching.sample_input import SampleInput
from bridle.attaching.second_gradient import SecondGradient
from bridle.attaching.small_batches import SmallBatches
from bridle.errors import InputError, StateError
from bridle.recipe import Recipe, Regularizer


def attach(
    model: nn.Module,
    optimizer: Optimizer,
    recipe: Recipe | Regularizer | str | None,
    *,
    loss: LossFunction | None = None,
    steps: int | None = None,
    example: Any = None,
    seed: int | None = None,
    classes: int | None = None,
    features: Sequence[str] = (),
    task: str | None = None,
) -> Handle:
    """Let a recipe act in your own model, optimizer and loop; the handle that is returned ends it.

    Layers of the recipe are put between those of the model; penalties on weights, changes of gradients and weights,
    and averages happen within ``optimizer.step()``. What cannot happen by itself takes one line each, if the recipe
    has it::

        handle = attach(model, optimizer, "Mixup + Dropout(rate=0.1) + RDrop + SAM + EMA + EarlyStopping", steps=1000)
        for x, y in loader:
            x, y = handle.batch(x, y)                          # what changes batches
            loss = criterion(model(x), y) + handle.penalty()   # penalties on activations and outputs
            loss.backward()
            handle.ascend(lambda: criterion(model(x), y) + handle.penalty())   # SAM, ASAM
            optimizer.step()
            optimizer.zero_grad()
        with handle.averaged():                                # averaged weights are in the model within
            valid_loss = evaluate(model)
        if handle.stop(valid_loss):                            # what stops early
            break
        handle.finish()                                        # behind the last epoch: the model that was evaluated

    or ``loss = handle.step(x, y)`` for all lines of a step. A line that is missing raises ``RuntimeError``; one that
    the recipe does not need does nothing.

    Whatever ``torch.compile`` has compiled in this process, other models too, is compiled anew at its next call, now
    and when the recipe ends: programs that were made before know nothing of hooks that are set later.

    Args:
        model: any ``nn.Module``, in place on its device; attach before wrapping it in ``DistributedDataParallel``.
        optimizer: of ``torch.optim``, on parameters of the model; make learning-rate schedules behind.
        recipe: a recipe, a regularizer, or a text such as ``"L2(strength=0.001) + EMA"``.
        loss: ``loss(output, y)``, the mean over the batch; for :meth:`Handle.step` and adversarial examples.
        steps: optimizer steps of the whole training; for schedules, SWA and others that depend on it.
        example: a batch as the model takes it: a tensor, a tuple of arguments or a dictionary of named ones. One row of
            it tells the order in which the model's layers run; else it is that in which the model lists them.
        seed: noise is that of this seed in bridle's engine, whatever else draws random numbers; None: torch's own.
        classes: how many classes integer targets are of, if it is not what the model's last layer gives out.
        features: names of a table's columns (``age``, ``sex=F``, ``sex=M``): those of one category go together.
        task: what the outputs are, where the loss does not tell: "classification" (a softmax over classes),
            "multilabel" (a sigmoid of each output) or "regression".

    Raises ``ValueError`` where the recipe cannot act in this model or under this optimizer, and where one is attached
    already (:func:`attached` has its handle); nothing is changed then.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> handle = attach(model, optimizer, "Dropout(rate=0.2) + L2(strength=0.001) + EMA", loss=nn.CrossEntropyLoss())
    >>> print(handle)
    Dropout(rate=0.2): on the input of 2
    L2(strength=0.001): on 0.weight, 2.weight
    EMA(decay=0.999): on all parameters
    >>> loss = handle.step(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    >>> print(handle.finish())
    Sequential(
      (0): Linear(in_features=3, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    options = Options(loss, steps, example, seed, classes, features, task)
    return Handle(getattr(model, "_orig_mod", model), optimizer, Recipe.of(recipe), options)


def attached(model: nn.Module) -> Handle | None:
    """The handle of the recipe that is attached to a model, to a part of it, or to what it is a part of.

    For a handle that was lost, as when a cell of a notebook ran twice; ``None`` where no recipe is attached. A model
    that is wrapped (``torch.compile``, ``DistributedDataParallel``) has the handle of the model within. Raises
    ``ValueError`` for what is no ``nn.Module``.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(3, 2)
    >>> handle = attach(model, torch.optim.Adam(model.parameters()), "L2")
    >>> attached(model) is handle
    True
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"attached takes the model, an nn.Module, got {type(model).__name__}")
    found = handles_of(model)
    return found[0] if found else None


class Handle:
    """A recipe that acts in a model, an optimizer and a loop: made by :func:`attach`, ended by :meth:`finish`.

    ``notes`` are sentences about what one might not expect; ``print(handle)`` says what acts where.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, recipe: Recipe, options: Options) -> None:
        check_types(model, optimizer)
        check_optimizer(optimizer)
        check_not_attached(model, optimizer, recipe)
        self.recipe: Recipe = recipe
        self.model, self.optimizer, self.loss = model, optimizer, options.loss
        self._ended = ""  # how, if it has
        self._skipped = False  # whether a GradScaler lets the optimizer skip this step
        self._sample_input = SampleInput(options.example)
        self.parts = Assembly(model, optimizer, recipe, options)
        with self.parts.undo as undo:  # all that follows: whatever fails, nothing stays attached
            self._required_calls = RequiredCalls(self.parts)
            self._small_batches = SmallBatches(self.parts)
            self._evaluated = EvaluationWeights(self.parts)
            self._trainable = TrainableTracker(self.parts)
            self.second_gradient = SecondGradient(self.parts, self._required_calls)
            GUARDS.keep(undo)
            undo.callback(optimizer.register_step_pre_hook(self._before_step).remove)
            undo.callback(optimizer.register_step_post_hook(self._after_step).remove)
            if any(acts_in_evaluation(unit) for unit in recipe):
                undo.callback(model.register_forward_pre_hook(self._sample_input.hook, with_kwargs=True).remove)
            register_handle(model, self, undo)
            self.parts.undo = undo.pop_all()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a handle acts in one model and optimizer and cannot be copied or pickled: save handle.state_dict(), or "
            "what handle.finish() gives back"
        )

    @property
    def notes(self) -> list[str]:
        """Sentences about what one might not expect, or might have overlooked."""
        return list(self.parts.notes)

    @property
    def steps_done(self) -> int:
        """How many steps the optimizer has taken since the recipe was attached."""
        return self.parts.progress.step

    def __repr__(self) -> str:
        return describe_placements(self.parts)

    def batch(self, x: Any, y: Tensor) -> tuple[Any, Tensor]:
        """A batch as the recipe shows it to the network.

        ``x`` is (batch, ...) and keeps its shape and type; what changes targets alone takes a dictionary or a tuple,
        too. ``y`` is (batch,) of class ids, or (batch,) or (batch, outputs) of numbers; ids become shares of classes
        (batch, classes) where the recipe changes targets, which ``nn.CrossEntropyLoss`` takes like ids. Where that has
        class weights, or an id of rows that do not count, the shares are scaled so that it stays the mean that it was.
        Raises ``ValueError`` for a batch that the recipe cannot change.
        """
        self._check_attached()
        recorder = self.parts.recorder
        recorder.begun = False
        recorder.next_batch()
        recorder.begun = recorder.hooked
        return self.parts.batches.shown(x, y, self.parts.progress) if self._required_calls.record(BATCH) else (x, y)

    def penalty(self) -> Tensor:
        """The penalties on activations and outputs of the model's last pass in training mode, to be added to the loss.

        A number with its graph; zero where the recipe has none. Penalties on weights are not among them: they act in
        ``optimizer.step()``, see :meth:`penalty_value`.
        """
        self._check_attached()
        if self._required_calls.record(PENALTY):
            return self.parts.passes.penalty(self.parts.progress)
        return torch.zeros((), device=next(self.model.parameters()).device)

    @torch.no_grad()
    def penalty_value(self) -> Tensor:
        """What all penalties on weights add to the loss now: a number without a graph, for logging."""
        self._check_attached()
        total = torch.zeros((), device=next(self.model.parameters()).device)
        for each in self.parts.penalties:
            total = total + each.value(self.parts.progress).to(total.device)
        return total

    @torch.no_grad()
    def ascend(self, closure: Callable[[], Any], scaler: Any = None) -> None:
        """Replace the gradients by those at the point to which SAM or ASAM leads: call it behind ``loss.backward()``.

        ``closure()`` computes the loss again, as in the line before, and returns it; or calls ``backward`` itself, for
        each of several small batches, and returns ``None``. It sees the noise of the last pass, and moves no running
        statistics. With ``scaler`` (a ``GradScaler``, before it unscales), both backward passes are scaled alike, and
        infinite gradients are left to it. Does nothing where the recipe has no such regularizer.

        Raises ``RuntimeError`` where the gradients are not those of this step as ``backward()`` has left them, or are
        scaled by a scaler that is not given.
        """
        self._check_attached()
        if self._required_calls.record(ASCEND):
            self._follow_trainable()
            self.second_gradient.take(closure, scaler)

    def step(
        self,
        x: Any,
        y: Any,
        *,
        model: nn.Module | None = None,
        scaler: Any = None,
        update: bool = True,
        weight: float | None = None,
    ) -> Tensor:
        """One whole step on a batch: every line of the loop; returns the data loss, a number without a graph.

        ``model`` is what to call in place of the attached model, where that is wrapped (``DistributedDataParallel``,
        ``torch.compile``). Put ``torch.autocast`` around it, and give its ``GradScaler`` as ``scaler``.

        ``update=False`` only adds up gradients: the next step with an update takes those of all batches since the last
        together, as if they were one. Each counts by its targets, of class ids those that are not ignored, by the
        weights of their classes, as torch's losses take their mean; of a loss that is not torch's it is tried on
        outputs of our own. Where a loss is the mean of something else, say with ``weight`` of how much, for each batch.
        Losses that are sums are added up. The penalties of a batch count as its loss does.
        """
        if self.loss is None:
            raise InputError("handle.step computes the loss: attach(..., loss=your loss function)")
        run = self.model if model is None else model
        small_batches = self._small_batches
        share = small_batches.share(x, y, weight)  # shares of classes that are made of ids keep its mean
        x, y = self.batch(x, y)
        loss = self._backward(run, x, y, share, scaler)
        small_batches.add(x, y, share)
        if update:
            if small_batches.average_gradients():
                self.second_gradient.settle()
            self.ascend(lambda: small_batches.repeat(partial(self._backward, run, scaler=scaler)), scaler)
            if scaler is None:
                self.optimizer.step()
            else:
                scaler.step(self.optimizer)
                scaler.update()
            self.optimizer.zero_grad()
            small_batches.clear()
        return loss.detach()

    def _backward(self, run: nn.Module, x: Any, y: Any, share: float, scaler: Any) -> Tensor:
        """Add the gradients of a batch by its share, penalties included; returns the data loss."""
        assert self.loss is not None
        loss = self.loss(call_model(run, x, self.model), y)
        total = loss + self.penalty()
        total = total if share == 1 else total * share
        (total if scaler is None else scaler.scale(total)).backward()
        return loss

    def _follow_trainable(self) -> None:
        """Act on what is trained now."""
        self.second_gradient.follow(self._trainable.update())

    def _before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The hook before the optimizer's step; a closure computes the gradients within it, and is waited for."""
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._change_gradients()
            return None

        def wrapped() -> Any:
            loss = closure()
            self._change_gradients()
            return loss

        return ((args[0], wrapped, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": wrapped})

    @torch.no_grad()
    def _change_gradients(self) -> None:
        """All that happens between the gradients and the optimizer's update."""
        self._check_loop()
        self.second_gradient.check_step()
        self._skipped = unscale(self.optimizer)
        if self._skipped:
            return
        parts = self.parts
        self._follow_trainable()
        parts.groups.follow()
        if not self.second_gradient.has_penalties:
            parts.add_penalties()
        for each in (*parts.gradient_ops, *parts.pre_update_ops):
            each.apply(parts.progress)

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The hook behind the optimizer's step."""
        parts = self.parts
        self._required_calls.called.clear()
        self.second_gradient.stepped()
        parts.recorder.noise.next_batch()
        parts.noise.next_batch()
        if self._skipped:
            return
        for each in parts.post_update_ops:
            each.apply(parts.progress)
        for average in parts.averages:
            average.update(parts.progress)
        for ensemble in parts.ensembles:
            ensemble.update(parts.progress)
        parts.progress.step += 1
        parts.apply_schedules()
        self._evaluated.stepped()

    def _check_loop(self) -> None:
        """Raise ``RuntimeError`` where a line of the loop is missing, or averages are in the model."""
        self._check_attached()
        if self._evaluated.is_in:
            raise StateError("the averaged weights are in the model: leave handle.averaged() before training goes on")
        self._required_calls.check()

    def _check_attached(self) -> None:
        """Raise ``RuntimeError`` where the recipe is off."""
        if self._ended:
            raise StateError(f"this handle was {self._ended}: its recipe acts no more; attach it again")

    @contextmanager
    def averaged(self, batches: Iterable[Any] | None = None) -> Iterator[nn.Module]:
        """Within, the model is what the recipe hands over: averaged weights, or all copies of an ensemble together.

        ``batches`` are some of the training's, tensors, tuples whose first is the model's input, or dictionaries: on
        them running statistics are measured anew where the recipe averages weights that were never trained with any
        (SWA). Without them the statistics are averaged, too. Gives back the model; changes nothing where the recipe has
        no averages. The model is not to be trained within.
        """
        self._check_attached()
        with self._evaluated.averaged(batches):
            yield self.model

    def stop(self, loss: float, metric: float | None = None) -> bool:
        """Whether training is over, for the validation scores of an epoch: call it once an epoch.

        ``loss`` is better the lower it is, ``metric`` (for ``watch="metric"``) the higher; both are to be measured
        within :meth:`averaged`. The weights of the best epoch are kept, for :meth:`restore_best`. Of several processes,
        all must be given the same scores. False where the recipe has nothing that stops.
        """
        self._check_attached()
        stopping = self.parts.stopping
        if not stopping.units:
            return False
        improved, over = stopping.judge(loss, metric, self.parts.progress)
        if improved or not stopping.best:
            stopping.best = self._evaluated.weights()
        return over

    @torch.no_grad()
    def restore_best(self) -> None:
        """Put the weights of the best epoch into the model, as they were evaluated; the averages become these, too.

        Does nothing where the recipe has nothing that stops; ``RuntimeError`` before the first call of :meth:`stop`.
        """
        self._check_attached()
        stopping = self.parts.stopping
        if not stopping.units:
            return
        if not stopping.best:
            raise StateError("there is no best epoch yet: call handle.stop(valid_loss) after each")
        self.model.load_state_dict(stopping.best)
        for average in self.parts.averages:
            average.take()

    def state_dict(self) -> dict[str, Any]:
        """All that the recipe remembers, to be saved between two steps beside the states of model and optimizer.

        Tensors are not copied, as in ``Module.state_dict``. A training resumed with all three, with its schedule and,
        where ``seed`` is not given, torch's generators, goes on bit for bit as if nothing had happened.
        """
        self._check_attached()
        return handle_state(self.parts)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave: attach the same recipe in the same way first.

        Raises ``ValueError`` for the state of another recipe.
        """
        self._check_attached()
        load_handle_state(self.parts, state)

    def finish(self, batches: Iterable[Any] | None = None) -> nn.Module:
        """End the training: the model becomes the one that was evaluated, without bridle; gives it back.

        That is the model of the best epoch where the recipe stops early and :meth:`stop` was asked, as
        :meth:`restore_best` puts it back; else that of the averages, as within :meth:`averaged`; else as training left
        it. ``batches`` are those of :meth:`averaged`, for running statistics that were not measured there since the
        last step. The outputs in evaluation mode are the same as before, but for rounding:

        - what acts in training alone is off: dropout, noise, penalties, hooks, parameter groups;
        - weights that a formula makes (WeightNorm, SpectralNorm, ...) are what it made of them;
        - norms that scale and shift each unit by what they remember (BatchNorm, GhostBatchNorm) are folded into the
          weights beside them where that is exact; a layer without a bias has one then;
        - all other norms stay, as torch's own layers: in an ``nn.Sequential`` as a further step behind ``name``, called
          ``name_norm1``, elsewhere beside it in an ``nn.Sequential`` of its own, which takes its place.

        The model is the same object and may be saved, loaded and trained without bridle; ``print(model)`` shows it. The
        optimizer trains it on, new parameters included, and begins anew with the moments of weights that were
        rewritten; a learning-rate schedule made while the recipe was attached has counted its groups: make it anew.

        Raises ``ValueError`` where the model cannot be one without the recipe, as for an ensemble; nothing is changed
        then, and the recipe stays attached.
        """
        self._check_attached()
        if self._evaluated.is_in:
            raise StateError("the averaged weights are in the model: leave handle.averaged() before handle.finish()")
        ending = Finisher(self.parts, self._sample_input)
        if self.parts.stopping.units and not self.parts.stopping.best:
            warnings.warn(
                f"{self.parts.stopping.units[0]!r} was never asked, so no epoch is the best: the weights of the last "
                f"step are handed over; call handle.stop(valid_loss) after each epoch",
                stacklevel=2,
            )
        self.hand_over(batches)
        self._ended = "finished"
        return ending.take()

    def hand_over(self, batches: Iterable[Any] | None = None) -> None:
        """Put into the model what was evaluated, as :meth:`finish` does, and let the recipe stay."""
        self._check_attached()
        if self.parts.stopping.best:
            self.restore_best()
        elif self.parts.averages:
            self.model.load_state_dict(self._evaluated.weights(batches))

    def detach(self, *, discard: bool = False) -> None:
        """Take the recipe off: its layers, hooks and parameter groups go, the weights stay as training left them.

        :meth:`finish` is the end of a training; this is for a recipe that was tried. Where the trained network is not
        the same without the recipe's layers (norms, weights that a formula makes), it raises ``RuntimeError``, and
        where averages or the weights of the best epoch are not in the model, it warns; ``discard=True`` says that they
        may go. A learning-rate schedule that was made while the recipe was attached has counted its groups: make it
        anew.
        """
        self._check_attached()
        if not discard:
            check_detach(self.parts)
        self._ended = "detached"
        self.parts.undo.close()


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise ``ValueError`` where an optimizer has a recipe attached already."""
    for hook in optimizer._optimizer_step_pre_hooks.values():
        other: Any = getattr(hook, "__self__", None)
        if isinstance(other, Handle):
            raise InputError(
                f"this optimizer has a recipe attached already, {str(other.recipe)!r}: end that first, "
                f"bridle.attached(its model).finish() or .detach(), or attach the sum of both"
            )
