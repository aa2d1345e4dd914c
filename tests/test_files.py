"""Atomic writing, locks, and what lies in the place of a file after a failed download."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from perceivers import files


def leftovers(directory):
    return [path for path in directory.iterdir() if files.PART.fullmatch(path.name)]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_umask_is_honoured(tmp_path, umask, mode):
    def write(part):  # as safetensors does
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))

    previous = os.umask(umask)
    try:
        files.write_atomically(tmp_path / "a", write)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_an_existing_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    files.write_atomically(tmp_path / "a", lambda part: part.write_text("new"))
    assert (tmp_path / "a").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    both = threading.Barrier(2, timeout=10)

    def write(part, text):
        with part.open("w") as file:
            file.write(text)
            file.flush()
            both.wait()
            file.write(text)

    threads = [
        threading.Thread(
            target=files.write_atomically,
            args=(tmp_path / "a", lambda part, t=text: write(part, t)),
        )
        for text in ("one ", "two ")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in ("one one ", "two two ")
    assert leftovers(tmp_path) == []


def test_content_and_name_are_on_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("directory" if is_directory else "content")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    files.write_json(tmp_path / "a", {})
    assert calls == ["content", "replace", "directory"]


def test_a_name_of_the_longest_length_can_be_written(tmp_path):
    files.write_json(tmp_path / ("x" * 255), {"a": 1})
    assert files.read_json(tmp_path / ("x" * 255)) == {"a": 1}


def test_leftovers_of_killed_processes_are_removed_and_others_kept(tmp_path):
    code = (
        "import sys, os, signal; from pathlib import Path; from perceivers import files\n"
        "def write(part):\n    part.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomically(Path(sys.argv[1]) / 'a', write)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert len(leftovers(tmp_path)) == 1
    assert files.is_unused(tmp_path)
    mine = tmp_path / f".{os.getpid()}-00.part"
    mine.touch()
    (tmp_path / ".own.part").touch()
    files.remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, ".own.part"])
    assert not files.is_unused(tmp_path)


def test_a_failed_write_of_a_file_that_is_not_needed_is_a_warning(tmp_path, caplog):
    def write(part):
        raise OSError(28, "No space left on device")

    assert not files.write_if_possible(tmp_path / "a", write)
    assert "could not write" in caplog.text
    assert files.write_if_possible(tmp_path / "a", lambda part: part.touch())


HOLD = (
    "import sys; from pathlib import Path; from perceivers import files\n"
    "with files.lock(Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of `tmp_path`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_in_one_line_with_the_number_of_the_first(tmp_path, holder):
    with (
        pytest.raises(
            BlockingIOError, match=f"is being written to by process {holder.pid} on "
        ) as e,
        files.lock(tmp_path),
    ):
        pass
    assert "\n" not in str(e.value)


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / files.LOCK).exists()
    with files.lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_children_of_a_killed_process_do_not_hold_its_lock(tmp_path):
    code = (
        "import os, signal, sys, time; from pathlib import Path; from perceivers import files\n"
        "with files.lock(Path(sys.argv[1])):\n"
        "    if os.fork() == 0:\n        time.sleep(30)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL)
    with files.lock(tmp_path):
        pass


def test_threads_lock_each_other_out(tmp_path):
    with (
        files.lock(tmp_path),
        pytest.raises(BlockingIOError, match="this one"),
        files.lock(tmp_path),
    ):
        pass
    with files.lock(tmp_path):
        pass


def test_a_system_without_file_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with files.lock(tmp_path):
        monkeypatch.setattr(files, "_locked", set())
        with (
            pytest.raises(BlockingIOError, match=r"or delete .*\.lock if it has"),
            files.lock(tmp_path),
        ):
            pass
    with files.lock(tmp_path):
        pass


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
HTML = b"\n<!DOCTYPE html>\n<html><title>Not found</title></html>"


@pytest.mark.parametrize(
    ("content", "message"),
    [(LFS, "a pointer of Git LFS.*git lfs pull"), (HTML, "a web page.*again")],
)
def test_what_a_failed_download_leaves_is_told(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        files.read_json(tmp_path / "config.json")
