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
from ..checkpoint import load, load_weights, read_config, save_weights, write_config
from ..data.mixing import check_mixing
from ..data.splits import EVALUATED, Splits, read_splits
from ..files import read_json, write_json
from ..machine import describe_machine
from ..modalities import build_reader
from ..modalities.adapter import Adapter
from ..modalities.clips import with_clips
from ..models.build import build, build_on_meta
from ..models.classifier import PerceiverClassifier
from ..models.config import ModelConfig, from_dict, to_dict
from .batches import batches, normalise
from .loop import (
    LAST,
    Interrupted,
    callbacks,
    interruptible,
    log_file,
    make_trainer,
    quiet_lightning,
)
from .optim import check_schedule
from .recipe import Recipe
from .recorder import Recorder
from .scores import check_monitor
from .targets import by_label, summary, targets_of
from .task import Learner

log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"


def train(
    recipe: Recipe,
    run_dir: Path,
    *,
    notes: Sequence[str] = (),
    model: PerceiverClassifier | None = None,
    splits: Splits | None = None,
) -> dict[str, Any]:
    """Train a recipe into a new run directory.

    Args:
        recipe: what to train.
        run_dir: must not exist, or be empty.
        notes: lines that its `log.txt` begins with.
        model: the model to train, in place of a new one of the recipe's configuration.
        splits: the examples, in place of those that the recipe names.

    Returns:
        What `metrics.json` holds: the best epoch's validation scores, the test scores, the time.

    Raises:
        FileExistsError: the directory is in use.
        ValueError, OSError: bad data or configuration; see the message.
    """
    check_unused(run_dir)
    if model is None:
        build_on_meta(recipe.model)  # an impossible model is refused before the data is read
    check_mixing(recipe.data, recipe.model.input)
    check_schedule(recipe.optimizer, recipe.trainer.max_epochs)
    splits = splits or _read(recipe)
    recipe = fit_to_data(recipe, splits)
    torch.manual_seed(recipe.trainer.seed)
    if model is None:
        model = build(recipe.model, splits.labels)
    else:
        _check_outputs(model, recipe.model)
        model.labels = splits.labels
    if _has_constants(model.adapter):
        kept = "the model keeps its own normalising constants; they are not measured again"
        log.info(kept)
        notes = [*notes, kept]
    else:
        normalise(model.adapter, splits.examples["train"])
    targets_of(model).measure(splits.examples["train"].labels)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_config(
        run_dir, model=to_dict(recipe.model), labels=list(splits.labels), recipe=to_dict(recipe)
    )
    with log_file(run_dir, notes), quiet_lightning():
        return _fit(model, recipe, splits, run_dir, checkpoint=None)


def check_unused(run_dir: Path) -> None:
    """FileExistsError if there is something where a new run is to be written."""
    if run_dir.is_file() or (run_dir.is_dir() and any(run_dir.iterdir())):
        raise FileExistsError(
            f"{run_dir} exists already; choose another --out, or go on with it: "
            f"perceivers train {run_dir} --resume"
        )


def resume(
    run_dir: Path,
    recipe: Recipe,
    *,
    splits: Splits | None = None,
    adapter: Adapter | None = None,
) -> dict[str, Any]:
    """Go on with a run from its last finished epoch, to the same numbers as without the break.

    Args:
        run_dir: what `train` wrote.
        recipe: as `read_recipe` gives it, changed where wanted (more epochs, another data path).
        splits: the examples, in place of those that the recipe names.
        adapter: the adapter of a model that was built with one of the user's own.
    """
    config = read_config(run_dir)
    checkpoint = run_dir / LAST
    if not checkpoint.exists():
        raise FileNotFoundError(
            f"{run_dir} has no {LAST}: it was stopped before its first epoch ended; "
            f"start anew: perceivers train {recipe.name}"
        )
    if recipe.model != from_dict(ModelConfig, config["model"], "model"):
        raise ValueError(
            "a run goes on with the model it began with; to change --model options, train anew"
        )
    check_monitor(recipe.trainer.monitor, recipe.model.task)
    _check_checkpoint(checkpoint)
    splits = splits or _read(recipe)
    if (splits.task, list(splits.labels)) != (recipe.model.task, config["labels"]):
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, the run was trained on "
            f"{recipe.model.task} labels {config['labels'][:10]}; give the data it was trained on"
        )
    write_config(run_dir, recipe=to_dict(recipe))
    model = build(recipe.model, splits.labels, adapter=adapter)
    with log_file(run_dir), quiet_lightning():
        return _fit(model, recipe, splits, run_dir, checkpoint)


