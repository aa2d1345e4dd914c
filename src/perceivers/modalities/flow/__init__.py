"""Optical flow: raw batches of frame pairs (B, 2, H, W, C), outputs (B, H, W, 2)."""

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..modality import Modality
from .config import FlowOutputConfig, FramePairConfig

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from ..adapter import Adapter
    from .adapter import FramePairAdapter
    from .output import FlowOutput
    from .reader import FlowReader


class Flow(Modality):
    """Pairs of frames, and the motion between them."""

    configs = (FramePairConfig,)
    outputs = (FlowOutputConfig,)
    augments: ClassVar[frozenset[str]] = frozenset({"flip"})

    @override
    def adapter(self, config: Any) -> "FramePairAdapter":
        from .adapter import FramePairAdapter

        return FramePairAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "FlowOutput":
        from .output import FlowOutput

        return FlowOutput(adapter, **config.options())

    @override
    def labelled_reader(self, config: Any, **unused: Any) -> "FlowReader":
        from .reader import FlowReader, FramePairReader

        return FlowReader(FramePairReader(config.height, config.width, config.channels))

    @override
    def augment_labelled(
        self, batch: "Tensor", labels: "Tensor", config: Any, augmentation: AugmentationConfig
    ) -> tuple["Tensor", "Tensor"]:
        from .augment import flip_pairs

        return flip_pairs(batch, labels) if augmentation.flip else (batch, labels)

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        return ["mirroring along both axes"] if augmentation.flip else []

    @override
    def random_example(self, config: Any, generator: "Generator") -> Any:
        shape = (2, config.height, config.width, config.channels)
        return generator.integers(0, 256, shape, "uint8")

    @override
    def preparation(self, config: Any) -> str:
        colours = "grey" if config.channels == 1 else "RGB"
        return (
            f"the pixels of two frames, {colours} from 0 to 255, the earlier one first; larger "
            f"frames in tiles of {config.height}×{config.width} that overlap"
        )
