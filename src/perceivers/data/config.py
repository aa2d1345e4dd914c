"""Configuration of the data of a training run, as plain data. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from ..modalities.augmentation import AugmentationConfig
from ..modalities.config import Count, Part
from ..modalities.config import Task as Task

EXAMPLE_TASKS: tuple[Task, ...] = ("classification", "multilabel", "regression")
"""The tasks with one row of labels, and of outputs, for each example."""
NUMBER_TASKS: tuple[Task, ...] = ("regression", "forecasting")
"""The tasks whose labels are numbers."""
UNLABELLED: tuple[Task, ...] = ("reconstruction", "flow", "occupancy")
"""The tasks that need no labels: what is to be found is in the examples themselves."""


@dataclass(frozen=True, kw_only=True)
class DataConfig(AugmentationConfig):
    """A data set, how it is split and batched, and the augmentation of training batches."""

    name: str = "folder"
    """Name of a data set that `perceivers list` shows, or "folder" for your own data."""
    path: str | None = None
    """Path of the data (official files, a folder or a table), or hf://owner/name for a data set of
    images on the Hugging Face hub; none: the named set comes from the package or from the hub."""
    task: Literal["auto", Task] = "auto"
    """What the labels of an example are: one class (classification), any number of labels
    (multilabel), numbers (regression), a class for each element (segmentation), the values of a
    series that follow (forecasting), or none, because the text itself is to be continued
    (language), hidden bytes of it are to be found (masking), the example itself is to be rebuilt
    (reconstruction), the motion of each pixel is part of it (flow), or what lies inside a solid is
    to be told from its surface (occupancy); the last seven follow from the model; auto: decided by
    the type of the labels."""
    label: tuple[str, ...] = ()
    """Tables: names of the columns to predict; empty: the column called label, labels or target; to
    forecast, all columns."""
    element_label: str | None = None
    """Segmentation of points: name of the ply property or npz array with the label of each point;
    none: the one with a usual name, such as label or class."""
    ignore: tuple[str, ...] = ()
    """Tables: names of columns to leave out."""
    categorical: tuple[str, ...] = ()
    """Tables: names of columns whose cells are categories, even if they are written as numbers."""
    time: str | None = None
    """Series: name of the column of times; row: there is none, and steps are regular. Files of
    numbers are read as series then, and the rows of a table as the steps of one long series. None:
    files are series if they have such a column and no x, y and z, and the rows of a table if it has
    one and no label."""
    stride: Count = 1
    """Series: steps from one window of a long series to the next."""
    batch_size: Count = 128
    """Number of examples in a batch."""
    validation: Part = 0.1
    """Fraction of the training examples to hold out for validation, if the data has no validation
    split of its own; 0: none, so that all are trained on and the weights of the last epoch are
    kept."""
    test: Part = 0.1
    """Fraction of the training examples to hold out for testing, if the data has no test split of
    its own."""
    strict: bool = False
    """Stop at the first file that cannot be read, instead of skipping and counting such files."""
    hold_gb: float = 4.0
    """Keep the decoded examples of a split in memory if they take at most this many GB; the files
    of a larger split are decoded batch by batch."""
    workers: int = 2
    """Number of processes that decode the files of a split that is not kept in memory; 0: the main
    process decodes them."""
    permute: Literal["none", "fixed", "random"] = "none"
    """Shuffle the input elements of the model, each together with its position; fixed: one order
    for all examples, random: a different order for each example."""
    mixup: float = 0.0
    """Parameter of mixup's Beta distribution; 0: no mixup. If cutmix is set too, each batch uses
    one of the two, drawn at random."""
    cutmix: float = 0.0
    """Parameter of CutMix's Beta distribution, for images only; 0: no CutMix."""
