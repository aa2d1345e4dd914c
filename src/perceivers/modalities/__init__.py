"""Modalities, one folder each: configuration, decoder, reader, adapter and augmentation.

Importing this package does not import torch; the record of a modality imports the adapter or the
reader when it builds one.
"""

from typing import TYPE_CHECKING

from .array import Array
from .array.config import ArrayConfig, GridConfig
from .augmentation import AugmentationConfig
from .config import InputConfig, OutputConfig
from .custom import Custom
from .custom.config import CustomConfig
from .elements import Elements
from .elements.config import ElementClassesConfig
from .file_modality import FileModality, InputChoice
from .flow import Flow
from .flow.config import FlowOutputConfig, FramePairConfig
from .fusion import Fusion
from .fusion.config import FusionConfig, FusionOutputConfig, RowsConfig
from .image import Image
from .image.config import ConvImageConfig, ImageConfig, PixelsOutputConfig
from .label import Label
from .label.config import LabelConfig, LabelOutputConfig
from .modality import Modality, modality_of, register
from .points import Points
from .points.config import OccupancyConfig, PointsConfig
from .series import TimeSeries
from .series.config import ForecastConfig, SeriesConfig, SeriesTokensConfig
from .sound import Sound
from .sound.config import AudioConfig, MelConfig, WaveOutputConfig
from .table import Table
from .table.config import TabularConfig
from .text import Text
from .text.config import TextConfig, TextOutputConfig, TextStreamConfig
from .video import Video
from .video.config import FramesOutputConfig, VideoConfig

if TYPE_CHECKING:
    from .adapter import Adapter
    from .output import Output
    from .reader import Reader

# If modalities share a file suffix, the first of them that can read the files is used.
MODALITIES = register(
    Image(), Video(), Sound(), TimeSeries(), Points(), Text(), Table(), Array(), Fusion(), Flow(),
    Label(), Elements(), Custom(),
)  # fmt: skip
FILE_MODALITIES = tuple(m for m in MODALITIES if isinstance(m, FileModality))

__all__ = [
    "FILE_MODALITIES",
    "MODALITIES",
    "ArrayConfig",
    "AudioConfig",
    "AugmentationConfig",
    "ConvImageConfig",
    "CustomConfig",
    "ElementClassesConfig",
    "FileModality",
    "FlowOutputConfig",
    "ForecastConfig",
    "FramePairConfig",
    "FramesOutputConfig",
    "FusionConfig",
    "FusionOutputConfig",
    "GridConfig",
    "ImageConfig",
    "InputChoice",
    "InputConfig",
    "LabelConfig",
    "LabelOutputConfig",
    "MelConfig",
    "Modality",
    "OccupancyConfig",
    "OutputConfig",
    "PixelsOutputConfig",
    "PointsConfig",
    "RowsConfig",
    "SeriesConfig",
    "SeriesTokensConfig",
    "TabularConfig",
    "TextConfig",
    "TextOutputConfig",
    "TextStreamConfig",
    "VideoConfig",
    "WaveOutputConfig",
    "build_adapter",
    "build_output",
    "build_reader",
    "modality_of",
]


def build_adapter(config: InputConfig) -> "Adapter":
    """Build the adapter that an input configuration describes.

    Args:
        config: the configuration; its fields are the arguments of the adapter.
    """
    return modality_of(config).adapter(config)


def build_reader(config: InputConfig) -> "Reader":
    """Build the reader that decodes files for a model with this input.

    Args:
        config: the input configuration of the model.

    Raises:
        ValueError: inputs of this kind are not read from files.
    """
    return modality_of(config).reader(config)


def build_output(config: OutputConfig, adapter: "Adapter") -> "Output":
    """Build an output of Perceiver IO.

    Args:
        config: the configuration of the output.
        adapter: the adapter of the model's inputs.

    Raises:
        ValueError: the output does not fit the inputs.
    """
    return modality_of(config).output(config, adapter)
