"""What tests need: absent, it fails them in CI and has them skipped elsewhere."""

import pytest

from needed import library


@pytest.mark.parametrize(
    ("said", "ends"),
    [("true", pytest.fail.Exception), ("1", pytest.fail.Exception), ("", pytest.skip.Exception)],
    ids=["CI=true", "CI=1", "no CI"],
)
def test_a_library_that_is_not_there_fails_in_ci_and_skips_elsewhere(monkeypatch, said, ends):
    monkeypatch.setenv("CI", said)
    with pytest.raises(ends, match="no_such_library is not installed"):
        library("no_such_library")
