"""Common to all tests of the audit: libraries are at hand, torch keeps to one thread."""

import torch

pytest_plugins = ["needed", "seeds", "timm_import"]
collect_ignore_glob = ["corpus/*"]  # programs that the audit reads; imported, they would train

torch.set_num_threads(1)  # the arrays are small; threads would only wait for each other
