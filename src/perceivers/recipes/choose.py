"""From what a folder holds, and the machine, to a recipe and the reasons. Imports no torch.

A rule of thumb, made of the sizes of the recipes that were tried (fsdd, grid-*, kicad, rt-polarity,
digits, cifar10); nothing of it is published:

1. `inputs.py` beside this chooses what the model reads: a few hundred elements M of an example.
2. The examples allow a size (`SIZES`): few examples teach a small model only.
3. Epochs are such that there are about `STEPS` steps, 10 to 60.
4. An epoch costs 3 · FLOPs of a forward pass (`models.cost`, linear in M) · examples, done at
   `REACHED` of the speed of a matrix product on this machine. If all epochs take longer than
   `BUDGET`, there are fewer of them, down to half; then the next smaller size is tried.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.config import DataConfig
from ..data.layout import find_manifest
from ..models.config import ModelConfig
from ..training.recipe import Recipe
from .folder import folder
from .inputs import Reading, reading, varied
from .rows import rows_reading

if TYPE_CHECKING:
    from ..data.found import Found
    from ..data.inspect_table import FoundTable

BUDGET = 30 * 60  # seconds of training to aim at
STEPS = 2500  # of the recipes above: 800 (digits) to 5,900 (cifar10)
REACHED = 0.5  # of a matrix product's speed; measured on a core: 0.4 (digits) to 0.8 (images)


@dataclass(frozen=True)
class Size:
    """A latent array and what is applied to it."""

    examples: int
    """Training examples from which on it is tried."""
    num_latents: int
    latent_dim: int
    num_blocks: int
    num_layers: int
    shared: bool
    """The paper's sharing: all blocks are one, and all cross-attends but the first."""


SIZES = (
    Size(0, 16, 64, 2, 1, True),
    Size(0, 32, 64, 2, 2, True),
    Size(1_000, 32, 128, 2, 2, True),
    Size(20_000, 64, 128, 4, 2, False),
    Size(200_000, 128, 256, 4, 3, False),
    Size(1_000_000, 256, 512, 6, 4, True),
)


@dataclass(frozen=True)
class Machine:
    """What training has to fit."""

    flops: float
    """Floating-point operations a second of a matrix product."""
    memory: int
    """Bytes."""
    cuda: bool

    @classmethod
    def here(cls) -> "Machine":
        """Measured, in a tenth of a second."""
        from ..training.machine import matmul_speed, memory, training_device

        device = training_device()
        return cls(matmul_speed(device), memory(), device.type == "cuda")


@dataclass(frozen=True)
class Choice:
    """A recipe, and what is to be said of it."""

    recipe: Recipe
    lines: tuple[str, ...] = ()


def for_folder(source: str, asked: DataConfig | None = None) -> Choice:
    """The recipe for a folder of files by class or a table; for anything else that of images.

    Args:
        source: where they lie.
        asked: which columns of a table to learn, to ignore or to take for categories, and the task.
    """
    path = Path(source).expanduser()
    table = find_manifest(source)
    if table is None and (not path.is_dir() or next(path.rglob("*.parquet"), None)):
        return Choice(folder())
    from ..data.inspect import inspect
    from ..data.inspect_table import inspect_table

    found = inspect_table(table, asked or DataConfig()) if table else inspect(path)
    return choose(found, Machine.here())


