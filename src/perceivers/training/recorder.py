"""What a run writes while it goes: best weights, metrics.csv, curves.png, a line an epoch."""

import csv
import io
import logging
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ..checkpoint import save_weights
from ..files import write_atomically
from .scores import LOSS, Score, mode_of
from .targets import summary
from .task import Learner

log = logging.getLogger(__name__)

Row = dict[str, float]


class Recorder(pl.Callback):
    """Keeps the run directory up to date, so that a run stopped at any moment is usable.

    Args:
        run_dir: where to write.
        monitor: the score that says which weights are best, such as "val_loss" or "val_top1".
    """

    def __init__(self, run_dir: Path, monitor: str) -> None:
        self.run_dir = run_dir
        self.monitor = monitor
        self.rows: list[Row] = []
        self.best: Row = {}
        self._validation: Row = {}
        self._started = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Goes into the checkpoint, so that a resumed run's records have no gap."""
        return {"rows": self.rows, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Comes from the checkpoint."""
        self.rows, self.best = state_dict["rows"], state_dict["best"]

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Begin the epoch's clock and scores."""
        learner.train_scores.reset()
        self._started = time.perf_counter()

    def on_validation_epoch_start(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Begin the validation scores."""
        learner.val_scores.reset()

    def on_validation_epoch_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Save the weights if no epoch was better. With an average of weights, it is in place."""
        scores = summary(learner.val_scores)
        self._validation = {f"val_{s.name}": scores[s.name] for s in learner.targets.scores}
        score = self._validation[self.monitor]
        sign = 1 if mode_of(self.monitor) == "max" else -1
        if not self.best or sign * score > sign * self.best[self.monitor]:
            self.best = {"epoch": trainer.current_epoch + 1, **self._validation}
            save_weights(learner.model, self.run_dir)

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Write the epoch down."""
        seconds = time.perf_counter() - self._started
        scores = summary(learner.train_scores)
        shown = learner.targets.scores
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            **{f"train_{s.name}": scores[s.name] for s in shown},
            **self._validation,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": seconds,
        }
        self.rows.append(row)
        write_atomically(self.run_dir / "metrics.csv", lambda path: path.write_text(self._csv()))
        write_atomically(
            self.run_dir / "curves.png", lambda path: draw_curves(self.rows, shown[1], path)
        )
        if trainer.logger is not None:
            trainer.logger.log_metrics(row, step=trainer.global_step)
        left = (trainer.max_epochs or 0) - trainer.current_epoch - 1
        log.info(
            "epoch %d/%d: train %s | validation %s | %.0f s, at most %s left",
            row["epoch"],
            trainer.max_epochs,
            " ".join(s.say(row[f"train_{s.name}"]) for s in shown[:2]),
            " ".join(s.say(row[f"val_{s.name}"]) for s in shown),
            seconds,
            duration(left * seconds),
        )

    def summary(self) -> dict[str, Any]:
        """What `metrics.json` says of the whole run: epochs, their seconds, the best one."""
        seconds = sum(row["seconds"] for row in self.rows)
        return {"epochs": len(self.rows), "train_seconds": seconds, "best": self.best}

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.rows[0])
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def draw_curves(rows: list[Row], score: Score, path: Path) -> None:
    """Loss and a score of training and validation over the epochs, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, shown in zip(figure.subplots(1, 2), (LOSS, score), strict=True):
        scale = 100 if shown.form.endswith("%") else 1
        for split, name in (("train", "training"), ("val", "validation")):
            values = [scale * row[f"{split}_{shown.name}"] for row in rows]
            axes.plot(epochs, values, label=name, marker="." if len(rows) < 40 else "")
        axes.set(xlabel="epoch", ylabel=shown.axis)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110, format="png")


def duration(seconds: float) -> str:
    """1:02:03, or 2:03 under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
