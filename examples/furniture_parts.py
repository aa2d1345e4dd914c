"""Write point clouds of made-up furniture, with the part that each point belongs to.

    python examples/furniture_parts.py DEST [COUNT]

Tables, chairs, stools and lamps are composed of boxes, cylinders and cones of random sizes. Points
are sampled uniformly over their surfaces and moved by noise of 0.5% of a metre, and each object is
turned about its upright axis. A point belongs to the part that it was sampled from, so that the
labels are exact. DEST/train has COUNT objects (default 800), DEST/test an eighth of them more.
DEST/classes.txt names the parts in the order of their labels.
"""

import argparse
from pathlib import Path

import numpy as np

from perceivers.modalities.points.ply import write_ply

PARTS = ("board", "leg", "back", "pole", "shade", "base")
BOARD, LEG, BACK, POLE, SHADE, BASE = range(len(PARTS))
POINTS = 2048
NOISE = 0.005  # metres

Surface = tuple[np.ndarray, float]  # points that are uniform over a surface, and its area


def box(rng: np.random.Generator, size: np.ndarray, centre: np.ndarray) -> Surface:
    """Sample the surface of a box."""
    areas = np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])
    axis = rng.choice(3, POINTS, p=areas / areas.sum())
    points = rng.uniform(-0.5, 0.5, (POINTS, 3))
    points[np.arange(POINTS), axis] = rng.choice([-0.5, 0.5], POINTS)
    return points * size + centre, 2 * areas.sum()


def cone(
    rng: np.random.Generator, low: float, high: float, height: float, centre: np.ndarray
) -> Surface:
    """Sample the side and the two ends of a cone that is cut off, or of a cylinder.

    Args:
        rng: generator.
        low: radius at the bottom.
        high: radius at the top.
        height: its height.
        centre: centre of the bottom.
    """
    side = np.pi * (low + high) * np.hypot(height, high - low)
    areas = np.array([side, np.pi * low**2, np.pi * high**2])
    where = rng.choice(3, POINTS, p=areas / areas.sum())
    # The side grows with the radius: the share of its area below a height is a square root.
    share = rng.uniform(0, 1, POINTS)
    squares = low**2 + share * (high**2 - low**2)
    along = share if low == high else (np.sqrt(squares) - low) / (high - low)
    radius = low + along * (high - low)
    ends = np.sqrt(rng.uniform(0, 1, POINTS))
    radius = np.where(where == 1, low * ends, np.where(where == 2, high * ends, radius))
    along = np.where(where == 1, 0.0, np.where(where == 2, 1.0, along))
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height * along], axis=1)
    return points + centre, float(areas.sum())


def legs(
    rng: np.random.Generator, width: float, depth: float, height: float
) -> list[tuple[int, Surface]]:
    """Return three or four legs, square or round, below a board."""
    thickness, inset = rng.uniform(0.02, 0.06), rng.uniform(0.75, 0.95)
    square, found = rng.random() < 0.5, []
    for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        at = np.array([x * width / 2 * inset, y * depth / 2 * inset, 0.0])
        if square:
            size = np.array([thickness, thickness, height])
            found.append((LEG, box(rng, size, at + np.array([0, 0, height / 2]))))
        else:
            found.append((LEG, cone(rng, thickness / 2, thickness / 2, height, at)))
    return found


def furniture(rng: np.random.Generator) -> list[tuple[int, Surface]]:
    """Return the parts of a random object and their surfaces."""
    kind = rng.choice(["table", "chair", "stool", "lamp", "pedestal"])
    if kind == "lamp":
        height, foot = rng.uniform(0.4, 1.8), rng.uniform(0.08, 0.2)
        low, high = rng.uniform(0.12, 0.3), rng.uniform(0.05, 0.12)
        tall = rng.uniform(0.12, 0.35)
        thickness = rng.uniform(0.01, 0.03)
        return [
            (BASE, cone(rng, foot, foot * rng.uniform(0.5, 1), 0.04, np.zeros(3))),
            (POLE, cone(rng, thickness, thickness, height, np.array([0, 0, 0.04]))),
            (SHADE, cone(rng, low, high, tall, np.array([0, 0, height - tall / 2]))),
        ]
    height = rng.uniform(0.35, 0.8)
    width, depth = rng.uniform(0.35, 0.6, 2) * (rng.uniform(1, 3) if kind == "table" else 1)
    thick = rng.uniform(0.02, 0.06)
    top = np.array([0, 0, height + thick / 2])
    round_board = rng.random() < 0.3
    board = (
        cone(rng, width / 2, width / 2, thick, np.array([0, 0, height]))
        if round_board
        else box(rng, np.array([width, depth, thick]), top)
    )
    parts = [(BOARD, board)]
    if kind == "pedestal":
        pole, foot = rng.uniform(0.02, 0.06), rng.uniform(0.15, 0.3)
        parts.append((POLE, cone(rng, pole, pole, height, np.zeros(3))))
        parts.append((BASE, cone(rng, foot, foot * rng.uniform(0.2, 1), 0.05, np.zeros(3))))
    else:
        inner = 0.7 if round_board else 1.0
        parts += legs(rng, inner * width, inner * (width if round_board else depth), height)
    if kind == "chair":
        tall = rng.uniform(0.3, 0.6)
        size = np.array([width, rng.uniform(0.02, 0.05), tall])
        parts.append((BACK, box(rng, size, np.array([0, depth / 2, height + thick + tall / 2]))))
    return parts


def cloud(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a random object: points float32 (POINTS, 3), in metres, and their parts (POINTS,)."""
    parts = furniture(rng)
    areas = np.array([area for _, (_, area) in parts])
    source = rng.choice(len(parts), POINTS, p=areas / areas.sum())
    points = np.stack([surface for _, (surface, _) in parts])[source, np.arange(POINTS)]
    points += rng.normal(0, NOISE, points.shape)
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    points = points @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return points.astype(np.float32), np.array([label for label, _ in parts])[source]


def main(dest: Path, count: int = 800) -> None:
    """Write DEST/train, DEST/test and DEST/classes.txt."""
    for seed, (split, number) in enumerate((("train", count), ("test", max(1, count // 8)))):
        folder = dest / split
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        for index in range(number):
            write_ply(folder / f"{index:04d}.ply", *cloud(rng))
    (dest / "classes.txt").write_text("\n".join(PARTS) + "\n")
    print(f"{count} training clouds and {max(1, count // 8)} test clouds in {dest}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dest", type=Path, help="folder to write to")
    parser.add_argument(
        "count", type=int, nargs="?", default=800, help="objects of the training split [800]"
    )
    main(**vars(parser.parse_args()))
