"""Choose a recipe for a folder or a table. Imports no torch at module level.

The choice follows from the data alone, so that the same command trains the same network on every
machine. It is a rule of thumb based on the sizes of the measured recipes (fsdd, grid-*, kicad,
rt-polarity, digits, cifar10); nothing about it is published:

1. The modality determines the input of the model: a few hundred elements M per example
   (`FileModality.choose`).
2. The number of training examples determines the size of the model (`SIZES`): few examples can
   train only a small model.
3. The number of epochs is chosen for about `STEPS` training steps, but between 10 and 60. It is
   reduced if training would take longer than `BUDGET` on a reference machine. An epoch costs
   3 · FLOPs of a forward pass (`models.cost`, linear in M) · examples; the reference machine
   does `SPEED` FLOPs per second.
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
from .starting_point import StartingPoint, choose_input
from .table_inputs import choose_table_input

BUDGET = 30 * 60  # seconds of training on the reference machine
STEPS = 2500  # training steps; the recipes above have 800 (digits) to 5,900 (cifar10)
FEW = 2_000  # examples that can be trained on
# FLOPs per second during training on the reference machine, which the recipes were measured on:
# 2 cores of an AMD EPYC. Its float32 matrix product runs at 2**37 = 137 GFLOP/s, of which training
# reaches 40% (digits) to 80% (images) (docs/log.md, 2026-11-21).
SPEED = 0.5 * 2**37


Contents = TypeVar("Contents", FolderContents, TableContents)


@dataclass(frozen=True)
class Size:
    """A size of the latent array and of the blocks applied to it."""

    examples: int
    """Smallest number of training examples for which this size is used."""
    num_latents: int
    """Number of latents."""
    latent_dim: int
    """Channels of each latent."""
    num_blocks: int
    """Number of cross-attends, each followed by a block of self-attends."""
    num_layers: int
    """Number of self-attends in each block."""
    shared: bool
    """Whether all blocks share their weights; all cross-attends after the first share theirs for
    every size, as in the paper."""


SIZES = (
    Size(0, 32, 64, 2, 2, True),
    Size(1_000, 32, 128, 2, 2, True),
    Size(20_000, 64, 128, 4, 2, False),
    Size(200_000, 128, 256, 4, 3, False),
    Size(1_000_000, 256, 512, 6, 4, True),
)


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
    size = [size for size in SIZES if size.examples <= examples][-1]
    model = _model(start, size, len(contents.classes))
    reads = [f"reads: {line}" for line in start.lines]
    sizes = [_describe_size(size)]
    if init is not None:
        chosen, model = model, started(Recipe(name="", model=model), init).model
        sizes = [
            f"model: that of {init}, {model.num_latents} latents of {model.latent_dim} channels"
        ]
        reads = reads if model.input == chosen.input else [f"reads: as {init} does"]
    batch_size = _batch_size(examples)
    wanted = min(60, max(10, math.ceil(STEPS * batch_size / max(1, examples))))
    epochs = min(wanted, max(1, int(BUDGET / _epoch_seconds(model, examples))))
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


def _describe_size(size: Size) -> str:
    """Describe the latent array and the blocks of a size."""
    shared = " with shared weights" if size.shared else ""
    if size.examples:
        examples = f"{size.examples:,} training examples or more"
    else:
        examples = f"fewer than {SIZES[1].examples:,} training examples"
    return (
        f"model: {size.num_latents} latents of {size.latent_dim} channels, {size.num_blocks} "
        f"cross-attends, each followed by {size.num_layers} self-attends{shared}; the size for "
        f"{examples}"
    )


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


def _batch_size(examples: int) -> int:
    """Return 8 to 64, for at least 30 steps per epoch; 128 for large data sets."""
    if examples >= 20_000:
        return 128
    return next((size for size in (64, 32, 16) if examples >= 30 * size), 8)


def _model(start: StartingPoint, size: Size, classes: int) -> EncoderConfig:
    """Return the model of the starting recipe with the chosen input and size."""
    base = start.recipe.model
    later = range(1, size.num_blocks)
    sized = replace(
        base,
        input=start.input,
        num_latents=size.num_latents,
        latent_dim=size.latent_dim,
        cross_order=(0, *(1 for _ in later)),
        block_order=(0, *(0 if size.shared else index for index in later)),
        num_layers_per_block=size.num_layers,
        num_self_heads=max(4, size.latent_dim // 32),
        qk_dim=None if base.qk_dim is None else size.latent_dim,
    )
    return sized.for_labels("classification", classes)  # the data decides, once it is read


def _epoch_seconds(model: EncoderConfig, examples: int) -> float:
    """Estimate the seconds of an epoch on the reference machine; backward costs twice forward."""
    from ..models.cost import cost

    return 3 * cost(model).flops * examples / SPEED


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
