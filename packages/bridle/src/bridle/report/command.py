"""The commands that do again what a study did: compare, and print the code of a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridle.metric_info import DEFAULT_METRIC, METRICS
from bridle.protocol import Protocol
from bridle.results import Study

__all__ = ["asked_splits", "code_command", "command", "is_described", "loaded_from"]

DATA, NETWORK, SEEDS, ENGINE = "digits", "mlp(128, 64)", 5, "torch"  # the defaults of `bridle compare`
NAMED = (DATA, "mnist", "fashion-mnist", "kmnist")  # data that go by their name
DESCRIBED = re.compile(r"(mlp|linear|residual_mlp|convnet)\(.*\)")  # a network that can be written as text
PLAIN = re.compile(r"[\w@%+:,./=-]+", flags=re.ASCII)  # a word that every shell leaves as it is
QUIET = re.compile(r"[^\"$`\\!]*")  # what stands between double quotes as it is
# The options of a split by their key in study.json, and their defaults.
SPLIT_OPTIONS = {
    "kind": ("split", "holdout"),
    "seed": ("split_seed", 0),
    "folds": ("folds", 5),
    "groups": ("groups", None),
    "time": ("time", None),
    "column": ("split_column", None),
}


def command(study: Study, recipes: Sequence[str], between: str = " ") -> str:
    """Return the command; empty where data, network or metric were made in Python, or the seeds are one's own.

    ``between`` stands between its parts.
    """
    source = loaded_from(study.data)
    counted = study.seeds == list(range(len(study.seeds)))
    if not (source and counted and is_described(study.network) and study.metric in METRICS):
        return ""
    asked = [f"--recipe {quoted(recipe)}" for recipe in recipes]
    parts = ["bridle compare", *data_options(source), *asked, *study_options(study), *training_options(study)]
    return between.join(parts)


def code_command(study: Study, recipe: str, *, lr: float, epochs: int | None) -> str:
    """Return the command that prints a recipe as plain PyTorch; empty for a network that was made in Python."""
    if not is_described(study.network):
        return ""
    used = study.protocol
    options = [option("network", study.network)] if study.network != NETWORK else []
    options += [option("task", study.data["task"])] if study.data.get("task") == "regression" else []
    for name in ("optimizer", "schedule", "batch_size", "class_weight"):
        if used.get(name, getattr(Protocol, name)) != getattr(Protocol, name):
            options.append(option(name, used[name]))
    options += [option("lr", f"{lr:g}"), *([option("epochs", epochs)] if epochs is not None else [])]
    if epochs is not None and keeps_best(used):
        options += ["--restore-best", *([option("metric", study.metric)] if study.metric in METRICS else [])]
    return " ".join(["bridle code", quoted(recipe), *options])


def keeps_best(protocol: Mapping[str, Any]) -> bool:
    """Return whether the weights of the best epoch are kept: by default where the length is open."""
    given = protocol.get("restore_best")
    return protocol.get("epochs") is None if given is None else bool(given)


def is_described(network: str) -> bool:
    """Return whether a network can be written as text."""
    return bool(DESCRIBED.fullmatch(network))


def loaded_from(data: dict[str, Any]) -> dict[str, Any]:
    """Return the file or name that was loaded, with the options of loading; empty for data made in Python."""
    named = {"path": data["name"]} if data.get("name") in NAMED else {}
    return data.get("source") or named


def data_options(source: dict[str, Any]) -> Iterator[str]:
    """Yield the data and the options of loading them."""
    if source["path"] != DATA:
        yield quoted(file_word(source["path"]))
    for name in ("target", "task", "data_dir", "weights"):
        if source.get(name) is not None:
            yield option(name, source[name])
    yield from (option("categorical", column) for column in source.get("categorical", []))
    yield from (option(SPLIT_OPTIONS[key][0], value) for key, value in asked_splits(source).items())


def asked_splits(source: dict[str, Any]) -> dict[str, Any]:
    """Return how rows were asked to be split, as far as that differs from the defaults."""
    asked = source.get("splits", {})
    return {key: asked[key] for key, (_, usual) in SPLIT_OPTIONS.items() if asked.get(key, usual) != usual}


def study_options(study: Study) -> Iterator[str]:
    """Yield the options of the comparison that differ from the defaults."""
    if study.metric != DEFAULT_METRIC.get(str(study.data.get("task"))):
        yield option("metric", study.metric)
    if study.tuning.get("trials"):
        yield option("tune", study.tuning["trials"])
    if study.margin is not None:
        yield option("margin", f"{study.margin:g}")
    if study.finished and not study.references:
        yield "--no-references"


def training_options(study: Study) -> Iterator[str]:
    """Yield the options of training that differ from the defaults; a learning rate that was found is given as found."""
    used = study.protocol
    usual = {
        "network": NETWORK,
        "seeds": SEEDS,
        "optimizer": Protocol.optimizer,
        "lr": None,
        "schedule": Protocol.schedule,
        "batch_size": Protocol.batch_size,
        "epochs": None,
        "class_weight": None,
        "precision": Protocol.precision if study.engine == ENGINE else "float64",
        "engine": ENGINE,
    }
    asked = {"network": study.network, "seeds": len(study.seeds), **used, "engine": study.engine}
    for name, value in asked.items():
        if name in usual and value != usual[name]:
            yield option(name, value)


def option(name: str, value: object) -> str:
    """Format one option: ``--data-dir "my files"``."""
    return f"--{name.replace('_', '-')} {quoted(str(value))}"


def file_word(path: str) -> str:
    """Return a path in a form that is read as no option."""
    return f"./{path}" if path.startswith("-") else path


def quoted(text: str) -> str:
    """Quote ``text`` as one word of a shell.

    >>> print(quoted("wine.csv"), quoted("Dropout(rate=0.2, at='input')"), quoted('a$b"'))
    wine.csv "Dropout(rate=0.2, at='input')" 'a$b"'
    """
    if PLAIN.fullmatch(text):
        return text
    if QUIET.fullmatch(text):
        return f'"{text}"'
    escaped = text.replace("'", "'\"'\"'")
    return f"'{escaped}'"
