"""Configurations of class labels as inputs and as outputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..config import Count, InputConfig, OutputConfig


@dataclass(frozen=True, kw_only=True)
class LabelConfig(InputConfig):
    """The class of an example as one element; see `LabelAdapter`."""

    kind: ClassVar[str] = "class-label"

    num_classes: int = 700
    """Number of classes, which is the number of channels."""


@dataclass(frozen=True, kw_only=True)
class LabelOutputConfig(OutputConfig):
    """Logits of classes from one learned query; see `LabelOutput`."""

    kind: ClassVar[str] = "class"

    num_classes: int = 700
    """Number of classes."""
    query_dim: Count = 1024
    """Channels of the query."""
