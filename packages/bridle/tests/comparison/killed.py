"""A session of a comparison in a process of its own, which may be killed."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import bridle.protocol
from bridle import compare
from bridle.data import Data, load
from bridle.engine import checkpointing
from bridle.networks import mlp
from bridle.protocol import Protocol
from bridle.results import Study

RECIPES = (
    "none",
    "BatchNorm() + Dropout(rate=linear(0.0, 0.3)) + EMA(decay=0.9)",
    "SAM(radius=0.05) + GradientNoise(spread=0.01)",
    "SnapshotEnsemble(cycles=3) + WeightNorm()",
    "EarlyStopping(patience=3) + L2(strength=0.001)",
    "L2(strength=1e9)",  # diverges
)
PROTOCOL = Protocol("momentum", lr=0.02, batch_size=32, epochs=40, precision="float32")


def few(rows: int = 320) -> Data:
    """Return the first digits."""
    splits = load("digits").splits()
    return Data(*(array[:rows] for split in ("train", "valid") for array in splits[split]), name="few")


def session(
    folder: Path,
    *,
    share: Any = None,  # a number shared by processes
    most: float = 2.0,
    seeds: int = 7,
    seconds_between_saves: float = 0.0,
    **changes: Any,
) -> None:
    """Train what is missing, and save the study; ``share`` is told how much is done, and beyond ``most`` it waits."""
    settle(seconds_between_saves)

    def tell(done: int, total: int) -> None:
        if share is not None:
            share.value = done / total
        if done / total > most:
            time.sleep(600)

    protocol = replace(PROTOCOL, **changes)
    study = compare(few(), RECIPES, seeds, mlp(24, 12), protocol, references=False, out=folder, progress=tell)
    study.save(folder / "study.json")


def tuned_session(folder: Path, *, told: Any, kill_at: int = 0) -> None:
    """Tune and compare, with trainings of open length; the process kills itself when it is told of progress so often.

    ``told`` is a number shared by processes: how often it has been told.
    """
    settle(0.0)
    bridle.protocol.FIRST_STEPS, bridle.protocol.LAST_STEPS, bridle.protocol.LAST_EPOCHS = 16, 64, 8

    def tell(done: int, total: int) -> None:
        told.value += 1
        if told.value == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    protocol = replace(PROTOCOL, lr=None, epochs=None)
    study = compare(few(), RECIPES[1:2], 2, mlp(24, 12), protocol, references=False, tuned=2, out=folder, progress=tell)
    study.save(folder / "study.json")


def settle(seconds_between_saves: float) -> None:
    """Take one thread, and keep unfinished runs so often."""
    torch.set_num_threads(1)
    checkpointing.SECONDS_BETWEEN_SAVES = checkpointing.SECONDS_BEFORE_THE_FIRST = seconds_between_saves


def told(folder: Path) -> str:
    """Return all that a study says but for dates and seconds, as text."""

    def without_times(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_times(each) for key, each in value.items() if key not in ("seconds", "date")}
        return [without_times(each) for each in value] if isinstance(value, list) else value

    return json.dumps(without_times(Study.load(folder).to_json()))
