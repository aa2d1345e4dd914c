"""Train, resume and evaluate a recipe, in a run directory."""

import dataclasses
import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from .. import __version__
from ..checkpoint import load, read_config, read_json, save_weights, write_config, write_json
from ..data.mixing import check_mixing
from ..data.splits import EVALUATED, Splits
from ..machine import describe_machine
from ..models.build import build, build_on_meta
from ..models.classifier import PerceiverClassifier
from ..models.config import ModelConfig, from_dict, to_dict
from .batches import batches, measure_normalisation
from .loop import (
    LAST_CHECKPOINT,
    Interrupted,
    interruptible,
    log_file,
    make_callbacks,
    make_trainer,
    quiet_lightning,
)
from .optim import check_schedule
from .recipe import Recipe
from .recipe_data import (
    absolute_path,
    check_labels,
    fit_to_data,
    read_recipe_splits,
    renumber_labels,
)
from .recorder import Recorder
from .scores import check_monitor
from .targets import by_label, summary, targets_of
from .task import Learner

log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"


def train(recipe: Recipe, run_dir: Path, *, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Train a recipe and write the results to a new run directory.

    Args:
        recipe: model, data, optimiser and loop.
        run_dir: directory to write to; must be empty or not exist.
        notes: lines to write at the beginning of `log.txt`.

    Returns:
        The content of `metrics.json`: validation scores of the best epoch, test scores, times, and
        whether the run was interrupted.

    Raises:
        FileExistsError: the directory is not empty.
        ValueError: bad data or configuration, or the training diverged.
        OSError: data that cannot be read, or a file that cannot be written.
    """
    check_unused(run_dir)
    build_on_meta(recipe.model)  # fails on an impossible model before the data is read
    check_mixing(recipe.data, recipe.model.input)
    check_schedule(recipe.optimizer, recipe.trainer.max_epochs)
    splits = read_recipe_splits(recipe)
    recipe = fit_to_data(recipe, splits)
    torch.manual_seed(recipe.trainer.seed)
    model = build(recipe.model, splits.labels)
    measure_normalisation(model.adapter, splits.examples["train"])
    targets_of(model).measure(splits.examples["train"].labels)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_config(
        run_dir, model=to_dict(recipe.model), labels=list(splits.labels), recipe=to_dict(recipe)
    )
    with log_file(run_dir, notes), quiet_lightning():
        return _fit(model, recipe, splits, run_dir, checkpoint=None)


def check_unused(run_dir: Path) -> None:
    """Check that a new run can be written to a directory.

    Args:
        run_dir: directory of the new run.

    Raises:
        FileExistsError: it is a file, or a directory that is not empty.
    """
    if run_dir.is_file() or (run_dir.is_dir() and any(run_dir.iterdir())):
        raise FileExistsError(
            f"{run_dir} exists already; choose another --out, or continue that run: "
            f"perceivers train {run_dir} --resume"
        )


def resume(run_dir: Path, recipe: Recipe) -> dict[str, Any]:
    """Continue a run after its last complete epoch, with the results of an uninterrupted run.

    Args:
        run_dir: run directory that `train` wrote.
        recipe: the recipe from `read_recipe`, possibly changed (more epochs, another data path).

    Returns:
        The content of `metrics.json`, as from `train`.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: the model or the labels of the data differ from the run's, the checkpoint is
            damaged, or as in `train`.
        OSError: as in `train`.
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
    check_monitor(recipe.trainer.monitor, recipe.model.task)
    _check_checkpoint(checkpoint)
    splits = read_recipe_splits(recipe)
    if (splits.task, list(splits.labels)) != (recipe.model.task, config["labels"]):
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, but the run was "
            f"trained on {recipe.model.task} labels {config['labels'][:10]}; use the same data"
        )
    write_config(run_dir, recipe=to_dict(recipe))
    model = build(recipe.model, splits.labels)
    with log_file(run_dir), quiet_lightning():
        return _fit(model, recipe, splits, run_dir, checkpoint)


def read_recipe(run_dir: Path) -> Recipe:
    """Read the recipe of a training run.

    Args:
        run_dir: run directory that `train` wrote.

    Raises:
        ValueError: the directory holds a saved model without a recipe.
        OSError: the directory does not exist or cannot be read.
    """
    config = read_config(run_dir)
    if "recipe" not in config:
        raise ValueError(f"{run_dir} is a saved model, not a training run: it has no recipe")
    return from_dict(Recipe, config["recipe"], "recipe")


