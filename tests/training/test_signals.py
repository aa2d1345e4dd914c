"""Runs that are stopped by Ctrl-C or SIGTERM."""

import csv
import signal

import pytest
from tiny_recipes import tiny

import perceivers
from perceivers.training import engine
from perceivers.training.recorder import Recorder


def rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return list(csv.DictReader(file))


SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_a_usable_run(tmp_path, monkeypatch, drawn_curves, number):
    def send(self, trainer, task):
        if trainer.current_epoch == 1:
            signal.raise_signal(number)

    original = Recorder.on_train_epoch_start
    monkeypatch.setattr(
        Recorder,
        "on_train_epoch_start",
        lambda self, t, m: (original(self, t, m), send(self, t, m)),
    )
    before = [signal.getsignal(n) for n in SIGNALS]
    result = engine.train(tiny(3), tmp_path / "run")
    assert [signal.getsignal(n) for n in SIGNALS] == before
    assert result["interrupted"] == number.name
    assert result["epochs"] == 1
    assert perceivers.load(tmp_path / "run")
    assert (tmp_path / "run" / "curves.png").exists()
    log_text = (tmp_path / "run" / "log.txt").read_text()
    assert "--resume" in log_text
    last = [line.split(" ", 1)[1] for line in log_text.splitlines()][-3:]
    assert last[0] == f"stopped by {number.name} after epoch 1"
    assert last[1].startswith("best epoch 1: validation top-1 ")
    assert last[2] == f"run: {tmp_path / 'run'}"
    monkeypatch.undo()
    assert engine.resume(tmp_path / "run", tiny(3))["epochs"] == 3


@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_validation_end", "on_train_start"])
def test_sigterm_outside_a_training_batch(tmp_path, monkeypatch, hook):
    monkeypatch.setattr(
        Recorder, hook, lambda *_: signal.raise_signal(signal.SIGTERM), raising=False
    )
    assert engine.train(tiny(3), tmp_path / "run")["interrupted"] == "SIGTERM"
    assert perceivers.load(tmp_path / "run")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_the_first_epoch(tmp_path, monkeypatch, number):
    monkeypatch.setattr(Recorder, "on_train_epoch_start", lambda *_: signal.raise_signal(number))
    result = engine.train(tiny(3), tmp_path / "run")
    assert result["interrupted"] == number.name
    assert perceivers.load(tmp_path / "run")
    assert "--resume" not in (tmp_path / "run" / "log.txt").read_text()
    with pytest.raises(FileNotFoundError, match="before its first epoch ended; remove .*start it"):
        engine.resume(tmp_path / "run", tiny(3))
    with pytest.raises(FileExistsError, match="remove it: it holds a run that ended before"):
        engine.train(tiny(3), tmp_path / "run")
