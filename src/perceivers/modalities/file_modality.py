"""Records of modalities whose examples are files in a folder. Imports no torch."""

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .config import InputConfig
from .measures import Measures
from .modality import Modality

if TYPE_CHECKING:
    from .reader import ArrayReader

PATCH_CHANNELS = 96  # that `choose` projects patches to, before a GELU


@dataclass(frozen=True)
class InputChoice:
    """An input configuration chosen for the files of a folder."""

    input: InputConfig
    """The configuration."""
    lines: tuple[str, ...]
    """Lines that describe the choice."""
    augmentation: dict[str, Any] = field(default_factory=dict)
    """Fields of `AugmentationConfig` whose values differ from the recipe's."""


class FileModality(Modality):
    """A modality whose examples can be files in a folder, one example per file."""

    name: ClassVar[str]
    """Name of the modality."""
    recipe: ClassVar[str]
    """Name of the recipe whose settings are the starting point for other data of this modality."""
    measured_whole: ClassVar[bool] = False
    """Whether `probe` reads all of a file."""
    example_per_line: ClassVar[bool] = False
    """Whether all examples of a class may also be lines of one file."""

    @abstractmethod
    def reader_class(self) -> "type[ArrayReader]":
        """Return the class of the readers that `reader` builds."""

    @property
    def noun(self) -> str:
        """What the files are called, in the plural, such as "images"."""
        return self.reader_class().noun

    @property
    def suffixes(self) -> frozenset[str]:
        """Suffixes of the file names, in lower case with their dot."""
        return self.reader_class().suffixes

    @property
    def lone_suffixes(self) -> frozenset[str]:
        """Those of `suffixes` whose files are examples only where no file of the others is."""
        return self.reader_class().lone_suffixes

    labels_words: ClassVar[str] = ""
    """Where the labels of elements are, for messages; empty: nowhere."""

    def labelled_files(self, folder: Path) -> list[Path]:
        """Return the files directly in a folder whose elements may have labels, sorted.

        Args:
            folder: the folder; for modalities with an `example_per_line` also a file.
        """
        return []

    def count_labelled(self, path: Path) -> int:
        """Return the number of examples of one of `labelled_files`; 0 if it cannot be read."""
        return 1

    def has_element_labels(self, path: Path, label: str | None) -> bool:
        """Return whether the elements of a file have labels.

        Args:
            path: one of `labelled_files`.
            label: name of what holds the labels; None: a usual name.
        """
        return False

    def for_elements(self, config: Any) -> Any:
        """Return an input configuration in which each element has a label of its own."""
        return config

    @abstractmethod
    def probe(self, path: Path) -> dict[str, float]:
        """Measure a file, from its header if that is enough.

        Args:
            path: the file.

        Returns:
            Measurements by name, such as {"height": 480, "width": 640, "channels": 3}.

        Raises:
            ValueError: the file cannot be read.
        """

    @abstractmethod
    def describe(self, measures: Measures) -> str:
        """Describe measured files, such as "8 kHz mono, median 0.42 s"."""

    def recipe_for(self, measures: Measures) -> str:
        """Return the name of the recipe to start from for such files."""
        return self.recipe

    @abstractmethod
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        """Choose an input configuration for measured files.

        Args:
            measures: distributions of the measurements that `probe` returns.
            base: the input configuration of the recipe that `recipe_for` names.
        """
