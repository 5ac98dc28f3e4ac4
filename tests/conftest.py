"""Common to all tests: the checking helpers explain themselves, timm is at hand, and torch keeps to one thread."""

import pytest

pytest.register_assert_rewrite("cases", "checks", "place_checks", "card_checks")
pytest_plugins = ["timm_import"]

import torch  # noqa: E402  (after the line above, which must come before the helpers are imported)

torch.set_num_threads(1)  # the arrays are small; threads would only wait for each other

collect_ignore_glob = ["audit/corpus/*"]  # programs that the audit reads; imported, they would train
