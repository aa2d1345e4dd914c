"""What real processes print: closed and full streams, other encodings, names from elsewhere."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from commands import run
from PIL import Image

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


def test_odd_names_in_a_training(capsys, tmp_path):
    """Names of files and classes are escaped in what a run prints and in its log."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for label in (b"br\x1b[31might\n\xe2\x80\xae", b"caf\xff"):
        folder = root / os.fsdecode(label)
        folder.mkdir(parents=True)
        for index in range(12):
            image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            image.save(folder / os.fsdecode(b"%d\x1b[2J\r\xff.png" % index))
        (folder / "bad\x1b[2J.png").write_bytes(b"damaged")
        (folder / "other\x1b[2J.j\x1bson").touch()
    status, out, err = run(
        capsys, "train", "folder", "--data", root, "--out", tmp_path / "run",
        "--trainer.max_epochs", "1", "--model.num_latents", "2", "--model.latent_dim", "16",
    )  # fmt: skip
    assert status == 0, err
    logged = (tmp_path / "run" / "log.txt").read_bytes().decode()
    assert "skipped" in logged
    for text in (out, err, logged):
        assert not re.search("[\x1b\u202e\udc80-\udcff]", text)
        assert r"bad\x1b[2J.png: not an image" in text or text == out
    for name in ("config.json", "metrics.json", "splits.json"):
        json.loads((tmp_path / "run" / name).read_bytes().decode())
    status, out, _ = run(capsys, "predict", tmp_path / "run", root)
    assert "[wrong: " in out or "accuracy 100.00%" in out


def test_escape_codes_in_an_error(tmp_path):
    status, _, err = shell(r"""perceivers train folder --data $'no\e[2J\nwhere\xff\u202e'""")
    assert status == 1
    assert (
        err == rb"perceivers: no folder or table no\x1b[2J\nwhere\xff\u202e; check the path" + b"\n"
    )
