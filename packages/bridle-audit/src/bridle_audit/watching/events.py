"""The events that hooks note while a loop runs, and the passes through the model that they tell of.

A hook runs in the middle of the user's step, where everything that it touches must be fetched into the caches anew, so
it notes one event and no more. Every thousand events they are counted at once, here.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from bridle_audit.watching.counters import ModeCounter, RepeatedBatchCounter, ValidationCounter, WatchedPass

__all__ = ["EVENTS_PER_COUNT", "PASS_BEGINS", "STEP_BEGINS", "STEP_ENDS", "Event", "EventLog"]

# Note [events]
# An event is a tuple, whose first entry says what happened:
#   PASS_BEGINS, learns, training, same_batch, version, batch
#       the model is called: are gradients on, is it in training mode, is the batch that of the pass before, the version
#       of a weight, the batch
#   STEP_BEGINS or STEP_ENDS
#       of the optimizer
#   layer, learns, training, ...
#       a layer is called; the rest is its own
Event = tuple[Any, ...]
PASS_BEGINS, STEP_BEGINS, STEP_ENDS = "pass begins", "step begins", "step ends"
EVENTS_PER_COUNT = 1024  # that are kept before they are counted
MOST_EVENTS_KEPT = 2**17  # where neither the model is called nor a step taken; older ones are then lost


class LayerCounter(Protocol):
    """Counts the calls of a layer."""

    def count(self, it: WatchedPass, event: Event) -> None:
        """Count a call within a pass."""
        ...


class EventLog:
    """Keeps the events that are not counted yet, the pass that runs after them, and the counts of those before."""

    def __init__(self, *, searches: bool) -> None:
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS_KEPT)
        self.current: WatchedPass | None = None  # None after a step
        self.is_pending = False  # whether the current pass has not been counted yet
        self.in_step = False  # whether the optimizer's step runs
        self.learning_passes = 0  # with gradients
        self.stray_passes = 0  # in which the model itself was not called
        self.modes, self.validation = ModeCounter(), ValidationCounter()
        self.repeated_batches = RepeatedBatchCounter(searches=searches)

    def count_events(self) -> None:
        """Count all events, and forget them."""
        for event in self.events:
            what = event[0]
            if what is PASS_BEGINS:
                self.begin_pass(event)
            elif what is STEP_BEGINS:
                self.end_pass()
                self.in_step = True
            elif what is STEP_ENDS:
                self.end_step()
            else:
                what.count(self.pass_of(what, event), event)
        self.events.clear()

    def begin_pass(self, event: Event) -> None:
        """Begin a pass at a call of the model."""
        _, learns, training, same_batch, version, batch = event
        last = self.current
        self.end_pass()
        begun = WatchedPass(learns=learns, training=training, in_step=self.in_step, version=version, opener=None)
        begun.batch = batch
        if same_batch and last is not None:
            begun.same_batch, begun.other_weights = True, version != last.version
        self.current, self.is_pending = begun, True

    def pass_of(self, layer: LayerCounter, event: Event) -> WatchedPass:
        """Return the pass in which a layer is called: a new one where the model itself is not called."""
        if self.current is None or self.current.opener is layer:
            self.end_pass()
            _, learns, training, *_ = event
            self.current = WatchedPass(learns=learns, training=training, in_step=self.in_step, version=0, opener=layer)
            self.is_pending = True
            self.stray_passes += 1
        return self.current

    def end_pass(self) -> None:
        """Count the current pass, if it has not been counted."""
        if self.is_pending and self.current is not None:
            self.is_pending = False
            self.learning_passes += self.current.learns
            for counter in (self.modes, self.validation, self.repeated_batches):
                counter.end_pass(self.current)

    def end_step(self) -> None:
        """Count a step of the optimizer."""
        self.end_pass()
        self.in_step, self.current = False, None
        for counter in (self.modes, self.validation, self.repeated_batches):
            counter.end_step()
