"""What a model is to read of a folder's files: elements by the files' sizes. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..data.config import DataConfig
from ..models.inputs import (
    FusionConfig,
    ImageConfig,
    InputConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
)
from ..training.recipe import Recipe
from .folder import folder
from .fsdd import fsdd
from .grid import grid_av, grid_video
from .kicad import kicad
from .rt_polarity import rt_polarity

if TYPE_CHECKING:
    from ..data.found import Found, Modality, Spread

    Measures = dict[str, Spread]

IMAGE_SIDES = (8, 16, 32, 48, 64, 96, 128, 160, 192, 224)
ELEMENTS = 256  # of a sound, at most, while its patches stay short
MAX_RATE = 16_000  # samples a second: what speech needs
MAX_SECONDS = 30.0  # of a sound
LONG = 1.5  # width over height, or the reverse, from which on it is said that the middle is kept


@dataclass(frozen=True)
class Reading:
    """The recipe of the modality, and what is read."""

    base: Recipe
    input: InputConfig
    said: tuple[str, ...]
    """In words, a line each."""

    def varying(self, **changes: object) -> "Reading":
        """The same with other augmentation."""
        data: DataConfig = replace(self.base.data, **changes)  # type: ignore[arg-type]
        return replace(self, base=replace(self.base, data=data))


def reading(found: "Found", *, cuda: bool) -> Reading:
    """What to read of these files.

    Args:
        found: the files.
        cuda: on a GPU images and videos may be larger, clouds and texts longer.
    """
    return READINGS[found.modality](found.measures, cuda)


def varied(data: DataConfig, config: InputConfig) -> str:
    """How training examples are varied, in words; empty if they are not."""
    parts = config.parts.values() if isinstance(config, FusionConfig) else [config]
    pictures = any(isinstance(part, ImageConfig | VideoConfig) for part in parts)
    mels = [part for part in parts if isinstance(part, MelConfig)]
    points = any(isinstance(part, PointsConfig) for part in parts)
    dropped = (
        [k for k, p in config.dropout.items() if p] if isinstance(config, FusionConfig) else []
    )
    pad = data.crop_padding
    ways = {
        "shifts in time": mels and data.time_shift,
        "hidden frames and bands": any(mel.num_time_masks for mel in mels),
        f"shifts of {'a pixel' if pad == 1 else f'up to {pad} pixels'}": pictures and pad,
        "mirroring": (pictures or points) and data.flip,
        "zoom": pictures and data.zoom,
        "leaving out points": points and data.point_dropout,
        "scaling each point a little": points and data.point_scaling,
        f"leaving out {' or '.join(dropped)}": dropped,
        "mixup": data.mixup,
    }
    *said, last = [way for way, on in ways.items() if on] or [""]
    return f"{', '.join(said)} and {last}" if said else last


def _image(m: "Measures", cuda: bool) -> Reading:
    height, width = m["height"].median, m["width"].median
    size = _side(min(height, width), 224 if cuda else 64)
    channels = int(m["channels"].high)
    # Patches overlap by half, 16 × 16 of them; small images are read pixel by pixel.
    step = size // 16 if size >= 32 else 0
    patch = 2 * step - step % 2  # from which the step differs by an even number, as it has to
    base = folder()
    config = ImageConfig(
        image_size=size,
        channels=channels,
        patch_size=max(1, patch),
        patch_stride=step or None,
        num_bands=16 if step else size // 2,
        projection_dim=128 if step > 4 else None,
    )
    shade = "grey" if channels == 1 else "colour"
    what = f"patches of {patch} pixels every {step}" if step else "every pixel"
    said = f"images of {size} × {size} pixels in {shade}, {what}"
    if max(height, width) >= LONG * min(height, width):
        said += "; of long ones the square in the middle"
    pad = max(1, size // 8)
    # What is grey is often writing or a scan, which its mirror image would make something else.
    flip = channels == 3
    zoom = 0.0 if flip else 0.15
    return Reading(base, config, (said,)).varying(crop_padding=pad, flip=flip, zoom=zoom)


def _sound(m: "Measures", cuda: bool) -> Reading:
    seconds = m["seconds"]
    config = replace(_mel(m["sample_rate"].median, seconds.most), own_length=True)
    length = config.num_samples / config.sample_rate
    longer = "as long as 19 of 20 files" if length >= seconds.most else "the middle of longer ones"
    said = f"each file at its own length, up to {length:.2f} s ({longer}), {_said_mel(config)}"
    if m["channels"].high > 1:
        said += "; all channels averaged"
    return Reading(fsdd(), config, (said,))


def _mel(rate: float, seconds: float) -> MelConfig:
    """A log-mel spectrogram in the proportions of the recipe `fsdd`: frames of 40 ms every 10."""
    sample_rate = int(min(MAX_RATE, max(8_000, rate)))
    hop, n_mels = sample_rate // 100, 40 if sample_rate <= 8_000 else 64
    frames = max(8, math.ceil(min(seconds, MAX_SECONDS) * sample_rate / hop))
    patch = 2
    while frames > ELEMENTS * patch and patch < 16:
        patch *= 2
    frames = math.ceil(frames / patch) * patch
    return MelConfig(
        num_samples=frames * hop,
        sample_rate=sample_rate,
        n_fft=4 * hop,
        hop_length=hop,
        n_mels=n_mels,
        patch_frames=patch,
        num_bands=16,
        num_time_masks=2,
        time_mask_width=max(1, frames // 8),
        num_frequency_masks=2,
        frequency_mask_width=n_mels // 7,
    )


def _said_mel(config: MelConfig) -> str:
    each = 1000 * config.patch_frames * config.hop_length / config.sample_rate
    return (
        f"as a log-mel spectrogram at {config.sample_rate / 1000:g} kHz of {config.n_mels} bands, "
        f"an element every {each:.0f} ms"
    )


def _video(m: "Measures", cuda: bool) -> Reading:
    size = _side(min(m["height"].median, m["width"].median), 112 if cuda else 48, step=16)
    frames = 2 * max(1, min(32 if cuda else 16, int(m["frames"].median)) // 2)
    pictures = VideoConfig(num_frames=frames, image_size=size, num_bands=8)
    said = (
        f"{frames} frames spread over each video, {size} × {size} pixels, in patches of 2 frames "
        "of 8 × 8"
    )
    if m["has_sound"].mean < 0.5:
        return Reading(grid_video(), pictures, (said,)).varying(flip=False)
    mel = _mel(m["sample_rate"].median, m["sound_seconds"].most)
    base = grid_av()
    assert isinstance(base.model.input, FusionConfig)
    config = replace(base.model.input, parts={"audio": mel, "video": pictures})
    said += f"; their sound, {mel.num_samples / mel.sample_rate:.2f} s {_said_mel(mel)}"
    return Reading(base, config, (said,)).varying(flip=False)


def _points(m: "Measures", cuda: bool) -> Reading:
    from ..data.surface import SHAPE_CHANNELS  # with NumPy, for which --help does not wait

    most = 2048 if cuda else 1024
    # Of a mesh any number of points can be taken.
    count = most if m["faces"].high else min(most, max(3, int(m["points"].median)))
    channels = int(m["channels"].low)
    base = kicad()
    assert isinstance(base.model.input, PointsConfig)
    # No size_channel: of any folder it is not known that its files are in one unit.
    scales = base.model.input.neighbours
    config = replace(
        base.model.input,
        num_points=count,
        channels=channels + SHAPE_CHANNELS * len(scales),
        size_channel=False,
    )
    more = f", {channels - 3} more channels" if channels > 3 else ""
    said = f"{count:,} points of each file by their coordinates{more} and what the surface is like"
    # More channels may be normals, which are not mirrored.
    return Reading(base, config, (said,)).varying(flip=channels == 3)


def _text(m: "Measures", cuda: bool) -> Reading:
    longest, most = m["bytes"].high, 2048 if cuda else 1024
    length = min(most, max(32, math.ceil(longest / 32) * 32))
    base = rt_polarity()
    assert isinstance(base.model.input, TextConfig)
    said = f"up to {length:,} bytes of each text, one by one"
    if length < longest:
        said += f"; the longest have {longest:,.0f}"
    return Reading(base, replace(base.model.input, max_length=length), (said,))


READINGS: "dict[Modality, Callable[[Measures, bool], Reading]]" = {
    "image": _image,
    "sound": _sound,
    "video": _video,
    "points": _points,
    "text": _text,
}


def _side(pixels: float, most: int, step: int = 8) -> int:
    """The largest usual side that is not much more than the files have, at least the smallest."""
    sides = [side for side in IMAGE_SIDES if side <= most and side % step == 0]
    return max((side for side in sides if side <= 1.1 * pixels), default=sides[0])
