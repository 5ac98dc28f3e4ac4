"""What each regularizer of the catalog costs in a stack: its steps against plain ones, in one run.

    python benchmarks/catalog.py                        everything; about seven minutes
    python benchmarks/catalog.py --only L2 SAM          some; nothing is saved
    python benchmarks/catalog.py --quick                a try of a minute; nothing is saved

A regularizer takes part as 32 variants: 8 seeds under each of 4 strengths, or 32 seeds where it has no strength. It is
compared with as many plain variants under as many seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

import workloads
from bridle import CATALOG, EarlyStopping, Recipe, residual_mlp
from bridle.comparison.provenance import provenance
from bridle.data import Data
from bridle.engine.precision import Precision, default_device
from bridle.knobs import Knob, knobs
from bridle.networks import MLP, ResidualMLP, mlp
from bridle.places import Ascent, PassLoss
from bridle.protocol import Variant
from bridle.recipe import Regularizer
from bridle.sites import RESIDUAL
from bridle_audit.atomic_files import write_whole
from measure import Contender, Spread, interleave
from record import load_before, new_console, path_for

VARIANTS = 32
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the default strength
AT_MOST = {1: 1.5, 2: 2.4}  # times a plain step, by the passes through the network that a step has
SIDE = 28


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # of each contender in each round


QUICK, FULL = Effort(3, 0.03), Effort(15, 0.2)


class Setting(NamedTuple):
    """Where a regularizer is measured, and what it is compared with: plain steps on the same network and grid."""

    network: MLP | ResidualMLP
    seeds: int


@dataclass(frozen=True)
class Cost:
    """A regularizer's step as a multiple of a plain one."""

    place: str
    regularizer: str
    network: str
    seeds: int  # of the 32 variants
    passes: int  # through the network, in one step
    milliseconds: tuple[float, float]  # a plain step and the regularizer's of one network, medians
    measured: Spread
    target: float | None  # at most; None: for information

    @property
    def verdict(self) -> str:
        """In words."""
        if self.target is None:
            return "for information"
        return "met" if self.measured.median <= self.target else "not met"


def strength(leaf: type[Regularizer]) -> Knob | None:
    """The knob that says how much: the first that can be off."""
    return next((each for each in knobs(leaf) if each.is_number and each.off is not None), None)


def strengths(leaf: type[Regularizer]) -> list[Regularizer]:
    """The regularizer at several strengths up to its default, or once where it has none."""
    knob = strength(leaf)
    if knob is None:
        return [leaf()]
    return [leaf(**{knob.name: knob.low + share * (float(knob.default) - knob.low)}) for share in SHARES]


def passes(leaf: Any) -> int:
    """How often a step runs through the network: once, and again for what the regularizer has to know.

    A gradient at another point, the outputs of another pass, the slope or the prediction that it asks for.
    """
    return 1 + issubclass(leaf, Ascent | PassLoss) + len({"slope", "prediction"} & {*leaf.extra_inputs})