def evaluate(run_dir: Path, data_path: str | None = None, *, clips: int = 1) -> dict[str, Any]:
    """Score a run's best weights on its test split and add the scores to its `metrics.json`.

    Args:
        run_dir: run directory that `train` wrote.
        data_path: other data to score, with the labels of the model or, except for regression,
            some of them. The first of its test, validation and train splits that exists is scored;
            data without splits is scored whole. None: the test split of the run's own data.
        clips: number of parts of each sound or video whose predictions are averaged; 1: the
            middle, as in training.

    Returns:
        A dictionary with "loss", "examples" (their number), "data" (its path or name), "clips" if
        there are several, and the scores of the task: "top1" and "top5"; "map" and "f1"; or "mae",
        in the data's units, and "r2". Shares are of 1. With several labels or numbers these two
        scores are averages, and "by_label" has those of each label.

    Raises:
        ValueError: the data does not fit the model, or it cannot be read in clips.
        OSError: the run or the data cannot be read.
    """
    recipe = read_recipe(run_dir)
    model = load(run_dir)
    if data_path is not None:
        data = dataclasses.replace(recipe.data, path=absolute_path(data_path))
        recipe = dataclasses.replace(recipe, data=data)
    splits = read_recipe_splits(recipe, hold_out=data_path is None, scored=True, clips=clips)
    check_labels(model, splits)
    renumber_labels(model.labels, splits)
    scores = _test(model, recipe, splits)
    scores["data"] = recipe.data.path or recipe.data.name
    if clips > 1:
        scores["clips"] = clips
    path = run_dir / METRICS_FILE
    write_json(path, {**(read_json(path) if path.exists() else {}), "eval": scores})
    return scores


def _fit(
    model: PerceiverClassifier,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """Train a model, from a checkpoint if there is one, test it and write `metrics.json`."""
    config = recipe.trainer
    recorder = Recorder(run_dir, config.monitor)
    trainer = make_trainer(
        config,
        max_epochs=config.max_epochs,
        callbacks=make_callbacks(config, run_dir, recorder),
        logger=TensorBoardLogger(run_dir, name="tensorboard", version=""),
    )
    machine = describe_machine(trainer.strategy.root_device)
    parameters = sum(p.numel() for p in model.parameters())
    log.info("%s, %.2fM parameters, on %s", recipe.name, parameters / 1e6, machine)
    interrupted = _run_epochs(trainer, Learner(model, recipe), splits, run_dir, checkpoint)
    if interrupted and not recorder.best:
        save_weights(model, run_dir)  # so that the run can be loaded
    result = {
        "recipe": recipe.name,
        "perceivers": __version__,
        "machine": machine,
        "task": model.config.task,
        "parameters": parameters,
        "train_examples": len(splits.examples["train"]),
        "skipped_files": list(splits.skipped),
        **recorder.summary(),
        "interrupted": interrupted,
    }
    if not interrupted and "test" in splits.examples:
        result["test"] = _test(load(run_dir), recipe, splits)
    write_json(run_dir / METRICS_FILE, result)
    return result


def _run_epochs(
    trainer: pl.Trainer, learner: Learner, splits: Splits, run_dir: Path, checkpoint: Path | None
) -> bool:
    """Train and validate all epochs; return whether the user interrupted the run."""
    recipe, pin_memory = learner.recipe, _uses_gpu(trainer)
    train_loader = batches(
        splits.examples["train"],
        recipe.data,
        shuffle_seed=recipe.trainer.seed,
        pin_memory=pin_memory,
    )
    val_loader = batches(splits.examples["validation"], recipe.data, pin_memory=pin_memory)
    try:
        with interruptible(trainer):
            trainer.fit(learner, train_loader, val_loader, ckpt_path=checkpoint, weights_only=True)
    except OSError as error:
        if error.strerror is None:
            raise  # its message already says what could not be written, and what is saved
        raise OSError(
            f"could not write to {run_dir}: {error.strerror}; the files of the last complete epoch "
            f"are kept. Free some space, then: perceivers train {run_dir} --resume"
        ) from error
    except Interrupted:
        log.info("stopped; to continue: perceivers train %s --resume", run_dir)
        return True
    return False


def _check_checkpoint(path: Path) -> None:
    """Refuse a damaged checkpoint, or one that would run code, before any work is done."""
    try:
        torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} is damaged, truncated or not a checkpoint ({str(error).splitlines()[0]}); the "
            f"best weights are still in {path.parents[1]}: use them, or start a new run"
        ) from None


def _test(model: PerceiverClassifier, recipe: Recipe, splits: Splits) -> dict[str, Any]:
    """Score a model on the first of the `EVALUATED` splits that exists."""
    examples = next(splits.examples[name] for name in EVALUATED if name in splits.examples)
    learner = Learner(model, recipe)
    with quiet_lightning():
        trainer = make_trainer(recipe.trainer, callbacks=[TQDMProgressBar()], logger=False)
        loader = batches(examples, recipe.data, pin_memory=_uses_gpu(trainer))
        trainer.test(learner, loader, verbose=False)
    each = by_label(learner.test_scores, model.labels)
    return {
        **summary(learner.test_scores),
        **({"by_label": each} if each else {}),
        "examples": len(examples),
    }


def _uses_gpu(trainer: pl.Trainer) -> bool:
    """Return whether batches are copied to a GPU, for which they should be in pinned memory."""
    return trainer.strategy.root_device.type == "cuda"
