"""Files of optical flow: Middlebury's `.flo`, and pictures whose colours are directions."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...reading import read_bytes
from ..image.opening import SUFFIXES

MAGIC = 202021.25  # float32 at the start of a .flo file
HEADER = struct.Struct("<fii")
# Steps of the colour wheel between red, yellow, green, cyan, blue and magenta (Baker et al., "A
# Database and Evaluation Methodology for Optical Flow", 2007).
STEPS = (15, 6, 4, 11, 13, 6)
SUFFIX = ".flo"
UNKNOWN = 1e9  # a larger motion stands for one that is not known
GREY = 128  # of pixels whose motion is not known
FIRST, SECOND, FLOW = "_img1", "_img2", "_flow"  # ends of names, as in the set FlyingChairs
CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))


@dataclass(frozen=True)
class FlowTile:
    """A part of a pair of frames with its flow, of the size that a model reads."""

    flow: Path
    """The `.flo` file."""
    frames: tuple[Path, ...]
    """The earlier and the later frame; empty if they are not there."""
    top: int
    """First row."""
    left: int
    """First column."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it is read from."""
        return (self.flow, *self.frames)


def frames_of(flow: Path) -> tuple[Path, ...]:
    """Return the images NAME_img1 and NAME_img2 beside NAME_flow.flo; empty if one is missing.

    Args:
        flow: the `.flo` file.
    """
    if not flow.stem.endswith(FLOW):
        return ()
    name = flow.stem.removesuffix(FLOW)
    kinds = sorted(SUFFIXES, key=lambda suffix: suffix != ".png")
    found = []
    for end in (FIRST, SECOND):
        paths = (flow.with_name(f"{name}{end}{kind}") for kind in kinds)
        found.append(next((path for path in paths if path.is_file()), None))
    return tuple(path for path in found if path) if None not in found else ()


def size_of(path: Path) -> tuple[int, int]:
    """Return the height and the width that a `.flo` file says it has.

    Raises:
        ValueError: it is another kind of file, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(HEADER.size)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    if len(raw) < HEADER.size or HEADER.unpack(raw)[0] != MAGIC:
        raise ValueError(f"is no .flo file; expected one that begins with {MAGIC}")
    _, width, height = HEADER.unpack(raw)
    return height, width


def write_flo(path: Path, flow: np.ndarray) -> None:
    """Write a flow field as a `.flo` file.

    Args:
        path: the file; an existing one is replaced.
        flow: (H, W, 2), motion in pixels along x and y.
    """
    path.write_bytes(flo_bytes(flow))


def flo_bytes(flow: np.ndarray) -> bytes:
    """Return a flow field as the content of a `.flo` file.

    Args:
        flow: (H, W, 2), motion in pixels along x and y.
    """
    height, width = flow.shape[:2]
    values = np.ascontiguousarray(flow, dtype="<f4").tobytes()
    return HEADER.pack(MAGIC, width, height) + values


def read_flo(path: Path) -> np.ndarray:
    """Read a `.flo` file, float32 (H, W, 2).

    Raises:
        ValueError: it is another kind of file, or not complete.
        OSError: it cannot be read.
    """
    raw = read_bytes(path)
    if len(raw) < HEADER.size or HEADER.unpack_from(raw)[0] != MAGIC:
        raise ValueError(f"{path} is no .flo file; expected one that begins with {MAGIC}")
    _, width, height = HEADER.unpack_from(raw)
    if min(width, height) < 1 or len(raw) != HEADER.size + 8 * width * height:
        raise ValueError(
            f"{path} has {len(raw):,} bytes, but a size of {width}×{height}; copy it again"
        )
    return np.frombuffer(raw, "<f4", offset=HEADER.size).reshape(height, width, 2).copy()


def colours(flow: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Return a flow field as a picture: hue is the direction of motion, saturation its length.

    Args:
        flow: (H, W, 2), motion in pixels along x and y.
        largest: length in pixels that is fully saturated; None: the 99th percentile.

    Returns:
        uint8 (H, W, 3); white where nothing moves, and grey where the motion is not known (NaN).
    """
    unknown = np.isnan(flow).any(-1)
    x, y = (np.where(unknown, 0.0, flow[..., axis]) for axis in (0, 1))
    lengths = np.hypot(x, y)
    largest = largest or max(float(np.quantile(lengths, 0.99)), 1e-6)
    wheel = _wheel()
    angle = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(angle).astype(int)
    share = (angle - low)[..., None]
    hue = wheel[low] * (1 - share) + wheel[(low + 1) % len(wheel)] * share
    saturation = np.minimum(lengths / largest, 1.0)[..., None]
    picture = np.round(255 * (1 - saturation * (1 - hue))).astype(np.uint8)
    picture[unknown] = GREY
    return picture


def _wheel() -> np.ndarray:
    """Return the colours of the wheel, (55, 3) in [0, 1]."""
    runs = [
        np.linspace(start, stop, steps, endpoint=False)
        for start, stop, steps in zip(CORNERS, CORNERS[1:], STEPS, strict=False)
    ]
    return np.concatenate(runs)
