"""The files that a run writes at each epoch: best weights, metrics.csv and curves.png."""

import csv
import io
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import WeightAveraging
from typing_extensions import override

from ..checkpoint import save_weights
from ..files import write_if_possible
from .curves import Row, curves
from .optim import learning_rate
from .scores import LAST, LOSS, Score, monitor_mode, monitored
from .summaries import summary
from .task import Learner

log = logging.getLogger(__name__)

DRAW_SECONDS = 10  # between two drawings of the curves: one takes as long as a short epoch
MAX_LINE = 91  # characters of an epoch's line; with the time in front of it in log.txt, 100


class Recorder(pl.Callback):
    """Callback that keeps the run directory up to date, so that a stopped run is always usable.

    The weights are saved after each validation that is the best so far, or after each epoch if
    those of the last are to be kept; if the weights are averaged, the average is in place then.
    After each epoch metrics.csv is written and one line is
    logged; curves.png is drawn every ten seconds at most, and at the end, however it comes. The
    records are part of checkpoints, so that those of a resumed run have no gap. Early stopping
    follows from the records alone, so that a resumed run stops at the same epoch, and a patience
    that is changed at resume applies.

    Args:
        run_dir: directory to write to.
        monitor: score that decides which weights are best, such as "val_loss" or "val_top1"; or
            `LAST`.
        patience: epochs without a better score or a lower validation loss after which training
            stops; 0: it does not.
    """

    def __init__(self, run_dir: Path, monitor: str, patience: int = 0) -> None:
        self.run_dir = run_dir
        self.monitor = monitor
        self.patience = patience
        self.stopped_early: str | None = None
        self.rows: list[Row] = []
        self.best: Row = {}
        self._validation: Row = {}
        self._started = 0.0
        self._drew = 0.0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best": self.best}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best = state_dict["rows"], state_dict["best"]

    @override
    def on_train_start(self, trainer: pl.Trainer, learner: Learner) -> None:
        self._drew = time.perf_counter()
        self._stop_early(trainer)  # a resumed run that had stopped already

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
        if self._is_best():
            self._keep(trainer, learner)

    def _is_best(self) -> bool:
        """Return whether the weights of the epoch that was just validated are to be kept."""
        if self.monitor == LAST or not self.best:
            return True
        return self._rank(self._validation) > self._rank(self.best)

    def _keep(self, trainer: pl.Trainer, learner: Learner) -> None:
        self.best = {"epoch": trainer.current_epoch + 1, **self._validation}
        save_weights(learner.model, self.run_dir)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        seconds = time.perf_counter() - self._started
        scores = learner.targets.scores
        if not self._validation:  # there are no validation examples
            with averaged_weights(trainer, learner):
                self._keep(trainer, learner)
        train_values = summary(learner.train_scores)
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            **{f"train_{score.name}": train_values[score.name] for score in scores},
            **self._validation,
            "lr": learning_rate(trainer.optimizers[0]),
            "seconds": seconds,
        }
        self.rows.append(row)
        write_if_possible(self.run_dir / "metrics.csv", lambda path: path.write_text(self._csv()))
        if time.perf_counter() - self._drew > DRAW_SECONDS:
            self._draw_curves(learner)
        if trainer.logger is not None:
            trainer.logger.log_metrics(row, step=trainer.global_step)
        log.info(epoch_line(row, scores, trainer.max_epochs or 0))
        self._stop_early(trainer)

    @override
    def on_train_end(self, trainer: pl.Trainer, learner: Learner) -> None:
        self._draw_curves(learner)

    @override
    def on_exception(self, trainer: pl.Trainer, learner: Learner, exception: BaseException) -> None:
        self._draw_curves(learner)

    def summary(self) -> dict[str, Any]:
        """Return the number of epochs, their time in seconds, the best one and why it stopped."""
        seconds = sum(row["seconds"] for row in self.rows)
        return {
            "epochs": len(self.rows),
            "train_seconds": seconds,
            "best": self.best,
            "best_by": self.monitor,
            "stopped_early": self.stopped_early,
        }

    def _rank(self, row: Row) -> tuple[float, float]:
        """Return what is higher for better weights; equal scores, of few examples, are common."""
        sign = 1 if monitor_mode(self.monitor) == "max" else -1
        return sign * row[self.monitor], -row["val_loss"]

    def _stop_early(self, trainer: pl.Trainer) -> None:
        """Stop the training, and say why, if the last improvement is too long ago.

        A lower loss is an improvement too: the scores of few examples change in large steps.
        """
        epoch = len(self.rows)
        if not self.patience or not self.rows or epoch >= (trainer.max_epochs or 0):
            return
        lowest = min(self.rows, key=lambda row: row["val_loss"])
        improved = int(max(self.best["epoch"], lowest["epoch"]))
        if epoch - improved >= self.patience:
            names = dict.fromkeys((self.monitor, "val_loss"))
            what = "neither " + " nor ".join(names) if len(names) > 1 else self.monitor
            has = "has" if len(names) > 1 else "has not"
            self.stopped_early = (
                f"stopped after epoch {epoch} of {trainer.max_epochs}: {what} {has} improved since "
                f"epoch {improved} (--trainer.patience {self.patience})"
            )
            log.info(self.stopped_early)
            trainer.should_stop = True

    def _draw_curves(self, learner: Learner) -> None:
        if self.rows:
            best = 0 if self.monitor == LAST else self.best["epoch"]
            figure = curves({"": self.rows}, (LOSS, self._drawn(learner)), best)
            write_if_possible(
                self.run_dir / "curves.png",
                lambda path: figure.savefig(path, dpi=110, format="png"),
            )
            self._drew = time.perf_counter()

    def _drawn(self, learner: Learner) -> Score:
        """Return the score to draw beside the loss: the monitored one or the task's main score."""
        name = monitored(self.monitor).name if self.monitor != LAST else ""
        return next(
            (s for s in learner.targets.scores[1:] if s.name == name), learner.targets.scores[1]
        )

    def _csv(self) -> str:
        text = io.StringIO()
        # A run that an earlier version began has fewer scores in its first rows.
        writer = csv.DictWriter(text, {name: None for row in self.rows for name in row})
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


