"""Common to all tests: the checking helpers explain themselves, timm is at hand, and torch keeps to one thread."""

import pytest

pytest.register_assert_rewrite("cases", "checks", "place_checks", "card_checks")
pytest_plugins = ["timm_import"]

import torch  # noqa: E402  (after the line above, which must come before the helpers are imported)

from bridle.engine import precision  # noqa: E402

torch.set_num_threads(1)  # the arrays are small; threads would only wait for each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bfloat16",
        choices=("on", "off", "auto"),
        default="auto",
        help='does precision="auto" take bfloat16 products (emulated where there are no units); auto: as it is here',
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--bfloat16")
    if wanted != "auto":
        precision.has_bfloat16_units = lambda device: wanted == "on"


collect_ignore_glob = ["audit/corpus/*"]  # programs that the audit reads; imported, they would train
