#!/usr/bin/env bash
# scikit-learn 1.9.1: StandardScaler stops scaling a column once there are enough rows of it.
#
# One would expect more rows of the same distribution to make the estimated scale more exact. Whether a column is called
# constant is decided by a bound on rounding errors that grows with the number of rows times the mean, whatever the error
# really was: a column of Unix times around 1.7e9 that vary by 0.2 s comes out with standard deviation 1 from a hundred
# thousand rows, and with 0.2 from a million: its scale_ is then exactly 1, and nothing is said. var_ is right both times.
# The same column centred by hand before is scaled at every number of rows.
#
# Seen on 2026-11-28:
#        1,000 rows: var_ 0.038, scale_ 0.195, standard deviation of the result 1.000
#      100,000 rows: var_ 0.040, scale_ 0.200, standard deviation of the result 1.000
#    1,000,000 rows: var_ 0.040, scale_ 1.000, standard deviation of the result 0.200
#    1,000,000 rows, centred before: var_ 0.040, scale_ 0.200, standard deviation of the result 1.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import numpy as np
from sklearn.preprocessing import StandardScaler

spreads = []
for rows, centre in ((1_000, 1.7e9), (100_000, 1.7e9), (1_000_000, 1.7e9), (1_000_000, 0.0)):
    column = centre + np.random.default_rng(0).normal(0, 0.2, (rows, 1))
    scaler = StandardScaler().fit(column)
    spread = scaler.transform(column).std()
    words = "" if centre else ", centred before"
    print(f"{rows:12,} rows{words}: var_ {scaler.var_[0]:.3f}, scale_ {scaler.scale_[0]:.3f}, "
          f"standard deviation of the result {spread:.3f}")
    spreads.append(round(spread, 3))

sys.exit(spreads != [1.0, 1.0, 0.2, 1.0])
PROGRAM
