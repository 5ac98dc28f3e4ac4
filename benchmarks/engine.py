"""How much quicker the stacked engine trains than the usual ways: ratios of measurements made in one run.

    python benchmarks/engine.py --data-dir FOLDER       MNIST from a folder; without it random pixels in its shape
    python benchmarks/engine.py --quick                 a try of some seconds; nothing is saved

Times are per training step of one network: a step of a stack is divided by the number of its variants.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import accuracy
import memory
import rivals
import workloads
from bridle.comparison.provenance import provenance
from bridle.engine.precision import Precision, default_device
from bridle_audit.atomic_files import write_whole
from measure import Contender, Spread, copying, gemm, interleave
from record import load_before, new_console, path_for

VARIANTS, DIGIT_VARIANTS = 32, 128
ADAM_BYTES = 7 * 4  # per weight and step: weight, gradient and two moments are read; weight and moments are written
RESIDENT_BYTES = 4 * 4  # per weight: weight, gradient and two moments
FLOOR_SHARE = 0.5

Content = dict[str, Any]  # of the result file


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # of each contender in each round


QUICK, FULL = Effort(3, 0.03), Effort(11, 0.4)


@dataclass(frozen=True)
class Outcome:
    """One measured quantity beside its target."""

    what: str
    against: str
    measured: Spread
    target: float | None  # at least; None: for information
    unit: str = "x"
    milliseconds: tuple[float, float] | None = None  # bridle's and the rival's, medians, per step of one network

    @property
    def verdict(self) -> str:
        """In words."""
        if self.target is None:
            return "for information"
        return "met" if self.measured.median >= self.target else "not met"


def ratios(
    ours: Contender, against: Sequence[tuple[Contender, float | None]], times: dict[str, list[float]]
) -> list[Outcome]:
    """bridle's time against each rival's, round by round."""
    outcomes = []
    for rival, target in against:
        pairs = list(zip(times[ours.name], times[rival.name], strict=True))
        medians = [Spread.of(times[name]).median * 1e3 for name in (ours.name, rival.name)]
        spread = Spread.of([theirs / own for own, theirs in pairs])
        outcomes.append(Outcome(ours.name, rival.name, spread, target, milliseconds=(medians[0], medians[1])))
    return outcomes


def mnist_net(work: workloads.Workload, effort: Effort, device: torch.device) -> list[Outcome]:
    """The 784-128-64-10 net, 32 variants, against every rival and against the floor."""
    ours = workloads.stacked("784 net, 8 strengths x 4 seeds", work, workloads.strengths_and_seeds(VARIANTS))
    seeds = workloads.stacked("784 net, 32 seeds of one recipe", work, workloads.seeds_alone(VARIANTS))
    fused = rivals.fused_adam("plain loop, Adam(fused=True)", work, workloads.plain_network(work.widths), device)
    against: list[tuple[Contender, float | None]] = [
        (fused, 3.0),
        (rivals.scikit_learn("scikit-learn MLPClassifier", work), 4.0),
        (rivals.skorch("skorch, Adam(fused=True)", work), 8.0),
        (rivals.default_adam("plain loop, Adam()", work, device), None),
        (rivals.data_loader("DataLoader(TensorDataset), fused", work, device), None),
    ]
    product, operations = gemm(Precision.of(work.protocol(), device).matmul, device)
    copy, copied = copying(VARIANTS * weights(work.widths) * RESIDENT_BYTES, device)
    times = interleave([ours, seeds, *(rival for rival, _ in against), product, copy], **dataclasses.asdict(effort))
    floors = [
        step_operations(work) * a / operations + weights(work.widths) * ADAM_BYTES * b / copied
        for a, b in zip(times[product.name], times[copy.name], strict=True)
    ]
    return [
        *ratios(ours, against, times),
        *ratios(seeds, against[:1], times),
        *(share_of_floor(each, floors, times) for each in (ours, seeds)),
    ]


def share_of_floor(ours: Contender, floors: Sequence[float], times: dict[str, list[float]]) -> Outcome:
    """The floor's time as a share of bridle's, in percent."""
    shares = [100 * floor / own for floor, own in zip(floors, times[ours.name], strict=True)]
    medians = (Spread.of(times[ours.name]).median * 1e3, Spread.of(floors).median * 1e3)
    against = "floor: products at GEMM peak + Adam's bytes"
    return Outcome(ours.name, against, Spread.of(shares), 100 * FLOOR_SHARE, "%", medians)


def weights(widths: Sequence[int]) -> int:
    """Parameters of one network, biases included."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))


def step_operations(work: workloads.Workload) -> int:
    """Floating-point operations of the matrix products of one step of one network.

    Forward, gradient of the weights, and gradient of the inputs of all layers but the first.
    """
    sizes = [inputs * outputs for inputs, outputs in pairwise(work.widths)]
    return 2 * work.batch_size * (3 * sum(sizes) - sizes[0])


def digits_net(work: workloads.Workload, effort: Effort, device: torch.device) -> list[Outcome]:
    """The small net, 128 variants, against the plain loop."""
    ours = workloads.stacked("digits net, 8 strengths x 16 seeds", work, workloads.strengths_and_seeds(DIGIT_VARIANTS))
    seeds = workloads.stacked("digits net, 128 seeds of one recipe", work, workloads.seeds_alone(DIGIT_VARIANTS))
    fused = rivals.fused_adam("plain loop, Adam(fused=True)", work, workloads.plain_network(work.widths), device)
    times = interleave([ours, seeds, fused], **dataclasses.asdict(effort))
    return [*ratios(ours, [(fused, 6.0)], times), *ratios(seeds, [(fused, 6.0)], times)]


