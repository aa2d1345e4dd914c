"""Fit a model to its data with Lightning, test it, and write the results of the run."""

import itertools
import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from typing_extensions import override

from .. import __version__
from ..checkpoint import METRICS_FILE, load_weights, read_run_id, save_weights
from ..data.file_examples import FileExamples
from ..data.splits import Splits
from ..files import json_text, write_if_possible
from ..machine import describe_machine
from ..models.base import PerceiverModel
from ..models.config import task_of
from .batches import batches
from .checkpoint_io import AtomicCheckpointIO, bad_checkpoint
from .events import EventsLogger
from .logs import log_file
from .loop import (
    LAST_CHECKPOINT,
    Interrupted,
    interruptible,
    make_callbacks,
    make_trainer,
    quiet_lightning,
)
from .recipe import Recipe
from .recorder import Recorder
from .results import result_lines
from .scoring import Report, score
from .task import Learner

log = logging.getLogger(__name__)


def fit_and_log(
    model: PerceiverModel,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
    notes: Sequence[str],
    callbacks: Sequence[pl.Callback] = (),
    report: Report | None = None,
) -> dict[str, Any]:
    """Train a model, test it, and write `metrics.json` and `log.txt`.

    Args:
        model: model to train.
        recipe: recipe, completed by the data.
        splits: the data.
        run_dir: locked run directory with a `config.json`.
        checkpoint: checkpoint to continue from; None: train from the beginning.
        notes: lines to write at the beginning of `log.txt`.
        callbacks: callbacks besides those of every run.
        report: function that is called with what was scored, after `metrics.json` is written.

    Returns:
        The content of `metrics.json`.

    Raises:
        ValueError: the training diverged, or the checkpoint does not fit.
        OSError: weights or checkpoint cannot be written, or data cannot be read.
    """
    with log_file(run_dir, notes) as write, quiet_lightning():
        result = _fit(model, recipe, splits, run_dir, checkpoint, callbacks, report)
        for line in result_lines(result, task_of(model.config), model.labels, run_dir):
            write(line)
    return result


def _fit(
    model: PerceiverModel,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
    callbacks: Sequence[pl.Callback] = (),
    report: Report | None = None,
) -> dict[str, Any]:
    """Train a model, from a checkpoint if there is one, test it and write `metrics.json`."""
    config = recipe.trainer
    recorder = Recorder(run_dir, config.monitor, config.patience)
    trainer = make_trainer(
        config,
        max_epochs=config.max_epochs,
        callbacks=[*make_callbacks(config, run_dir, recorder), *callbacks],
        logger=EventsLogger(run_dir),
        plugins=[AtomicCheckpointIO(read_run_id(run_dir))],
    )
    machine = describe_machine(trainer.strategy.root_device)
    parameters = sum(p.numel() for p in model.parameters())
    today = time.strftime("%Y-%m-%d")
    log.info("%s, %.2fM parameters, on %s, %s", recipe.name, parameters / 1e6, machine, today)
    interrupted = _run_epochs(trainer, Learner(model, recipe), splits, run_dir, checkpoint)
    if interrupted and not recorder.best:
        save_weights(model, run_dir)  # so that the run can be loaded
    result = {
        "recipe": recipe.name,
        "perceivers": __version__,
        "machine": machine,
        "task": model.config.task,
        "parameters": parameters,
        "train_examples": splits.examples["train"].num_readable,
        "copies_of_training_examples": splits.record.copies() if splits.record else {},
        **recorder.summary(),
        "interrupted": interrupted.name if interrupted else False,
    }
    scored = None
    if not interrupted:
        load_weights(model, run_dir)
        scored = score(model, recipe, splits)
        result[scored.split] = scored.scores
    result["skipped_files"] = _skipped(splits)
    write_if_possible(run_dir / METRICS_FILE, lambda part: part.write_text(json_text(result)))
    if scored and report is not None:
        report(run_dir, model, recipe, scored)
    return result


def _skipped(splits: Splits) -> list[str]:
    """Return the names of all unreadable files, each once."""
    found = [x.skipped for x in splits.examples.values() if isinstance(x, FileExamples)]
    return list(dict.fromkeys([*splits.skipped, *itertools.chain(*found)]))


def _run_epochs(
    trainer: pl.Trainer, learner: Learner, splits: Splits, run_dir: Path, checkpoint: Path | None
) -> signal.Signals | None:
    """Train and validate all epochs; return the signal that stopped the run, if one did."""
    recipe, pin_memory = learner.recipe, trainer.strategy.root_device.type == "cuda"
    train_loader = batches(
        splits.examples["train"],
        recipe.data,
        shuffle_seed=recipe.trainer.seed,
        pin_memory=pin_memory,
    )
    val_loader = None
    if "validation" in splits.examples:
        val_loader = batches(splits.examples["validation"], recipe.data, pin_memory=pin_memory)
    try:
        with interruptible(trainer), _restore_errors(trainer, checkpoint):
            trainer.fit(learner, train_loader, val_loader, ckpt_path=checkpoint, weights_only=True)
    except OSError as error:
        if error.strerror is None:
            raise  # its message already says what could not be written, and what is saved
        raise OSError(
            f"could not write to {run_dir}: {error.strerror}; the files of the last complete epoch "
            f"are kept. Free some space, then: perceivers train {run_dir} --resume"
        ) from error
    except Interrupted as interrupted:
        if (run_dir / LAST_CHECKPOINT).exists():
            log.info("stopped; to continue: perceivers train %s --resume", run_dir)
        else:
            log.info("stopped before the first epoch ended; there is nothing to resume")
        return interrupted.signal
    finally:
        train_loader.close()
        if val_loader is not None:
            val_loader.close()
    return None


class _Begun(pl.Callback):
    """Knows whether training has begun, or its state is still being restored."""

    yes = False

    @override
    def on_sanity_check_start(self, *_: Any) -> None:
        self.yes = True

    @override
    def on_train_start(self, *_: Any) -> None:
        self.yes = True


@contextmanager
def _restore_errors(trainer: pl.Trainer, checkpoint: Path | None) -> Iterator[None]:
    """Turn any error of restoring a checkpoint, before training begins, into a ValueError."""
    begun = _Begun()
    trainer.callbacks.append(begun)  # type: ignore[attr-defined]
    try:
        yield
    except Exception as error:
        if checkpoint is None or begun.yes or isinstance(error, Interrupted):
            raise
        raise bad_checkpoint(checkpoint, error) from error
