"""How long it takes to go on with a study: from the end of all imports to the first training step.

A folder gets the files of many finished runs of digits, with scores and curves made up, and one contender more is
asked for. `resume` then reads all of them, and trains the first step of what is missing. Each time in a process of its
own; seconds of the processor as well, which do not suffer from other programs on the machine.

    .venv/bin/python benchmarks/resume.py
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch

import bridle.report  # noqa: F401  (as the command does, though nothing is shown)
from bridle import Protocol, Recipe, Run, compare
from bridle.comparison.asked import read_asked
from bridle.comparison.rerun import resume
from bridle.comparison.store import RunStore
from bridle.engine.stack import Stack
from bridle.metric_info import TASK_METRICS
from bridle.protocol import Variant

SEEDS, TRIED = 100, 10  # runs of finished contenders: SEEDS * TRIED
EPOCHS = (4, 60, 400)  # a training of open length has at most some sixty points
TIMES = 3


def contenders() -> list[str]:
    """The recipes, the last of which is missing."""
    return ["none", *(f"Dropout(rate={k / 100})" for k in range(1, TRIED)), "L2(strength=0.01)"]


def write_study(folder: str, epochs: int) -> None:
    """Ask for a comparison, stop it, and put runs into its folder as if they had been trained."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    protocol = Protocol(lr=0.002, epochs=epochs)
    with suppress(KeyboardInterrupt):
        compare("digits", contenders(), SEEDS, "mlp(128, 64)", protocol, references=False, out=folder, progress=stop)
    asked, numbers = read_asked(folder), random.Random(0)
    setting = {
        "data": asked.fingerprint,
        "network": asked.network,
        "protocol": asked.protocol,
        "engine": asked.engine,
    }
    store = RunStore(Path(folder), setting)
    evaluated = [epoch for epoch in range(1, epochs + 1) if protocol.evaluates_after(epoch, stops_early=False)]
    os.fsync = lambda descriptor: None  # type: ignore[assignment]  # nothing is lost if this machine is switched off
    for recipe in contenders()[:-1]:
        for seed in range(SEEDS):
            scores = {
                split: {metric: numbers.random() for metric in TASK_METRICS["classification"]}
                for split in ("train", "valid", "test")
            }
            names = ("step_loss", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
            curves: dict[str, list[float]] = {name: [numbers.random() for _ in evaluated] for name in names}
            run = Run(recipe, seed, scores, {"epoch": [*evaluated], **curves}, [], 1.0)
            store.write(run, Variant(Recipe.parse(recipe), seed))


def time_resume(folder: str, answer: multiprocessing.SimpleQueue[tuple[float, float]]) -> None:
    """Go on until the first step is made, and answer with the seconds that passed and those of the processor."""
    torch.set_num_threads(1)
    step, began, processor = Stack.step, time.perf_counter(), time.process_time()

    def first_step(stack: Stack, *given: object, **options: object) -> None:
        step(stack, *given, **options)  # type: ignore[arg-type]
        answer.put((time.perf_counter() - began, time.process_time() - processor))
        os._exit(0)

    Stack.step = first_step  # type: ignore[method-assign, assignment]
    resume(folder)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    as_json = parser.parse_args().json
    context = multiprocessing.get_context("spawn")
    found = []
    for epochs in EPOCHS:
        with tempfile.TemporaryDirectory() as folder:
            writer = context.Process(target=write_study, args=(folder, epochs))
            writer.start()
            writer.join()
            runs = list((Path(folder) / "runs").glob("*.json"))
            answer: multiprocessing.SimpleQueue[tuple[float, float]] = context.SimpleQueue()
            times = []
            for _ in range(TIMES):
                reader = context.Process(target=time_resume, args=(folder, answer))
                reader.start()
                reader.join()
                if reader.exitcode:
                    raise SystemExit("the comparison did not go on")
                times.append(answer.get())
            size = sum(path.stat().st_size for path in runs) / len(runs)
            wall, processor = (sorted(each)[TIMES // 2] for each in zip(*times, strict=True))
            found.append(
                {"epochs": epochs, "runs": len(runs), "bytes": size, "seconds": wall, "cpu_seconds": processor}
            )
    if as_json:
        print(json.dumps(found))
        return
    for each in found:
        print(
            f"{each['runs']:,} finished runs of {each['epochs']} epochs, {each['bytes'] / 1000:.1f} kB each: first "
            f"step after {each['seconds']:.2f} s ({each['cpu_seconds']:.2f} s of the processor)"
        )


if __name__ == "__main__":
    main()
