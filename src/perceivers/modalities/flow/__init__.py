"""Optical flow: raw batches of frame pairs (B, 2, H, W, C), outputs (B, H, W, 2)."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..modality import Modality
from .config import FlowOutputConfig, FramePairConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .adapter import FramePairAdapter
    from .output import FlowOutput


class Flow(Modality):
    """Pairs of frames, and the motion between them."""

    configs = (FramePairConfig,)
    outputs = (FlowOutputConfig,)

    @override
    def adapter(self, config: Any) -> "FramePairAdapter":
        from .adapter import FramePairAdapter

        return FramePairAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "FlowOutput":
        from .output import FlowOutput

        return FlowOutput(adapter, **config.options())

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        return {2: "height", 3: "width"}
