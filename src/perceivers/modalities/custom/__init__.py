"""Inputs made by an adapter that the user writes and gives to the model."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..modality import Modality
from .config import CustomConfig

if TYPE_CHECKING:
    from ..adapter import Adapter


class Custom(Modality):
    """Inputs of an adapter of the user's own. They have no files."""

    configs = (CustomConfig,)

    @override
    def adapter(self, config: Any) -> "Adapter":
        name = f" ({config.adapter})" if config.adapter else ""
        raise ValueError(
            f"the inputs of this model are made by an adapter of your own{name}, which is not "
            "saved; pass it: build(config, adapter=…) or load(directory, adapter=…)"
        )
