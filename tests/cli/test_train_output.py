"""What a training prints and writes to its log, in files and on a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest
from commands import run as command_line
from PIL import Image

from perceivers.cli import main

COMMAND = [sys.executable, "-m", "perceivers.cli"]
# As the command does, without its report, which takes longer than the training.
WITHOUT_REPORT = (
    "import sys\nimport perceivers.report.write as module\nmodule.write = lambda *_: []\n"
    "from perceivers.cli import main\nsys.exit(main())"
)
SMALL = ["--model.num_latents", "4", "--model.latent_dim", "16", "--model.num_self_heads", "2"]


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Train once on 36 bright and 12 dark images; return the run, its output and its stderr.

    It is a process of its own, whose libraries are imported anew and may print what they like.
    """
    root = tmp_path_factory.mktemp("unequal")
    rng = np.random.default_rng(0)
    for label, low, count in (("bright", 160, 36), ("dark", 0, 12)):
        (root / "photos" / label).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(low, low + 90, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "photos" / label / f"{index}.png")
    (root / "photos" / "dark" / "broken.png").write_bytes(b"no image")
    Image.fromarray(pixels).save(root / "photos" / "cover.png")
    options = ["--out", root / "run", "--trainer.max_epochs", "3", *SMALL, "--data.mixup", "0.2"]
    options += ["--data.validation", "0.1"]
    command = [sys.executable, "-c", WITHOUT_REPORT]
    command += ["train", "folder", "--data", root / "photos", *options]
    ran = subprocess.run(command, capture_output=True)  # bytes: text mode would hide "\r"
    assert ran.returncode == 0, ran.stderr
    return root / "run", ran.stdout.decode(), ran.stderr.decode()


def test_each_line_is_said_once_and_is_in_the_log(unequal):
    run_dir, out, err = unequal
    log = [line[9:] for line in (run_dir / "log.txt").read_text().splitlines()]
    for lines in (out.splitlines() + err.splitlines(), log):
        assert len(lines) == len(set(lines))
        assert any("beside the folders of the classes: 1 png file" in line for line in lines)


