"""What real processes print: closed and full streams, other encodings, names from elsewhere."""

import os
import subprocess
import sys

import pytest

PERCEIVERS = f"{sys.executable} -m perceivers.cli"


def shell(command, **environment):
    """Run a command line with `perceivers` in it; return its status, stdout and stderr (bytes)."""
    ran = subprocess.run(
        ["bash", "-c", command.replace("perceivers", PERCEIVERS, 1)],
        capture_output=True,
        env={**os.environ, **environment},
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("stream", ["1", "2", "1,2", "0,1,2"])
def test_closed_streams(stream, tmp_path):
    closed = " ".join(f"{n}>&-" if n != "0" else "0<&-" for n in stream.split(","))
    status, out, err = shell(f"perceivers train digts {closed}")
    assert status == 1
    assert (b"did you mean 'digits'" in err) == ("2" not in stream)
    assert b"Traceback" not in err
    status, out, err = shell(f"perceivers list {closed}")
    assert status == 0
    assert (b"recipes:" in out) == ("1" not in stream)
    assert err == b""


@pytest.mark.parametrize("command", ["list", "--help", "train digits --help"])
def test_a_full_disk_and_a_closed_pipe(command):
    status, _, err = shell(f"perceivers {command} > /dev/full")
    assert b"Traceback" not in err
    assert b"Exception" not in err
    if command == "list":
        assert (status, err) == (
            1,
            b"perceivers: could not write the output: No space left on device\n",
        )
    status, out, err = shell(f"perceivers {command} | head -1; exit ${{PIPESTATUS[0]}}")
    assert out.count(b"\n") == 1
    assert err == b""
    assert status in (0, 1)


def test_errors_reach_a_terminal_without_utf8():
    """No crash and no garbled characters where the encoding is ASCII."""
    ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for environment in (ascii_, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}):
        status, out, err = shell("perceivers list", **environment)
        assert (status, err) == (0, b"")
        assert "32×32 RGB".encode() in out or b"32x32 RGB" in out


def test_escape_codes_in_an_error(tmp_path):
    status, _, err = shell(r"""perceivers train folder --data $'no\e[2J\nwhere\xff\u202e'""")
    assert status == 1
    assert (
        err == rb"perceivers: no folder or table no\x1b[2J\nwhere\xff\u202e; check the path" + b"\n"
    )
