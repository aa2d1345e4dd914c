"""The base class of every input configuration, as plain data. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

Task = Literal[
    "classification",
    "multilabel",
    "regression",
    "language",
    "segmentation",
    "reconstruction",
    "forecasting",
    "masking",
    "flow",
    "occupancy",
]
"""What the outputs of a model are compared with: see `training.targets`."""


LinearModel = Literal["none", "logistic", "squares"]
"""A linear model of an example that is fitted before training: none, or by its loss."""


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value of a number, as in `Annotated[int, Range(1, 8)]`."""

    low: float
    high: float


Proportion = Annotated[float, Range(0, 1)]
Part = Annotated[float, Range(0, 0.99)]  # of something of which a part must remain
Count = Annotated[int, Range(1, 2**31 - 1)]
Signed = Annotated[float, Range(-1e30, 1e30)]  # plain numbers are at least 0
Bands = Annotated[int, Range(0, 2**16)]  # of a Fourier position, which makes all of them at once


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How the files and raw batches of a modality become elements.

    Each modality derives its own configuration. Its fields are the keyword arguments of the
    modality's adapter, except for `reader_fields`.
    """

    kind: ClassVar[str]
    """Name of this kind of configuration, written to `config.json`."""
    reader_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that only the reader of files uses; they are not arguments of the adapter."""

    def adapter_options(self) -> dict[str, Any]:
        """Return the keyword arguments of the adapter."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in self.reader_fields
        }


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """What the decoder of a Perceiver IO is asked for.

    Each modality that can be an output derives its own configuration.
    """

    kind: ClassVar[str]
    """Name of this kind of output, written to `config.json`."""

    @property
    def task(self) -> Task | None:
        """The task that these outputs are trained for; None: they can be computed, not trained."""
        return None

    @property
    def num_labels(self) -> int:
        """Number of the classes or labels among these outputs; 0: there are none."""
        return 0

    def for_labels(self, count: int) -> Self:
        """Return the configuration for data with so many labels; without labels: this one."""
        return self

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the output: all fields."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
