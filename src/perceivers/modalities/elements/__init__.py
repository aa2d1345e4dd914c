"""Outputs for each element of the input, whatever its modality: (B, M, num_classes)."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..modality import Modality
from .config import ElementClassesConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .output import ElementClasses


class Elements(Modality):
    """The elements of another modality as outputs. They are no inputs of their own."""

    configs = ()
    outputs = (ElementClassesConfig,)

    @override
    def adapter(self, config: Any) -> "Adapter":
        raise ValueError("the elements of an input are made by its own adapter")

    @override
    def output(self, config: Any, adapter: "Adapter") -> "ElementClasses":
        from .output import ElementClasses

        return ElementClasses(adapter, **config.options())