def read_recipe(run_dir: Path) -> Recipe:
    """The recipe a run directory was trained with."""
    config = read_config(run_dir)
    if "recipe" not in config:
        raise ValueError(f"{run_dir} is a saved model, not a training run: it has no recipe")
    return from_dict(Recipe, config["recipe"], "recipe")


def evaluate(run_dir: Path, data_path: str | None = None, *, clips: int = 1) -> dict[str, Any]:
    """Scores of a run's best weights on its test split, also written to its `metrics.json`.

    Args:
        run_dir: what `train` wrote.
        data_path: other data than it was trained on, of all or some of the same classes; all of it
            is taken, unless it has a test split of its own.
        clips: as of `Predictor`.

    Returns:
        {"loss", …, "examples", "data"} with the scores of the task: "top1" and "top5"; "map" and
        "f1"; or "mae" in the data's units and "r2". Shares are of 1. Where there are several labels
        or numbers, those two are averages, and "by_label" has them of each.
    """
    recipe = read_recipe(run_dir)
    model = load(run_dir)
    if data_path is not None:
        data = dataclasses.replace(recipe.data, path=_absolute(data_path))
        recipe = dataclasses.replace(recipe, data=data)
    splits = _read(recipe, hold_out=data_path is None, scored=True, clips=clips)
    known = set(splits.labels) <= set(model.labels)
    if splits.task == "regression":
        known = splits.labels == model.labels
    if splits.task != model.config.task or not known:
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, the model knows "
            f"{model.config.task} labels {list(model.labels)[:10]}; give data with the same labels"
        )
    _number_as(model.labels, splits)
    scores = _test(model, recipe, splits)
    scores["data"] = recipe.data.path or recipe.data.name
    if clips > 1:
        scores["clips"] = clips
    path = run_dir / METRICS_FILE
    write_json(path, {**(read_json(path) if path.exists() else {}), "eval": scores})
    return scores


def _number_as(labels: Sequence[str], splits: Splits) -> None:
    """Give the tables the numbers that the model has for their classes or labels."""
    place = torch.tensor([labels.index(name) for name in splits.labels])
    for table in splits.examples.values():
        if splits.task == "classification":
            table.labels = place[table.labels]
        elif splits.task == "multilabel":
            given = table.labels
            table.labels = given.new_zeros(len(given), len(labels))
            table.labels[:, place] = given


def _fit(
    model: PerceiverClassifier,
    recipe: Recipe,
    splits: Splits,
    run_dir: Path,
    checkpoint: Path | None,
) -> dict[str, Any]:
    config = recipe.trainer
    recorder = Recorder(run_dir, config.monitor)
    learner = Learner(model, recipe)
    trainer = make_trainer(
        config,
        max_epochs=config.max_epochs,
        callbacks=callbacks(config, run_dir, recorder),
        logger=TensorBoardLogger(run_dir, name="tensorboard", version=""),
    )
    pin = _pins(trainer)
    train_loader = batches(
        splits.examples["train"], recipe.data, shuffle_seed=config.seed, pin_memory=pin
    )
    val_loader = batches(splits.examples["validation"], recipe.data, pin_memory=pin)
    machine = describe_machine(trainer.strategy.root_device)
    parameters = sum(p.numel() for p in model.parameters())
    log.info("%s, %.2fM parameters, on %s", recipe.name, parameters / 1e6, machine)
    interrupted = False
    try:
        with interruptible(trainer):
            trainer.fit(learner, train_loader, val_loader, ckpt_path=checkpoint, weights_only=True)
    except OSError as error:
        if error.strerror is None:
            raise  # already says what could not be written, and what is safe
        raise OSError(
            f"could not write to {run_dir}: {error.strerror}; what the last whole epoch saved is "
            f"kept. Free some space, then: perceivers train {run_dir} --resume"
        ) from error
    except Interrupted:
        interrupted = True
        if not recorder.best:
            save_weights(model, run_dir)  # better a little trained than nothing to load
        log.info("stopped; go on with: perceivers train %s --resume", run_dir)
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
        load_weights(model, run_dir)
        result["test"] = _test(model, recipe, splits)
    write_json(run_dir / METRICS_FILE, result)
    return result


