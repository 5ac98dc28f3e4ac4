"""Studies for TensorBoard: a run of TensorBoard's for each run, its curves by epoch, scores, hyper-parameters.

It needs the extra ``bridle[tensorboard]``; TensorFlow is not needed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from bridle.errors import DependencyError, InputError
from bridle.report.series_style import styles
from bridle.results import Study
from bridle.tracking.records import Record, records, score_tags

try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2 as hparams
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ModuleNotFoundError as error:
    if error.name != "tensorboard":
        raise
    raise DependencyError("the export for TensorBoard needs TensorBoard: pip install 'bridle[tensorboard]'") from error

__all__ = ["to_tensorboard"]

Types = Mapping[str, type[bool] | type[float] | type[str]]  # by hyper-parameter


def to_tensorboard(study: Study, folder: Path | str) -> None:
    """Write a study as TensorBoard reads it: ``tensorboard --logdir FOLDER`` shows it.

    Each run is a folder ``1-Dropout_0.2/seed-3`` with event files: the curves by epoch (``loss/valid``) and the scores
    (``score/valid_log_loss``), which the dashboard of hyper-parameters averages over the seeds of a recipe. A folder
    that holds something already is refused, since TensorBoard would draw both into one line.
    """
    root = Path(folder)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise InputError(f"{root} is not an empty folder; give the export a new one")
    found = list(records(study))
    types = {name: column_type(found, name) for record in found for name in record.hyper_parameters}
    names = [style.name for style in styles(study)]
    write_events(root, [columns(found, types, score_tags(study))])
    for record in found:
        name = f"{record.number}-{re.sub(r'[^A-Za-z0-9.-]+', '_', names[record.number]).strip('_')}"
        write_events(root / name / f"seed-{record.run.seed}", [session(record, types)], record)


def column_type(found: list[Record], name: str) -> type[bool] | type[float] | type[str]:
    """Return the one type that a hyper-parameter has in TensorBoard."""
    kinds = {type(each.hyper_parameters[name]) for each in found if name in each.hyper_parameters}
    if kinds == {bool}:
        return bool
    return float if kinds <= {int, float} else str


def columns(found: list[Record], types: Types, scores: list[str]) -> Summary:
    """Return the columns of the dashboard; TensorBoard takes them from the first run that says some, so say all."""
    described = []
    for name, made in types.items():
        values = {made(each.hyper_parameters[name]) for each in found if name in each.hyper_parameters}
        described.append(hparams.HParam(name, hparams.Discrete(values)))
    return hparams.hparams_config_pb(described, [hparams.Metric(tag) for tag in scores])


def session(record: Record, types: Types) -> Summary:
    """Return a run's hyper-parameters; the seeds of a recipe are one trial, whose scores TensorBoard averages."""
    values = {name: types[name](value) for name, value in record.hyper_parameters.items()}
    return hparams.hparams_pb(values, trial_id=f"{record.number} {record.contender.name}")


def write_events(folder: Path, summaries: list[Summary], record: Record | None = None) -> None:
    """Write one event file: what is to be said first, then the curves and scores of a run."""
    writer = EventFileWriter(str(folder))
    try:
        for summary in summaries:
            writer.add_event(Event(wall_time=time.time(), summary=summary))
        for scalar in record.scalars if record else ():
            value = Summary.Value(tag=scalar.tag, simple_value=scalar.value)
            writer.add_event(Event(wall_time=time.time(), step=scalar.epoch, summary=Summary(value=[value])))
    finally:
        writer.close()
