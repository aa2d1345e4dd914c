"""Train, resume and evaluate a recipe, in a run directory."""

import itertools
import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from typing_extensions import override

from .. import __version__
from ..checkpoint import (
    check_rebuildable,
    check_weights,
    load_weights,
    read_config,
    read_run_id,
    save_weights,
    write_config,
)
from ..checksums import new_run_id
from ..data.examples import FileExamples
from ..data.mixing import check_mixing
from ..data.splits import Splits
from ..files import is_unused, json_text, lock, remove_leftovers, write_if_possible
from ..machine import describe_machine, placement
from ..modalities.adapter import Adapter
from ..models.build import build, build_on_meta
from ..models.classifier import PerceiverClassifier
from ..models.config import ModelConfig, from_dict, to_dict
from .batches import batches, is_normalised, measure_normalisation
from .checkpoint_io import AtomicCheckpointIO, bad_checkpoint
from .continuation import Continuation, check_changes
from .evaluation import METRICS_FILE, score, uses_gpu
from .events import EventsLogger
from .logs import log_file, remembered_log
from .loop import (
    LAST_CHECKPOINT,
    Interrupted,
    interruptible,
    make_callbacks,
    make_trainer,
    quiet_lightning,
)
from .optim import check_schedule
from .recipe import Recipe
from .recipe_data import (
    absolute_path,
    check_outputs,
    fit_to_data,
    measure_files,
    read_recipe,
    read_recipe_splits,
    read_saved_splits,
)
from .recorder import Recorder
from .results import result_lines
from .targets import targets_of
from .task import Learner, seed_generators

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    run_dir: Path,
    *,
    notes: Sequence[str] = (),
    model: PerceiverClassifier | None = None,
    splits: Splits | None = None,
) -> dict[str, Any]:
    """Train a recipe and write the results to a new run directory.

    Args:
        recipe: model, data, optimiser and loop.
        run_dir: directory to write to; must be empty or not exist.
        notes: lines to write at the beginning of `log.txt`.
        model: model to train; None: a new one of the recipe's configuration. Normalising constants
            that it has are kept.
        splits: examples to train on; None: those that the recipe names.

    Returns:
        The content of `metrics.json`: validation scores of the best epoch, test scores (without a
        test split: those of the validation split, with the scores of each class), times, why the
        training stopped early ("stopped_early", or None), and the signal that interrupted the run
        ("SIGINT", "SIGTERM"), or False.

    Raises:
        FileExistsError: the directory is not empty.
        BlockingIOError: another process has just begun to write to it.
        ValueError: bad data or configuration, or the training diverged.
        OSError: data that cannot be read, or a file that cannot be written.
    """
    check_unused(run_dir)
    placement(recipe.trainer.device, recipe.trainer.precision)  # or an error, before anything else
    if model is None:
        build_on_meta(recipe.model)  # fails on an impossible model before the data is read
    else:
        check_rebuildable(model)
    check_mixing(recipe.data, recipe.model.input)
    check_schedule(recipe.optimizer, recipe.trainer.max_epochs)
    with remembered_log() as said:
        if splits is None and model is None:
            recipe, measured = measure_files(recipe)
            for line in measured:
                log.info(line)
        splits = splits or read_recipe_splits(recipe, identify=True)
        for line in splits.lines():
            log.info("%s", line)
        for line in splits.record.describe_copies() if splits.record else ():
            log.warning("%s", line)
    notes = [*notes, *said.lines()]
    recipe = fit_to_data(recipe, splits)
    seed_generators(recipe.trainer.seed)
    if model is None:
        model = build(recipe.model, splits.labels)
    else:
        check_outputs(model, recipe.model)
        model.labels = splits.labels
    if is_normalised(model.adapter):
        kept = "the model keeps its own normalising constants; they are not measured again"
        log.info(kept)
        notes = [*notes, kept]
    else:
        measure_normalisation(model.adapter, splits.examples["train"])
    targets_of(model).measure(splits.examples["train"].labels)
    run_dir.mkdir(parents=True, exist_ok=True)
    with lock(run_dir):
        check_unused(run_dir)  # another process may have begun here while the data was read
        write_config(
            run_dir,
            id=new_run_id(),
            model=to_dict(recipe.model),
            labels=list(splits.labels),
            recipe=to_dict(recipe),
        )
        if splits.record:
            splits.record.write(run_dir)
        return _fit_logged(model, recipe, splits, run_dir, None, notes)


def check_unused(run_dir: Path) -> None:
    """Check that a new run can be written to a directory.

    Args:
        run_dir: directory of the new run.

    Raises:
        FileExistsError: it is a file, or a directory that is not empty.
    """
    if run_dir.is_file() or (run_dir.is_dir() and not is_unused(run_dir)):
        raise FileExistsError(
            f"{run_dir} exists already; choose another --out, or continue that run: "
            f"perceivers train {run_dir} --resume"
        )


