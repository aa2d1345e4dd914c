"""What to train on and how it is varied, as plain data. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from ..modalities.augmentation import AugmentationConfig

Task = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True, kw_only=True)
class DataConfig(AugmentationConfig):
    """The examples, their split, and the augmentation of training batches."""

    name: str = "folder"
    """A named set (`perceivers list`), or "folder" for your own data."""
    path: str | None = None
    """Where it lies: files, a folder, a table, or a hub name; none: the named set's own place."""
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto"
    """What the labels are: one class, any of several labels, or numbers; auto: by their type."""
    label: tuple[str, ...] = ()
    """Of a table: the columns to learn; empty: the one called label, labels or target."""
    ignore: tuple[str, ...] = ()
    """Of a table: columns to leave out."""
    categorical: tuple[str, ...] = ()
    """Of a table: columns whose cells, numbers too, are names of categories."""
    batch_size: int = 128
    """Examples in a batch."""
    validation: float = 0.1
    """Share of the training examples held out for validation, unless the data has its own."""
    test: float = 0.1
    """Share of the examples held out for the test, unless the data has its own."""
    strict: bool = False
    """Stop at the first unreadable file instead of skipping it with a count."""
    hold_gb: float = 4.0
    """Sets up to this size, decoded, are held in memory; larger ones are decoded batch by batch."""
    workers: int = 2
    """Processes that decode, where the set is too large to hold."""
    permute: Literal["none", "fixed", "random"] = "none"
    """Shuffle what the model reads, positions along: one order for all, or one for each."""
    mixup: float = 0.0
    """Mixup's Beta parameter; 0: off. With cutmix too, each batch draws one of them."""
    cutmix: float = 0.0
    """CutMix's Beta parameter; 0: off."""
