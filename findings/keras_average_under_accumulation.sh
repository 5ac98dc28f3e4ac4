#!/usr/bin/env bash
# Keras 3.15.1 on torch 2.13.0: with gradient accumulation, the average of the weights forgets per small batch, not per update.
#
# One would expect `use_ema=True, ema_momentum=0.9` to mean 0.9 per update of the weights, as everything else in the optimizer
# that depends on steps does under gradient_accumulation_steps=k: iterations, schedules, decay and clipping count updates.
# The average is moved at every call, k times per update, between updates by weights that have not changed. So its memory
# is k times shorter than the number says, and a training with accumulation ends with another average than the same
# training on large batches, although the trained weights are equal to the last digit.
#
# Seen on 2026-11-28 (gradient 1, lr 0.1, weights from 1 to 0.6 in four updates either way):
#   4 large batches:  iterations 4, weight 0.600, average 0.844 (0.9 per update: 0.844)
#   16 small batches: iterations 4, weight 0.600, average 0.788 (0.9 per update: 0.844)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6 keras==3.15.1
KERAS_BACKEND=torch KERAS_HOME="$folder" "$folder/venv/bin/python" - <<'PROGRAM'
import sys

import keras
import numpy as np

expected = weight = 0.9  # the average begins with the weight after the first update
for _ in range(3):
    weight -= 0.1
    expected = 0.9 * expected + 0.1 * weight

averages = []
for small in (None, 4):
    variable = keras.Variable(np.ones(1, "float32"))
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=small)
    optimizer.build([variable])
    calls = 4 * (small or 1)
    for _ in range(calls):
        optimizer.apply([keras.ops.ones(1)], [variable])
    (last,) = variable.numpy()
    optimizer.finalize_variable_values([variable])
    averages.append(round(float(variable.numpy()[0]), 3))
    what = f"{calls} {'small' if small else 'large'} batches:"
    print(f"{what:17} iterations {int(optimizer.iterations)}, weight {last:.3f}, average {averages[-1]:.3f} "
          f"(0.9 per update: {expected:.3f})")

sys.exit(averages != [0.844, 0.788])
PROGRAM
