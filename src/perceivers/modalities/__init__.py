"""One folder a modality: its configuration, decoder, reader, adapter and augmentation.

Importing this package imports no torch; each record imports its adapter or reader when asked.
"""

from typing import TYPE_CHECKING

from .array import Array
from .array.config import ArrayConfig, GridConfig
from .augmentation import AugmentationConfig
from .config import InputConfig
from .custom import Custom
from .custom.config import CustomConfig
from .fusion import Fusion
from .fusion.config import FusionConfig, RowsConfig
from .image import Image
from .image.config import ImageConfig
from .modality import FileModality, InputChoice, Modality, modality_of, register
from .points import Points
from .points.config import PointsConfig
from .sound import Sound
from .sound.config import AudioConfig, MelConfig
from .table import Table
from .table.config import TabularConfig
from .text import Text
from .text.config import TextConfig
from .video import Video
from .video.config import VideoConfig

if TYPE_CHECKING:
    from .adapter import Adapter
    from .reader import Reader

# A file suffix that two modalities share belongs to the first of them that can read the files.
MODALITIES = register(
    Image(), Video(), Sound(), Points(), Text(), Table(), Array(), Fusion(), Custom()
)  # fmt: skip
FILE_MODALITIES = tuple(m for m in MODALITIES if isinstance(m, FileModality))

__all__ = [
    "FILE_MODALITIES",
    "MODALITIES",
    "ArrayConfig",
    "AudioConfig",
    "AugmentationConfig",
    "CustomConfig",
    "FileModality",
    "FusionConfig",
    "GridConfig",
    "ImageConfig",
    "InputChoice",
    "InputConfig",
    "MelConfig",
    "Modality",
    "PointsConfig",
    "RowsConfig",
    "TabularConfig",
    "TextConfig",
    "VideoConfig",
    "build_adapter",
    "build_reader",
    "modality_of",
]


def build_adapter(config: InputConfig) -> "Adapter":
    """Build the adapter that a configuration describes."""
    return modality_of(config).adapter(config)


def build_reader(config: InputConfig) -> "Reader":
    """Build the reader of the files that a model with this input takes.

    Raises:
        ValueError: there are no such files.
    """
    return modality_of(config).reader(config)
