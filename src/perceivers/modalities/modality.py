"""Records of modalities: what the rest of the package needs to know of each. Imports no torch.

A modality is a folder beside this file. Its `__init__` derives a class from `Modality`, which
`perceivers.modalities` registers; nothing else has to change.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .augmentation import AugmentationConfig
from .config import InputConfig, OutputConfig

if TYPE_CHECKING:
    from numpy.random import Generator

    from .adapter import Adapter
    from .labelled import LabelledReader, TargetReader
    from .output import Output
    from .reader import Reader


class Modality(ABC):
    """A kind of input: its configurations, adapter, reader and augmentation."""

    configs: ClassVar[tuple[type[InputConfig], ...]]
    """The configurations that describe inputs of this modality."""
    outputs: ClassVar[tuple[type[OutputConfig], ...]] = ()
    """The configurations that describe outputs of this modality."""
    augments: ClassVar[frozenset[str]] = frozenset()
    """Fields of `AugmentationConfig` that affect this modality."""

    @abstractmethod
    def adapter(self, config: Any) -> "Adapter":
        """Build the adapter, which turns raw batches into `Inputs`."""

    def output(self, config: Any, adapter: "Adapter") -> "Output":
        """Build an output of Perceiver IO.

        Args:
            config: one of the configurations in `outputs`.
            adapter: the adapter of the model's inputs, from which sizes may follow.

        Raises:
            ValueError: the output does not fit these inputs, or this modality has no outputs.
        """
        raise ValueError(f"a model has no outputs of kind {config.kind!r}")

    def reader(self, config: Any) -> "Reader":
        """Build the reader, which decodes files into examples.

        Raises:
            ValueError: inputs of this modality are not read from files.
        """
        raise ValueError(
            f"models with input of kind {config.kind!r} cannot read files; pass tensors: "
            "model(batch)"
        )

    def labelled_reader(
        self,
        config: Any,
        *,
        label: str | None = None,
        classes: tuple[str, ...] = (),
        names: Mapping[int, str] | None = None,
    ) -> "TargetReader":
        """Build the reader of files that hold what is to be predicted of each element.

        Args:
            config: the input configuration of the model.
            label: name of what holds the labels; None: it is recognised.
            classes: names of the classes in the order of the model's outputs.
            names: names of the classes by the values that stand for them in files.

        Raises:
            ValueError: elements of this modality have no labels in files, or labels without a name.
        """
        from .reader import ArrayReader

        made = self.labelled_reader_class()
        if made is None:
            raise ValueError(
                f"inputs of kind {config.kind!r} have no labels of their elements in files; "
                "expected point clouds, texts or images"
            )
        if label is not None and made.unnamed:
            raise ValueError(
                f"data.element_label={label!r} names the labels of points, but labels are "
                f"{made.unnamed} here; leave it out"
            )
        reader = self.reader(config)
        assert isinstance(reader, ArrayReader)
        return made(reader, classes, names or {}, label)

    def labelled_reader_class(self) -> "type[LabelledReader] | None":
        """Return the class of the readers of `labelled_reader`; None: elements have no labels."""
        return None

    def solid_reader(self, config: Any) -> "TargetReader":
        """Build the reader of closed meshes, with places of which it is known if they are inside.

        Raises:
            ValueError: inputs of this modality are no points.
        """
        raise ValueError(f"inputs of kind {config.kind!r} have no inside; expected points")

    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Complete a configuration by what has to be measured in training files.

        Args:
            config: the input configuration of the model.
            sources: returns some of the training files: paths, bytes, or rows of a table.

        Returns:
            The configuration, and a line for each value that was measured.
        """
        return config, []

    def for_labels(self, config: Any, task: str, count: int) -> Any:
        """Complete a configuration by what follows from the labels of the training examples.

        Args:
            config: the input configuration of the model.
            task: the type of the labels, as in `DataConfig.task`.
            count: number of different labels, or of numbers to predict.

        Raises:
            ValueError: the input needs labels of another type.
        """
        return config

    def varying_axes(self, config: Any) -> dict[int, str]:
        """Return the axes of a raw batch, besides the first, whose length may vary, with names.

        Such as {1: "height", 2: "width"}: an exported model takes any length along them that the
        adapter takes.
        """
        return {}

    def random_example(self, config: Any, generator: "Generator") -> Any:
        """Return a random example of inputs that have no reader, with which a model is exported.

        Args:
            config: the input configuration of the model.
            generator: NumPy's generator of random numbers.

        Returns:
            A NumPy array, as a raw batch holds it; None: this modality has a reader, or only the
            user knows what its examples are.
        """
        return None

    def preparation(self, config: Any) -> str:
        """Say how an example is made of a file, for the users of an exported model."""
        return "a tensor, as the model was trained on"

    def page_scripts(self) -> list[Path]:
        """Return the scripts with which a web page reads files as the reader does.

        They lie in the folder `browser` of the modality, and `browser.js` is the one that a page
        imports: it exports `accept` and `prepare`. Empty: no page can read this modality.
        """
        folder = Path(inspect.getfile(type(self))).parent / "browser"
        return sorted(folder.glob("*.js"))

    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        """Draw an example, with a number for each of its elements.

        Args:
            figure: matplotlib figure or part of one.
            example: an example as the reader decodes it.
            values: NumPy array (M,), not negative; None: the example alone.
            config: the input configuration of the model.

        Raises:
            ValueError: inputs of this modality cannot be drawn.
        """
        raise ValueError(f"inputs of kind {config.kind!r} cannot be drawn")

    def draw_classes(
        self, figure: Any, example: Any, classes: Any, config: Any, count: int
    ) -> None:
        """Draw an example with the class of each of its elements.

        Args:
            figure: matplotlib figure or part of one.
            example: an example as the reader decodes it.
            classes: NumPy array (E,) of whole numbers, below 0 where there is no class.
            config: the input configuration of the model.
            count: number of classes.

        Raises:
            ValueError: classes of the elements of this modality cannot be drawn.
        """
        raise ValueError(f"classes of the elements of {config.kind!r} cannot be drawn")

    def aspect_of_classes(self, example: Any, config: Any) -> float:
        """Return the height that `draw_classes` needs, as a multiple of its width."""
        return 1.0

    def shading(self, config: Any) -> str:
        """Say what the colours of a drawing mean."""
        return "Bright: much of a map; dark: little."

    def aspect(self, example: Any, config: Any) -> float:
        """Return the height that a drawing of an example needs, as a multiple of its width."""
        return 0.64

    def words(self, example: Any, config: Any) -> str | None:
        """Return an example as text, for what reads better than a drawing of it; else None."""
        return None

    def animation(self, example: Any, values: Any, config: Any) -> bytes | None:
        """Return the same as an animated GIF; None for what does not move."""
        return None

    def augmentations(self, config: Any) -> frozenset[str]:
        """Return the fields of `AugmentationConfig` that affect inputs of this configuration."""
        return self.augments

    def augment(self, batch: Any, config: Any, augmentation: AugmentationConfig) -> Any:
        """Augment a raw batch.

        Args:
            batch: a tensor (B, …), or a list of examples of different lengths.
            config: the input configuration of the model.
            augmentation: which augmentations, and how strong.

        Returns:
            A batch of the same type. The shape differs only if points are dropped.
        """
        if not self.augments:
            return batch
        if isinstance(batch, list):
            return [self.augment_batch(example[None], augmentation)[0] for example in batch]
        return self.augment_batch(batch, augmentation)

    def augment_batch(self, batch: Any, augmentation: AugmentationConfig) -> Any:
        """Augment a tensor (B, …) of examples of one shape, each example independently."""
        return batch

    def augment_labelled(
        self, batch: Any, labels: Any, config: Any, augmentation: AugmentationConfig
    ) -> tuple[Any, Any]:
        """Augment a raw batch, and move the labels of its elements with them.

        Args:
            batch: a tensor (B, …), or a list of examples of different sizes.
            labels: labels of the elements, int64 (B, …), padded with -1.
            config: the input configuration of the model.
            augmentation: which augmentations, and how strong.

        Returns:
            The batch and the labels.

        Raises:
            ValueError: one of the augmentations moves elements, and labels cannot follow.
        """
        return batch, labels

    def augment_solids(
        self, batch: Any, labels: Any, config: Any, augmentation: AugmentationConfig
    ) -> tuple[Any, Any]:
        """Augment points of surfaces, and move the places of their labels with them.

        Args:
            batch: points, (B, M, C).
            labels: places and what is known of them, (B, Q, 4).
            config: the input configuration of the model.
            augmentation: which augmentations, and how strong.

        Returns:
            The batch and the labels.

        Raises:
            ValueError: one of the augmentations moves points, and places cannot follow.
        """
        raise ValueError(f"inputs of kind {config.kind!r} have no inside; expected points")

    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        """Name the augmentations that are switched on, such as ["mirroring", "zoom"]."""
        return []

    def augmentation_remarks(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        """Say what the augmentations leave unchanged that they might have to change."""
        return []

    def unmixable(self, config: Any) -> str:
        """Name what mixup and CutMix cannot mix in these inputs; empty if they can mix them."""
        return ""


_BY_CONFIG: dict[type[InputConfig | OutputConfig], Modality] = {}


def register(*modalities: Modality) -> tuple[Modality, ...]:
    """Register modalities with `modality_of`, and return them."""
    for modality in modalities:
        described: tuple[type[InputConfig | OutputConfig], ...]
        described = (*modality.configs, *modality.outputs)
        for config in described:
            _BY_CONFIG[config] = modality
    return modalities


def modality_of(config: InputConfig | OutputConfig) -> Modality:
    """Return the modality that a configuration belongs to."""
    return _BY_CONFIG[type(config)]
