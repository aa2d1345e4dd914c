"""Arrays on a regular grid of any number of axes, given as tensors (B, S_1, …, S_A, C)."""

from typing import TYPE_CHECKING, Any

from ..modality import Modality
from .config import ArrayConfig

if TYPE_CHECKING:
    from .adapter import ArrayAdapter


class Array(Modality):
    """Arrays of any number of axes. They have no files."""

    configs = (ArrayConfig,)

    def adapter(self, config: Any) -> "ArrayAdapter":
        from .adapter import ArrayAdapter

        return ArrayAdapter(**config.adapter_options())
