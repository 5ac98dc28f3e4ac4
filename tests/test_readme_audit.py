"""The README's audit: its code prints what stands below it."""

import re

import pytest

from repository import ROOT

README = ROOT / "README.md"
BLOCKS = re.compile(
    r"```python\n(?P<code>import torch\n.*?bridle\.audit\(.*?)```\n\n```\n(?P<output>.*?)```", re.DOTALL
)


def test_the_readme_shows_what_its_audit_prints(capsys: pytest.CaptureFixture[str]) -> None:
    block = BLOCKS.search(README.read_text(encoding="utf-8"))
    assert block is not None
    exec(compile(block["code"], "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.split() == block["output"].split()
