"""Finished runs on disk."""

import json
import math
import os
import tempfile

import pytest
from made_up import SETTING, VARIANT, run_of

from bridle import Dropout, Recipe
from bridle.comparison.hashes import seal
from bridle.comparison.store import RunStore
from bridle.protocol import Variant
from bridle.results import VERSION, RunKey


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    store, run = RunStore(tmp_path, SETTING), run_of(VARIANT)
    store.write(run, VARIANT)
    found = store.read(VARIANT)
    assert found is not None
    assert math.isnan(found.scores["valid"].pop("log_loss")) and math.isnan(run.scores["valid"].pop("log_loss"))
    assert found == run


@pytest.mark.parametrize(
    "other", [{"data": "abd"}, {"network": "mlp(9)"}, {"protocol": {"lr": 0.2}}, {"engine": "vanilla"}]
)
def test_a_run_of_another_setting_is_not_found(tmp_path, other):
    RunStore(tmp_path, SETTING).write(run_of(VARIANT), VARIANT)
    assert RunStore(tmp_path, SETTING | other).read(VARIANT) is None
    assert RunStore(tmp_path, SETTING).read(VARIANT) is not None


def test_a_run_of_another_recipe_seed_rate_or_version_is_not_found(tmp_path, monkeypatch):
    store = RunStore(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(Variant(VARIANT.recipe, 4)) is None
    assert store.read(Variant(VARIANT.recipe, 3, 0.1)) is None
    assert store.read(Variant(Recipe.of(Dropout(rate=0.3)), 3)) is None
    monkeypatch.setattr("bridle.comparison.store.__version__", "9.9")
    assert store.read(VARIANT) is None


def test_a_learning_rate_of_its_own_is_part_of_what_a_run_is_found_by(tmp_path):
    store = RunStore(tmp_path, SETTING)
    rates = [None, 0.1, 0.1 + 0.2, 1]
    for rate in rates:
        store.write(run_of(VARIANT._replace(lr=rate)), VARIANT._replace(lr=rate))
    assert [found.lr for rate in rates if (found := store.read(VARIANT._replace(lr=rate)))] == rates
    assert store.read(VARIANT._replace(lr=1.0)) is not None and len(list((tmp_path / "runs").iterdir())) == 4


def test_a_store_of_several_settings_keeps_their_runs_apart(tmp_path):
    short = RunStore.at(tmp_path, SETTING | {"protocol": {"epochs": 1}}, {"valid": ("accuracy", "log_loss")})
    long = short.with_setting(SETTING | {"protocol": {"epochs": 2}})
    short.write(run_of(VARIANT), VARIANT)
    assert short.read(VARIANT) is not None and long.read(VARIANT) is None and long.measured is None


def test_without_a_folder_nothing_is_written_or_found():
    store = RunStore(None, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(VARIANT) is None


def test_a_file_says_in_plain_words_what_run_it_is(tmp_path):
    RunStore(tmp_path, SETTING).write(run_of(VARIANT), VARIANT)
    (file,) = (tmp_path / "runs").iterdir()
    key = json.loads(file.read_text())["key"]
    assert key == {**SETTING, "recipe": "Dropout(rate=0.2)", "seed": 3, "format": VERSION, "bridle": key["bridle"]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": {}}', '{"run": null}', "\ufffe"])
def test_a_damaged_file_counts_as_missing_and_is_written_anew(tmp_path, text):
    store = RunStore(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    (file,) = (tmp_path / "runs").iterdir()
    file.write_text(text, encoding="utf-16")
    with pytest.warns(UserWarning, match=f"{file.name} is not used: it does not begin with a checksum"):
        assert store.read(VARIANT) is None
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(VARIANT) is not None


def one_file(folder):
    """The only run that is stored."""
    (file,) = (folder / "runs").iterdir()
    return file


def rewritten(change):
    """Changes what a file says, and leaves the rest of it as it was."""

    def damage(file):
        saved = json.loads(file.read_text())
        change(saved)
        file.write_text(json.dumps(saved))

    return damage


def with_checksum(change):
    """The same with the checksum of what it then says, as another program might write it."""

    def damage(file):
        saved = json.loads(file.read_text())
        saved.pop("checksum")
        change(saved)
        file.write_bytes(seal(saved))

    return damage


def setting(*path, to):
    """Puts something in a place."""

    def change(saved):
        *places, last = path
        for each in places:
            saved = saved[each]
        saved[last] = to

    return change


def moved_to(make):
    """Puts something else in the place of the file."""

    def damage(file):
        file.unlink()
        make(file)

    return damage


def as_if_written_for(change):
    """A file that is right, but of another run than its name says."""

    def damage(file):
        other = RunStore(file.parent.parent / "other", change.get("setting", SETTING))
        other.write(run_of(change.get("variant", VARIANT)), change.get("variant", VARIANT))
        one_file(other.folder).replace(file)

    return damage


DAMAGES = {
    "another number": (rewritten(setting("run", "scores", "valid", "accuracy", to=0.99)), "by its checksum"),
    "another layout": (lambda file: file.write_text(json.dumps(json.loads(file.read_text()), indent=1)), "begin with"),
    "another key": (with_checksum(setting("key", "seed", to=4)), "a run of another seed"),
    "another key and setting": (with_checksum(setting("key", "data", to="x")), "a run of another data"),
    "a later format": (with_checksum(setting("key", "format", to=VERSION + 1)), "a run of another format"),
    "another run": (with_checksum(setting("run", "seed", to=4)), "of another recipe, seed or learning rate than its"),
    "another rate": (with_checksum(setting("run", "lr", to=0.5)), "of another recipe, seed or learning rate than its"),
    "no checksum": (rewritten(lambda saved: saved.pop("checksum")), "does not begin with a checksum"),
    "no run": (with_checksum(lambda saved: saved.pop("run")), "it is no run with its key"),
    "no scores": (with_checksum(lambda saved: saved["run"].pop("scores")), "scores is missing"),
    "text for a score": (
        with_checksum(setting("run", "scores", "valid", "log_loss", to="x")),
        "valid.log_loss must be a number",
    ),
    "a list for curves": (with_checksum(setting("run", "curves", to=[])), "curves must be an object"),
    "text in a curve": (with_checksum(setting("run", "curves", "epoch", to=["x"])), r"epoch\[0\] must be a number"),
    "truth in a curve": (with_checksum(setting("run", "curves", "epoch", to=[True])), r"epoch\[0\] must be a number"),
    "a long curve": (with_checksum(setting("run", "curves", to={"epoch": [1, 2]})), "must have 1 points"),
    "uneven curves": (with_checksum(setting("run", "curves", "loss", to=[1, 2])), "of different lengths"),
    "a huge number": (with_checksum(setting("run", "seconds", to=10**400)), "out of the range of numbers"),
    "a huge point": (with_checksum(setting("run", "curves", "epoch", to=[10**400])), "out of the range of numbers"),
    "of another recipe": (as_if_written_for({"variant": Variant(Recipe(), 3)}), "a run of another recipe"),
    "of another seed": (as_if_written_for({"variant": Variant(VARIANT.recipe, 4)}), "a run of another seed"),
    "of another setting": (as_if_written_for({"setting": SETTING | {"network": "mlp(9)"}}), "of another network"),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:-20]), "by its checksum"),
    "very deep": (lambda file: file.write_text("[" * 100_000), "does not begin with a checksum"),
    "a folder": (moved_to(lambda file: file.mkdir()), "is not a regular file"),
    "a pipe": (moved_to(os.mkfifo), "is not a regular file"),
    "a link": (moved_to(lambda file: file.symlink_to("/dev/zero")), "symbolic links"),
    "a link to nothing": (moved_to(lambda file: file.symlink_to(file.parent / "nowhere")), "symbolic links"),
    "large": (lambda file: os.truncate(file, 2**40), "is larger than 64 MiB"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_whatever_is_no_run_of_that_name_is_named_and_kept_aside(tmp_path, name):
    damage, said = DAMAGES[name]
    store = RunStore(tmp_path, {**SETTING, "protocol": {"epochs": 1}} if "long curve" in name else SETTING)
    store.write(run_of(VARIANT), VARIANT)
    file = one_file(tmp_path)
    damage(file)
    before = os.lstat(file)
    with pytest.warns(UserWarning, match=said) as warned:
        assert store.read(VARIANT) is None
    assert str(file) in str(warned[0].message) and "the run is trained again" in str(warned[0].message)
    (aside,) = (tmp_path / "set-aside").iterdir()
    assert str(aside) in str(warned[0].message) and aside.name.startswith(file.name)
    assert (os.lstat(aside).st_ino, os.lstat(aside).st_size) == (before.st_ino, before.st_size)
    assert store.read(VARIANT) is None  # without a word: there is no such run
    store.write(run_of(VARIANT), VARIANT)
    again = store.read(VARIANT)
    assert again is not None and again.scores["valid"]["accuracy"] == run_of(VARIANT).scores["valid"]["accuracy"]
    assert list((tmp_path / "set-aside").iterdir()) == [aside]


def test_what_is_set_aside_twice_is_kept_twice(tmp_path):
    store = RunStore(tmp_path, SETTING)
    for text in ("first", "second"):
        store.write(run_of(VARIANT), VARIANT)
        one_file(tmp_path).write_text(text)
        with pytest.warns(UserWarning, match="is kept as"):
            store.read(VARIANT)
    assert {each.read_text() for each in (tmp_path / "set-aside").iterdir()} == {"first", "second"}


def test_scores_must_be_those_that_every_run_has(tmp_path):
    store = RunStore(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    assert RunStore(tmp_path, SETTING, {"valid": ("log_loss", "accuracy")}).read(VARIANT) is not None
    with pytest.warns(UserWarning, match="other splits or metrics"):
        assert RunStore(tmp_path, SETTING, {"valid": ("accuracy",)}).read(VARIANT) is None


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n\n"])
def test_a_copy_may_end_its_line_otherwise(tmp_path, end):
    store = RunStore(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    file = one_file(tmp_path)
    file.write_bytes(file.read_bytes().rstrip() + end)
    assert store.read(VARIANT) is not None


@pytest.mark.parametrize("place", ["study", "study/runs"])
def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_trained(tmp_path, monkeypatch, place):
    def read_only(*, dir):
        if dir == tmp_path / place:
            raise OSError(30, "Read-only file system", str(dir))
        return tempfile.TemporaryFile(dir=dir)

    monkeypatch.setattr("bridle.comparison.store.TemporaryFile", read_only)
    with pytest.raises(OSError, match=r"nothing can be written into .*study \(Read-only file system\); give --out"):
        RunStore.at(tmp_path / "study", SETTING)
    monkeypatch.undo()
    RunStore.at(tmp_path / "study", SETTING)
    assert [each.name for each in (tmp_path / "study").iterdir()] == ["runs"]


def test_a_variant_and_its_run_have_one_key_however_the_rate_is_written(tmp_path):
    store = RunStore(tmp_path, SETTING)
    whole, decimal = (Variant(Recipe.of(Dropout(rate=0.2)), 3, lr) for lr in (1, 1.0))
    assert whole.key == run_of(whole).key == decimal.key == RunKey("Dropout(rate=0.2)", 3, 1.0)
    assert store.name(whole.key) == store.name(decimal.key) == store.name(run_of(whole).key)
    assert len({store.name(each.key) for each in (whole, whole._replace(lr=None), whole._replace(seed=4))}) == 3
