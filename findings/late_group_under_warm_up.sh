#!/usr/bin/env bash
# torch 2.13.0: parameters that are unfrozen during a warm-up end far above their learning rate, or end the training.
#
# One would expect a group that is added to the optimizer in mid-training (unfreezing, Lightning's BackboneFinetuning) to be
# scheduled as if it had been there, or to keep its own rate. Under most schedulers it is neither, and it differs between
# schedules that are the same curve: those with a recursive form multiply what they find by the change from step to step. So
# under LinearLR's warm-up a group that comes in with lr 1 ends at 1 / (share reached by then), here 1.82 times the others,
# silently; under CosineAnnealingLR all its life it is above them by the share they had lost. LambdaLR, in
# which most libraries write the same warm-up and cosine, raises at its next step, and OneCycleLR likewise.
#
# Seen on 2026-11-28 (lr 1 for all; the second group is added before the third of six steps; rates after each step):
#   LinearLR: first group 0.325 0.550 0.775 1.000 1.000 1.000, second group 1.409 1.818 1.818 1.818
#   CosineAnnealingLR: first group 0.933 0.750 0.500 0.250 0.067 0.000, second group 0.667 0.333 0.089 0.000
#   StepLR: first group 0.900 0.810 0.729 0.656 0.590 0.531, second group 0.900 0.810 0.729 0.656
#   LambdaLR: ValueError
#   OneCycleLR: KeyError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PROGRAM'
import sys

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, StepLR

SCHEDULES = {
    "LinearLR": lambda optimizer: LinearLR(optimizer, start_factor=0.1, total_iters=4),
    "CosineAnnealingLR": lambda optimizer: CosineAnnealingLR(optimizer, T_max=6),
    "StepLR": lambda optimizer: StepLR(optimizer, step_size=1, gamma=0.9),
    "LambdaLR": lambda optimizer: LambdaLR(optimizer, lambda step: min(1.0, 0.1 + 0.225 * step)),
    "OneCycleLR": lambda optimizer: OneCycleLR(optimizer, max_lr=1.0, total_steps=6),
}


def rates(schedule):
    head, backbone = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = torch.optim.SGD([head], lr=1.0)
    scheduler = schedule(optimizer)
    seen = []
    for step in range(6):
        if step == 2:
            optimizer.add_param_group({"params": [backbone], "lr": 1.0})
        optimizer.step()
        scheduler.step()
        seen.append([round(group["lr"], 3) for group in optimizer.param_groups])
    return [each[0] for each in seen], [each[1] for each in seen[2:]]


found = {}
for name, schedule in SCHEDULES.items():
    try:
        groups = rates(schedule)
    except (ValueError, KeyError) as error:
        found[name] = type(error).__name__
        print(f"{name}: {found[name]}")
        continue
    found[name] = groups[1][-1]
    words = [" ".join(f"{rate:.3f}" for rate in group) for group in groups]
    print(f"{name}: first group {words[0]}, second group {words[1]}")

expected = {"LinearLR": 1.818, "CosineAnnealingLR": 0.0, "StepLR": 0.656, "LambdaLR": "ValueError", "OneCycleLR": "KeyError"}
sys.exit(found != expected)
PROGRAM
