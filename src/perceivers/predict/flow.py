"""Optical flow of two frames with a trained model."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from ..exported import device_of
from ..modalities import FramePairConfig
from ..modalities.files import PathOrBytes
from ..modalities.flow.files import colours, flo_bytes
from ..modalities.flow.reader import value_range
from ..modalities.flow.tiles import OVERLAP, in_tiles
from ..modalities.image import decode as images
from ..modalities.image.levels import Range
from ..modalities.image.opening import png_bytes
from .answers import Answer, Answerer, Asked, Model
from .formatting import finite


class FlowAnswerer(Answerer):
    """Predicts the motion between consecutive frames: a .flo file and a picture of each pair."""

    nothing_served = "optical flow is between two files, and a service answers about one"

    @override
    def asked(self, names: Sequence[str], texts: Sequence[str] = ()) -> Iterator[Asked]:
        if texts:
            raise ValueError("--text is for models of texts; give files")
        files = [Path(name) for name in names]
        if len(files) < 2:
            raise ValueError(f"got {len(files)} file; expected two or more frames, in their order")
        for pair in pairwise(files):
            first, second = pair
            named = {"first": str(first), "second": str(second)}
            yield Asked(f"{first} → {second}", f"{first.stem}-{second.stem}", pair, pair, named)

    @override
    def read(self, source: Any) -> Any:
        return _two_frames(self.model, *source)

    @override
    def answer(self, example: Any) -> Answer:
        flow = predict_flow(self.model, *example)
        lengths = np.hypot(flow[..., 0], flow[..., 1])
        mean, largest = float(lengths.mean()), float(lengths.max())
        return Answer(
            f"{mean:.2f} pixels on average, up to {largest:.2f}",
            {"mean_pixels": round(mean, 4), "largest_pixels": round(largest, 4)},
            {".flo": flo_bytes(flow), ".png": png_bytes(colours(flow))},
        )


@torch.inference_mode()
def predict_flow(model: Model, first: Any, second: Any, *, overlap: int = OVERLAP) -> np.ndarray:
    """Predict how far each pixel of a frame has moved in the next one.

    Frames of any size are predicted in tiles of the size that the model was trained on, which are
    blended where they overlap.

    Args:
        model: a model of optical flow, such as hf://deepmind/optical-flow-perceiver,
            or what it was exported to.
        first: the earlier frame: the path or the bytes of an image file, or uint8 (H, W, C).
        second: the later frame, of the same size.
        overlap: pixels that neighbouring tiles share at least; at most half of a tile.

    Returns:
        float32 (H, W, 2), motion in pixels along x (to the right) and y (down).

    Raises:
        ValueError: the model has other outputs, the frames differ in size, or one cannot be read.
    """
    config = model.config.input
    if not isinstance(config, FramePairConfig):
        raise ValueError(
            f"the model reads inputs of kind {config.kind!r}; expected a model of optical flow"
        )
    frames = _two_frames(model, first, second)
    batch = torch.from_numpy(np.stack(frames))[None].to(device_of(model))
    size = config.height, config.width
    flow = in_tiles(model.eval(), batch, size, min(overlap, min(size) // 2))
    return finite(flow[0].float()).cpu().numpy()


def _two_frames(model: Model, first: Any, second: Any) -> list[np.ndarray]:
    config: Any = model.config.input
    values = value_range([_wide(frame) for frame in (first, second)])
    frames = [_pixels(frame, config.channels, values) for frame in (first, second)]
    sizes = [f"{frame.shape[1]}×{frame.shape[0]}" for frame in frames]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"the frames are of {sizes[0]} and {sizes[1]} pixels; expected two of the same size: "
            "two pictures of one film"
        )
    return frames


def _wide(frame: Any) -> np.ndarray | None:
    """Return the values of a frame of more than 8 bits; None if it has 8, or cannot be read."""
    if isinstance(frame, np.ndarray):
        return None if frame.dtype in (np.uint8, np.bool_) else frame
    with suppress(ValueError):  # it is named when it is decoded
        return images.wide_values(frame if isinstance(frame, bytes) else Path(frame))
    return None


def _pixels(frame: Any, channels: int, values: Range | None) -> np.ndarray:
    options: Any = {"channels": channels, "size": None, "value_range": values}
    if isinstance(frame, np.ndarray):
        return images.from_pixels(frame, **options)
    source: PathOrBytes = frame if isinstance(frame, bytes) else Path(frame)
    try:
        return images.decode(source, **options)
    except ValueError as error:
        name = "a frame" if isinstance(source, bytes) else source
        raise ValueError(f"{name}: {error}") from error
