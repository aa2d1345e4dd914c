"""Training from Python, as the command line does it."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from .autoconfig.choose import Choice, changes_with_epochs, choose_for, started
from .checkpoint import load_trained, original
from .core import Resampler
from .data.config import DataConfig
from .data.dataset import NAME, read_datasets
from .data.splits import Splits
from .modalities import CustomConfig
from .modalities.adapter import Adapter
from .models.base import PerceiverModel
from .models.config import with_changes
from .reading import Limits, using
from .recipes import get_recipe
from .recipes.folder import folder
from .report.write import write
from .training import engine
from .training.logs import remembered_log
from .training.recipe import Recipe
from .training.recipe_data import read_recipe, read_saved_splits

log = logging.getLogger(__name__)

Data = str | Path | Dataset[Any]


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run."""

    model: PerceiverModel
    """The model with its best weights, in eval mode."""
    directory: Path
    """The run directory."""
    metrics: dict[str, Any]
    """The content of `metrics.json`: scores of the best epoch, test scores, time."""


def train(
    recipe: str | Path | Recipe | PerceiverModel,
    data: Data | None = None,
    /,
    *,
    out: str | Path | None = None,
    validation: Dataset[Any] | None = None,
    test: Dataset[Any] | None = None,
    labels: list[str] | None = None,
    resume: bool = False,
    adapter: Adapter | None = None,
    **options: Any,
) -> TrainedRun:
    """Train a recipe or a model, and save the run.

    Args:
        recipe: name of a recipe (`perceivers list`), a `Recipe`, or a model from `create`, `build`
            or `load` that is trained as it is. With `resume=True` the directory of a run.
        data: path of a folder, table or archive, or hf://owner/name for a data set on the Hugging
            Face hub; or a map-style torch `Dataset` of (example, label) pairs, an example being as
            in the model's raw batch without the batch axis. None: the recipe's own data.
        out: new run directory; None: runs/NAME-TIME.
        validation: validation dataset; None: a tenth of the training examples is held out. Only
            with a torch `Dataset`.
        test: test dataset; None: a tenth of the training examples is held out. Only with a torch
            `Dataset`.
        labels: names of the outputs in their order. Only with a torch `Dataset`, whose attribute
            `classes` is the default.
        resume: whether to continue the run `recipe` from its last checkpoint.
        adapter: adapter of your own of the run that is resumed.
        **options: settings to change, by section of the recipe (model, data, optimizer, trainer,
            limits), such as `trainer={"max_epochs": 5}` or `data={"batch_size": 32}`. `data=` may
            also give the data itself.

    Raises:
        FileExistsError: `out` is in use.
        ValueError, OSError: bad data or configuration; the message says which.

    Example:
        >>> run = perceivers.train("digits", trainer={"max_epochs": 5})     # doctest: +SKIP
        >>> run.metrics["test"]["top1"]                                     # doctest: +SKIP
    """
    if not isinstance(options.get("data", {}), dict):
        data = options.pop("data")
    if isinstance(recipe, nn.Module):
        recipe = _trainable(recipe)
    given = any(value is not None for value in (validation, test, labels))
    if given and not isinstance(data, Dataset):
        raise ValueError(
            "validation, test and labels go with a torch Dataset; a folder or table has its own"
        )
    model = recipe if isinstance(recipe, PerceiverModel) else None
    with remembered_log() as said, using(_limits(options)):
        choice = _choice(recipe, data, options, resume=resume)
    if model is not None and options.get("trainer", {}).get("init"):
        raise ValueError("the model is given, so it cannot start from trainer.init; leave it out")
    if model is not None and "model" in options:
        raise ValueError("the model is given, so model options cannot change it; change the model")
    if choice.lines and (epochs := options.get("trainer", {}).get("max_epochs")):
        for path, value in changes_with_epochs(choice.recipe, epochs).items():
            section, name = path.split(".")
            options[section] = {name: value, **options.get(section, {})}
    chosen: Recipe = with_changes(choice.recipe, options, "recipe")
    splits: Splits | None = None
    if isinstance(data, Dataset):
        chosen = replace(chosen, data=replace(chosen.data, name=NAME, path=None))
        saved = read_saved_splits(Path(str(recipe))) if resume else None
        splits = read_datasets(
            chosen.data,
            data,
            task=chosen.model.task,
            validation=validation,
            test=test,
            labels=labels,
            saved=saved,
        )
    elif data is not None:
        chosen = replace(chosen, data=replace(chosen.data, path=str(data)))
    for line in choice.lines:
        log.info(line)
    if resume:
        directory = Path(str(recipe))
        metrics = engine.resume(directory, chosen, splits=splits, adapter=adapter, report=write)
    else:
        directory = Path(out or Path("runs") / f"{chosen.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        notes = [*said.lines(), *choice.lines]
        metrics = engine.train(
            chosen, directory, notes=notes, model=model, splits=splits, report=write
        )
    if model is not None and isinstance(model.config.input, CustomConfig):
        adapter = model.adapter
    return TrainedRun(load_trained(directory, adapter=adapter), directory, metrics)


def _trainable(module: nn.Module) -> PerceiverModel:
    """Return a model without its wrappers; raise a ValueError unless it can be trained."""
    model = original(module)
    if isinstance(model, Resampler):
        raise ValueError(
            "got a Resampler, which reads features and has no labels; expected a classifier or "
            "regressor, as from perceivers.create: train a Resampler as a part of your own model"
        )
    if model.config.task is None:
        raise ValueError(
            f"got a model of kind {model.config.kind!r}, whose outputs have no task that it could "
            "be trained for; expected a classifier or regressor, as from perceivers.create"
        )
    return model


def _limits(options: dict[str, Any]) -> Limits:
    """Return the limits that options set; before a recipe is chosen, data is read with them."""
    given = {name: value for name, value in options.items() if name == "limits"}
    limits: Limits = with_changes(Recipe(name=""), given, "recipe").limits
    return limits


def _choice(
    recipe: str | Path | Recipe | PerceiverModel,
    data: Data | None,
    options: dict[str, Any],
    *,
    resume: bool,
) -> Choice:
    """Return the recipe before options, except the model to start from, and the reasons for it."""
    if isinstance(recipe, PerceiverModel):
        base = folder()
        return Choice(replace(base, name="model", model=recipe.config, data=DataConfig()))
    init = options.get("trainer", {}).get("init")
    if resume:
        return Choice(read_recipe(Path(str(recipe))))
    if str(recipe) == "folder" and isinstance(data, str | Path):
        config = with_changes(DataConfig(), options.get("data", {}), "data")
        return choose_for(str(data), config, init=init)
    named = recipe if isinstance(recipe, Recipe) else get_recipe(str(recipe))
    return Choice(started(named, init))
