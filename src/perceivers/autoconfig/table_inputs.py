"""Choose the input of a model for a table. Imports no torch at module level.

The input has a part for each column of files or text, and one for all numbers and categories.

This is a rule of thumb; nothing about it is published, and it was not compared with other rules.
Each part has the input that would be chosen for a folder of such files. Tables with several parts
are trained like the recipe `grid-av`: each part is masked in a tenth of the training examples, and
each augmentation is as weak as in the weakest of the parts' recipes.
"""

import dataclasses
import re
from dataclasses import replace

from ..data.config import DataConfig
from ..errors import listed
from ..modalities import (
    AugmentationConfig,
    FusionConfig,
    InputConfig,
    RowsConfig,
    TabularConfig,
    modality_of,
)
from ..modalities.table.numbers import PLAIN
from ..recipes.grid_corpus import grid_av
from .findings import TableContents
from .starting_point import StartingPoint, choose_input

DROPOUT = 0.1  # fraction of the training examples in which a part is masked
MAX_LINEAR = 500  # numbers and categories; no linear model is fitted to more


def choose_table_input(contents: TableContents) -> StartingPoint:
    """Choose the input of a model for an inspected table, and the recipe to start from."""
    parts: dict[str, InputConfig] = {}
    columns: dict[str, dict[str, str]] = {"file": {}, "text": {}}
    lines: list[str] = []
    starts: list[StartingPoint] = []
    for name, column in contents.columns.items():
        if column.modality is None or column.sample is None:
            continue
        start = choose_input(column.modality, column.sample.measures)
        for track, config in _tracks(start.input).items():
            part = _part_name(f"{name}_{track}" if track else name, parts)
            parts[part] = config
            columns[column.what][part] = name
        starts.append(start)
        lines += [f"{name}: {line}" for line in start.lines]
    cells = _cells_config(contents)
    if cells is not None:
        parts[_part_name("table", parts)] = cells
        model = ", and one of a linear model of them" if cells.linear != "none" else ""
        columns_read = listed((*cells.numeric, *cells.categorical))
        lines.append(f"{columns_read}: one element per column{model}")
    dropout = dict.fromkeys(parts, DROPOUT) if len(parts) > 1 else {}
    config = RowsConfig(parts=parts, files=columns["file"], texts=columns["text"], dropout=dropout)
    recipe = starts[0].recipe if len(starts) == 1 and cells is None else grid_av()
    data = replace(
        _weakest_augmentation(starts, allow_mixup=cells is None),
        label=contents.config.label,
        task=contents.task,
        ignore=contents.config.ignore,
        categorical=contents.config.categorical,
    )
    trainer = recipe.trainer
    if contents.task != "classification":
        trainer = replace(trainer, label_smoothing=0.0)
    return StartingPoint(replace(recipe, data=data, trainer=trainer), config, tuple(lines))


def _tracks(config: InputConfig) -> dict[str, InputConfig]:
    """Return the inputs of one column by track: "audio" and "video", or one without a name."""
    return config.parts if isinstance(config, FusionConfig) else {"": config}


def _cells_config(contents: TableContents) -> TabularConfig | None:
    """Return the input of all numbers and categories; None if the table has neither."""
    numeric, categorical = contents.columns_of("numeric"), contents.columns_of("categorical")
    if not (numeric or categorical):
        return None
    features = len(numeric) + sum(len(column.categories) for column in categorical.values())
    return TabularConfig(
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        categories=tuple(column.categories for column in categorical.values()),
        linear="logistic" if features <= MAX_LINEAR else "none",
        number_formats={
            name: column.number_format.example
            for name, column in numeric.items()
            if column.number_format != PLAIN
        },
    )


def _weakest_augmentation(starts: list[StartingPoint], *, allow_mixup: bool) -> DataConfig:
    """Set each augmentation to its weakest setting among the parts that it applies to.

    Args:
        starts: the starting point of each column.
        allow_mixup: whether mixup is used too, at its weakest setting among all parts.
    """
    values = {}
    for field in dataclasses.fields(AugmentationConfig):
        settings = [
            getattr(start.recipe.data, field.name)
            for start in starts
            if field.name in modality_of(start.input).augmentations(start.input)
        ]
        if settings:
            values[field.name] = min(settings)
    mixup = min((start.recipe.data.mixup for start in starts), default=0.0)
    return DataConfig(**values, mixup=mixup if allow_mixup else 0.0)


def _part_name(name: str, taken: dict[str, InputConfig]) -> str:
    """Turn the name of a column into a valid name of a part that is not taken yet."""
    from ..modalities.fusion.adapter import is_part_name

    word = re.sub(r"\W", "_", name)
    word = word if word.isidentifier() else f"_{word}"
    while word in taken or not is_part_name(word):
        word += "_"
    return word
