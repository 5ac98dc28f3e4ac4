"""How long the default comparison takes, and one training alone, against the loops that a user would write for them.

    python benchmarks/default_job.py FOLDER                 a folder as benchmarks/tables.py takes it, with mnist/ in it
    python benchmarks/default_job.py FOLDER --before TREE   also against the build in another working tree
    python benchmarks/default_job.py --quick                digits alone; nothing is saved

Six recipes under five seeds, for a fixed number of epochs, with the data in memory. The loops take batches by index
from tensors, step with the fused Adam (AdamW for weight decay, torch's own layers for dropout and batch norm), and
score validation rows and as many training rows after every epoch, as the comparison does. Each side runs in processes
of its own, at the number of threads that is best for it among those that are tried in the run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn

import bridle
from bridle import L2, Protocol, Recipe, WeightDecay
from bridle.comparison import DEFAULT_RECIPES
from bridle.comparison.provenance import provenance
from bridle.data import Data
from bridle_audit.atomic_files import write_whole
from measure import Spread
from record import load_before, new_console, outcome_as_json, path_for

SEEDS, BATCH, LR = 5, 64, 0.002
EPOCHS = {"digits": 20, "adult": 2, "california-housing": 4, "mnist": 1}
ALONE = {"none": 1.05, "Dropout(rate=0.2)": 1.15, "BatchNorm()": 1.15}  # at most, of one loop's time
COMPARE, LOOPS, TRAIN, LOOP = "compare", "loops", "train", "loop"


@dataclass(frozen=True)
class Job:
    """What one process measures: a side of a comparison, on some data, with so many threads in each of its workers."""

    side: str
    data: str
    recipe: str = ""  # of one training
    threads: int = 1
    workers: int = 1  # processes that share the loops
    tree: str = ""  # the working tree of another build


@dataclass(frozen=True)
class Outcome:
    """One ratio of two sides, round by round, beside its target."""

    what: str
    against: str
    measured: Spread
    target: float
    at_least: bool  # False: at most
    seconds: tuple[float, float]  # medians of both sides

    @property
    def verdict(self) -> str:
        """In words."""
        met = self.measured.median >= self.target if self.at_least else self.measured.median <= self.target
        return "met" if met else "not met"


def main() -> int:
    """Measure what is asked; print and save. As a worker: time one job, and print the seconds."""
    asked = arguments()
    if asked.worker:
        print(json.dumps(seconds_of(Job(**json.loads(asked.worker)), asked.folder)))
        return 0
    console, origin = new_console(), provenance()
    console.print(origin["machine"])
    load = load_before(console)
    names = ["digits"] if asked.quick or not asked.folder else list(EPOCHS)
    outcomes = [each for name in names for each in measure(name, asked, console.print)]
    console.print(as_table(outcomes))
    if not asked.quick:
        path = asked.out or path_for(origin["machine"], "default_job")
        found = {"benchmark": "default_job", "made": origin, "load_before": load, "rounds": asked.rounds}
        write_whole(path, json.dumps(found | {"outcomes": list(map(outcome_as_json, outcomes))}, indent=1) + "\n")
        console.print(f"Saved as {path}")
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="with tabular/, tables.json and mnist/")
    parser.add_argument("--before", default="", help="the working tree of another build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a try; nothing is saved")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(name: str, asked: argparse.Namespace, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Yield all ratios on one table."""
    most = os.cpu_count() or 1
    threads = sorted({1, most})
    sides = {
        "default comparison": [Job(COMPARE, name, threads=count) for count in threads],
        "loops, one after another": [Job(LOOPS, name, threads=count) for count in threads],
        f"loops in {most} processes": [Job(LOOPS, name, workers=most)],
        **({"the build before": [Job(COMPARE, name, tree=asked.before)]} if asked.before else {}),
    }
    times = rounds_of(sides, asked, say)
    targets = {"loops, one after another": 5.0, f"loops in {most} processes": 3.0, "the build before": 2.5}
    for rival in list(sides)[1:]:
        yield ratio(times, f"{name}: default comparison", "default comparison", rival, targets[rival])
    for recipe, target in ALONE.items():
        alone = {
            "bridle.train": [Job(TRAIN, name, recipe)],
            "its loop": [Job(LOOP, name, recipe, threads=count) for count in threads],
        }
        times = rounds_of(alone, asked, say)
        yield ratio(times, f"{name}: one training, {recipe}", "bridle.train", "its loop", target, at_least=False)


