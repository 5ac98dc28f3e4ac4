"""What README and docs show below their code is what the code prints."""

import re

import pytest

from repository import ROOT

AUDIT = re.compile(
    r"```python\n(?P<code>import torch\n(?:(?!```).)*?bridle\.audit\((?:(?!```).)*)```\n\n```\n(?P<output>.*?)```",
    re.DOTALL,
)
FIRST = re.compile(r"```python\n(?P<code>import bridle\n(?:(?!```).)*)```\n\n```\n(?P<output>.*?)```", re.DOTALL)


def shown_and_printed(page: str, form: re.Pattern[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The output that a page shows, and what its code prints here."""
    block = form.search((ROOT / page).read_text(encoding="utf-8"))
    assert block is not None
    exec(compile(block["code"], page, "exec"), {})
    return block["output"], capsys.readouterr().out


def test_the_guide_shows_what_its_audit_prints(capsys: pytest.CaptureFixture[str]) -> None:
    shown, printed = shown_and_printed("docs/audit/index.md", AUDIT, capsys)
    assert printed.split() == shown.split()


@pytest.mark.slow
def test_the_readme_shows_what_its_comparison_prints(capsys: pytest.CaptureFixture[str]) -> None:
    shown, printed = shown_and_printed("README.md", FIRST, capsys)
    digits = re.compile(r"\d")  # another processor rounds otherwise
    names = [line.split()[0] for line in shown.splitlines()]
    assert names == [line.split()[0] for line in printed.splitlines()] and len(names) == 3
    assert digits.sub("0", shown.splitlines()[-1]) == digits.sub("0", printed.splitlines()[-1])  # the one that is sure
