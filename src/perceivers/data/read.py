"""The one way in: a `DataConfig` → tables for training, validation and test, with class names."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .cifar import is_cifar, read_cifar
from .config import DataConfig
from .folder import read_source
from .images import fit
from .sets import named_set
from .tables import FileTable, HeldTable, Table

log = logging.getLogger(__name__)

SPLIT_SEED = 0  # of the splits made here: the same for every run, whatever its own seed

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Splits:
    """A data set ready to train on."""

    tables: dict[str, Table]
    """By name: "train", "validation", "test"."""
    labels: tuple[str, ...]
    """Class names in label order."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read."""


def read_splits(
    config: DataConfig,
    *,
    size: int,
    channels: int,
    hold_out: bool = True,
    progress: Progress | None = None,
) -> Splits:
    """Read a data set and hold out what it does not hold out itself.

    Args:
        config: which set, where it lies, how much to hold out.
        size: height and width images are brought to, where the set's own differ.
        channels: 1 or 3.
        hold_out: hold out a test and a validation split if the data has none of its own.
        progress: called with (done, total) while images are decoded.

    Raises:
        FileNotFoundError: nothing there; the message says what to bring and how to point at it.
        ValueError: fewer than two classes, damaged files, a split without examples.
    """
    tables, labels, skipped = _read(config, size, channels, progress)
    if len(labels) < 2:
        raise ValueError(
            f"found {len(labels)} class {list(labels)}; a classifier needs at least two: "
            "one folder of images each"
        )
    if hold_out:
        _hold_out(tables, config)
    for name, table in tables.items():
        if len(table) == 0:
            raise ValueError(f"the {name} split has no examples; add data or change its share")
    counts = ", ".join(f"{len(table):,} {name}" for name, table in tables.items())
    log.info("data: %s examples, %d classes, %d skipped", counts, len(labels), len(skipped))
    return Splits(tables, labels, tuple(skipped))


def _hold_out(tables: dict[str, Table], config: DataConfig) -> None:
    """Give up examples of the training split for the splits that are not there."""
    if "train" not in tables:
        raise ValueError(f"found only {sorted(tables)}; expected a 'train' split or plain classes")
    for name, share in (("test", config.test), ("validation", config.validation)):
        if name not in tables and share > 0:
            rest, held_out = stratified_split(tables["train"].labels, share)
            tables[name] = tables["train"].subset(held_out.tolist())
            tables["train"] = tables["train"].subset(rest.tolist())
    if "validation" not in tables:
        raise ValueError(
            f"data.validation={config.validation}; expected more than 0: without validation "
            "examples the best weights cannot be told"
        )


def stratified_split(labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Indices kept and held out, `share` of every class held out (at least one, not all)."""
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held_out[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def read_digits() -> tuple[Tensor, Tensor]:
    """The packaged digits: images (1797, 8, 8, 1) uint8 scaled to 0…255, labels (1797,)."""
    with (resources.files(__package__) / "digits" / "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        levels, labels = arrays["images"], arrays["labels"]
    images = (levels.astype(np.uint16) * 255 // 16).astype(np.uint8)
    return torch.from_numpy(images[..., None]), torch.from_numpy(labels.astype(np.int64))


def _read(
    config: DataConfig, size: int, channels: int, progress: Progress | None
) -> tuple[dict[str, Table], tuple[str, ...], list[str]]:
    if config.name != "folder":
        named = named_set(config.name)
        if config.path is None and named.hub_id is None:
            return {"train": HeldTable(*read_digits())}, tuple("0123456789"), []
        if config.path is not None and is_cifar(config.name, Path(config.path).expanduser()):
            train, test, labels = read_cifar(config.name, Path(config.path).expanduser())
            splits = {"train": train, "test": test}
            return {n: _held(arrays, size, channels) for n, arrays in splits.items()}, labels, []
        source = config.path or named.hub_id
        assert source is not None
    elif config.path is None:
        raise ValueError("no data given; point at your folder: --data DIR")
    else:
        named, source = None, config.path
    found, labels = read_source(
        source,
        size=size,
        channels=channels,
        strict=config.strict,
        named=named if config.path is None else None,
    )
    skipped: list[str] = []
    tables: dict[str, Table] = {}
    for name, table in found.items():
        tables[name] = _hold(table, config.hold_gb, progress)
        skipped += table.skipped
    return tables, labels, skipped


def _held(arrays: tuple[np.ndarray, np.ndarray], size: int, channels: int) -> HeldTable:
    images = fit(arrays[0], channels=channels, size=size)
    return HeldTable(torch.from_numpy(images), torch.from_numpy(arrays[1]))


def _hold(table: FileTable, limit_gb: float, progress: Progress | None) -> Table:
    if table.decoded_bytes > limit_gb * 1e9:
        log.info(
            "%d images are %.1f GB decoded, over data.hold_gb=%g: decoding batch by batch",
            len(table),
            table.decoded_bytes / 1e9,
            limit_gb,
        )
        return table
    return table.decode_all(progress)