def setting(leaf: type[Regularizer]) -> Setting:
    """The 784 net, or one with residual branches for what stands there."""
    in_branches = leaf().settings(numbers=False).get("at") == RESIDUAL
    network = residual_mlp(workloads.HIDDEN[0], 2) if in_branches else mlp(*workloads.HIDDEN)
    return Setting(network, VARIANTS // len(strengths(leaf)))


def images() -> workloads.Workload:
    """Random pixels in MNIST's shape, as images: some regularizers move them about."""
    flat = workloads.mnist(None)
    arrays = [array for x, y in flat.data.splits().values() for array in (x.reshape(-1, SIDE, SIDE), y)]
    return dataclasses.replace(flat, data=Data(*arrays))


def grid(units: Sequence[Regularizer]) -> list[Variant]:
    """32 variants of one recipe each."""
    return [Variant(Recipe.of(unit), seed) for unit in units for seed in range(VARIANTS // len(units))]


def plain(work: workloads.Workload, where: Setting) -> Contender:
    """32 variants without regularization, as recipes that differ: one that stops has no part in a step."""
    idle = [EarlyStopping(patience=1.0 + number) for number in range(VARIANTS // where.seeds)]
    return workloads.stacked("plain", work, grid(idle), where.network)


def costs(leaves: Sequence[type[Regularizer]], effort: Effort) -> Iterator[Cost]:
    """Each regularizer in turns with the plain variants that it is compared with."""
    work = images()
    rivals = {where: plain(work, where) for where in {setting(leaf) for leaf in leaves}}
    for leaf in leaves:
        where = setting(leaf)
        rival = rivals[where]
        ours = workloads.stacked(leaf.__name__, work, grid(strengths(leaf)), where.network)
        times = interleave([rival, ours], **dataclasses.asdict(effort))
        before, behind = times[rival.name], times[ours.name]
        yield Cost(
            leaf.place,
            leaf.__name__,
            str(where.network),
            where.seeds,
            passes(leaf),
            (Spread.of(before).median * 1e3, Spread.of(behind).median * 1e3),
            Spread.of([own / theirs for own, theirs in zip(behind, before, strict=True)]),
            AT_MOST.get(passes(leaf)),
        )


def table(found: Sequence[Cost]) -> Table:
    """One row per regularizer, place by place."""
    shown = Table(title="Milliseconds per step of one network; ratios of the same round, median (quartiles)")
    for heading in ("place", "regularizer", "network"):
        shown.add_column(heading)
    for heading in ("seeds", "passes", "plain", "with it", "measured", "at most"):
        shown.add_column(heading, justify="right")
    shown.add_column("verdict")
    for number, each in enumerate(found):
        numbers = [f"{each.seeds}", f"{each.passes}", *(f"{time:.3f}" for time in each.milliseconds)]
        spread = f"{each.measured.median:.2f}x ({each.measured.low:.2f}-{each.measured.high:.2f})"
        target = "" if each.target is None else f"{each.target:g}x"
        style = {"met": "green", "not met": "bold red"}.get(each.verdict, "dim")
        ends = number + 1 == len(found) or found[number + 1].place != each.place
        words = (each.place, each.regularizer, each.network, *numbers, spread, target, each.verdict)
        shown.add_row(*words, style=style, end_section=ends)
    return shown


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*CATALOG], metavar="NAME", help="these regularizers alone")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a try: few rounds, nothing saved")
    parser.add_argument(
        "--out", type=Path, help="where to save (default: benchmarks/results/<date>_catalog_<hardware>.json)"
    )
    return parser.parse_args()


def save(found: Sequence[Cost], path: Path, about: dict[str, Any], console: Console) -> None:
    """Write the result file."""
    outcomes = [{**dataclasses.asdict(each), "verdict": each.verdict} for each in found]
    write_whole(path, json.dumps({"benchmark": "catalog", **about, "outcomes": outcomes}, indent=1) + "\n")
    console.print(f"Saved as {path}")


def main() -> None:
    """Measure, print, save."""
    asked = arguments()
    console = new_console()
    torch.set_num_threads(asked.threads)
    origin = provenance()
    mode = str(Precision.of(images().protocol(), default_device()).matmul).removeprefix("torch.")
    console.print(f"{origin['machine']}; {asked.threads} threads; matrix products in {mode}")
    load = load_before(console)
    effort = QUICK if asked.quick else FULL
    leaves = [leaf for name, leaf in CATALOG.items() if not asked.only or name in asked.only]
    with threadpool_limits(asked.threads):
        found = list(track(costs(leaves, effort), "Measuring", len(leaves), console=console, transient=True))
    console.print(table(found))
    missed = [each.regularizer for each in found if each.verdict == "not met"]
    console.print(f"Targets not met: {', '.join(missed) or 'none'}")
    options = [*["--quick"] * asked.quick, *(["--only", *asked.only] if asked.only else [])]
    if asked.out or not options:
        about = {
            "command": " ".join(["python benchmarks/catalog.py", *options]),
            "made": origin,
            "threads": asked.threads,
            "load_before": load,
            "matrix_products": mode,
            "effort": dataclasses.asdict(effort),
        }
        save(found, asked.out or path_for(origin["machine"], "catalog"), about, console)


if __name__ == "__main__":
    main()