def choose(found: "Found | FoundTable", machine: Machine) -> Choice:
    """A recipe that suits the files and the machine; see above.

    The machine's speed counts in powers of two, so that the same machine gives the same recipe
    unless it is busy.
    """
    base = folder()
    if found.modality == "table":
        chosen = rows_reading(found, cuda=machine.cuda)
    else:
        chosen = reading(found, cuda=machine.cuda)
    examples = _training_examples(found, base.data.validation, base.data.test)
    batch_size = _batch_size(examples)
    wanted = min(60, max(10, math.ceil(STEPS * batch_size / max(1, examples))))
    speed = REACHED * 2 ** round(math.log2(machine.flops))
    allowed = [size for size in SIZES if size.examples <= examples]
    for size in reversed(allowed):
        model = _model(chosen, size, len(found.classes))
        seconds = _seconds(model, examples, speed)
        epochs = min(wanted, max(1, int(BUDGET / seconds)))
        if epochs >= wanted / 2:
            break
    recipe = _recipe(chosen, model, examples, batch_size, epochs, machine.memory)
    lines = [f"found: {found.sentence()}", *(f"found: {line}" for line in found.remarks())]
    lines += [f"reads: {line}" for line in chosen.said]
    lines.append(_said_size(size, smaller=size is not allowed[-1]))
    fewer = "" if epochs == wanted else f" ({wanted} would take longer than half an hour)"
    ways = varied(recipe.data, recipe.model.input)
    said = f"; varies them by {ways}" if ways else ""
    lines.append(f"trains: {epochs} epochs{fewer} in batches of {batch_size}{said}")
    return Choice(recipe, tuple(lines))


def _said_size(size: Size, *, smaller: bool) -> str:
    weights = " of shared weights" if size.shared else ""
    return (
        f"model: {size.num_latents} latents of {size.latent_dim} channels, {size.num_blocks} times "
        f"a cross-attend and {size.num_layers} layers{weights}; the size for "
        + (f"{size.examples:,} examples or more" if size.examples else "few examples")
        + (", the next one would take longer than half an hour" if smaller else "")
    )


def warmup(recipe: Recipe, epochs: int) -> float:
    """Epochs of warm-up of a recipe that is run for so many epochs."""
    return min(recipe.optimizer.warmup_epochs, epochs / 10)


def _training_examples(found: "Found | FoundTable", validation: float, test: float) -> int:
    """About how many are left of the training split once the others are held out of it."""
    count: float = found.splits.get("train", 0)
    for split, share in (("test", test), ("validation", validation)):
        if split not in found.splits:
            count *= 1 - share
    return round(count)


def _batch_size(examples: int) -> int:
    """8 to 64, for 30 steps an epoch or more; 128 where there are very many."""
    if examples >= 20_000:
        return 128
    return next((size for size in (64, 32, 16) if examples >= 30 * size), 8)


def _model(chosen: Reading, size: Size, classes: int) -> ModelConfig:
    """The model of the modality's recipe in another size."""
    later = range(1, size.num_blocks)
    return replace(
        chosen.base.model,
        num_classes=classes,
        input=chosen.input,
        num_latents=size.num_latents,
        latent_dim=size.latent_dim,
        cross_order=(0, *(1 for _ in later)),
        block_order=(0, *(0 if size.shared else index for index in later)),
        num_layers_per_block=size.num_layers,
        num_self_heads=max(4, size.latent_dim // 32),
        qk_dim=None if chosen.base.model.qk_dim is None else size.latent_dim,
    )


def _seconds(model: ModelConfig, examples: int, speed: float) -> float:
    """About how long an epoch takes: the backward pass costs twice the forward pass."""
    from ..models.cost import cost

    return 3 * cost(model).flops * examples / speed


def _recipe(
    chosen: Reading, model: ModelConfig, examples: int, batch_size: int, epochs: int, memory: int
) -> Recipe:
    base = chosen.base
    steps = max(1, examples // batch_size) * epochs
    return Recipe(
        name="folder",
        model=model,
        data=replace(
            base.data,
            name="folder",
            path=None,
            batch_size=batch_size,
            hold_gb=round(min(base.data.hold_gb, memory / 4e9), 1),
        ),
        optimizer=replace(base.optimizer, warmup_epochs=warmup(base, epochs)),
        trainer=replace(
            base.trainer,
            max_epochs=epochs,
            # An average over some fifty steps lags behind where there are few.
            ema_decay=base.trainer.ema_decay if steps >= 500 else 0.0,
        ),
    )
