"""Choose a recipe for a folder of files whose elements have labels.

The starting point is the recipe `segment-points`, whose model and optimiser are used for every
modality; the input is chosen as for files by class. Nothing about it is published.
"""

import math
import random
from dataclasses import replace
from pathlib import Path

from ..data.element_labels import split_roots
from ..modalities import FILE_MODALITIES, FileModality
from ..recipes.segment_points import segment_points
from ..training.recipe import Recipe
from .findings import count_files
from .inspect_folder import measure_some
from .starting_point import choose_input

STEPS = 1500  # training steps that are aimed at
LONG = 500  # steps from which on weights are averaged
LOOKED_AT = 5  # files of each split that are opened to find labels

Found = tuple[FileModality, dict[str, list[Path]]]


def find_labelled(root: Path, label: str | None = None) -> Found | None:
    """Return the modality and the files of each split of data whose files have labels.

    Only files that lie directly in the folder, or in folders of splits, count: files in folders of
    classes are examples of these classes.

    Args:
        root: the folder, or a file with an example on each line.
        label: name of the labels in the files; None: a usual name.

    Returns:
        None if there are no such files.
    """
    if not root.exists():
        return None
    roots = split_roots(root)
    for modality in FILE_MODALITIES:
        if root.is_file() and not modality.example_per_line:
            continue
        files = {split: modality.labelled_files(folder) for split, folder in roots.items()}
        some = [file for each in files.values() for file in each[:LOOKED_AT]]
        if any(modality.has_element_labels(file, label) for file in some):
            return modality, {split: each for split, each in files.items() if each}
    return None


def choose_elements(found: Found, label: str | None = None) -> tuple[Recipe, tuple[str, ...]]:
    """Choose a recipe for files whose elements have labels.

    Args:
        found: what `find_labelled` returned.
        label: name of the labels in the files; None: a usual name.

    Returns:
        The recipe, and lines that describe the choice.
    """
    modality, files = found
    every = [file for each in files.values() for file in each]
    sample = measure_some(modality, every, random.Random(0))
    base, start = segment_points(), choose_input(modality, sample.measures)
    augments = start.input.__class__ is base.model.input.__class__
    count = sum(modality.count_labelled(file) for file in files.get("train", every)) or 1
    size = next((size for size in (16, 8) if count >= 10 * size), 4)
    epochs = min(60, max(10, math.ceil(STEPS * size / count)))
    recipe = replace(
        base,
        name="folder",
        model=replace(base.model, input=modality.for_elements(start.input)),
        data=replace(
            base.data,
            batch_size=size,
            element_label=label,
            point_dropout=base.data.point_dropout if augments else 0.0,
            flip=base.data.flip and augments,
        ),
        trainer=replace(
            base.trainer,
            max_epochs=epochs,
            monitor="auto",
            patience=math.ceil(epochs / 3),
            # The average of weights spans about fifty steps and would lag behind in short runs.
            ema_decay=base.trainer.ema_decay if count // size * epochs >= LONG else 0.0,
        ),
    )
    kinds = count_files({s: sum(f.suffix == f".{s}" for f in every) for s in _suffixes(every)})
    model = recipe.model
    sizes = f"{model.num_latents} latents of {model.latent_dim} channels"
    lines = (
        f"found: {kinds} with labels of their elements: {modality.labels_words}",
        *(f"reads: {line}" for line in start.lines),
        f"model: Perceiver IO, {sizes}, and a query for each element",
        f"trains: {epochs} epochs in batches of {size}",
    )
    return recipe, lines


def _suffixes(files: list[Path]) -> list[str]:
    return sorted({file.suffix[1:] for file in files})
