"""Runs on full disks, with files that cannot be written, and several writers in one directory."""

import csv
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from tests.tiny_recipes import tiny

import perceivers
from perceivers.cli import main
from perceivers.files import PART, lock
from perceivers.training import engine
from perceivers.training.recipe_data import read_recipe

ARGUMENTS = [
    "digits", "--data.test=0.6", "--model.num_latents=4", "--model.latent_dim=16",
    "--model.cross_order=0", "--model.block_order=0", "--model.num_layers_per_block=1",
    "--model.num_self_heads=2", "--optimizer.warmup_epochs=0", "--trainer.max_epochs=1",
]  # fmt: skip
RUN_MAIN = "import sys; from perceivers.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("durable") / "run"
    engine.train(tiny(1), run)
    return run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path):
    """Return an empty file system of 500 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_keeps_the_checkpoint_and_the_run_goes_on_later(trained, small_disk, capsys):
    """The disk has room for the run, and not for a second checkpoint beside the first."""
    run = shutil.copytree(trained, small_disk / "run")
    kept = {name: (run / name).read_bytes() for name in ("checkpoints/last.ckpt", "config.json")}
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (4096, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 40_000)
    arguments = ["train", str(run), "--resume", "--trainer.max_epochs=3"]
    assert main(arguments) == 1
    error = [x for x in capsys.readouterr().err.splitlines() if x.startswith("perceivers: ")]
    assert len(error) == 1
    assert "No space left" in error[0]
    assert "is unchanged" in error[0]
    assert (run / "checkpoints/last.ckpt").read_bytes() == kept["checkpoints/last.ckpt"]
    perceivers.load(run)
    assert not [path for path in run.rglob("*") if PART.fullmatch(path.name)]
    filler.unlink()
    assert main(arguments) == 0
    with (run / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]


def test_the_checkpoint_does_not_pass_through_another_directory(trained, tmp_path, monkeypatch):
    """Lightning writes to the directory for temporary files first; here there is no such."""
    run = shutil.copytree(trained, tmp_path / "run")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    assert engine.resume(run, tiny(2))["epochs"] == 2


@pytest.mark.parametrize("name", ["metrics.csv", "curves.png", "tensorboard", "metrics.json"])
def test_a_file_that_cannot_be_written_does_not_stop_the_run(run, name, caplog, drawn_curves):
    """A directory, or a file, lies in its place."""
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.write_text("") if name == "tensorboard" else (path / "x").mkdir(parents=True)
    result = engine.resume(run, tiny(2))
    assert result["epochs"] == 2
    assert result["test"]["examples"] == 217
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 1
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert any(name in message for message in warnings)


def test_a_log_that_cannot_be_written_is_one_line(tmp_path, run):
    """The process may write no file beyond 40 kB, and the log has that size already."""
    (run / "log.txt").write_text("x" * 40_000 + "\n")
    code = (
        "import resource, signal, sys, logging\n"
        "from pathlib import Path\n"
        "from perceivers.training.logs import log_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "with log_file(Path(sys.argv[1])):\n"
        "    for _ in range(3):\n        logging.getLogger('perceivers').info('line')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stderr.count("\n") == 1
    assert "could not write" in ran.stderr


def test_scores_are_printed_although_they_cannot_be_saved(run, capsys, empty_report):
    (run / "metrics.json").unlink()
    (run / "metrics.json" / "x").mkdir(parents=True)
    assert main(["eval", str(run)]) == 1  # a script must not read old scores
    out, err = capsys.readouterr()
    assert "test top-1" in out
    assert "the scores are not saved: " in err


def test_scores_are_printed_although_the_old_ones_are_damaged(run, capsys, empty_report):
    (run / "metrics.json").write_text("{")
    main(["eval", str(run)])
    out, err = capsys.readouterr()
    assert "test top-1" in out
    assert "the scores are not saved: " in err
    assert (run / "metrics.json").read_text() == "{"


@pytest.mark.slow
def test_of_two_runs_started_at_once_one_wins(tmp_path):
    command = [sys.executable, "-c", RUN_MAIN, "train", *ARGUMENTS, f"--out={tmp_path / 'run'}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(perceivers.__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [*command, f"--seed={seed}"], stderr=subprocess.PIPE, text=True, env=environment
        )
        for seed in (1, 2)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1]
    loser = next(e for e, p in zip(errors, processes, strict=True) if p.returncode)
    assert "exists already" in loser or "is being written to by process" in loser
    winner = [process.returncode for process in processes].index(0) + 1
    assert read_recipe(tmp_path / "run").trainer.seed == winner


def test_a_run_that_is_being_trained_cannot_be_resumed(run, capsys):
    before = (run / "config.json").read_bytes()
    with lock(run):
        assert main(["train", str(run), "--resume", "--trainer.max_epochs=9"]) == 1
    assert f"is being written to by process {os.getpid()}" in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before


def test_what_a_killed_start_leaves_is_no_run(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").write_text("1\n")
    (run / ".1-ab.part").touch()
    assert engine.train(tiny(1), run)["epochs"] == 1
