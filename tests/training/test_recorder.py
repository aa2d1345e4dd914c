"""What a run records of its epochs, and when it stops, without training."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.tiny_recipes import tiny

from perceivers.training import engine, recorder
from perceivers.training.curves import curves
from perceivers.training.recorder import Recorder, epoch_line, format_duration
from perceivers.training.scores import LOSS, scores_of


def recorder_of(monitor, patience, values):
    """Return a recorder after epochs with the given (score, loss), and when it stopped."""
    recorder = Recorder(Path("unused"), monitor, patience)
    trainer = SimpleNamespace(max_epochs=99, should_stop=False)
    for epoch, (score, loss) in enumerate(values, 1):
        row = {"epoch": epoch, monitor: score, "val_loss": loss}
        if not recorder.best or recorder._rank(row) > recorder._rank(recorder.best):
            recorder.best = row
        recorder.rows.append(row)
        recorder._stop_early(trainer)
        if trainer.should_stop:
            return recorder, epoch
    return recorder, None


def test_of_equal_scores_the_one_with_the_lower_loss_is_better():
    """On a few validation examples most epochs have equal scores."""
    values = [(0.8, 0.5), (0.9, 0.4), (0.9, 0.3), (0.9, 0.35), (0.7, 0.2)]
    assert recorder_of("val_macro_f1", 0, values)[0].best["epoch"] == 3


def test_a_lower_loss_is_an_improvement_too():
    values = [(0.9, 0.5), (0.8, 0.4), (0.8, 0.3), (0.8, 0.2), (0.8, 0.3), (0.8, 0.3), (0.8, 0.3)]
    recorder, stopped = recorder_of("val_top1", 2, values)
    assert (stopped, recorder.best["epoch"]) == (6, 1)
    assert "neither val_top1 nor val_loss has improved since epoch 4" in recorder.stopped_early


@pytest.mark.parametrize("monitor", ["val_balanced_accuracy", "val_loss"])
def test_curves_mark_the_best_epoch_and_draw_the_monitored_score(monitor):
    recorder = Recorder(Path("unused"), monitor)
    labels = tuple("abc")
    learner = SimpleNamespace(
        targets=SimpleNamespace(scores=(LOSS, *scores_of("classification", labels)))
    )
    score = recorder._drawn(learner)
    assert score.name == ("top1" if monitor == "val_loss" else "balanced_accuracy")
    rows = [
        {
            "epoch": n,
            **{f"{s}_{name}": 0.1 for s in ("train", "val") for name in ("loss", score.name)},
        }
        for n in (1, 2, 3)
    ]
    _, axes = curves({"": rows}, (LOSS, score), 2).axes
    assert axes.get_ylabel() == f"{score.title}, %"
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["training", "validation", "best epoch: 2"]
    alone, _ = curves({"": rows[:1]}, (LOSS, score), 1).axes
    low, high = alone.get_xlim()
    assert [tick for tick in alone.get_xticks() if low < tick < high] == [1]  # no half epochs


@pytest.mark.parametrize("runs", [1, 2])
def test_curves_of_runs_without_validation_name_what_they_draw(runs):
    rows = [{"epoch": n, "train_loss": 0.1} for n in (1, 2)]
    (axes,) = curves(dict.fromkeys("ab"[:runs], rows), (LOSS,)).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == (["training"] if runs == 1 else ["a", "b"])


def test_epoch_lines_fit_100_columns():
    """Nine of them are for the time in log.txt; what matters least is left out."""
    scores = (LOSS, *scores_of("classification", tuple("abcdefg")))
    values = {f"{split}_{s.name}": 1.0 for split in ("train", "val") for s in scores}
    for epoch, epochs, seconds in ((1, 3, 0.2), (12, 60, 3.1), (99, 999, 4000.0)):
        line = epoch_line({"epoch": epoch, "seconds": seconds, **values}, scores, epochs)
        assert len(line) <= 91
        assert line.startswith(f"epoch {epoch}/{epochs}: train loss 1.00 ")
        assert "F1 100%" in line
        assert line.endswith(" left")
    long = (LOSS, *scores_of("regression", ["a very long name [of a unit that fills the line]"]))
    values = {f"{split}_{s.name}": 1e6 for split in ("train", "val") for s in long}
    assert len(epoch_line({"epoch": 1, "seconds": 1.0, **values}, long, 9)) <= 91


def test_format_duration():
    assert [format_duration(s) for s in (5, 125, 3725)] == ["0:05", "2:05", "1:02:05"]


@pytest.mark.parametrize(("pause", "drawings"), [(60, 1), (-1, 4)])
def test_curves_are_drawn_at_the_end_and_after_a_pause(
    tmp_path, monkeypatch, drawn_curves, pause, drawings
):
    drawn = []
    monkeypatch.setattr(recorder, "DRAW_SECONDS", pause)
    monkeypatch.setattr(recorder, "curves", lambda *a: drawn.append(len(a[0][""])) or curves(*a))
    engine.train(tiny(3), tmp_path / "run")
    assert len(drawn) == drawings
    assert drawn[-1] == 3
    assert (tmp_path / "run" / "curves.png").exists()