def notebook(work: workloads.Workload, effort: Effort, device: torch.device) -> list[Outcome]:
    """The notebook's four recipes together, against a plain loop for each."""
    ours = workloads.stacked("784 net, notebook's 4 recipes x 8 seeds", work, workloads.notebook_recipes(VARIANTS // 4))
    loops = rivals.notebook_loops("their four plain loops, fused", work, device)
    return ratios(ours, [(loops, 2.5)], interleave([ours, loops], **dataclasses.asdict(effort)))


def own_module(work: workloads.Workload, target: float, effort: Effort, device: torch.device) -> list[Outcome]:
    """A user's module through torch.func, against the plain loop with that module."""

    def network() -> torch.nn.Module:
        return workloads.OwnNetwork(work.widths)

    name = f"{work.widths[0]} inputs, user's module, 32 variants"
    ours = workloads.stacked(name, work, workloads.strengths_and_seeds(VARIANTS), network)
    fused = rivals.fused_adam("plain loop, Adam(fused=True)", work, network(), device)
    return ratios(ours, [(fused, target)], interleave([ours, fused], **dataclasses.asdict(effort)))


def speed(mnist: workloads.Workload, effort: Effort, device: torch.device, console: Console) -> list[Outcome]:
    """All ratios, one group after another."""
    digits = workloads.digits()
    groups: list[tuple[str, Callable[[], list[Outcome]]]] = [
        ("784 net", lambda: mnist_net(mnist, effort, device)),
        ("digits net", lambda: digits_net(digits, effort, device)),
        ("the notebook's recipes", lambda: notebook(mnist, effort, device)),
        ("a user's module, 784 net", lambda: own_module(mnist, 1.3, effort, device)),
        ("a user's module, digits net", lambda: own_module(digits, 3.0, effort, device)),
    ]
    outcomes = []
    for title, measure in groups:
        with console.status(f"Measuring {title}"):
            outcomes += measure()
    return outcomes


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per outcome."""
    shown = Table(title="Milliseconds per step of one network; ratios of the same round, median (quartiles)")
    for heading in ("bridle trains", "against"):
        shown.add_column(heading)
    for heading in ("bridle", "rival", "measured", "target"):
        shown.add_column(heading, justify="right")
    shown.add_column("verdict")
    for each in outcomes:
        own, theirs = each.milliseconds or (float("nan"), float("nan"))
        spread = f"{each.measured.median:.2f}{each.unit} ({each.measured.low:.2f}-{each.measured.high:.2f})"
        target = "" if each.target is None else f"{each.target:g}{each.unit}"
        style = {"met": "green", "not met": "bold red"}.get(each.verdict, "dim")
        shown.add_row(each.what, each.against, f"{own:.3f}", f"{theirs:.3f}", spread, target, each.verdict, style=style)
    return shown


def peaks(folder: Path | None) -> dict[str, float | None]:
    """MiB of memory at the peak of training."""
    measured = {
        f"stack of {VARIANTS}": memory.peak("stack", VARIANTS, folder),
        "one plain loop": memory.peak("loop", 1, folder),
    }
    return {name: None if size is None else size / 2**20 for name, size in measured.items()}


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("BRIDLE_DATA")
    parser.add_argument(
        "--data-dir", type=Path, default=Path(folder) if folder else None, help="folder with MNIST's idx files"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a try: few rounds, speed alone, nothing saved")
    parser.add_argument("--out", type=Path, help="where to save (default: benchmarks/results/<date>_<hardware>.json)")
    return parser.parse_args()


def beyond_speed(mnist: workloads.Workload, folder: Path | None, device: torch.device, console: Console) -> Content:
    """Peak memory, and whether bfloat16 costs accuracy."""
    with console.status("Measuring memory"):
        taken = peaks(folder)
    for name, size in taken.items():
        console.print(f"Peak memory of training, {name}: {'not measured here' if size is None else f'{size:.0f} MiB'}")
    with console.status("Training in both precisions"):
        agreement = accuracy.agreement(mnist, device)
    console.print(agreement["words"])
    return {"peak_memory_mib": taken, "bfloat16_accuracy": agreement}


def main() -> None:
    """Measure, print, save."""
    asked = arguments()
    console = new_console()
    device = default_device()
    torch.set_num_threads(asked.threads)
    mnist = workloads.mnist(asked.data_dir)
    setting = provenance()
    mode = str(Precision.of(mnist.protocol(), device).matmul).removeprefix("torch.")
    console.print(f"{setting['machine']}; {asked.threads} threads; matrix products in {mode}; images: {mnist.name}")
    if asked.data_dir is None:
        console.print("Without --data-dir the images are random pixels in MNIST's shape: good for timing alone.")
    load = load_before(console)
    effort = QUICK if asked.quick else FULL
    with threadpool_limits(asked.threads):
        outcomes = speed(mnist, effort, device, console)
    console.print(table(outcomes))
    if asked.quick:
        return
    content: Content = {
        "benchmark": "engine",
        "command": f"python benchmarks/engine.py{' --data-dir FOLDER' if asked.data_dir else ''}",
        "made": {**setting, "versions": {**setting["versions"], "skorch": version("skorch")}},
        "threads": asked.threads,
        "load_before": load,
        "matrix_products": mode,
        "images": mnist.name,
        "effort": dataclasses.asdict(effort),
        "outcomes": [{**dataclasses.asdict(each), "verdict": each.verdict} for each in outcomes],
        **beyond_speed(mnist, asked.data_dir, device, console),
    }
    path = asked.out or path_for(setting["machine"])
    write_whole(path, json.dumps(content, indent=1) + "\n")
    console.print(f"Saved as {path}")


if __name__ == "__main__":
    main()
