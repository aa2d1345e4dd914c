"""Arrays on a regular grid with any number of axes, given as tensors (B, S_1, …, S_A, C)."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..modality import Modality
from .config import ArrayConfig

if TYPE_CHECKING:
    from .adapter import ArrayAdapter


class Array(Modality):
    """Arrays with any number of axes, which are not read from files."""

    configs = (ArrayConfig,)

    @override
    def adapter(self, config: Any) -> "ArrayAdapter":
        from .adapter import ArrayAdapter

        return ArrayAdapter(**config.adapter_options())