def rounds_of(
    sides: dict[str, list[Job]], asked: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Return the seconds of each side, round by round, at its best number of threads."""
    order = [(side, job) for side, jobs in sides.items() for job in jobs]
    seconds: dict[tuple[str, Job], list[float]] = {each: [] for each in order}
    for number in range(asked.rounds):
        for each in order if number % 2 == 0 else reversed(order):
            seconds[each].append(timed_apart(each[1], asked.folder))
    for (side, job), its in seconds.items():
        say(f"{job.data} {job.recipe} {side}, {job.threads} threads: {np.median(its):.2f} s")
    return {
        side: min((seconds[side, job] for job in jobs), key=lambda its: float(np.median(its)))
        for side, jobs in sides.items()
    }


def ratio(
    times: dict[str, list[float]], what: str, ours: str, rival: str, target: float, *, at_least: bool = True
) -> Outcome:
    """Return the rival's time as a multiple of ours, or with a target of at most so much ours of the rival's."""
    pairs = list(zip(times[ours], times[rival], strict=True))
    measured = Spread.of([theirs / own if at_least else own / theirs for own, theirs in pairs])
    medians = float(np.median(times[ours])), float(np.median(times[rival]))
    return Outcome(what, rival, measured, target, at_least, medians)


def timed_apart(job: Job, folder: Path | None) -> float:
    """Return the seconds of a job in processes of its own, all begun at once where it has several."""
    here = Path(__file__).resolve()
    tree = Path(job.tree) if job.tree else here.parents[1]
    roots = [str(tree / "packages" / each / "src") for each in ("bridle", "bridle-audit")]
    count = str(job.threads)
    environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "PYTHONPATH": ":".join(roots)}
    command = [sys.executable, "-W", "ignore", str(here), *([str(folder)] if folder else [])]
    command += ["--worker", json.dumps(dataclasses.asdict(job))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def seconds_of(job: Job, folder: Path | None) -> float:
    """Return the seconds of a job, once everything is warm."""
    data = load(job.data, folder)
    torch.set_num_threads(job.threads)
    run = RUNS[job.side]
    run(data, dataclasses.replace(job, workers=1), ("none",), 1, 1)
    started = time.perf_counter()
    run(data, job, DEFAULT_RECIPES, SEEDS, EPOCHS[job.data])
    return time.perf_counter() - started


def load(name: str, folder: Path | None) -> Data:
    """Load the data of one name."""
    if name == "digits" or folder is None:
        return bridle.load("digits")
    if name == "mnist":
        return bridle.load("mnist", data_dir=folder / "mnist")
    about = json.loads((folder / "tables.json").read_text(encoding="utf-8"))[name]
    return bridle.load(folder / about["file"], "target", categorical=about["categorical"], task=about["task"])


def compare(data: Data, job: Job, recipes: Sequence[str], seeds: int, epochs: int) -> None:
    """The comparison, for a fixed length at a fixed learning rate."""
    del job
    protocol = Protocol(epochs=epochs, lr=LR, batch_size=BATCH)
    bridle.compare(data, list(recipes), protocol=protocol, seeds=seeds, references=False)


def train(data: Data, job: Job, recipes: Sequence[str], seeds: int, epochs: int) -> None:
    """One training."""
    del recipes, seeds
    bridle.train(data, job.recipe, protocol=Protocol(epochs=epochs, lr=LR, batch_size=BATCH))


def loops(data: Data, job: Job, recipes: Sequence[str], seeds: int, epochs: int) -> None:
    """The loops of all recipes and seeds: in this process, or dealt to several that are forked from it."""
    runs = [(Recipe.parse(recipe), seed) for recipe in recipes for seed in range(seeds)]
    if job.workers == 1:
        for recipe, seed in runs:
            plain_loop(data, recipe, seed, epochs)
        return
    children = []
    for worker in range(job.workers):
        child = os.fork()
        if not child:
            for recipe, seed in runs[worker :: job.workers]:
                plain_loop(data, recipe, seed, epochs)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def loop(data: Data, job: Job, recipes: Sequence[str], seeds: int, epochs: int) -> None:
    """The loop of one training."""
    del recipes, seeds
    plain_loop(data, Recipe.parse(job.recipe), 0, epochs)


RUNS = {COMPARE: compare, LOOPS: loops, TRAIN: train, LOOP: loop}


def plain_loop(data: Data, recipe: Recipe, seed: int, epochs: int) -> dict[str, list[float]]:
    """Train one network as a user would write it; return its scores after each epoch."""
    torch.manual_seed(seed)
    splits = {name: tensors_of(data, x, y) for name, (x, y) in data.splits().items()}
    network = plain_network(data, recipe)
    optimizer, penalty = plain_optimizer(network, recipe)
    loss_of = F.cross_entropy if data.task == "classification" else F.mse_loss
    (x, y), valid = splits["train"], splits["valid"]
    curves: dict[str, list[float]] = {"train": [], "valid": []}
    for _ in range(epochs):
        network.train()
        order = torch.randperm(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            loss = loss_of(network(x[rows]), y[rows])
            if penalty:
                loss = loss + penalty * sum(each.square().sum() for each in matrices(network))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for name, (rows, targets) in {"train": (x[: len(valid[0])], y[: len(valid[0])]), "valid": valid}.items():
            curves[name] += scores(network, rows, targets, data.task)
    for name, (rows, targets) in splits.items():
        curves[f"final {name}"] = scores(network, rows, targets, data.task)
    return curves


def tensors_of(data: Data, x: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return rows (rows, features) and targets: class ids, or standardized numbers (rows, 1)."""
    rows = torch.as_tensor(x, dtype=torch.float32).flatten(1)
    if data.task == "classification":
        return rows, torch.as_tensor(y, dtype=torch.int64)
    mean, sd = data.target_scale
    return rows, torch.as_tensor((y - mean) / sd, dtype=torch.float32)[:, None]


def plain_network(data: Data, recipe: Recipe) -> nn.Sequential:
    """Return the default network with torch's own layers: batch norm before, dropout behind each activation."""
    units = {type(each).__name__: each.numbers() for each in recipe}
    layers: list[nn.Module] = []
    inputs = data.n_inputs
    for width in (128, 64):
        layers.append(nn.Linear(inputs, width))
        layers += [nn.BatchNorm1d(width)] * ("BatchNorm" in units)
        layers.append(nn.ReLU())
        layers += [nn.Dropout(units["Dropout"]["rate"])] if "Dropout" in units else []
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, data.n_outputs))


