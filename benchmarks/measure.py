"""Times contenders side by side, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

WARM_UP_STEPS = 5


@dataclass(frozen=True)
class Contender:
    """Something that can take steps; one step of it serves ``networks`` networks."""

    name: str
    run: Callable[[int], None]
    networks: int = 1


@dataclass(frozen=True)
class Spread:
    """Several measurements of one quantity: their median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least two values."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def seconds_for(contender: Contender, steps: int) -> float:
    """Time of ``steps`` steps, whatever the device has queued included."""
    wait()
    start = time.perf_counter()
    contender.run(steps)
    wait()
    return time.perf_counter() - start


def wait() -> None:
    """Let the accelerator, if there is one, finish."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleave(contenders: Sequence[Contender], *, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds per network and step of each contender, one number per round.

    In each round every contender runs for about ``seconds``, in turn and the next time in the opposite order, so that
    what slows the machine for a while slows all of them and leaves the ratio of one round alone.
    """
    steps = {each.name: steps_within(each, seconds) for each in contenders}
    times: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(rounds):
        for each in contenders if number % 2 == 0 else reversed(contenders):
            count = steps[each.name]
            times[each.name].append(seconds_for(each, count) / count / each.networks)
    return times


def steps_within(contender: Contender, seconds: float) -> int:
    """How many steps take about ``seconds``, once the contender is warm."""
    seconds_for(contender, WARM_UP_STEPS)
    return max(1, round(seconds * WARM_UP_STEPS / seconds_for(contender, WARM_UP_STEPS)))


def gemm(dtype: torch.dtype, device: torch.device, size: int = 2048) -> tuple[Contender, float]:
    """Products of large matrices, and the floating-point operations of one: the peak of what the machine can do."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)

    def run(steps: int) -> None:
        for _ in range(steps):
            torch.mm(left, right, out=out)

    return Contender("matrix product", run), 2.0 * size**3


def copying(size: int, device: torch.device) -> tuple[Contender, float]:
    """Copies within ``size`` bytes of memory, and the bytes read and written by one."""
    source, target = (torch.zeros(size // 8, device=device) for _ in range(2))

    def run(steps: int) -> None:
        for _ in range(steps):
            target.copy_(source)

    return Contender("copy", run), 8.0 * source.numel()
