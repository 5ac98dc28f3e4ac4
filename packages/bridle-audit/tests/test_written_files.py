"""Files that appear whole or not at all, whoever else writes and whoever dies."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridle_audit.atomic_files import LARGEST, read_whole, remove_left_overs, write_whole

LEFT_OVER = ".bridle-0123456789abcdef.partial"


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_text_is_written_in_utf8_and_bytes_as_they_are(tmp_path):
    write_whole(tmp_path / "text", "± ×")
    write_whole(tmp_path / "bytes", b"\xff\n\r")
    assert (tmp_path / "text").read_bytes() == "± ×".encode() and (tmp_path / "bytes").read_bytes() == b"\xff\n\r"
    assert names(tmp_path) == ["bytes", "text"]


def test_a_new_file_has_the_rights_that_any_new_file_has(tmp_path):
    write_whole(tmp_path / "ours", "")
    (tmp_path / "theirs").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_whatever_goes_wrong_the_old_content_stays_and_nothing_is_left(tmp_path, monkeypatch, step, error):
    write_whole(tmp_path / "file", "old")

    def wrong(*given):
        raise error("now")

    with monkeypatch.context() as patched, pytest.raises(error, match="now"):
        patched.setattr(step, wrong)
        write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old" and names(tmp_path) == ["file"]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    seen, sync = [], os.fsync

    def synced(descriptor):
        seen.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "file").exists()))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", synced)
    write_whole(tmp_path / "file", "text")
    (content, named), (folder, also_named) = seen
    assert ".partial" in content and not named
    assert folder == str(tmp_path) and also_named


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    (tmp_path / "secret").write_text("secret")
    for name in ("file", ".file.partial", LEFT_OVER):  # under the old fixed name, and one of ours
        (tmp_path / name).symlink_to(tmp_path / "secret")
    write_whole(tmp_path / "file", "new")
    assert (tmp_path / "secret").read_text() == "secret"
    assert (tmp_path / "file").read_text() == "new" and not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("name", ["nowhere/file", "text/file"])
def test_where_it_cannot_be_written_the_error_names_the_file(tmp_path, name):
    (tmp_path / "text").write_text("")
    with pytest.raises(OSError, match=f": '{tmp_path / name}'$"):
        write_whole(tmp_path / name, "")


def test_a_device_is_written_to_and_stays_one(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from bridle_audit.atomic_files import write_whole\n"
        "write_whole(Path('/dev/stdout'), 'said')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"said"
    write_whole(Path("/dev/null"), "nothing")
    assert Path("/dev/null").is_char_device()


def test_left_overs_of_dead_processes_are_taken_away_and_those_of_living_ones_are_not(tmp_path):
    code = (
        "import os, sys; from bridle_audit import atomic_files\n"
        "def stop(descriptor): print('there', flush=True); sys.stdin.read()\n"
        "os.fsync = stop\n"
        "atomic_files.write_whole(atomic_files.Path(sys.argv[1]), 'half')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"there\n"
        write_whole(tmp_path / "other", "")
        assert len(list(tmp_path.glob("*.partial"))) == 1  # it is still being written
        process.kill()
        process.wait()
        assert len(list(tmp_path.glob("*.partial"))) == 1
        write_whole(tmp_path / "other", "")
    assert names(tmp_path) == ["other"]


def test_only_our_own_temporary_files_are_taken_away(tmp_path):
    others = [".file.partial", "bridle-0123456789abcdef.partial", ".bridle-x.partial"]
    for name in (*others, LEFT_OVER):
        (tmp_path / name).write_text("")
    remove_left_overs(tmp_path)
    assert names(tmp_path) == sorted(others)


def test_where_nothing_can_be_locked_a_left_over_is_a_day_old(tmp_path, monkeypatch):
    monkeypatch.setattr("bridle_audit.atomic_files.fcntl", None)
    (tmp_path / LEFT_OVER).write_text("")
    remove_left_overs(tmp_path)
    assert names(tmp_path) == [LEFT_OVER]
    yesterday = time.time() - 86500
    os.utime(tmp_path / LEFT_OVER, (yesterday, yesterday))
    remove_left_overs(tmp_path)
    assert names(tmp_path) == []


def test_a_temporary_file_that_somebody_took_away_is_written_again(tmp_path, monkeypatch):
    replace = Path.replace
    taken: list[Path] = []

    def late(path, target):
        if not taken:
            taken.append(path)
            path.unlink()
        return replace(path, target)

    monkeypatch.setattr("pathlib.Path.replace", late)
    write_whole(tmp_path / "file", "text")
    assert taken and (tmp_path / "file").read_text() == "text"


def write_often(path, letter):
    for _ in range(60):
        write_whole(path, letter * 100_000)


def test_two_processes_that_write_one_file_do_not_tear_it(tmp_path):
    path, context = tmp_path / "file", multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(path, letter)) for letter in "ab"]
    write_whole(path, "c" * 100_000)
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        content = path.read_text()
        assert len(content) == 100_000 and len(set(content)) == 1
    for each in writers:
        each.join()
        assert each.exitcode == 0
    assert names(tmp_path) == ["file"]


def test_what_is_no_file_of_a_bearable_size_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "text")
    (tmp_path / "text").write_text("text")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="is not a regular file"):
            read_whole(path)
    with pytest.raises(ValueError, match="is larger than 256 MiB"):
        read_whole(tmp_path / "large")
    assert read_whole(tmp_path / "link") == b"text"
    assert read_whole(tmp_path / "link", largest=2**60) == b"text"  # takes no memory for what is not there
    with pytest.raises(OSError, match="symbolic links"):
        read_whole(tmp_path / "link", follow=False)


def test_a_folder_is_no_file_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (Path(), tmp_path, Path("..")):
        with pytest.raises(IsADirectoryError, match="in the place of a folder"):
            write_whole(name, "text")
    assert list(tmp_path.iterdir()) == []
