#!/usr/bin/env bash
# torch 2.13.0: AdamW's default decay turns an orthogonal Householder layer to zero in its first step, for good.
#
# One would expect decay to be without effect on a layer under `orthogonal(...)`, since the parametrization makes the
# weight orthogonal again whatever the stored numbers are; and so it is for the maps "matrix_exp" and "cayley". The map
# "householder" keeps the signs of the columns on the diagonal of its stored matrix and multiplies by their integer part.
# The first decay (lr 0.001 times weight_decay 0.01) makes 0.99999 of each 1, whose integer part is 0: the weight is
# exactly zero, gets no gradient any more, and nothing is raised. SGD with weight_decay does the same.
#
# Seen on 2026-11-28:
#   matrix_exp   AdamW: largest weight 0.766, off orthogonal by less than 1e-5
#   cayley       AdamW: largest weight 0.766, off orthogonal by less than 1e-5
#   householder  AdamW: largest weight 0.000, off orthogonal by 1
#   householder  AdamW without decay: largest weight 0.765, off orthogonal by less than 1e-5
#   householder  SGD: largest weight 0.000, off orthogonal by 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

OPTIMIZERS = {
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
    "AdamW without decay": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0),
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, weight_decay=1e-4),
}
TRIED = [
    ("matrix_exp", "AdamW"), ("cayley", "AdamW"),
    ("householder", "AdamW"), ("householder", "AdamW without decay"), ("householder", "SGD"),
]

zero = []
for map_name, optimizer_name in TRIED:
    torch.manual_seed(0)
    layer = orthogonal(nn.Linear(6, 6, bias=False), orthogonal_map=map_name)
    optimizer = OPTIMIZERS[optimizer_name](layer.parameters())
    layer(torch.randn(5, 6)).sum().backward()
    optimizer.step()
    weight = layer.weight.detach()
    off = (weight.T @ weight - torch.eye(6)).abs().max().item()
    off_in_words = "less than 1e-5" if off < 1e-5 else f"{off:.3g}"
    print(f"{map_name:12} {optimizer_name}: largest weight {weight.abs().max():.3f}, off orthogonal by {off_in_words}")
    if not weight.any():
        zero.append((map_name, optimizer_name))

sys.exit(zero != [("householder", "AdamW"), ("householder", "SGD")])
PROGRAM
