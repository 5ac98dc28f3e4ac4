"""The wheels: all that is needed is in them and nothing else, and what they install runs where nothing else is."""

import json
import subprocess
import sysconfig
from zipfile import ZipFile

import pytest

from bridle.regularizers import CATALOG
from bridle_audit import audit_files
from bridle_audit.report import audit_as
from installation import CORPUS, build, environment, install, quiet
from repository import ROOT

NAMES = ("bridle-audit", "bridle")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    return {name: build(name, folder) for name in NAMES}


def run(python, *command):
    told = subprocess.run(
        [python, *command], capture_output=True, text=True, check=False, cwd=CORPUS.parent, env=quiet()
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_holds_what_is_committed_and_nothing_else(wheels, name):
    source = ROOT / "packages" / name / "src"
    listed = subprocess.run(["git", "ls-files", str(source)], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    committed = {str((ROOT / each).relative_to(source)) for each in listed.stdout.splitlines()}
    held = {each for each in ZipFile(wheels[name]).namelist() if ".dist-info/" not in each}
    assert held == committed


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_says_under_which_licence_and_what_it_is(wheels, name):
    wheel = ZipFile(wheels[name])
    (licence,) = (each for each in wheel.namelist() if each.endswith("LICENSE"))
    assert wheel.read(licence).decode() == (ROOT / "LICENSE").read_text()
    (metadata,) = (each for each in wheel.namelist() if each.endswith("/METADATA"))
    assert f"# {name}\n" in wheel.read(metadata).decode()


@pytest.mark.slow
def test_the_linter_runs_where_neither_torch_nor_numpy_is_installed(wheels, tmp_path):
    python = environment(tmp_path / "empty")
    install(python, wheels["bridle-audit"])
    assert (
        run(python, "-c", "from importlib.util import find_spec as f; print(f('torch'), f('numpy'))") == "None None\n"
    )
    told = run(python, "-m", "bridle_audit", "--format", "json", "--fail-on", "never", str(CORPUS))
    here = json.loads(audit_as("json", audit_files([CORPUS]), ROOT))
    there = json.loads(told)
    assert len(there["findings"]) > 100
    assert there["findings"] == here["findings"]


def test_what_trains_runs_from_its_wheel(wheels, tmp_path):
    python = environment(tmp_path / "trains")
    install(python, "--no-deps", *wheels.values())
    site = next((tmp_path / "trains").glob("lib/python*/site-packages"))
    (site / "others.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # torch and what else is needed, but not bridle
    where = run(python, "-c", "import bridle, bridle_audit; print(bridle.__file__, bridle_audit.__file__)")
    assert where.count(str(site)) == len(NAMES)
    assert len(json.loads(run(python, "-m", "bridle", "list", "--json"))) == len(CATALOG)
    assert "knob-at-off" in run(python, "-m", "bridle", "rules")
    assert "Dropout" in run(
        python,
        "-m",
        "bridle",
        "compare",
        "digits",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "study"),
    )