def test_nothing_is_said_of_a_table_twice(capsys, tmp_path):
    """Its plan and its training read the same rows."""
    rows = [f"{'about 3' if i in (4, 9) else i / 3},{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["x,label", *rows, ""]))
    options = ["--out", tmp_path / "run", "--trainer.max_epochs", "1", *SMALL]
    status, _, err = command_line(capsys, "train", "folder", "--data", tmp_path / "t.csv", *options)
    assert status == 0
    for text in (err, (tmp_path / "run" / "log.txt").read_text()):
        assert text.count("found: column 'x': 2 of 40 cells are not numbers and are masked") == 1
        assert text.count("about 3") == 1
    lines = err.splitlines()
    assert len(lines) == len(set(lines))


def test_no_progress_bar_where_stderr_is_no_terminal(unequal):
    """One line an epoch; a demo of a minute wrote 245 kB of redrawn bars."""
    _, _, err = unequal
    assert "\r" not in err
    assert "DataLoader" not in err
    assert "Warning" not in err
    assert "site-packages" not in err
    assert len(err) < 4_000
    lines = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("F1" in line and "top-5" not in line for line in lines)


def test_log_begins_with_what_was_found_and_ends_with_the_result(unequal):
    run, out, err = unequal
    lines = (run / "log.txt").read_text().splitlines()
    messages = [line.split(" ", 1)[1] for line in lines]
    assert messages[0].startswith("found: ")
    for start in ("reads: ", "model: ", "trains: ", "data: 40 train, ", "skipped ", "labels: "):
        assert any(message.startswith(start) for message in messages), start
    assert "training scores include mixup and label smoothing" in err
    result = out.splitlines()
    assert messages[-len(result) :] == result
    assert result[0].startswith("best epoch ")
    assert result[-1] == f"run: {run}"
    assert max(len(line) for line in lines if " epoch " in line) <= 100


def test_unequal_classes_are_reported_with_baseline_and_table(unequal):
    run, out, _ = unequal
    metrics = json.loads((run / "metrics.json").read_text())
    test = metrics["test"]
    assert test["baseline"]["label"] == "bright"
    assert test["baseline"]["top1"] == pytest.approx(4 / 5)
    assert test["baseline"]["balanced_accuracy"] == pytest.approx(1 / 2)
    assert test["by_label"]["bright"]["support"] == 4
    assert {"macro_f1", "balanced_accuracy"} <= set(test)
    assert {"val_macro_f1", "val_balanced_accuracy"} <= set(metrics["best"])
    assert "top-5" not in out
    assert "top5" not in (run / "metrics.csv").read_text() + (run / "metrics.json").read_text()
    lines = out.splitlines()
    [line] = [line for line in lines if line.startswith("test top-1 ")]
    assert "macro F1" in line
    assert "balanced accuracy" in line
    assert "baseline (always 'bright'): top-1 80.00%, macro F1 44.44%" in out
    heading = next(line for line in lines if "precision" in line)
    assert heading.split() == ["precision", "recall", "F1", "examples"]
    assert [line.split()[-1] for line in lines if line.startswith(("bright ", "dark "))] == [
        "4", "1",
    ]  # fmt: skip


def test_dry_run_and_run_print_the_same_plan_apart_from_times(unequal, capsys):
    """What is trained follows from the data, not from the load of the machine."""
    run, _, err = unequal
    options = ["--trainer.max_epochs", "3", *SMALL, "--data.mixup", "0.2"]
    options += ["--data.validation", "0.1"]
    command = ["train", "folder", "--data", run.parent / "photos", *options, "--dry-run"]
    status, out, _ = command_line(capsys, *command)
    assert status == 0
    planned = [line for line in out.splitlines() if not line.startswith(("time:", "run:"))]
    heads = [line.split(":")[0] for line in planned]
    assert heads == [
        "found", "found", "reads", "model", "trains", "changed", "data",
        "train", "validation", "test", "parameters", "steps",
    ]  # fmt: skip
    splits = ("train:", "validation:", "test:")  # of a run: without files that cannot be read
    planned = [line for line in planned if not line.startswith(splits)]
    ran = [line for line in err.splitlines() if line in planned]
    assert ran == planned


def test_the_progress_bar_of_a_terminal_counts_as_the_log_does(unequal, capsys, monkeypatch):
    run, *_ = unequal
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    options = ["--out", run.parent / "seen", "--trainer.max_epochs", "2", *SMALL]
    read: list[bytes] = []

    def listen():
        with contextlib.suppress(OSError):  # the other end is closed
            while raw := os.read(ours, 65536):
                read.append(raw)

    listener = threading.Thread(target=listen)
    listener.start()
    with open(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        status, _, _ = command_line(
            capsys, "train", "folder", "--data", run.parent / "photos", *options
        )
    listener.join()
    os.close(ours)
    assert status == 0
    seen = b"".join(read).decode(errors="replace")
    assert "\r" in seen
    assert set(re.findall(r"Epoch (\d)/2: +\d+%", seen)) == {"1", "2"}
    assert "Testing: " in seen
    assert "DataLoader" not in seen


def test_eval_reports_the_same_and_draws_no_bar(unequal, capfdbinary):
    run, out, _ = unequal
    assert main(["eval", str(run)]) == 0
    printed, err = capfdbinary.readouterr()  # bytes: text mode would hide "\r"
    assert b"\r" not in err
    assert b"DataLoader" not in err
    lines = printed.decode().splitlines()
    written = [line for line in lines if line.startswith("wrote ")]
    assert [line.rsplit("/", 1)[1] for line in written] == ["predictions.csv", "report.html"]
    lines = lines[:-2]
    assert lines == [line for line in out.splitlines() if line in lines]
    assert lines[0].startswith("test top-1")
    assert len(lines) == 5
