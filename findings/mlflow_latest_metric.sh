#!/usr/bin/env bash
# MLflow 3.17.2 (mlflow-skinny): of metrics logged at one step in one millisecond, the run shows the largest, not the last.
#
# One would expect run.data.metrics, "the latest value of each metric", to be what was logged last. Which one is the latest is
# decided by step, then by the time in milliseconds, then by the value: log_batch with one timestamp, or two calls of
# log_metric in the same millisecond, leave the largest value. A loss that is corrected downwards shows the old one, an
# accuracy that is corrected downwards too. The history does not tell either: it is sorted by value.
#
# Seen on 2026-11-29:
#   log_batch of 0.9, then 0.5: the run shows 0.9, its history is [0.5, 0.9]
#   log_batch of 0.5, then 0.9: the run shows 0.9, its history is [0.5, 0.9]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check mlflow-skinny==3.17.2 \
    sqlalchemy==2.1.9 alembic==1.20.1 pandas==3.1.1
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import sys

from mlflow import MlflowClient
from mlflow.entities import Metric

client = MlflowClient("sqlite:///tracked.db")
experiment = client.create_experiment("metrics")
shown = []
for values in ((0.9, 0.5), (0.5, 0.9)):
    run = client.create_run(experiment).info.run_id
    client.log_batch(run, metrics=[Metric("score", value, 1000, 0) for value in values])
    shown.append(client.get_run(run).data.metrics["score"])
    history = [point.value for point in client.get_metric_history(run, "score")]
    print(f"log_batch of {values[0]}, then {values[1]}: the run shows {shown[-1]}, its history is {history}")

sys.exit(shown != [0.9, 0.9])
PROGRAM
