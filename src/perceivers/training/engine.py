"""Train, resume and evaluate a recipe, in a run directory."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..checkpoint import (
    CONFIG,
    METRICS_FILE,
    WEIGHTS,
    check_rebuildable,
    check_weights,
    read_config,
    write_config,
)
from ..checksums import new_run_id
from ..data.mixing import check_mixing
from ..data.splits import Splits
from ..files import is_unused, lock, read_json, remove_leftovers
from ..machine import placement
from ..modalities.adapter import Adapter
from ..models.base import PerceiverModel
from ..models.build import build, build_on_meta
from ..models.config import EncoderConfig, check, from_dict, to_dict
from ..places import check_place, make_directory
from .checkpoint_io import AtomicCheckpointIO
from .continuation import Continuation, check_changes, check_stopped
from .fine_tuning import build_model, check_freeze, describe_copies
from .fitting import fit_and_log
from .logs import news, remembered_log
from .loop import LAST_CHECKPOINT
from .measuring import count_labels, is_normalised, measure_normalisation
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
from .scoring import Report
from .targets import targets_of
from .task import seed_generators

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    run_dir: Path,
    *,
    notes: Sequence[str] = (),
    model: PerceiverModel | None = None,
    splits: Splits | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Train a recipe and write the results to a new run directory.

    Args:
        recipe: model, data, optimiser and loop.
        run_dir: directory to write to; must be empty or not exist.
        notes: lines to write at the beginning of `log.txt`.
        model: model to train; None: a new one of the recipe's configuration. Normalising constants
            that it has are kept.
        splits: examples to train on; None: those that the recipe names.
        report: function that is called with what was scored at the end, such as `report.write`.

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
    recipe = check(recipe, "recipe")
    check_unused(run_dir)
    placement(recipe.trainer.device, recipe.trainer.precision)  # or an error, before anything else
    if model is None:
        build_on_meta(recipe.model)  # fails on an impossible model before the data is read
    else:
        check_rebuildable(model)
    check_freeze(recipe, model)
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
        init = recipe.trainer.init
        for line in describe_copies(splits.record, init) if splits.record else ():
            log.info("%s", line)
        recipe = fit_to_data(recipe, splits)
    notes = [*notes, *news(said.lines(), notes)]
    seed_generators(recipe.trainer.seed)
    if model is None:
        model, started = build_model(recipe, splits.labels)
        for line in started:
            log.info(line)
        notes = [*notes, *started]
    else:
        check_outputs(model, splits)
        model.labels = splits.labels
    with remembered_log() as said:
        if is_normalised(model.adapter):
            log.info("the model keeps its own normalising constants; they are not measured again")
        else:
            measure_normalisation(model.adapter, splits.examples["train"])
        targets = targets_of(model)
        targets.measure(splits.examples["train"])
        count_labels(model.adapter, splits.examples["train"], recipe.data, targets.as_floats)
    notes = [*notes, *said.lines()]
    make_directory(run_dir)
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
        return fit_and_log(model, recipe, splits, run_dir, None, notes, report=report)


def check_unused(run_dir: Path) -> None:
    """Check that a new run can be written to a directory.

    Args:
        run_dir: directory of the new run.

    Raises:
        FileExistsError: it is a file, or a directory that is not empty.
        OSError: it cannot be written.
    """
    check_place(run_dir)
    if not run_dir.is_file() and (not run_dir.is_dir() or is_unused(run_dir)):
        return
    fix = "choose another --out"
    if (run_dir / LAST_CHECKPOINT).exists():
        fix += f", or continue that run: perceivers train {run_dir} --resume"
    elif (run_dir / CONFIG).exists() and not _has_trained(run_dir):
        fix += ", or remove it: it holds a run that ended before its first epoch did"
    raise FileExistsError(f"{run_dir} exists already; {fix}")


def _has_trained(run_dir: Path) -> bool:
    """Return whether a run without a checkpoint has saved weights of a complete epoch."""
    return (run_dir / WEIGHTS).exists() and _result(run_dir).get("epochs") != 0


def resume(
    run_dir: Path,
    recipe: Recipe,
    *,
    splits: Splits | None = None,
    adapter: Adapter | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Continue a run after its last complete epoch, with the results of an uninterrupted run.

    Args:
        run_dir: run directory that `train` wrote.
        recipe: the recipe from `read_recipe`, possibly changed (more epochs, another data path).
        splits: the examples of the run; None: those that the recipe names.
        adapter: the adapter of a model that was built with one of the user's own.
        report: see `train`.

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
        return _resume(run_dir, recipe, splits, adapter, report)


def _resume(
    run_dir: Path,
    recipe: Recipe,
    splits: Splits | None,
    adapter: Adapter | None,
    report: Report | None,
) -> dict[str, Any]:
    """Continue a run whose directory is locked."""
    done = check_resumable(run_dir, recipe)
    if done >= recipe.trainer.max_epochs:
        log.info("no epoch is left, and the run is scored again; more: --trainer.max_epochs")
    run, labels = read_recipe(run_dir), read_config(run_dir)["labels"]
    with remembered_log() as said:
        splits = splits or read_recipe_splits(recipe, saved=read_saved_splits(run_dir))
        for line in (*splits.lines(), *(splits.record.describe_copies() if splits.record else ())):
            log.info("%s", line)
    if (splits.task, list(splits.labels)) != (recipe.model.task, labels):
        raise ValueError(
            f"the data has {splits.task} labels {list(splits.labels)[:10]}, but the run was "
            f"trained on {recipe.model.task} labels {labels[:10]}; use the same data"
        )
    path = absolute_path(recipe.data.path)
    recipe = replace(recipe, data=replace(recipe.data, path=path, task=splits.task))
    model = build(recipe.model, splits.labels, adapter=adapter)
    as_floats = targets_of(model).as_floats
    count_labels(model.adapter, splits.examples["train"], recipe.data, as_floats)

    def write() -> None:
        write_config(run_dir, recipe=to_dict(recipe))

    checkpoint, continuation = run_dir / LAST_CHECKPOINT, Continuation(run, recipe, write)
    result = fit_and_log(
        model, recipe, splits, run_dir, checkpoint, said.lines(), [continuation], report
    )
    write()  # if no epoch was left
    return result


def check_resumable(run_dir: Path, recipe: Recipe) -> int:
    """Check that a run can be continued with a recipe. Nothing is written, and no data is read.

    Args:
        run_dir: run directory that `train` wrote.
        recipe: the recipe from `read_recipe`, possibly changed.

    Returns:
        The number of epochs that the run has completed; all of them if it has stopped early and
        stays stopped.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: the checkpoint is damaged, or the recipe differs from the run's in an option
            that cannot be applied to the rest of the run.
    """
    check(recipe, "recipe")
    config = read_config(run_dir)
    checkpoint = run_dir / LAST_CHECKPOINT
    if not checkpoint.exists():
        if _has_trained(run_dir):
            raise FileNotFoundError(
                f"{run_dir} has no {LAST_CHECKPOINT}, so it cannot be continued; its best weights "
                f"are kept in {WEIGHTS} for predict and eval. To train on, start a new run with "
                "another --out"
            )
        raise FileNotFoundError(
            f"{run_dir} has no {LAST_CHECKPOINT}: the run was stopped before its first epoch "
            f"ended; remove {run_dir} and start it again, with the options of the first time"
        )
    if recipe.model != from_dict(EncoderConfig, config["model"], "model"):
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
    if (result := _result(run_dir)).get("stopped_early") and result.get("epochs") == epochs_done:
        return check_stopped(read_recipe(run_dir), recipe, result["stopped_early"], epochs_done)
    return epochs_done


def _result(run_dir: Path) -> dict[str, Any]:
    """Return the content of a run's `metrics.json`, or nothing if it cannot be read."""
    try:
        return read_json(run_dir / METRICS_FILE)
    except (OSError, ValueError):
        return {}