def plain_optimizer(network: nn.Module, recipe: Recipe) -> tuple[torch.optim.Optimizer, float]:
    """Return the fused Adam, or AdamW for weight decay; and the strength of an L2 penalty that the loss has."""
    decay = sum(each.numbers()["strength"] for each in recipe if isinstance(each, WeightDecay))
    penalty = sum(each.numbers()["strength"] for each in recipe if isinstance(each, L2))
    if decay:
        return torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=decay, fused=True), penalty
    return torch.optim.Adam(network.parameters(), lr=LR, fused=True), penalty


def matrices(network: nn.Module) -> Iterable[Tensor]:
    """Return the weights, without biases and norms."""
    return (each for each in network.parameters() if each.ndim > 1)


@torch.no_grad()
def scores(network: nn.Module, x: Tensor, y: Tensor, task: str) -> list[float]:
    """Return log-loss and accuracy, or the mean squared error, of a network in evaluation mode."""
    network.eval()
    z = network(x)
    if task == "classification":
        return [F.cross_entropy(z, y).item(), (z.argmax(1) == y).float().mean().item()]
    return [F.mse_loss(z, y).item()]


def as_table(outcomes: Sequence[Outcome]) -> Table:
    """Return the ratios as a table."""
    table = Table("what", "against", "ratio", "quartiles", "target", "", "seconds, ours and theirs")
    for each in outcomes:
        spread, seconds = each.measured, each.seconds
        table.add_row(
            each.what,
            each.against,
            f"{spread.median:.2f}",
            f"{spread.low:.2f} to {spread.high:.2f}",
            f"{'at least' if each.at_least else 'at most'} {each.target:g}",
            each.verdict,
            f"{seconds[0]:.2f}, {seconds[1]:.2f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
