"""Passes through a model, told from what its hooks note, and what is counted of them.

A hook runs in the middle of the user's step, where everything that it touches must be fetched into the caches anew, so
it notes one event and no more. Every thousand events they are gone through at once, here.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, Protocol

from torch import Tensor

from bridle_audit.watching.record import ModesSeen, QuietSeen, TwiceSeen

# Note [events]
# An event is a tuple, whose first entry says what happened:
#   PASS, learns, training, again, version, batch  the model is called: are gradients on, is it in training mode, is the
#                                                  batch that of the pass before, the version of a weight, the batch
#   BEFORE or BEHIND                               the optimizer's step begins, or has been taken
#   layer, learns, training, ...                   a layer is called; the rest is its own
Event = tuple[Any, ...]
PASS, BEFORE, BEHIND = "pass", "before", "behind"
ENOUGH_EVENTS = 1024  # that are kept before they are gone through
MOST_EVENTS = 2**17  # that are kept where neither the model is called nor a step taken; older ones are then lost
SAMPLES = 3  # passes of one batch without gradients that are no validation but samples


class Layer(Protocol):
    """What counts the calls of a layer."""

    def called(self, it: Pass, event: Event) -> None:
        """Count a call within a pass."""
        ...


class Pass:
    """A batch on its way through the model: from its call, or from that of its first layer, to the next."""

    __slots__ = (
        "active",
        "again",
        "batch",
        "changed",
        "estimates",
        "inside",
        "learns",
        "moves",
        "opener",
        "resting",
        "training",
        "version",
    )

    def __init__(self, *, learns: bool, training: bool, inside: bool, version: int, opener: Layer | None) -> None:
        self.learns, self.training, self.inside, self.version, self.opener = learns, training, inside, version, opener
        self.batch: weakref.ref[Tensor] | None = None
        self.again = False  # whether the pass before, in the same step, had the same batch
        self.changed = False  # whether the weights are others than in that pass
        self.active = 0  # layers called in training mode
        self.resting = 0  # layers called in evaluation mode
        self.moves = 0  # norms whose running statistics it moves
        self.estimates = False  # whether a norm's momentum is one with which statistics are estimated anew


class Passes:
    """The events since they were last gone through, the pass that runs then, and the counts of those that are over."""

    def __init__(self, *, searches: bool) -> None:
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.now: Pass | None = None  # None behind a step
        self.running = False  # whether it has not been counted yet
        self.inside = False  # whether the optimizer's step runs
        self.learning = 0
        self.strays = 0  # passes in which the model itself was not called
        self.modes, self.quiet, self.twice = Modes(), Quiet(), Twice(searches=searches)

    def go_through(self) -> None:
        """Count what the events say."""
        for event in self.events:
            what = event[0]
            if what is PASS:
                self.begin(event)
            elif what is BEFORE:
                self.end()
                self.inside = True
            elif what is BEHIND:
                self.stepped()
            else:
                what.called(self.at(what, event), event)
        self.events.clear()

    def begin(self, event: Event) -> None:
        """The model is called."""
        _, learns, training, again, version, batch = event
        last = self.now
        self.end()
        now = Pass(learns=learns, training=training, inside=self.inside, version=version, opener=None)
        now.batch = batch
        if again and last is not None:
            now.again, now.changed = True, version != last.version
        self.now, self.running = now, True

    def at(self, layer: Layer, event: Event) -> Pass:
        """The pass in which a layer is called; a new one where the model itself is not called."""
        if self.now is None or self.now.opener is layer:
            self.end()
            _, learns, training, *_ = event
            self.now = Pass(learns=learns, training=training, inside=self.inside, version=0, opener=layer)
            self.running = True
            self.strays += 1
        return self.now

    def end(self) -> None:
        """Count the pass that was running."""
        if self.running and self.now is not None:
            self.running = False
            self.learning += self.now.learns
            self.modes.over(self.now)
            self.quiet.over(self.now)
            self.twice.over(self.now)

    def stepped(self) -> None:
        """The step has been taken."""
        self.end()
        self.inside, self.now = False, None
        self.modes.stepped()
        self.quiet.stepped()
        self.twice.stepped()


class Modes:
    """Counts the steps by the mode of their passes."""

    def __init__(self) -> None:
        self.steps = self.steps_trained = self.steps_rested = 0
        self.first_rested: int | None = None
        self.trained = self.rested = False  # since the last step

    def over(self, it: Pass) -> None:
        """A pass is over."""
        if it.learns:
            self.trained = self.trained or it.training or it.active > 0
            self.rested = self.rested or it.resting > 0

    def stepped(self) -> None:
        """A step has been taken."""
        self.steps += 1
        if self.trained:
            self.steps_trained += 1
        elif self.rested:
            self.steps_rested += 1
            self.first_rested = self.first_rested or self.steps
        self.trained = self.rested = False

    @property
    def seen(self) -> ModesSeen:
        """So far."""
        return ModesSeen(self.steps_trained, self.steps_rested, self.first_rested)


class Quiet:
    """Counts passes without gradients in training mode."""

    def __init__(self) -> None:
        self.started = False  # whether there has been a step
        self.passes = self.moves = self.gaps = self.fixed = 0
        self.passes_here = self.moves_here = 0  # since the last step
        self.run = self.run_moves = 0  # passes of one batch, one after the other, not among those yet
        self.batch: weakref.ref[Tensor] | None = None  # the first since the last step
        self.batch_before: weakref.ref[Tensor] | None = None  # the same in the last gap that had one

    def over(self, it: Pass) -> None:
        """A pass is over."""
        if it.learns:
            if it.again:
                self.run = 0  # it only went before the one with gradients, as checkpointing does
            self.take_in()
        elif self.counts(it):
            if not it.again:
                self.take_in()
            if self.batch is None:
                self.batch = it.batch
            self.run += 1
            self.run_moves += it.moves

    def counts(self, it: Pass) -> bool:
        """Whether it may be a pass of a validation in training mode."""
        trains = it.training and it.active > 0 and not it.estimates and not it.inside
        return trains and self.started and (self.run > 0 or not it.again)

    def take_in(self) -> None:
        """The passes of the last batch count, if they are not so many that they must be samples."""
        if 0 < self.run < SAMPLES:
            self.passes_here += self.run
            self.moves_here += self.run_moves
        self.run = self.run_moves = 0

    def stepped(self) -> None:
        """A step has been taken."""
        self.started = True
        self.take_in()
        if self.passes_here:
            self.gaps += 1
            self.passes += self.passes_here
            self.moves += self.moves_here
            batch = self.batch() if self.batch else None
            self.fixed += batch is not None and self.batch_before is not None and self.batch_before() is batch
            self.batch_before = self.batch
        self.batch, self.passes_here, self.moves_here = None, 0, 0

    @property
    def seen(self) -> QuietSeen:
        """So far, with what has been since the last step."""
        self.take_in()
        return QuietSeen(self.passes + self.passes_here, self.moves + self.moves_here, self.gaps, self.fixed)


class Twice:
    """Counts the steps for which one batch moved statistics again under other weights."""

    def __init__(self, *, searches: bool) -> None:
        self.searches = searches  # whether the optimizer searches along a line within its step: then that is no SAM
        self.steps = self.passes = 0
        self.passes_here = 0  # that moved statistics since the last step
        self.moved = False  # whether the last pass did
        self.again = False  # whether one did for the second time

    def over(self, it: Pass) -> None:
        """A pass is over."""
        moves = it.learns and it.moves > 0 and not (it.inside and self.searches)
        self.again = self.again or (moves and self.moved and it.again and it.changed)
        self.passes_here += moves
        self.moved = moves

    def stepped(self) -> None:
        """A step has been taken."""
        if self.again:
            self.steps += 1
            self.passes += self.passes_here
        self.passes_here, self.moved, self.again = 0, False, False

    @property
    def seen(self) -> TwiceSeen:
        """So far."""
        return TwiceSeen(self.steps, self.passes)
