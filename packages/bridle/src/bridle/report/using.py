"""How to use the recipe that a study found best: lines to copy, for a loop of one's own, bridle, and plain PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridle.protocol import LEARNING_RATES, Protocol
from bridle.report.command import asked_splits, code_command, command, is_described, loaded_from
from bridle.report.narrative import epochs_of, winner
from bridle.report.rows import ContenderRow, Report

__all__ = ["snippets"]

NEXT_LINE = " \\\n  "  # of a command, as shells read it
KEPT = ("optimizer", "schedule", "batch_size", "class_weight")  # fields of a protocol that are repeated as they are


@dataclass(frozen=True)
class Snippet:
    """Lines to copy, and what they are for."""

    title: str
    code: str


def snippets(report: Report) -> list[Snippet]:
    """Return the lines that use the winner, as far as they can be written from the study alone."""
    row, study = winner(report), report.study
    recipes = [each.asked or each.name for each in study.contenders[1:]]
    code = code_command(study, row.contender.name, lr=peak_lr(report, row), epochs=epochs_of(row.contender) or None)
    again = command(study, recipes, between=NEXT_LINE)
    found = [Snippet("Train it with bridle", training_lines(report, row))]
    if row.contender.recipe or row.number:
        found.insert(0, Snippet("In a training loop of your own", attach_lines(row)))
    found += [Snippet("As plain PyTorch, without bridle", code)] if code else []
    return [*found, *([Snippet("This comparison again", again)] if again else [])]


def attach_lines(row: ContenderRow) -> str:
    """Return the lines that attach the recipe to a model."""
    return "\n".join(
        (
            "import bridle",
            "",
            f"recipe = {row.contender.name!r}",
            "handle = bridle.attach(model, optimizer, recipe)",
            "print(handle)  # what it placed, and the calls it needs",
            "...  # train as before",
            "handle.finish()  # after the last epoch",
        )
    )


def training_lines(report: Report, row: ContenderRow) -> str:
    """Return the lines that train the recipe as the study did, and give the model."""
    study = report.study
    network = repr(study.network) if is_described(study.network) else "network"
    made = "" if is_described(study.network) else f"  # network: {study.network}, as in the comparison"
    return "\n".join(
        (
            "import bridle",
            "",
            f"data = {data_lines(study.data)}",
            f"recipe = {row.contender.name!r}",
            f"protocol = bridle.Protocol({', '.join(protocol_settings(report, row))})",
            f"run = bridle.train(data, recipe, {network}, protocol){made}",
            "run.scores, run.model  # the model is a torch.nn.Module",
        )
    )


def data_lines(data: dict[str, Any]) -> str:
    """Return the call that loads the data; a placeholder for those that were made in Python."""
    source = loaded_from(data)
    if not source:
        return "...  # the data of the comparison"
    named = [f"{name}={source[name]!r}" for name in ("target", "data_dir", "task", "weights") if source.get(name)]
    named += [f"categorical={list(source['categorical'])!r}"] if source.get("categorical") else []
    splits = ", ".join(f"{name}={value!r}" for name, value in asked_splits(source).items())
    named += [f"splits=bridle.Splits({splits})"] if splits else []
    return f"bridle.load({', '.join([repr(str(source['path'])), *named])})"


def protocol_settings(report: Report, row: ContenderRow) -> list[str]:
    """Return the arguments of the protocol that trains a contender again, at the length and learning rate found."""
    study, usual = report.study, Protocol()
    used = study.protocol
    settings = [f"{name}={used[name]!r}" for name in KEPT if name in used and used[name] != getattr(usual, name)]
    epochs = epochs_of(row.contender)
    settings += [f"lr={peak_lr(report, row):g}", *([f"epochs={epochs}"] if epochs else [])]
    best_kept = any(run.best_epoch is not None for run in row.contender.runs)
    return [*settings, *([f"restore_best=True, metric={study.metric!r}"] if best_kept else [])]


def peak_lr(report: Report, row: ContenderRow) -> float:
    """Return the peak learning rate that a contender was trained with."""
    given = row.contender.lr or report.study.protocol.get("lr")
    usual = LEARNING_RATES.get(str(report.study.protocol.get("optimizer")), LEARNING_RATES["adam"])
    return float(given) if isinstance(given, int | float) else usual
