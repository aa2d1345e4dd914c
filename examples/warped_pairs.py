"""Write pairs of frames whose motion is known exactly: real images that smooth flows have warped.

    python examples/warped_pairs.py SOURCE DEST [--count 4000] [--size 24] [--largest 4]

SOURCE is the folder of CIFAR-100's official python files, or a folder of photographs. DEST gets
NAME_img1.png, NAME_img2.png and NAME_flow.flo of each pair; for CIFAR-100 in DEST/train COUNT pairs
of training images, and in DEST/test an eighth of COUNT of test images, with other flows.

The second frame is the middle of an image. The first frame has at pixel x the colour that the image
has at x + flow(x), by cubic splines, so that the flow is exact: nothing is hidden, and nothing
comes from beyond the border of the image. A flow is the sum of a shift, a turn, a change of scale,
a shear and a smooth random field, of at most LARGEST pixels.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from perceivers.data.cifar import is_cifar, read_cifar
from perceivers.modalities.flow.files import write_flo
from perceivers.modalities.image.decode import decode
from perceivers.modalities.image.opening import SUFFIXES

SHIFT = 2.0  # pixels, the standard deviation along each axis
TURN, SCALE, SHEAR = 0.06, 0.06, 0.04  # standard deviations, per pixel from the middle
FIELD, KNOTS = 0.5, 4  # pixels, standard deviation of the field at KNOTS × KNOTS points
NAMES = ("img1.png", "img2.png", "flow.flo")


def smooth_flow(rng: np.random.Generator, size: int, largest: float) -> np.ndarray:
    """Draw a flow, float64 (size, size, 2), in pixels to the right and down.

    Args:
        rng: generator.
        size: height and width in pixels.
        largest: length in pixels that no vector exceeds.
    """
    turn, scale = rng.normal(0, (TURN, SCALE))
    a, b = rng.normal(0, SHEAR, 2)
    linear = np.array([[scale + a, b - turn], [b + turn, scale - a]])
    along = np.arange(size) - (size - 1) / 2
    places = np.stack(np.meshgrid(along, along), axis=-1)  # x, y
    # The linear part is as large on frames of any size.
    flow = places @ linear.T * (24 / size) + rng.normal(0, SHIFT, 2)
    at = np.linspace(0, KNOTS - 1, size)
    grid = np.stack(np.meshgrid(at, at, indexing="ij"))
    for axis in (0, 1):
        knots = rng.normal(0, FIELD, (KNOTS, KNOTS))
        flow[..., axis] += ndimage.map_coordinates(knots, grid, order=3, mode="nearest")
    longest = np.hypot(flow[..., 0], flow[..., 1]).max()
    return flow * min(1.0, largest / longest)


def warped(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second frame of a flow, uint8 (H, W, C).

    Args:
        image: uint8, in the middle of which the frames lie, with a margin as wide as the flow.
        flow: (H, W, 2).
    """
    height, width = flow.shape[:2]
    top, left = ((a - b) // 2 for a, b in zip(image.shape[:2], flow.shape[:2], strict=True))
    rows = np.arange(height)[:, None] + top + flow[..., 1]
    columns = np.arange(width) + left + flow[..., 0]
    channels = [
        ndimage.map_coordinates(channel, (rows, columns), order=3, mode="mirror")
        for channel in np.moveaxis(image.astype(float), -1, 0)
    ]
    first = np.rint(np.stack(channels, axis=-1)).clip(0, 255).astype(np.uint8)
    return first, image[top : top + height, left : left + width]


def windows(
    images: Sequence[np.ndarray], rng: np.random.Generator, side: int
) -> Iterator[np.ndarray]:
    """Yield squares of images without end: the images in random order, a random place in each."""
    while True:
        for index in rng.permutation(len(images)):
            image = images[index]
            top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
            yield image[top : top + side, left : left + side]


def write_pairs(
    folder: Path, images: Sequence[np.ndarray], count: int, size: int, largest: float, seed: int
) -> None:
    """Write `count` pairs of frames with their flow into a new folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    margin = int(np.ceil(largest))
    squares = windows(images, rng, size + 2 * margin)
    for index in range(count):
        flow = smooth_flow(rng, size, largest).astype(np.float32)
        first, second = warped(next(squares), flow)
        paths = [folder / f"{index:05d}_{name}" for name in NAMES]
        Image.fromarray(first).save(paths[0])
        Image.fromarray(second).save(paths[1])
        write_flo(paths[2], flow)


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of CIFAR-100, or of photographs")
    parser.add_argument("dest", type=Path, help="new folder")
    parser.add_argument("--count", type=int, default=4000, help="training pairs [4000]")
    parser.add_argument("--size", type=int, default=24, help="height and width of a frame [24]")
    parser.add_argument("--largest", type=float, default=4.0, help="longest motion in pixels [4]")
    options = parser.parse_args()
    if is_cifar("cifar100", options.source):
        (train, _), (test, _), _ = read_cifar("cifar100", options.source)
        parts = {"train": (train, options.count), "test": (test, max(1, options.count // 8))}
    else:
        files = sorted(f for f in options.source.iterdir() if f.suffix.lower() in SUFFIXES)
        photographs = [decode(str(file), channels=3, size=None) for file in files]
        parts = {".": (photographs, options.count)}
    for seed, (name, (images, count)) in enumerate(parts.items()):
        write_pairs(options.dest / name, images, count, options.size, options.largest, seed)
        print(f"{count:,} pairs in {options.dest / name}")


if __name__ == "__main__":
    main()
