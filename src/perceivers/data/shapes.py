"""The data set "shapes": unions of boxes, balls and tori, whose inside is known exactly."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from typing_extensions import override

from ..modalities.files import PathOrBytes
from ..modalities.points.solids import SolidReader
from ..modalities.reader import Reader
from .file_examples import FileExamples
from .unlabelled import no_labels

NUM_SHAPES = 4_000
MAX_PARTS = 3
SEED = 0

# P points


@dataclass(frozen=True)
class Primitive(abc.ABC):
    """A solid in its own coordinates, around the origin."""

    @property
    @abc.abstractmethod
    def area(self) -> float:
        """Area of its surface."""

    @abc.abstractmethod
    def distances(self, points: np.ndarray) -> np.ndarray:
        """Return the signed distances of points (P, 3) from the surface, (P,); below 0 inside."""

    @abc.abstractmethod
    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Draw points of the surface, uniform over its area, (count, 3)."""


@dataclass(frozen=True)
class Box(Primitive):
    """A box with edges along the axes."""

    half: tuple[float, float, float]
    """Half of its extent along each axis."""

    @property
    @override
    def area(self) -> float:
        return 4 * sum(2 * face for face in self._faces())

    @override
    def distances(self, points: np.ndarray) -> np.ndarray:
        beyond = np.abs(points) - self.half
        outside = np.sqrt(np.square(beyond.clip(min=0)).sum(1))
        return outside + beyond.max(1).clip(max=0)

    @override
    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        faces = np.array(self._faces())
        axes = random.choice(3, count, p=faces / faces.sum())
        points = random.uniform(-1, 1, (count, 3))
        rows = np.arange(count)
        points[rows, axes] = np.where(points[rows, axes] < 0, -1.0, 1.0)
        return points * self.half

    def _faces(self) -> tuple[float, float, float]:
        """Return a quarter of the area of the face across each axis."""
        x, y, z = self.half
        return y * z, z * x, x * y


@dataclass(frozen=True)
class Ball(Primitive):
    """A ball."""

    radius: float

    @property
    @override
    def area(self) -> float:
        return 4 * math.pi * self.radius**2

    @override
    def distances(self, points: np.ndarray) -> np.ndarray:
        return np.sqrt(np.square(points).sum(1)) - self.radius

    @override
    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        points = random.normal(size=(count, 3))
        return self.radius * points / np.sqrt(np.square(points).sum(1, keepdims=True))


@dataclass(frozen=True)
class Torus(Primitive):
    """A torus around the z axis."""

    ring: float
    """Radius of the circle in its middle."""
    tube: float
    """Radius of the tube around this circle, smaller than `ring`."""

    @property
    @override
    def area(self) -> float:
        return 4 * math.pi**2 * self.ring * self.tube

    @override
    def distances(self, points: np.ndarray) -> np.ndarray:
        across = np.hypot(points[:, 0], points[:, 1]) - self.ring
        return np.hypot(across, points[:, 2]) - self.tube

    @override
    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        angles = np.empty(0)
        while len(angles) < count:  # area grows with the distance from the axis
            drawn = random.uniform(0, 2 * math.pi, 2 * count)
            share = (self.ring + self.tube * np.cos(drawn)) / (self.ring + self.tube)
            angles = np.concatenate([angles, drawn[random.uniform(size=len(drawn)) < share]])
        angles, around = angles[:count], random.uniform(0, 2 * math.pi, count)
        radius = self.ring + self.tube * np.cos(angles)
        height = self.tube * np.sin(angles)
        return np.column_stack([radius * np.cos(around), radius * np.sin(around), height])


@dataclass(frozen=True)
class Part:
    """A primitive that was turned and moved."""

    primitive: Primitive
    rotation: np.ndarray
    """(3, 3); its rows are the primitive's axes."""
    centre: np.ndarray
    """(3,)."""

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Return signed distances, see `Primitive.distances`."""
        return self.primitive.distances((points - self.centre) @ self.rotation.T)

    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Draw points of the surface, (count, 3)."""
        return self.primitive.sample(count, random) @ self.rotation + self.centre


@dataclass(frozen=True)
class Union:
    """A union of parts, which may overlap."""

    parts: Sequence[Part]

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return which points (P, 3) lie inside, boolean (P,)."""
        return np.min([part.distances(points) for part in self.parts], axis=0) < 0

    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Draw points of the surface, uniform over its area, (count, 3).

        They are drawn from the surfaces of all parts by their area; those inside of another part
        are left out.
        """
        areas = np.array([part.primitive.area for part in self.parts])
        found: list[np.ndarray] = []
        while sum(map(len, found)) < count:
            numbers = random.multinomial(2 * count, areas / areas.sum())
            drawn = []
            for index, (part, number) in enumerate(zip(self.parts, numbers, strict=True)):
                points = part.sample(int(number), random)
                others = [x for i, x in enumerate(self.parts) if i != index]
                outside = [other.distances(points) >= 0 for other in others]
                drawn.append(points[np.all(outside, axis=0)] if outside else points)
            found.append(random.permutation(np.concatenate(drawn)))
        return np.concatenate(found)[:count]


def random_union(random: np.random.Generator) -> Union:
    """Draw a union of one to `MAX_PARTS` turned primitives.

    The middle of each further part lies on the surface of what is there already, so that all are
    connected.
    """
    solid = Union([Part(_primitive(random), _rotation(random), np.zeros(3))])
    for _ in range(random.integers(MAX_PARTS)):
        (centre,) = solid.sample(1, random)
        solid = Union([*solid.parts, Part(_primitive(random), _rotation(random), centre)])
    return solid


def _primitive(random: np.random.Generator) -> Primitive:
    kind = random.integers(3)
    if kind == 0:
        x, y, z = random.uniform(0.25, 0.8, 3).tolist()
        return Box((x, y, z))
    if kind == 1:
        return Ball(random.uniform(0.3, 0.7))
    ring = random.uniform(0.4, 0.7)
    return Torus(ring, ring * random.uniform(0.3, 0.6))


def _rotation(random: np.random.Generator) -> np.ndarray:
    """Draw a rotation, uniform over all of them."""
    matrix, triangle = np.linalg.qr(random.normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(triangle))
    return matrix * np.linalg.det(matrix)


@dataclass(frozen=True)
class ShapeReader(SolidReader):
    """Makes the solid of a number, which is given as text in bytes, in place of a file."""

    @override
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        assert isinstance(source, bytes)
        random = np.random.default_rng((SEED, int(source)))
        solid = random_union(random)
        surface = solid.sample(self.surface_points, random)
        return self.example(surface, solid.contains, random)


def read_shapes(reader: Reader) -> FileExamples:
    """Return the examples of the set, each of which follows from its number alone.

    Args:
        reader: reader of solids, which says how many points and places an example has.

    Raises:
        ValueError: the model reads something else.
    """
    if not isinstance(reader, SolidReader):
        raise ValueError(
            f"this data set holds solids, and the model reads {reader.noun}; choose a model of "
            "solids, such as that of the recipe shape-vae, or other data"
        )
    numbers = range(NUM_SHAPES)
    files = [(f"shapes[{number}]", str(number).encode()) for number in numbers]
    maker = ShapeReader(reader.reader, reader.places)
    return FileExamples(files, no_labels(NUM_SHAPES), torch.arange(NUM_SHAPES), maker)
