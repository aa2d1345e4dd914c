"""Class labels as one modality of several: raw batches (B,), outputs (B, num_classes)."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..modality import Modality
from .config import LabelConfig, LabelOutputConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .adapter import LabelAdapter
    from .output import LabelOutput


class Label(Modality):
    """The class of an example. It is not read from files."""

    configs = (LabelConfig,)
    outputs = (LabelOutputConfig,)

    @override
    def adapter(self, config: Any) -> "LabelAdapter":
        from .adapter import LabelAdapter

        return LabelAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "LabelOutput":
        from .output import LabelOutput

        return LabelOutput(**config.options())
