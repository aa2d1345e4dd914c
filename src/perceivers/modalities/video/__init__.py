"""Videos: raw batches (B, T, H, W, C), uint8 or float."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..file_modality import PATCH_CHANNELS, FileModality, InputChoice
from ..image import pixel_augmentation_words, usual_side
from ..measures import Measures, median_of, pixels_of
from ..sound import describe_mel, mel_for
from .config import FramesOutputConfig, VideoConfig

if TYPE_CHECKING:
    from torch import Tensor

    from ..adapter import Adapter
    from .adapter import VideoAdapter
    from .output import FramesOutput
    from .reader import VideoReader

MAX_SIDE = 48  # largest side in pixels that `choose` resizes videos to
MAX_FRAMES = 16  # largest number of frames that `choose` samples


class Video(FileModality):
    """Videos, whose elements are patches of a few frames."""

    name = "video"
    recipe = "grid-video"
    configs = (VideoConfig,)
    outputs = (FramesOutputConfig,)
    augments = frozenset({"crop_padding", "flip", "zoom"})

    @override
    def output(self, config: Any, adapter: "Adapter") -> "FramesOutput":
        from .output import FramesOutput

        return FramesOutput(**config.options())

    @override
    def adapter(self, config: Any) -> "VideoAdapter":
        from .adapter import VideoAdapter

        return VideoAdapter(**config.adapter_options())

    @override
    def reader_class(self) -> "type[VideoReader]":
        from .reader import VideoReader

        return VideoReader

    @override
    def reader(self, config: Any) -> "VideoReader":
        return self.reader_class()(
            config.num_frames,
            config.image_size,
            config.channels,
            config.seconds,
            config.strides[0],
            config.own_length,
            config.value_range,
        )

    @override
    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Measure the range of the values of grey videos of more than 8 bits."""
        from ..image import levels
        from .decode import wide_values

        if config.value_range is not None:
            return config, []
        return levels.measured(config, sources(), wide_values, self.noun)

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        return {} if config.position == "learned" else {1: "frames", 2: "height", 3: "width"}

    @override
    def aspect(self, example: Any, config: Any) -> float:
        from .draw import aspect

        return aspect(example)

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def animation(self, example: Any, values: Any, config: Any) -> bytes:
        from .draw import animate

        return animate(example, values, config)

    @override
    def preparation(self, config: Any) -> str:
        colours = "grey" if config.channels == 1 else "RGB"
        span = "the video" if config.seconds is None else f"its middle {config.seconds:g} s"
        return (
            f"{config.num_frames} frames evenly spread over {span}, upright, {colours} from 0 to "
            f"255; the shorter side resized to {config.image_size}, the longer side cropped to its "
            "middle"
        )

    @override
    def augment_batch(self, batch: "Tensor", augmentation: AugmentationConfig) -> "Tensor":
        from .augment import augment_videos

        return augment_videos(batch, augmentation)

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        return pixel_augmentation_words(augmentation)

    @override
    def probe(self, path: Path) -> dict[str, float]:
        from ..sound import decode as sound
        from . import decode as video

        info = video.probe(path)
        measured = {
            "frames": info.frames,
            "frame_rate": info.rate,
            "seconds": info.seconds,
            "height": info.height,
            "width": info.width,
            "has_sound": float(info.has_sound),
        }
        if info.has_sound:
            track = sound.probe(path)
            measured |= {"sample_rate": track.rate, "sound_seconds": track.seconds}
        return measured

    @override
    def describe(self, measures: Measures) -> str:
        fraction = measures["has_sound"].mean
        sound = {0.0: "no sound", 1.0: "with sound"}.get(fraction, f"{fraction:.0%} with sound")
        rate = median_of(measures["frame_rate"], "frames a second")
        length = median_of(measures["seconds"], "s")
        return f"{pixels_of(measures)}, {rate}, {length}, {sound}"

    @override
    def recipe_for(self, measures: Measures) -> str:
        return "grid-av" if _have_sound(measures) else self.recipe

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        """Choose frames spread over each video, and its sound if at least half have sound."""
        shorter = min(measures["height"].median, measures["width"].median)
        size = usual_side(shorter, MAX_SIDE, step=16)
        frames = 2 * max(1, min(MAX_FRAMES, int(measures["frames"].median)) // 2)
        config = VideoConfig(
            num_frames=frames,
            image_size=size,
            projection_dim=PATCH_CHANNELS,
            projection_activation="gelu",
            num_bands=8,
        )
        line = (
            f"{frames} frames spread over each video, {size} × {size} pixels, in patches of 2 "
            "frames of 8 × 8"
        )
        augmentation = {"flip": False}
        if not _have_sound(measures):
            return InputChoice(config, (line,), augmentation)
        mel = mel_for(measures["sample_rate"].median, measures["sound_seconds"].most)
        fusion = replace(base, parts={"audio": mel, "video": config})
        line += f"; with sound, {mel.num_samples / mel.sample_rate:.2f} s {describe_mel(mel)}"
        return InputChoice(fusion, (line,), augmentation)


def _have_sound(measures: Measures) -> bool:
    return measures["has_sound"].mean >= 0.5
