"""Scripts that are run under the random numbers of the engine, so that both take the same steps."""

from __future__ import annotations

import builtins
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, pairwise
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridle import Recipe, engine
from bridle.data import Data
from bridle.engine.noise import StackNoise
from bridle.engine.user_modules import build_module
from bridle.exporting import to_code
from bridle.networks import MLP, ConvNet, mlp
from bridle.places import Ascent, Draw
from bridle.protocol import Protocol, Variant
from bridle.regularizers import AlphaDropout, Dropout, SpatialDropout
from bridle.seeded_draws import batch_orders, linear_weights

SEED = 3
ADAM = Protocol("adam", batch_size=64, epochs=2, precision="float64")
NETWORK = mlp(24, 16)


class Replay:
    """The engine's weights, batches and noise, handed to a script in the place of torch's, and its steps' losses."""

    def __init__(self, data: Data, recipe: str, network: Any, protocol: Protocol) -> None:
        self.data, self.recipe, self.network, self.protocol = data, Recipe.parse(recipe), network, protocol
        self.drawn: dict[tuple[str, int], deque[Tensor]] = defaultdict(deque)
        self.losses: list[float] = []
        self.printed: list[str] = []

    def record(self, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> Any:
        """Return the result of ``run()``; the noise that the engine draws on the way is kept."""
        draw = StackNoise.draw

        def noted(noise: Any, each: Draw, stream_id: int, subject: tuple[int, ...]) -> Tensor:
            found = draw(noise, each, stream_id, subject)
            self.drawn[each.kind, found[0].numel()].append(found[0].clone())
            return found

        with monkeypatch.context() as patch:
            patch.setattr(StackNoise, "draw", noted)
            return run()

    def noise(self, kind: str) -> Callable[[Tensor], Tensor]:
        """Draws like a tensor."""
        return lambda like: self.drawn[kind, like.numel()].popleft().view(like.shape)

    def dropout(self, formula: Callable[..., Tensor], *, by_channel: bool = False) -> Callable[..., Tensor]:
        """torch's function of a dropout layer, by the formula and the engine's noise."""

        def dropped(h: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
            if not training:
                return h
            seen = h if by_channel else h.movedim(1, -1)
            noise = self.noise("uniform")(seen[:, :, :1, :1] if by_channel else seen)
            out = formula(seen, noise, rate=p)
            return out if by_channel else out.movedim(-1, 1)

        return dropped

    def orders(self, rows: int) -> Iterator[Tensor]:
        """The order of the rows in each epoch."""
        size = min(self.protocol.batch_size, rows)
        return (torch.from_numpy(order) for order in batch_orders(SEED, rows, size))

    def weights(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The initial weight and bias of each weighted layer, in order."""
        x = self.data.x_train
        if isinstance(self.network, MLP):
            sizes = self.network.widths(x[0].size, self.data.n_outputs)
            for number, (inputs, outputs) in enumerate(pairwise(sizes)):
                weight, bias = linear_weights(SEED, number, inputs, outputs)
                yield torch.from_numpy(weight), torch.from_numpy(bias)
        else:
            module = build_module(self.network.factory(x.shape[1:], self.data.n_outputs), SEED).double()
            for part in module.modules():
                if hasattr(part, "weight"):
                    yield part.get_parameter("weight"), part.get_parameter("bias")

    @contextmanager
    def handed_over(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Within, torch's random numbers are the engine's."""
        weights, orders = cycle(list(self.weights())), [self.orders(len(self.data.x_train))]

        seeded = torch.manual_seed

        def begin_anew(seed: int) -> None:
            seeded(seed)
            if seed == 0:  # that of a training, and not of a step
                orders[0] = self.orders(len(self.data.x_train))

        def begin(layer: nn.Module) -> None:
            weight, bias = next(weights)
            with torch.no_grad():
                layer.get_parameter("weight").copy_(weight)
                layer.get_parameter("bias").copy_(bias)

        backward = Tensor.backward

        def noted(loss: Tensor) -> None:
            self.losses.append(loss.item())
            backward(loss)

        with monkeypatch.context() as patch:
            for kind in (nn.Linear, nn.modules.conv._ConvNd):
                patch.setattr(kind, "reset_parameters", begin)
            patch.setattr(torch, "manual_seed", begin_anew)
            patch.setattr(torch, "randperm", lambda rows: next(orders[0]))
            patch.setattr(torch, "rand_like", self.noise("uniform"))
            patch.setattr(torch, "randn_like", self.noise("normal"))
            patch.setattr(F, "dropout", self.dropout(Dropout.torch))
            patch.setattr(F, "alpha_dropout", self.dropout(AlphaDropout.torch))
            patch.setattr(F, "dropout2d", self.dropout(SpatialDropout.torch, by_channel=True))
            patch.setattr(Tensor, "backward", noted)
            torch.set_default_dtype(torch.float64)
            try:
                yield
            finally:
                torch.set_default_dtype(torch.float32)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
        """The model that the script trains under the engine's random numbers."""
        code = to_code(self.recipe, self.network, self.protocol, task=self.data.task)
        images = isinstance(self.network, ConvNet)
        rows = [torch.from_numpy(x).double() for x in (self.data.x_train, self.data.x_valid)]
        x_train, x_valid = (x[:, None] if images else x for x in rows)
        y_train, y_valid = (torch.from_numpy(y) for y in (self.data.y_train, self.data.y_valid))
        if self.data.task == "regression":
            y_train, y_valid = y_train.double(), y_valid.double()
        train = functions(monkeypatch, code, output=self.printed.append)["train"]
        with self.handed_over(monkeypatch):
            model: nn.Module = train(x_train, y_train, x_valid, y_valid)
        return model


def functions(
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    name: str = "script",
    output: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return what a script defines that is run where bridle cannot be imported; its output goes where it is told."""

    def guarded(module: str, *rest: Any) -> Any:
        if module.partition(".")[0] == "bridle":
            raise ImportError("bridle is not there")
        return builtins.__import__(module, *rest)

    script = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, script)  # where a dataclass looks for its types
    vars(script)["__builtins__"] = {**vars(builtins), "__import__": guarded, "print": output}
    exec(compile(code, "script.py", "exec"), vars(script))
    return vars(script)


def check_steps(
    monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str, network: Any = NETWORK, protocol: Protocol = ADAM
) -> None:
    """The losses of all steps are the engine's."""
    replay = Replay(data, recipe, network, protocol)
    variant = Variant(replay.recipe, SEED)
    expected = replay.record(
        monkeypatch, lambda: engine.step_losses(data, variant, network, protocol, protocol.n_epochs * len(data.x_train))
    )
    model = replay.run(monkeypatch)
    twice = any(isinstance(each, Ascent) for each in replay.recipe)
    assert replay.losses[:: 2 if twice else 1] == pytest.approx(expected, rel=1e-9)
    assert len(expected) >= 8
    assert {key: len(left) for key, left in replay.drawn.items() if left} == {}
    assert not model.training