def resume(
    run_dir: Path,
    recipe: Recipe,
    *,
    splits: Splits | None = None,
    adapter: Adapter | None = None,
) -> dict[str, Any]:
    """Continue a run after its last complete epoch, with the results of an uninterrupted run.

    Args:
        run_dir: run directory that `train` wrote.
        recipe: the recipe from `read_recipe`, possibly changed (more epochs, another data path).
        splits: the examples of the run; None: those that the recipe names.
        adapter: the adapter of a model that was built with one of the user's own.

    Returns:
        The content of `metrics.json`, as from `train`.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: the model or the labels of the data differ from the run's, the checkpoint is
            damaged, or as in `train`.
        OSError: as in `train`.
    """
    read_config(run_dir)  # or an error, before anything is written
    with lock(run_dir):
        remove_leftovers(run_dir)
        remove_leftovers(run_dir / LAST_CHECKPOINT.parent)
        return _resume(run_dir, recipe, splits, adapter)


def _resume(
    run_dir: Path, recipe: Recipe, splits: Splits | None, adapter: Adapter | None
) -> dict[str, Any]:
    """Continue a run whose directory is locked."""
    check_resumable(run_dir, recipe)
    run, labels = read_recipe(run_dir), read_config(run_dir)["labels"]
    with remembered_log() as said:
        splits = splits or read_recipe_splits(recipe, saved=read_saved_splits(run_dir))
        for line in splits.lines():
            log.info("%s", line)
    if (splits.task, list(splits.labels)) != (recipe.model.task, labels):
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, but the run was "
            f"trained on {recipe.model.task} labels {labels[:10]}; use the same data"
        )
    path = absolute_path(recipe.data.path)
    recipe = replace(recipe, data=replace(recipe.data, path=path, task=splits.task))
    model = build(recipe.model, splits.labels, adapter=adapter)

    def write() -> None:
        write_config(run_dir, recipe=to_dict(recipe))

    checkpoint, continuation = run_dir / LAST_CHECKPOINT, Continuation(run, recipe, write)
    result = _fit_logged(model, recipe, splits, run_dir, checkpoint, said.lines(), [continuation])
    write()  # if no epoch was left
    return result


def check_resumable(run_dir: Path, recipe: Recipe) -> int:
    """Check that a run can be continued with a recipe. Nothing is written, and no data is read.

    Args:
        run_dir: run directory that `train` wrote.
        recipe: the recipe from `read_recipe`, possibly changed.

    Returns:
        The number of epochs that the run has completed.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: the checkpoint is damaged, or the recipe differs from the run's in an option
            that cannot be applied to the rest of the run.
    """
    config = read_config(run_dir)
    checkpoint = run_dir / LAST_CHECKPOINT
    if not checkpoint.exists():
        raise FileNotFoundError(
            f"{run_dir} has no {LAST_CHECKPOINT}: the run was stopped before its first epoch "
            f"ended; start a new run: perceivers train {recipe.name}"
        )
    if recipe.model != from_dict(ModelConfig, config["model"], "model"):
        raise ValueError(
            f"the --model options differ from those that {run_dir} was started with, and a resumed "
            "run cannot change its model; leave them out, or start a new run"
        )
    placement(recipe.trainer.device, recipe.trainer.precision)
    check_mixing(recipe.data, recipe.model.input)
    epochs_done = AtomicCheckpointIO(config.get("id")).check(checkpoint)
    check_weights(run_dir)
    check_changes(read_recipe(run_dir), recipe, epochs_done)
    check_schedule(recipe.optimizer, recipe.trainer.max_epochs)
    return epochs_done


def _fit_logged(
    model: PerceiverClassifier,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
    notes: Sequence[str],
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Any]:
    """Train as `_fit` does, with a log file that begins with notes and ends with the result."""
    with log_file(run_dir, notes) as write, quiet_lightning():
        result = _fit(model, recipe, splits, run_dir, checkpoint, callbacks)
        for line in result_lines(result, model.config.task, model.labels, run_dir):
            write(line)
    return result


def _fit(
    model: PerceiverClassifier,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
    callbacks: Sequence[pl.Callback] = (),
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
    if not interrupted:
        load_weights(model, run_dir)
        scored = "test" if "test" in splits.examples else "validation"
        result[scored] = score(model, recipe, splits)
    result["skipped_files"] = _skipped(splits)
    write_if_possible(run_dir / METRICS_FILE, lambda part: part.write_text(json_text(result)))
    return result


def _skipped(splits: Splits) -> list[str]:
    """Return the names of all unreadable files, each once."""
    found = [x.skipped for x in splits.examples.values() if isinstance(x, FileExamples)]
    return list(dict.fromkeys([*splits.skipped, *itertools.chain(*found)]))


def _run_epochs(
    trainer: pl.Trainer, learner: Learner, splits: Splits, run_dir: Path, checkpoint: Path | None
) -> signal.Signals | None:
    """Train and validate all epochs; return the signal that stopped the run, if one did."""
    recipe, pin_memory = learner.recipe, uses_gpu(trainer)
    train_loader = batches(
        splits.examples["train"],
        recipe.data,
        shuffle_seed=recipe.trainer.seed,
        pin_memory=pin_memory,
    )
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
