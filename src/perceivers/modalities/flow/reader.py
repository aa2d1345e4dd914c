"""Readers of pairs of frames, and of the true motion between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from ..image import decode as images
from ..image.levels import Range, measure_range, sample
from ..image.opening import SUFFIXES
from ..labelled import CONTENT, LABELS, NamedSource, TargetReader
from ..reader import ArrayReader, Examples
from .files import FIRST, FLOW, SECOND, SUFFIX, UNKNOWN, FlowTile, frames_of, read_flo, size_of
from .tiles import starts

# H, W height and width that the model reads · C channels


@dataclass(frozen=True)
class FramePairReader(ArrayReader):
    """Decodes parts of pairs of frames to uint8 (2, H, W, C)."""

    height: int
    """H."""
    width: int
    """W."""
    channels: int
    """C: 1 (grey) or 3 (RGB)."""

    noun: ClassVar[str] = "pairs of frames"
    suffixes: ClassVar[frozenset[str]] = SUFFIXES
    dtype: ClassVar[type] = np.uint8
    constant: ClassVar[str] = "of one colour"

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return 2, self.height, self.width, self.channels

    @override
    def decode(self, source: Any) -> np.ndarray:
        """Decode the frames of a `FlowTile`; see `frames` and `cut`."""
        first, second = self.frames(source)
        return np.stack([self.cut(first, source), self.cut(second, source)])

    def frames(self, source: FlowTile) -> tuple[np.ndarray, np.ndarray]:
        """Decode both frames of a pair, uint8 (rows, columns, C).

        Raises:
            ValueError: a frame is not there or cannot be read, or they differ in size.
        """
        if not source.frames:
            raise ValueError(
                f"there are no two frames beside it: NAME{FLOW}{SUFFIX} needs NAME{FIRST}.png and "
                f"NAME{SECOND}.png, or other images"
            )
        values = value_range([images.wide_values(str(file)) for file in source.frames])
        first, second = (
            images.decode(str(file), channels=self.channels, size=None, value_range=values)
            for file in source.frames
        )
        check_sizes(first, second, "its two frames")
        return first, second

    @override
    def decode_whole(self, source: Any) -> np.ndarray:
        raise ValueError("pairs of frames are read in parts; leave out own_size")

    def cut(self, array: np.ndarray, tile: FlowTile) -> np.ndarray:
        """Return the part of an array (rows, columns, …) that belongs to a tile, (H, W, …).

        Raises:
            ValueError: the array is smaller than the model reads.
        """
        rows, columns = array.shape[:2]
        if rows < self.height or columns < self.width:
            raise ValueError(
                f"is of {columns}×{rows} pixels, and the model reads {self.width}×{self.height}; "
                "give larger frames, or set --model.input.height and --model.input.width"
            )
        return array[tile.top : tile.top + self.height, tile.left : tile.left + self.width]


@dataclass(frozen=True)
class FlowReader(TargetReader):
    """Decodes pairs of frames with their true motion, from the files of the set FlyingChairs.

    NAME_img1.png and NAME_img2.png (or other images) are the frames of NAME_flow.flo. Frames that
    are larger than the model reads are several examples: parts side by side, of which the last of a
    row or column may overlap with the one before it. An example is {"content": uint8 (2, H, W, C),
    "labels": float32 (H, W, 2)}, the motion in pixels to the right and down of each pixel of the
    first frame; NaN where it is not known.
    """

    reader: FramePairReader

    @property
    @override
    def noun(self) -> str:
        return "pairs of frames with their flow"

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return frozenset({SUFFIX})

    @property
    @override
    def nbytes(self) -> int:
        return self.reader.nbytes + 8 * self.reader.height * self.reader.width

    @property
    @override
    def layout(self) -> str:
        return f"NAME{FLOW}{SUFFIX} beside the frames NAME{FIRST}.png and NAME{SECOND}.png"

    @override
    def sources(self, path: Path) -> list[NamedSource]:
        """Return the tiles of a pair; of a file that cannot be read one, which is skipped later."""
        frames, reader = frames_of(path), self.reader
        try:
            rows, columns = size_of(path)
        except ValueError:
            rows = columns = 0
        if rows <= reader.height and columns <= reader.width:
            return [(str(path), FlowTile(path, frames, 0, 0))]
        tops, lefts = (
            [0] if length < size else [*starts(length, size, 0)]
            for length, size in ((rows, reader.height), (columns, reader.width))
        )
        return [
            (f"{path} from row {top}, column {left}", FlowTile(path, frames, top, left))
            for top in tops
            for left in lefts
        ]

    @override
    def files_of(self, source: Any) -> tuple[Path, ...]:
        files: tuple[Path, ...] = source.files
        return files

    @override
    def decode(self, source: Any) -> dict[str, np.ndarray]:
        assert isinstance(source, FlowTile)
        frames, flow = self.reader.frames(source), read_flo(source.flow)
        check_sizes(flow, frames[0], "the flow and its frames")
        flow, first, second = (self.reader.cut(x, source) for x in (flow, *frames))
        known = (np.abs(flow) < UNKNOWN).all(-1, keepdims=True)
        if not known.any():
            raise ValueError("the motion of none of its pixels is known; leave it out")
        return {CONTENT: np.stack([first, second]), LABELS: np.where(known, flow, np.nan)}

    @override
    def targets(self, examples: Examples) -> Tensor:
        """Return the flow, float32 (B, H, W, 2)."""
        assert isinstance(examples, dict)
        flow = examples[LABELS]
        return flow if isinstance(flow, Tensor) else torch.stack(flow)


def value_range(wide: Sequence[np.ndarray | None]) -> Range | None:
    """Return the range by which both frames of a pair are scaled to 8 bits; None: they have 8.

    It is that of the pair, so that frames of a camera that uses few of its 16 bits are not black.

    Args:
        wide: the values of each frame that has more than 8 bits; None for any other.
    """
    values = [sample(frame) for frame in wide if frame is not None]
    return measure_range(values) if values else None


def check_sizes(first: np.ndarray, second: np.ndarray, what: str) -> None:
    """Raise a ValueError unless two arrays (rows, columns, …) are of the same size.

    Args:
        first: an array.
        second: another array.
        what: what they are called in the message.
    """
    if first.shape[:2] != second.shape[:2]:
        sizes = " and ".join(f"{x.shape[1]}×{x.shape[0]}" for x in (first, second))
        raise ValueError(f"{what} are of {sizes} pixels; expected the same size")
