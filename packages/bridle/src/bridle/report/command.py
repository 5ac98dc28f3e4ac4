"""The command that compares a recipe again, on the data and under the settings of its study."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridle.protocol import LEARNING_RATES, Protocol
from bridle.results import Study

__all__ = ["command"]

DATA, NETWORK, SEEDS, ENGINE = "digits", "mlp(128, 64)", 5, "torch"  # the defaults of `bridle compare`
NAMED = (DATA, "mnist", "fashion-mnist", "kmnist")  # data that go by their name
DESCRIBED = re.compile(r"(mlp|linear|residual_mlp|convnet)\(.*\)")  # a network that can be written as text
PLAIN = re.compile(r"[\w@%+:,./=-]+", flags=re.ASCII)  # a word that every shell leaves as it is
QUIET = re.compile(r"[^\"$`\\!]*")  # what stands between double quotes as it is


def command(study: Study, recipe: str) -> str:
    """Return the command in one line; empty where data or network were made in Python, or the seeds are one's own."""
    source = loaded_from(study.data)
    counted = study.seeds == list(range(len(study.seeds)))
    if not (source and counted and DESCRIBED.fullmatch(study.network)):
        return ""
    parts = [*data_options(source), f"--recipe {quoted(recipe)}", *training_options(study)]
    return " ".join(["bridle compare", *parts])


def loaded_from(data: dict[str, Any]) -> dict[str, Any]:
    """Return the file or name that was loaded, with the options of loading; empty for data made in Python."""
    named = {"path": data["name"]} if data.get("name") in NAMED else {}
    return data.get("source") or named


def data_options(source: dict[str, Any]) -> Iterator[str]:
    """Yield the data and the options of loading them."""
    if source["path"] != DATA:
        yield quoted(source["path"])
    for name in ("target", "task", "data_dir"):
        if source.get(name) is not None:
            yield option(name, source[name])
    yield from (option("categorical", column) for column in source.get("categorical", []))


def training_options(study: Study) -> Iterator[str]:
    """Yield the options that differ from the defaults; a study holds settled values, so defaults are settled alike."""
    used = study.protocol
    usual = {
        "optimizer": Protocol.optimizer,
        "lr": LEARNING_RATES.get(used.get("optimizer", ""), None),
        "schedule": Protocol.schedule,
        "batch_size": Protocol.batch_size,
        "epochs": Protocol(batch_size=used.get("batch_size", Protocol.batch_size))
        .for_rows(study.data["rows"]["train"])
        .epochs,
        "precision": Protocol.precision if study.engine == ENGINE else "float64",
    }
    asked = {"network": study.network, "seeds": len(study.seeds), **used, "engine": study.engine}
    usual |= {"network": NETWORK, "seeds": SEEDS, "engine": ENGINE}
    for name, value in asked.items():
        if name in usual and value != usual[name]:
            yield option(name, value)


def option(name: str, value: object) -> str:
    """Format one option: ``--data-dir "my files"``."""
    return f"--{name.replace('_', '-')} {quoted(str(value))}"


def quoted(text: str) -> str:
    """Quote ``text`` as one word of a shell, and no option.

    >>> print(quoted("wine.csv"), quoted("Dropout(rate=0.2, at='input')"), quoted('a$b"'), quoted("-x.csv"))
    wine.csv "Dropout(rate=0.2, at='input')" 'a$b"' ./-x.csv
    """
    if text.startswith("-"):
        text = f"./{text}"
    if PLAIN.fullmatch(text):
        return text
    if QUIET.fullmatch(text):
        return f'"{text}"'
    escaped = text.replace("'", "'\"'\"'")
    return f"'{escaped}'"