@contextmanager
def averaged_weights(trainer: pl.Trainer, learner: Learner) -> Iterator[None]:
    """Put the averaged weights in place of the trained ones, if the run averages them.

    Args:
        trainer: trainer of the run.
        learner: holds the model.
    """
    averages = [x for x in trainer.callbacks if isinstance(x, WeightAveraging)]  # type: ignore[attr-defined]
    for average in averages:
        average.on_validation_epoch_start(trainer, learner)
    try:
        yield
    finally:
        for average in averages:
            average.on_validation_epoch_end(trainer, learner)


def epoch_line(row: Row, scores: Sequence[Score], max_epochs: int) -> str:
    """Return the line that is logged after an epoch, of at most `MAX_LINE` characters.

    What does not fit is left out, the least important first: the seconds of the epoch, the later
    scores of the task, the score of the training split.

    Args:
        row: the epoch's record, as in metrics.csv.
        scores: scores of the task with the loss, the main score second.
        max_epochs: number of epochs of the run.
    """
    remaining = format_duration((max_epochs - row["epoch"]) * row["seconds"])
    left = f"{remaining} left"

    def line(num_train: int, num_val: int, times: str) -> str:
        train = " ".join(s.brief(row[f"train_{s.name}"]) for s in scores[:num_train])
        parts = [f"epoch {row['epoch']}/{max_epochs}: train {train}"]
        if "val_loss" in row:
            val = " ".join(s.brief(row[f"val_{s.name}"]) for s in scores[:num_val])
            parts.append(f"val {val}")
        return " | ".join([*parts, times])

    shown = [(2, len(scores), f"{row['seconds']:.0f} s, {left}")]
    shown += [(2, count, left) for count in range(len(scores), 2, -1)]
    shown += [(1, 3, left), (1, 2, left), (1, 1, left)]
    lines = [line(*parts) for parts in shown]
    return next((text for text in lines if len(text) <= MAX_LINE), lines[-1][:MAX_LINE])


def format_duration(seconds: float) -> str:
    """Format a duration as h:mm:ss, or as m:ss if it is less than an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