def fit_to_data(recipe: Recipe, splits: Splits) -> Recipe:
    """The recipe with what follows from the data; ValueError where it asks for another task."""
    if recipe.model.task not in ("classification", splits.task):
        raise ValueError(
            f"model.task={recipe.model.task}, but the labels are for {splits.task}; "
            f"leave it out: it follows the data, or --data.task {recipe.model.task}"
        )
    check_monitor(recipe.trainer.monitor, splits.task)
    model = dataclasses.replace(recipe.model, num_classes=len(splits.labels), task=splits.task)
    data = dataclasses.replace(recipe.data, path=_absolute(recipe.data.path), task=splits.task)
    return dataclasses.replace(recipe, model=model, data=data)


def _check_outputs(model: PerceiverClassifier, wanted: ModelConfig) -> None:
    """Check that the user's model has as many outputs as the data needs, for the same task."""
    config = model.config
    if (config.num_classes, config.task) != (wanted.num_classes, wanted.task):
        raise ValueError(
            f"the model has {config.num_classes} outputs for {config.task}, the data has "
            f"{wanted.num_classes} for {wanted.task}; create the model with "
            f"num_classes={wanted.num_classes}, task={wanted.task!r}"
        )


def _has_constants(adapter: Adapter) -> bool:
    """Return whether any normalising constant of an adapter has been set."""
    identity = {"mean": 0.0, "std": 1.0}
    return any(
        bool((buffer != identity[name.rpartition(".")[2]]).any())
        for name, buffer in adapter.named_buffers()
        if name.rpartition(".")[2] in identity
    )


def _check_checkpoint(path: Path) -> None:
    """A damaged checkpoint, or one that would run code, is told before any work is done."""
    try:
        torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} is damaged, cut short or not a checkpoint ({str(error).splitlines()[0]}); the "
            f"best weights are still in {path.parents[1]}: use them, or train anew"
        ) from None


def _test(model: PerceiverClassifier, recipe: Recipe, splits: Splits) -> dict[str, Any]:
    table = next(splits.examples[name] for name in EVALUATED if name in splits.examples)
    learner = Learner(model, recipe)
    with quiet_lightning():
        trainer = make_trainer(recipe.trainer, callbacks=[TQDMProgressBar()], logger=False)
        loader = batches(table, recipe.data, pin_memory=_pins(trainer))
        trainer.test(learner, loader, verbose=False)
    each = by_label(learner.test_scores, model.labels)
    return {
        **summary(learner.test_scores),
        **({"by_label": each} if each else {}),
        "examples": len(table),
    }


def _pins(trainer: pl.Trainer) -> bool:
    """Return whether batches are copied to a GPU, which is faster from pinned memory."""
    return trainer.strategy.root_device.type == "cuda"


def _read(recipe: Recipe, *, hold_out: bool = True, scored: bool = False, clips: int = 1) -> Splits:
    reader = with_clips(build_reader(recipe.model.input), clips)

    def progress(done: int, total: int) -> None:
        if total > 5000:
            log.info("decoded %d of %d %s", done, total, reader.noun)

    return read_splits(recipe.data, reader, hold_out=hold_out, scored=scored, progress=progress)


def _absolute(path: str | None) -> str | None:
    """A local path as it holds from any working directory; a hub name as it is."""
    if path is None or not Path(path).expanduser().exists():
        return path
    return str(Path(path).expanduser().resolve())
