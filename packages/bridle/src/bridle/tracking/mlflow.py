"""Studies for MLflow: a run for the study, with report and study.json, and within it a run for each run.

It needs the extra ``bridle[mlflow]``: MLflow's client, without the server that shows what was written. Nothing is asked
over a network but the tracking server, where one is named: MLflow's own telemetry is off while a study is written.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bridle.errors import DependencyError, InputError
from bridle.report import write_html
from bridle.results import Study
from bridle.tracking.records import Record, records

TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"  # MLflow reads it when it is imported, and at every call


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Keep MLflow from reporting what it is used for."""
    before = os.environ.get(TELEMETRY)
    os.environ[TELEMETRY] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[TELEMETRY]
        else:
            os.environ[TELEMETRY] = before


with without_telemetry():
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError as error:
        if error.name != "mlflow":
            raise
        raise DependencyError("the export for MLflow needs MLflow: pip install 'bridle[mlflow]'") from error

__all__ = ["to_mlflow"]

Entry = TypeVar("Entry", Metric, Param)
MOST_METRICS, MOST_PARAMETERS = 1000, 100  # of one request
FORBIDDEN = re.compile(r"[^\w.\-:/ ]")  # in the name of a metric or parameter


def to_mlflow(study: Study, tracking_uri: str | None = None, experiment: str = "bridle") -> str:
    """Write a study to MLflow; return the id of the run that stands for the study.

    ``tracking_uri`` is a database (``sqlite:///mlflow.db``) or a server; left open, it is MLflow's own choice
    (``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in this folder). The experiment is made where there is none of that name.
    """
    with without_telemetry():
        try:
            client = MlflowClient(tracking_uri)
            known = client.get_experiment_by_name(experiment)
            home = known.experiment_id if known else client.create_experiment(experiment)
            return write_study(client, home, study)
        except MlflowException as error:
            where = tracking_uri or "its default place"
            raise InputError(f"MLflow cannot write the study to {experiment!r} at {where}: {error}") from error


def write_study(client: MlflowClient, experiment: str, study: Study) -> str:
    """Write a study and its runs into an experiment, by its id."""
    name = f"{study.data.get('name', 'study')}, {study.network}"
    told = {"data": study.data.get("name"), "fingerprint": study.data.get("fingerprint"), "metric": study.metric}
    made = {"version": study.made.get("bridle"), "finished": str(study.finished).lower()}
    tags = {f"bridle.{key}": str(value) for key, value in {**told, **made}.items() if value is not None}
    parent: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    with ended(client, parent):
        with tempfile.TemporaryDirectory() as folder:
            study.save(Path(folder, "study.json"))
            write_html(study, Path(folder, "report.html"))
            client.log_artifacts(parent, folder)
        for record in records(study):
            write_run(client, experiment, parent, record)
    return parent


def write_run(client: MlflowClient, experiment: str, parent: str, record: Record) -> None:
    """Write one run: hyper-parameters, curves and scores by epoch, and what became of it."""
    run = record.run
    course: dict[str, object] = {"seconds": run.seconds, "diverged_at": run.diverged_at, "stopped_at": run.stopped_at}
    course |= {"best_epoch": run.best_epoch, "role": "contender" if record.number else "baseline"}
    tags = {f"bridle.{key}": str(value) for key, value in course.items() if value is not None}
    name = f"{record.contender.name}, seed {run.seed}"
    made = client.create_run(experiment, run_name=name, tags={**tags, "mlflow.parentRunId": parent})
    with ended(client, made.info.run_id):
        parameters = {"seed": run.seed, **record.hyper_parameters}
        told = [Param(valid(key), str(value)) for key, value in parameters.items()]
        now = int(1000 * time.time())
        metrics = [Metric(valid(each.tag), each.value, now, each.epoch) for each in record.scalars]
        for some in in_batches(told, MOST_PARAMETERS):
            client.log_batch(made.info.run_id, params=some)
        for some in in_batches(metrics, MOST_METRICS):
            client.log_batch(made.info.run_id, metrics=some)


@contextmanager
def ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """End a run of MLflow's, as failed where writing it did not succeed."""
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)


def valid(name: str) -> str:
    """Return a name of a metric or parameter with what MLflow does not take replaced."""
    return FORBIDDEN.sub("_", name)


def in_batches(entries: list[Entry], most: int) -> Iterator[list[Entry]]:
    """Yield as many at a time as one request may have."""
    yield from (entries[first : first + most] for first in range(0, len(entries), most))
