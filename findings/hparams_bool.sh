#!/usr/bin/env bash
# torch 2.13.0 with TensorBoard 2.21.0: SummaryWriter.add_hparams stores a bool as a number.
#
# One would expect a bool to be a bool, as the documentation says ("the type of the value can be one of bool, string, float,
# int"), and as TensorBoard's own format has it. The code asks for numbers before it asks for bools, and a bool is an int: it
# is written as 1.0 in a column of floats, which the dashboard filters by a range instead of by true and false.
#
# Seen on 2026-11-29:
#   amp=True is stored as number_value: 1, in a column of type DATA_TYPE_FLOAT64
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 tensorboard==2.21.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import sys

from tensorboard.plugins.hparams import api_pb2, metadata
from torch.utils.tensorboard.summary import hparams

described, started, _ = (each.value[0].metadata.plugin_data.content for each in hparams({"amp": True}, {"accuracy": 0.5}))
(column,) = metadata.parse_experiment_plugin_data(described).hparam_infos
value = metadata.parse_session_start_info_plugin_data(started).hparams["amp"]
kind = api_pb2.DataType.Name(column.type)
print(f"amp=True is stored as {str(value).strip()}, in a column of type {kind}")

sys.exit((value.WhichOneof("kind"), kind) != ("number_value", "DATA_TYPE_FLOAT64"))
PROGRAM
