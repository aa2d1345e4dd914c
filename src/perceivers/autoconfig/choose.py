"""Choose a recipe for a folder or a table. Imports no torch at module level.

The choice follows from the data alone, so that the same command trains the same network on every
machine. It is a rule of thumb based on the sizes of the measured recipes (fsdd, grid-*, kicad,
rt-polarity, digits, cifar10); nothing about it is published:

1. The modality determines the input of the model: a few hundred elements M per example
   (`FileModality.choose`).
2. The number of training examples determines the size of the model (`size.SIZES`): few examples
   can train only a small model.
3. The number of epochs is chosen for about `size.STEPS` training steps, but between 10 and 60. It
   is reduced if training would take longer than `size.BUDGET` on a reference machine. An epoch
   costs 3 · FLOPs of a forward pass (`models.cost`, linear in M) · examples; the reference machine
   does `size.SPEED` FLOPs per second.
4. Training stops early, and the weights with the best macro F1 on the validation examples are kept
   (for classes; else those with the lowest loss).
5. Fewer than `FEW` training examples that are augmented are all trained on, for all epochs, and
   the last weights are kept: so few validation examples choose worse weights (docs/log.md,
   2026-11-28).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..data.config import DataConfig
from ..data.layout import find_manifest, parquet_files
from ..errors import listed
from ..hub import is_hub_name, not_found
from ..modalities import InputConfig, modality_of
from ..modalities.series import TimeSeries
from ..models.config import EncoderConfig, with_changes
from ..recipes.folder import folder
from ..training.recipe import Recipe
from .findings import FolderContents, TableContents
from .size import batch_size_for, describe_size, epochs_for, size_for, sized_model
from .starting_point import StartingPoint, choose_input
from .table_inputs import choose_table_input

FEW = 2_000  # augmented examples; of fewer, none are held out for validation

Contents = TypeVar("Contents", FolderContents, TableContents)


@dataclass(frozen=True)
class Choice:
    """A recipe and a description of how it was chosen."""

    recipe: Recipe
    """The recipe."""
    lines: tuple[str, ...] = ()
    """The description, one line each; empty for a recipe that was not chosen for the data."""


def choose_for(source: str, config: DataConfig | None = None, *, init: str | None = None) -> Choice:
    """Choose a recipe for a folder of files by class or a table.

    Data that cannot be inspected (parquet files, data sets on the Hugging Face hub) gets the
    unchanged recipe `folder`, which reads images.

    Args:
        source: path of the folder or table, or the name of a data set on the hub, hf://owner/name.
        config: options for a table: the label columns, the columns to ignore or to treat as
            categories, and the task; and whether unreadable files are refused. None: the default
            options.
        init: model that the training starts from; its architecture and its input are used.

    Raises:
        FileNotFoundError: there is no such folder or table.
        ValueError: the folder or table cannot be learned from; see `inspect_folder` and
            `inspect_table`; or a file of it cannot be read and `config.strict` is set.
    """
    path = Path(source).expanduser()
    if not is_hub_name(source):
        from .elements import choose_elements, find_labelled

        label = config.element_label if config else None
        if labelled := find_labelled(path, label):
            recipe, lines = choose_elements(labelled, label)
            return Choice(started(recipe, init), lines)
    table = None if is_hub_name(source) else find_manifest(source)
    if not is_hub_name(source) and not path.exists():
        raise not_found("folder or table", source)
    if is_hub_name(source) or (table is None and (not path.is_dir() or parquet_files(path))):
        return Choice(started(folder(), init))
    from .inspect_table import inspect_table
    from .series import choose_series, find_series, times_of_table

    if table is None:
        return _choose_folder(path, config or DataConfig(), init)
    options = config or DataConfig()
    if (series := find_series(table, options)) is not None:
        return _started(Choice(*choose_series(series, options)), init)
    choice = choose(_checked(inspect_table(table, options), options), init)
    if (time := times_of_table(table, options)) is not None:
        choice = replace(choice, lines=(*choice.lines, time))
    if table != path and table.stem != "manifest":
        choice = replace(choice, lines=(f"found: the table {table}", *choice.lines))
    return choice


def _started(choice: Choice, init: str | None) -> Choice:
    """Return a choice whose recipe starts from a model, and which says so."""
    if init is None:
        return choice
    recipe = started(choice.recipe, init)
    return Choice(recipe, (*choice.lines, f"model: that of {init}, with its input"))


def _choose_folder(path: Path, config: DataConfig, init: str | None) -> Choice:
    """Choose a recipe for a folder of files by class, which are series if times are named."""
    from .inspect_folder import inspect_folder

    if config.time is None:
        return choose(_checked(inspect_folder(path), config), init)
    contents = inspect_folder(path, sure=TimeSeries(sure=True))
    choice = choose(_checked(contents, config), init)
    recipe = choice.recipe
    model = with_changes(recipe.model, {"input": {"time": config.time}}, "model")
    return replace(choice, recipe=replace(recipe, model=model))


def _checked(contents: Contents, config: DataConfig) -> Contents:
    """Return what was inspected; refuse a file that a strict run would stop at."""
    if config.strict and (bad := contents.unreadable):
        raise ValueError(f"{bad[0]}; repair or remove it, or run without --strict")
    return contents


def choose(contents: FolderContents | TableContents, init: str | None = None) -> Choice:
    """Choose a recipe for inspected data by the rule described at the top of this module.

    Args:
        contents: what was found in the data.
        init: see `choose_for`.
    """
    base = folder()
    if isinstance(contents, TableContents):
        start = choose_table_input(contents)
    else:
        start = choose_input(contents.modality, contents.sample.measures)
    validation = _validation(start, contents)
    examples = _num_training_examples(contents, validation, base.data.test)
    size = size_for(examples)
    model = sized_model(start, size, len(contents.classes))
    reads = [f"reads: {line}" for line in start.lines]
    sizes = [describe_size(size)]
    if init is not None:
        chosen, model = model, started(Recipe(name="", model=model), init).model
        sizes = [
            f"model: that of {init}, {model.num_latents} latents of {model.latent_dim} channels"
        ]
        reads = reads if model.input == chosen.input else [f"reads: as {init} does"]
    batch_size = batch_size_for(examples)
    epochs, wanted = epochs_for(model, examples, batch_size)
    recipe = _recipe(start, model, examples, batch_size, epochs)
    recipe = replace(recipe, data=replace(recipe.data, validation=validation))
    if init is not None:
        recipe = replace(recipe, trainer=replace(recipe.trainer, init=init))
    lines = [f"found: {contents.sentence()}", *(f"found: {line}" for line in contents.remarks())]
    lines += [*reads, *sizes]
    reduced = "" if epochs == wanted else f" ({wanted} would take too long on a CPU)"
    words = _augmentation_words(recipe.model.input, recipe.data)
    augmentation = f"; augmentation: {words}" if words else ""
    limit, stop = recipe.trainer.patience, ""
    if not validation and "validation" not in contents.splits:
        stop = ", without validation examples, which would be too few to choose weights by"
    elif limit < epochs:
        stop = f", fewer if {limit} in a row bring no better validation score"
    lines.append(f"trains: {epochs} epochs{reduced} in batches of {batch_size}{stop}{augmentation}")
    return Choice(recipe, tuple(lines))


def _validation(start: StartingPoint, contents: FolderContents | TableContents) -> float:
    """Return the share of the training examples to hold out for validation."""
    augmented = _augmentation_words(start.input, start.recipe.data)
    everything = _num_training_examples(contents, 0.0, folder().data.test)
    return 0.0 if augmented and everything < FEW else folder().data.validation


def _augmentation_words(inputs: InputConfig, data: DataConfig) -> str:
    """Name the augmentations that are switched on: "mirroring, zoom and mixup"."""
    words = modality_of(inputs).augmentation_words(inputs, data)
    words += ["mixup"] * bool(data.mixup)
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def started(recipe: Recipe, init: str | None) -> Recipe:
    """Return a recipe that starts from a model, as `with_init` does; None: the recipe itself."""
    if init is None:
        return recipe
    from ..training.fine_tuning import with_init

    return with_init(recipe, init)


def warmup(recipe: Recipe, epochs: int) -> float:
    """Return the warm-up of a recipe, in epochs, when it is trained for a number of epochs."""
    return min(recipe.optimizer.warmup_epochs, epochs / 10)


def patience(epochs: int) -> int:
    """Return the epochs without improvement after which a training of a number of epochs stops.

    A sixth of the epochs cost no accuracy where it was measured, and fewer did (docs/log.md,
    2026-11-26).
    """
    return max(3, math.ceil(epochs / 6))


def changes_with_epochs(recipe: Recipe, epochs: int) -> dict[str, Any]:
    """Return the options that follow from the number of epochs, unless they are given too.

    Args:
        recipe: the recipe that was chosen, with another number of epochs.
        epochs: the number of epochs to train for.

    Returns:
        The values by path, such as {"trainer.patience": 3}.
    """
    return {
        "optimizer.warmup_epochs": warmup(recipe, epochs),
        "trainer.patience": patience(epochs),
    }


def _num_training_examples(
    contents: FolderContents | TableContents, validation: float, test: float
) -> int:
    """Estimate the number of training examples that remain when the other splits are held out.

    Raises:
        ValueError: there are none.
    """
    count: float = contents.splits.get("train", 0)
    if not count:
        raise ValueError(
            f"no training examples, only those of the splits {listed(sorted(contents.splits))}; "
            "name one of them train"
        )
    for split, share in (("test", test), ("validation", validation)):
        if split not in contents.splits:
            count *= 1 - share
    return round(count)


def _recipe(
    start: StartingPoint, model: EncoderConfig, examples: int, batch_size: int, epochs: int
) -> Recipe:
    """Return the starting recipe with the chosen model, batch size and number of epochs."""
    base = start.recipe
    steps = max(1, examples // batch_size) * epochs
    return Recipe(
        name="folder",
        model=model,
        data=replace(base.data, name="folder", path=None, batch_size=batch_size),
        optimizer=replace(base.optimizer, warmup_epochs=warmup(base, epochs)),
        trainer=replace(
            base.trainer,
            max_epochs=epochs,
            patience=patience(epochs),
            monitor="auto",
            # The average of weights spans about fifty steps and would lag behind in short runs.
            ema_decay=base.trainer.ema_decay if steps >= 500 else 0.0,
        ),
    )
