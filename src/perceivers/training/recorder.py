"""The files that a run writes at each epoch: best weights, metrics.csv and curves.png."""

import csv
import io
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from typing_extensions import override

from ..checkpoint import save_weights
from ..files import write_atomically
from .scores import LOSS, Score, monitor_mode
from .targets import summary
from .task import Learner

log = logging.getLogger(__name__)

Row = dict[str, float]


class Recorder(pl.Callback):
    """Callback that keeps the run directory up to date, so that a stopped run is always usable.

    The weights are saved after each validation that is the best so far; if the weights are
    averaged, the average is in place then. After each epoch metrics.csv and curves.png are written
    and one line is logged. The records are part of checkpoints, so that those of a resumed run have
    no gap.

    Args:
        run_dir: directory to write to.
        monitor: score that decides which weights are best, such as "val_loss" or "val_top1".
    """

    def __init__(self, run_dir: Path, monitor: str) -> None:
        self.run_dir = run_dir
        self.monitor = monitor
        self.rows: list[Row] = []
        self.best: Row = {}
        self._validation: Row = {}
        self._started = 0.0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best": self.best}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best = state_dict["rows"], state_dict["best"]

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, learner: Learner) -> None:
        learner.train_scores.reset()
        self._started = time.perf_counter()

    @override
    def on_validation_epoch_start(self, trainer: pl.Trainer, learner: Learner) -> None:
        learner.val_scores.reset()

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        scores = summary(learner.val_scores)
        self._validation = {f"val_{s.name}": scores[s.name] for s in learner.targets.scores}
        score = self._validation[self.monitor]
        sign = 1 if monitor_mode(self.monitor) == "max" else -1
        if not self.best or sign * score > sign * self.best[self.monitor]:
            self.best = {"epoch": trainer.current_epoch + 1, **self._validation}
            save_weights(learner.model, self.run_dir)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        seconds = time.perf_counter() - self._started
        scores = learner.targets.scores
        train_values = summary(learner.train_scores)
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            **{f"train_{score.name}": train_values[score.name] for score in scores},
            **self._validation,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": seconds,
        }
        self.rows.append(row)
        write_atomically(self.run_dir / "metrics.csv", lambda path: path.write_text(self._csv()))
        write_atomically(
            self.run_dir / "curves.png", lambda path: draw_curves(self.rows, scores[1], path)
        )
        if trainer.logger is not None:
            trainer.logger.log_metrics(row, step=trainer.global_step)
        _log_epoch(row, scores, trainer.max_epochs or 0)

    def summary(self) -> dict[str, Any]:
        """Return the number of epochs, their total time in seconds and the best epoch's row."""
        seconds = sum(row["seconds"] for row in self.rows)
        return {"epochs": len(self.rows), "train_seconds": seconds, "best": self.best}

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.rows[0])
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def _log_epoch(row: Row, scores: Sequence[Score], max_epochs: int) -> None:
    remaining_epochs = max_epochs - row["epoch"]
    log.info(
        "epoch %d/%d: train %s | validation %s | %.0f s, at most %s left",
        row["epoch"],
        max_epochs,
        " ".join(score.format(row[f"train_{score.name}"]) for score in scores[:2]),
        " ".join(score.format(row[f"val_{score.name}"]) for score in scores),
        row["seconds"],
        format_duration(remaining_epochs * row["seconds"]),
    )


def draw_curves(rows: list[Row], score: Score, path: Path) -> None:
    """Plot the loss and one score of training and validation over the epochs.

    Args:
        rows: one row for each epoch, as in metrics.csv.
        score: score to plot beside the loss.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, shown in zip(figure.subplots(1, 2), (LOSS, score), strict=True):
        scale = 100 if shown.format_spec.endswith("%") else 1
        for split, name in (("train", "training"), ("val", "validation")):
            values = [scale * row[f"{split}_{shown.name}"] for row in rows]
            axes.plot(epochs, values, label=name, marker="." if len(rows) < 40 else "")
        axes.set(xlabel="epoch", ylabel=shown.axis)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110, format="png")


def format_duration(seconds: float) -> str:
    """Format a duration as h:mm:ss, or as m:ss if it is less than an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
