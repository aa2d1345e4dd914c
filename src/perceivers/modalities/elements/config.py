"""Configuration of a class for each element of the input, as plain data."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Self

from typing_extensions import override

from ..config import OutputConfig, Task


@dataclass(frozen=True, kw_only=True)
class ElementClassesConfig(OutputConfig):
    """A class for each element: point, byte or pixel; see `ElementClasses`."""

    kind: ClassVar[str] = "element-classes"

    num_classes: int = 2
    """Number of classes; training takes it from the data."""

    @property
    @override
    def task(self) -> Task:
        return "segmentation"

    @property
    @override
    def num_labels(self) -> int:
        return self.num_classes

    @override
    def for_labels(self, count: int) -> Self:
        return dataclasses.replace(self, num_classes=count)
