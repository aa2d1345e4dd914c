"""Places that cannot be written to are refused before any work, in one line with the fix."""

import errno
import os
from pathlib import Path

import pytest
from tests.commands import run

from perceivers.cli import _describe
from perceivers.files import lock
from perceivers.places import check_place, make_directory, system_message

COMMANDS = {
    "train": ("train", "digits", "--out", "run"),
    "eval": ("eval", "model", "--out", "report"),
    "predict": ("predict", "model", "a.png", "--csv", "a.csv"),
    "explain": ("explain", "model", "a.png", "--out", "a.png"),
    "export": ("export", "model", "--out", "a.onnx"),
    "export-torch": ("export", "model", "--out", "a.pt2"),
    "web": ("export", "model", "--web", "page"),
    "compare": ("compare", "one", "two", "--out", "a.html"),
    "convert": ("convert", "a.pt", "model"),
}
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


def refused(capsys, command, place):
    """Run a command that would write to a place, and return the one line that it prints."""
    *arguments, name = COMMANDS[command]
    status, out, err = run(capsys, *arguments, Path(place) / name)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "Errno" not in err
    assert str(Path(place) / name) in err
    return err


@needs_proc
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_directory_that_takes_no_files(capsys, command):
    assert "could not write /proc/" in refused(capsys, command, "/proc")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"predict", "compare"}))
def test_a_file_in_the_place_of_a_directory(capsys, tmp_path, command):
    (tmp_path / "file").write_text("")
    line = refused(capsys, command, tmp_path / "file")
    assert "a part of this path is a file; choose another place" in line


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_name_that_is_too_long(capsys, tmp_path, command):
    *arguments, name = COMMANDS[command]
    status, _, err = run(capsys, *arguments, tmp_path / ("x" * 300 + name))
    assert status == 1
    assert "File name too long; choose a shorter name" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(capsys, tmp_path):
    tmp_path.chmod(0o500)
    assert "Permission denied; choose another place" in refused(capsys, "train", tmp_path)


def test_a_place_is_checked_without_a_trace(tmp_path):
    check_place(tmp_path / "a" / "b" / "c")
    check_place(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"could not write .*a: .*; .*choose another place"):
        check_place(tmp_path / "link" / "a")
    with pytest.raises(OSError, match=r"could not write .*; .*choose another place"):
        make_directory(tmp_path / "link" / "a")


@needs_proc
def test_a_run_that_cannot_be_locked_is_named():
    refused = pytest.raises(OSError, match=r"could not write /proc: .*; choose another place")
    with refused, lock(Path("/proc")):
        pass


def test_any_error_of_the_system_is_one_line_without_its_number():
    for number in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.ENOTDIR, errno.EIO):
        line = _describe(OSError(number, os.strerror(number), "a.txt"))
        assert line.startswith(f"a.txt: {os.strerror(number)}; ")
    assert system_message(OSError(errno.ENOENT, "No usable directory")) == "No usable directory"
    assert _describe(OSError("our own; with its fix")) == "our own; with its fix"
