"""What a model is to read of a table's rows: a part for each column of files or text, and one for
all other cells. Imports no torch.

A rule of thumb of which nothing is published or was compared: each part is what a folder of such
files would be read as; several are trained as `grid_av` is, each left out of a tenth of the
examples, and varied by what is common to their recipes.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ..data.config import DataConfig
from ..models.inputs import FusionConfig, InputConfig, RowsConfig, TabularConfig
from ..training.recipe import Recipe
from .grid import grid_av
from .inputs import READINGS, Reading

if TYPE_CHECKING:
    from ..data.inspect_table import FoundTable

DROPOUT = 0.1  # share of examples that a part is hidden from in training
# Augmentation, and the modalities that are varied by it.
VARIED = {
    "crop_padding": ("image", "video"),
    "flip": ("image", "video", "points"),
    "zoom": ("image", "video"),
    "time_shift": ("sound", "video"),
    "point_dropout": ("points",),
    "point_scaling": ("points",),
}


def rows_reading(found: "FoundTable", *, cuda: bool) -> Reading:
    """What to read of a table; see above.

    Args:
        found: the table.
        cuda: as of `inputs.reading`.
    """
    parts: dict[str, InputConfig] = {}
    columns: dict[str, dict[str, str]] = {"file": {}, "text": {}}
    said: list[str] = []
    bases: list[tuple[str, Recipe]] = []
    for name, column in found.columns.items():
        if column.modality is None or column.looked is None:
            continue
        one = READINGS[column.modality](column.looked.measures, cuda)
        for kind, config in _parts(one.input).items():
            part = _identifier(f"{name}_{kind}" if kind else name, parts)
            parts[part] = config
            columns[column.what][part] = name
        bases.append((column.modality, one.base))
        said += [f"{name}: {line}" for line in one.said]
    table = _table(found)
    if table is not None:
        parts[_identifier("table", parts)] = table
        said.append(f"{', '.join((*table.numeric, *table.categorical))}: each an element")
    dropout = dict.fromkeys(parts, DROPOUT) if len(parts) > 1 else {}
    config = RowsConfig(parts=parts, files=columns["file"], texts=columns["text"], dropout=dropout)
    base = bases[0][1] if len(bases) == 1 and table is None else grid_av()
    data = replace(
        _varied([(modality, recipe.data) for modality, recipe in bases], mixed=table is None),
        label=found.config.label,
        task=found.task,
        ignore=found.config.ignore,
        categorical=found.config.categorical,
    )
    trainer = base.trainer
    if found.task != "classification":
        trainer = replace(trainer, label_smoothing=0.0)
    return Reading(replace(base, data=data, trainer=trainer), config, tuple(said))


def _parts(config: InputConfig) -> dict[str, InputConfig]:
    """A video and its sound are two parts of one column; all else is one."""
    return config.parts if isinstance(config, FusionConfig) else {"": config}


def _table(found: "FoundTable") -> TabularConfig | None:
    """The part of all numbers and categories; None: there are none."""
    numeric, named = found.of("numeric"), found.of("categorical")
    if not (numeric or named):
        return None
    return TabularConfig(
        numeric=tuple(numeric),
        categorical=tuple(named),
        categories=tuple(column.categories for column in named.values()),
    )


def _varied(parts: list[tuple[str, DataConfig]], *, mixed: bool) -> DataConfig:
    """Each modality as little as in any of the recipes of its parts; mixed, if all of them are."""
    values = {}
    for field, modalities in VARIED.items():
        given = [getattr(data, field) for modality, data in parts if modality in modalities]
        if given:
            values[field] = min(given)
    mixup = min((data.mixup for _, data in parts), default=0.0) if mixed else 0.0
    return DataConfig(**values, mixup=mixup)


def _identifier(name: str, taken: dict[str, InputConfig]) -> str:
    """A name that a part can have, not yet taken."""
    from ..adapters.fusion import can_be_called

    word = re.sub(r"\W", "_", name)
    word = word if word.isidentifier() else f"_{word}"
    while word in taken or not can_be_called(word):
        word += "_"
    return word
