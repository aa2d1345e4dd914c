"""Choose a recipe for a folder or a table. Imports no torch at the top.

The choice follows from the data alone, so that the same command trains the same network on every
machine. It is a rule of thumb made from the sizes of the recipes that were tried (fsdd, grid-*,
kicad, rt-polarity, digits, cifar10); nothing about it is published:

1. The modality chooses what the model reads: a few hundred elements M per example
   (`FileModality.choose`).
2. The number of training examples chooses the size of the model (`SIZES`): few examples can train
   only a small model.
3. The number of epochs gives about `STEPS` steps, and is between 10 and 60. If that many would take
   longer than `BUDGET` on a reference machine, there are fewer. An epoch costs 3 · FLOPs of a
   forward pass (`models.cost`, linear in M) · examples; the reference machine does `SPEED` of them
   per second.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.config import DataConfig
from ..data.layout import find_manifest
from ..modalities import modality_of
from ..models.config import ModelConfig
from ..recipes.folder import folder
from ..training.recipe import Recipe
from .findings import FolderContents, TableContents
from .starting_point import StartingPoint, choose_input
from .table_inputs import choose_table_input

BUDGET = 30 * 60  # seconds of training on the reference machine
STEPS = 2500  # the recipes above have 800 (digits) to 5,900 (cifar10)
# FLOPs per second in training of the machine that the recipes were measured on: 2 cores of an AMD
# EPYC, whose matrix product in float32 runs at 2**37 = 137 GFLOP/s, of which training reaches 40%
# (digits) to 80% (images) (docs/log.md, 2026-11-21).
SPEED = 0.5 * 2**37


@dataclass(frozen=True)
class Size:
    """A size of the latent array and of what is applied to it."""

    examples: int
    """Number of training examples from which this size is used."""
    num_latents: int
    latent_dim: int
    num_blocks: int
    num_layers: int
    shared: bool
    """Whether all blocks share their weights, and all cross-attends but the first, as in the
    paper."""


SIZES = (
    Size(0, 32, 64, 2, 2, True),
    Size(1_000, 32, 128, 2, 2, True),
    Size(20_000, 64, 128, 4, 2, False),
    Size(200_000, 128, 256, 4, 3, False),
    Size(1_000_000, 256, 512, 6, 4, True),
)


@dataclass(frozen=True)
class Choice:
    """A recipe, and the reasons for it in words."""

    recipe: Recipe
    lines: tuple[str, ...] = ()


def choose_for(source: str, config: DataConfig | None = None) -> Choice:
    """Choose a recipe for a folder of files by class or a table.

    Data that cannot be inspected (parquet files, the hub) gets the recipe `folder` as it is, for
    images.

    Args:
        source: path of the folder or table, or a hub name.
        config: options for a table: the columns to learn, to ignore or to take as categories, and
            the task.
    """
    path = Path(source).expanduser()
    table = find_manifest(source)
    if table is None and (not path.is_dir() or next(path.rglob("*.parquet"), None)):
        return Choice(folder())
    from .inspect_folder import inspect_folder
    from .inspect_table import inspect_table

    return choose(inspect_table(table, config or DataConfig()) if table else inspect_folder(path))


def choose(contents: FolderContents | TableContents) -> Choice:
    """Choose a recipe for inspected data; the rule is described at the top of the module."""
    base = folder()
    if isinstance(contents, TableContents):
        start = choose_table_input(contents)
    else:
        start = choose_input(contents.modality, contents.sample.measures)
    examples = _num_training_examples(contents, base.data.validation, base.data.test)
    size = [size for size in SIZES if size.examples <= examples][-1]
    model = _model(start, size, len(contents.classes))
    batch_size = _batch_size(examples)
    wanted = min(60, max(10, math.ceil(STEPS * batch_size / max(1, examples))))
    epochs = min(wanted, max(1, int(BUDGET / _epoch_seconds(model, examples))))
    recipe = _recipe(start, model, examples, batch_size, epochs)
    lines = [f"found: {contents.sentence()}", *(f"found: {line}" for line in contents.remarks())]
    lines += [f"reads: {line}" for line in start.lines]
    lines.append(_describe_size(size))
    fewer = "" if epochs == wanted else f" ({wanted} would take long on a CPU)"
    words = _augmentation_words(recipe)
    varied = f"; augments them by {words}" if words else ""
    lines.append(f"trains: {epochs} epochs{fewer} in batches of {batch_size}{varied}")
    return Choice(recipe, tuple(lines))


def _augmentation_words(recipe: Recipe) -> str:
    inputs = recipe.model.input
    words = modality_of(inputs).augmentation_words(inputs, recipe.data)
    words += ["mixup"] * bool(recipe.data.mixup)
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _describe_size(size: Size) -> str:
    weights = " of shared weights" if size.shared else ""
    return (
        f"model: {size.num_latents} latents of {size.latent_dim} channels, {size.num_blocks} times "
        f"a cross-attend and {size.num_layers} layers{weights}; the size for "
        + (f"{size.examples:,} examples or more" if size.examples else "few examples")
    )


def warmup(recipe: Recipe, epochs: int) -> float:
    """Return the warm-up, in epochs, of a recipe that is trained for so many epochs."""
    return min(recipe.optimizer.warmup_epochs, epochs / 10)


def _num_training_examples(
    contents: FolderContents | TableContents, validation: float, test: float
) -> int:
    """Estimate the number of training examples once the other splits are held out."""
    count: float = contents.splits.get("train", 0)
    for split, share in (("test", test), ("validation", validation)):
        if split not in contents.splits:
            count *= 1 - share
    return round(count)


def _batch_size(examples: int) -> int:
    """Return 8 to 64, for at least 30 steps an epoch; 128 for large sets."""
    if examples >= 20_000:
        return 128
    return next((size for size in (64, 32, 16) if examples >= 30 * size), 8)


def _model(start: StartingPoint, size: Size, classes: int) -> ModelConfig:
    """Return the model of the starting recipe with another input and size."""
    base = start.recipe.model
    later = range(1, size.num_blocks)
    return replace(
        base,
        num_classes=classes,
        input=start.input,
        num_latents=size.num_latents,
        latent_dim=size.latent_dim,
        cross_order=(0, *(1 for _ in later)),
        block_order=(0, *(0 if size.shared else index for index in later)),
        num_layers_per_block=size.num_layers,
        num_self_heads=max(4, size.latent_dim // 32),
        qk_dim=None if base.qk_dim is None else size.latent_dim,
    )


def _epoch_seconds(model: ModelConfig, examples: int) -> float:
    """Estimate the time of an epoch on the reference machine; backward costs twice forward."""
    from ..models.cost import cost

    return 3 * cost(model).flops * examples / SPEED


def _recipe(
    start: StartingPoint, model: ModelConfig, examples: int, batch_size: int, epochs: int
) -> Recipe:
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
            # A running average over about fifty steps lags behind in short runs.
            ema_decay=base.trainer.ema_decay if steps >= 500 else 0.0,
        ),
    )
