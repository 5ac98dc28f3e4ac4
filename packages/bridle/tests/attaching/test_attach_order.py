"""An ascent takes gradients as ``backward()`` has left them, scaled as it is told: anything else is refused."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, data, perceptron, weights
from torch import Tensor, nn

from bridle.attaching import Handle, attach, grad_scaler

SCALE = 2.0**16


class Loop:
    """A model under SAM and SGD, with a scaler, and what its loop is made of."""

    def __init__(self, recipe: str = "SAM(radius=0.05)") -> None:
        self.model = perceptron()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.handle: Handle = attach(self.model, self.optimizer, recipe)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)

    def loss(self) -> Tensor:
        x, y = data()
        return CRITERION(self.model(x), y) + self.handle.penalty()

    def backward(self, *, scaled: bool = False) -> None:
        (self.scaler.scale(self.loss()) if scaled else self.loss()).backward()

    def ascend(self, scaler: Any = None) -> None:
        self.handle.ascend(self.loss, scaler)

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def step_scaled(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def clip(self) -> None:
        nn.utils.clip_grad_norm_(self.model.parameters(), 1e-3)


def by_plain_steps(steps: int = 1) -> Tensor:
    loop = Loop()
    for _ in range(steps):
        loop.backward()
        loop.ascend()
        loop.step()
    return weights(loop.model)


def unscaled(loop: Loop) -> None:
    loop.backward(scaled=True)
    loop.scaler.unscale_(loop.optimizer)
    loop.ascend(loop.scaler)


def not_told(loop: Loop) -> None:
    loop.backward(scaled=True)
    loop.ascend()


def not_told_and_scaled_by_the_closure(loop: Loop) -> None:
    loop.handle.detach()
    loop.handle = attach(loop.model, loop.optimizer, "SAM + L2")
    loop.backward(scaled=True)
    loop.handle.ascend(lambda: loop.scaler.scale(loop.loss()).backward())
    loop.step_scaled()


def told_of_one_that_scales_nothing(loop: Loop) -> None:
    loop.backward()
    loop.ascend(loop.scaler)


def told_and_stepped_without(loop: Loop) -> None:
    loop.backward(scaled=True)
    loop.ascend(loop.scaler)
    loop.step()


def told_and_scaled_by_the_closure_too(loop: Loop) -> None:
    loop.backward(scaled=True)
    loop.handle.ascend(lambda: loop.scaler.scale(loop.loss()), loop.scaler)
    loop.step_scaled()


def told_and_not_scaled_in_the_closure(loop: Loop) -> None:
    loop.backward(scaled=True)
    loop.handle.ascend(lambda: loop.loss().backward(), loop.scaler)
    loop.step_scaled()


def told_of_another(loop: Loop) -> None:
    other = torch.amp.GradScaler("cpu", init_scale=2.0)
    other.scale(torch.ones(()))
    loop.backward(scaled=True)
    loop.ascend(other)
    loop.step_scaled()


def used_scaler(scale: float) -> torch.amp.GradScaler:
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    scaler.scale(torch.ones(1))
    return scaler


@pytest.mark.parametrize("scales", [(2.0, 2.0**30), (2.0**30, 2.0)])
def test_of_several_scalers_in_the_program_the_one_that_fits_is_named(scales: tuple[float, float]) -> None:
    others = [used_scaler(scale) for scale in scales]
    loop = Loop()
    with pytest.raises(RuntimeError, match="a GradScaler scales losses by 65536"):
        not_told(loop)
    assert len(others) == 2  # alive until here


def test_a_scaler_whose_scale_explains_nothing_is_not_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = used_scaler(2.0)
    monkeypatch.setattr(gc, "get_objects", lambda: [alone])  # other tests leave scalers behind
    grad_scaler.check_unscaled_lengths(60_000.0, 1.0)
    alone.load_state_dict({**alone.state_dict(), "scale": 2.0**16})
    with pytest.raises(RuntimeError, match="scales losses by 65536"):
        grad_scaler.check_unscaled_lengths(60_000.0, 1.0)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (unscaled, "before scaler.unscale_"),
        (not_told, "a GradScaler scales losses by 65536"),
        (not_told_and_scaled_by_the_closure, "was not told of it"),
        (told_of_one_that_scales_nothing, "has scaled no loss yet"),
        (told_and_stepped_without, "nobody has unscaled them"),
        (told_and_scaled_by_the_closure_too, "does it once more: let it return the loss"),
        (told_and_not_scaled_in_the_closure, "calls backward.. without the scaler"),
        (told_of_another, "another GradScaler"),
    ],
)
def test_a_scaler_that_does_not_fit_the_gradients_is_refused(line: Callable[[Loop], None], sentence: str) -> None:
    loop = Loop()
    before = weights(loop.model)
    with pytest.raises(RuntimeError, match=sentence):
        line(loop)
    assert torch.equal(weights(loop.model), before)


def test_a_scaler_that_is_switched_off_is_none() -> None:
    loop = Loop()
    loop.scaler = torch.amp.GradScaler("cpu", enabled=False)
    loop.backward(scaled=True)
    loop.ascend(loop.scaler)
    loop.step_scaled()
    assert torch.equal(weights(loop.model), by_plain_steps())


@pytest.mark.parametrize("unscaling", [False, True])
def test_a_scaler_that_is_told_of_takes_the_right_step(unscaling: bool) -> None:
    loop = Loop()
    loop.backward(scaled=True)
    loop.ascend(loop.scaler)
    if unscaling:
        loop.scaler.unscale_(loop.optimizer)
        nn.utils.clip_grad_norm_(loop.model.parameters(), 1e9)
    loop.step_scaled()
    torch.testing.assert_close(weights(loop.model), by_plain_steps(), rtol=1e-5, atol=1e-7)


def test_a_closure_may_scale_the_second_gradient_itself() -> None:
    loop = Loop()
    loop.backward(scaled=True)
    loop.handle.ascend(lambda: loop.scaler.scale(loop.loss()).backward())
    loop.step_scaled()
    torch.testing.assert_close(weights(loop.model), by_plain_steps(), rtol=1e-5, atol=1e-7)


def test_training_goes_on_behind_a_step_that_the_scaler_has_skipped() -> None:
    loop = Loop()
    loop.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    for _ in range(30):
        loop.backward(scaled=True)
        loop.ascend(loop.scaler)
        loop.step_scaled()
        if loop.handle.steps_done:
            break
    torch.testing.assert_close(weights(loop.model), by_plain_steps(), rtol=1e-4, atol=1e-6)


def before_backward(loop: Loop) -> None:
    loop.model(data()[0])
    loop.ascend()


def before_backward_on_gradients_of_the_last_step(loop: Loop) -> None:
    loop.backward()
    loop.ascend()
    loop.optimizer.step()
    loop.loss()
    loop.ascend()


def before_backward_on_zeros(loop: Loop) -> None:
    loop.backward()
    loop.ascend()
    loop.optimizer.step()
    loop.optimizer.zero_grad(set_to_none=False)
    loop.loss()
    loop.ascend()


def twice(loop: Loop) -> None:
    loop.backward()
    loop.ascend()
    loop.ascend()


def behind_clipping(loop: Loop) -> None:
    loop.backward()
    loop.clip()
    loop.ascend()


def behind_zero_grad(loop: Loop) -> None:
    loop.backward()
    loop.optimizer.zero_grad()
    loop.ascend()


def behind_the_first_of_two_small_batches(loop: Loop) -> None:
    loop.backward()
    loop.ascend()
    loop.backward()
    loop.step()


def behind_each_of_two_small_batches(loop: Loop) -> None:
    for _ in range(2):
        loop.backward()
        loop.ascend()


def without_hooks(loop: Loop) -> None:
    x, y = data()
    CRITERION(loop.model.forward(x), y).backward()
    loop.ascend()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (before_backward, "no gradients to ascend by"),
        (before_backward_on_gradients_of_the_last_step, "ascended by, or stepped with, already"),
        (before_backward_on_zeros, "ascended by, or stepped with, already"),
        (twice, "ascended by, or stepped with, already"),
        (behind_clipping, "would be lost"),
        (behind_zero_grad, "no gradients to ascend by"),
        (behind_the_first_of_two_small_batches, "has added to the gradients behind handle.ascend"),
        (behind_each_of_two_small_batches, "ascended by, or stepped with, already"),
        (without_hooks, "model\\(x\\), not model.forward"),
    ],
)
def test_an_ascent_at_the_wrong_place_is_refused(line: Callable[[Loop], None], sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        line(Loop())


def test_gradients_may_be_changed_behind_the_ascent_and_added_up_before_it() -> None:
    one, other = Loop(), Loop()
    for _ in range(2):
        one.backward()
        one.ascend()
        one.clip()
        one.step()
        for _ in range(2):
            (other.loss() / 2).backward()
        other.ascend()
        other.clip()
        other.optimizer.step()
        other.optimizer.zero_grad(set_to_none=False)
    torch.testing.assert_close(weights(one.model), weights(other.model))


def test_an_order_is_of_one_handle_alone() -> None:
    loop = Loop()
    loop.backward()
    loop.handle.detach()
    handle = attach(loop.model, adam(loop.model), "SAM")
    loop.optimizer.zero_grad()
    CRITERION(loop.model(data()[0]), data()[1]).backward()
    handle.ascend(lambda: CRITERION(loop.model(data()[0]), data()[1]))
    handle.optimizer.step()
    assert handle.steps_done == 1
