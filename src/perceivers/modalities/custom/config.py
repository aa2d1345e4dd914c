"""Configuration of inputs that an adapter written by the user makes, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..config import InputConfig


@dataclass(frozen=True, kw_only=True)
class CustomConfig(InputConfig):
    """Inputs made by an adapter of your own, which is given when the model is built or loaded."""

    kind: ClassVar[str] = "custom"

    adapter: str = ""
    """Name of the adapter's class, for error messages."""
