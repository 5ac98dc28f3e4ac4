#!/usr/bin/env bash
# MLflow 3.17.2 (mlflow-skinny) with a database: an infinite metric is kept as the largest finite float.
#
# One would expect log_metric(run, "loss", math.inf) to read back as inf, as nan reads back as nan. The database's store
# writes 1.7976931348623157e308 instead, and -1.7976931348623157e308 for minus infinity, in the history, in the run and in
# searches, without a word. So math.isfinite(loss) says of a run that diverged that it did not, and a mean over such runs is
# infinite only by chance.
#
# Seen on 2026-11-29:
#   logged inf:  read back 1.7976931348623157e+308, finite True
#   logged -inf: read back -1.7976931348623157e+308, finite True
#   logged nan:  read back nan, finite False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check mlflow-skinny==3.17.2 \
    sqlalchemy==2.1.9 alembic==1.20.1 pandas==3.1.1
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import math
import sys

from mlflow import MlflowClient

client = MlflowClient("sqlite:///tracked.db")
run = client.create_run(client.create_experiment("metrics")).info.run_id
seen = []
for value in (math.inf, -math.inf, math.nan):
    client.log_metric(run, f"loss{value}", value)
    found = client.get_run(run).data.metrics[f"loss{value}"]
    print(f"logged {f'{value}:':5} read back {found}, finite {math.isfinite(found)}")
    seen.append(math.isfinite(found))

sys.exit(seen != [True, True, False])
PROGRAM
