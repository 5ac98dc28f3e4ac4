#!/usr/bin/env bash
# TensorBoard 2.21.0 with torch 2.13.0: a hyper-parameter that only a later run has gets no column.
#
# One would expect the HPARAMS table to have a column for every hyper-parameter that any run of a folder was given: one
# compares dropout with none, and only one of the two has a rate. SummaryWriter.add_hparams writes into each run a list of
# the columns of the whole experiment, made from that run's own dictionary, and TensorBoard takes the first list that it finds.
# Which columns there are is thus a matter of which run comes first, and so are the metrics. Nothing is said.
#
# Seen on 2026-11-29 (one run with lr, another with lr and rate):
#   the run with lr alone has the name that comes first: columns ['lr']
#   the run with lr and rate has it: columns ['lr', 'rate']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 tensorboard==2.21.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import sys

from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import backend_context
from torch.utils.tensorboard import SummaryWriter


def columns(folder, runs):
    """What the table's columns are, by TensorBoard's own back end."""
    for name, given in runs.items():
        with SummaryWriter(f"{folder}/{name}") as writer:
            writer.add_hparams(given, {"accuracy": 0.5}, run_name=".")
    found = EventMultiplexer().AddRunsFromDirectory(folder)
    found.Reload()
    provider = MultiplexerDataProvider(found, folder)
    backend = backend_context.Context(base_plugin.TBContext(logdir=folder, data_provider=provider))
    asked = context.RequestContext()
    experiment = backend.experiment_from_metadata(asked, "", True, backend.hparams_metadata(asked, ""), [])
    return [each.name for each in experiment.hparam_infos]


without, with_rate = {"lr": 0.1}, {"lr": 0.1, "rate": 0.5}
first = columns("a", {"0": without, "1": with_rate})
print(f"the run with lr alone has the name that comes first: columns {first}")
second = columns("b", {"1": without, "0": with_rate})
print(f"the run with lr and rate has it: columns {second}")

sys.exit((first, second) != (["lr"], ["lr", "rate"]))
PROGRAM
