"""The solids of the package: areas, distances, and what is inside, against other computations."""

import numpy as np
import pytest
import trimesh

from perceivers.data import shapes
from perceivers.data.shapes import Ball, Box, Part, Torus, Union, random_union, read_shapes
from perceivers.modalities import PointsConfig, build_reader, modality_of
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.points.solids import SolidReader

BOX, BALL, TORUS = Box((0.3, 0.5, 0.8)), Ball(0.6), Torus(0.6, 0.25)
PRIMITIVES = (BOX, BALL, TORUS)
VOLUMES = (8 * 0.3 * 0.5 * 0.8, 4 / 3 * np.pi * 0.6**3, 2 * np.pi**2 * 0.6 * 0.25**2)
AREAS = tuple(
    mesh.area
    for mesh in (
        trimesh.creation.box((0.6, 1.0, 1.6)),
        trimesh.creation.icosphere(5, 0.6),
        trimesh.creation.torus(0.6, 0.25, 200, 200),
    )
)


def ids(primitives):
    return [type(primitive).__name__ for primitive in primitives]


@pytest.mark.parametrize(("primitive", "area"), list(zip(PRIMITIVES, AREAS, strict=True)))
def test_areas_are_those_of_fine_meshes(primitive, area):
    assert primitive.area == pytest.approx(area, rel=2e-3)


@pytest.mark.parametrize(("primitive", "volume"), list(zip(PRIMITIVES, VOLUMES, strict=True)))
def test_the_share_of_places_inside_is_the_volume(primitive, volume):
    places = np.random.default_rng(0).uniform(-1, 1, (200_000, 3))
    assert 8 * (primitive.distances(places) < 0).mean() == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=ids(PRIMITIVES))
def test_points_lie_on_the_surface_and_distances_are_those_to_them(primitive):
    random = np.random.default_rng(0)
    surface = primitive.sample(20_000, random)
    np.testing.assert_allclose(primitive.distances(surface), 0, atol=1e-12)
    places = random.uniform(-1, 1, (50, 3))
    nearest = np.sqrt(np.square(places[:, None] - surface).sum(-1)).min(1)
    np.testing.assert_allclose(np.abs(primitive.distances(places)), nearest, atol=0.03)


def test_points_of_boxes_and_tori_are_uniform_over_the_area():
    random = np.random.default_rng(0)
    top = np.abs(BOX.sample(50_000, random)[:, 2]) >= 0.8 - 1e-12
    assert top.mean() == pytest.approx(2 * 0.6 * 1.0 / BOX.area, rel=0.05)
    outer = np.hypot(*TORUS.sample(50_000, random)[:, :2].T) > 0.6
    share = (np.pi * 0.6 + 2 * 0.25) / (2 * np.pi * 0.6)  # of the area beyond the ring
    assert outer.mean() == pytest.approx(share, rel=0.02)


def test_no_point_of_a_union_lies_inside_of_it():
    turn = np.eye(3)[[1, 2, 0]]
    solid = Union([Part(BOX, np.eye(3), np.zeros(3)), Part(TORUS, turn, np.array([0.3, 0, 0.1]))])
    points = solid.sample(3_000, np.random.default_rng(0))
    assert len(points) == 3_000
    assert min(part.distances(points).min() for part in solid.parts) > -1e-12
    on = np.array([np.abs(part.distances(points)) < 1e-9 for part in solid.parts])
    assert on.any(0).all()
    assert on.any(1).all()
    centre = solid.parts[1].centre + 0.6 * turn[0]  # inside of the tube
    places = np.array([[0.0, 0, 0], centre, [5, 0, 0]])
    assert solid.contains(places).tolist() == [True, True, False]


def test_rotations_are_rotations():
    random = np.random.default_rng(0)
    for _ in range(5):
        rotation = shapes._rotation(random)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def small_reader():
    return SolidReader(PointReader(64, 3), places=32)


def test_examples_follow_from_their_number():
    examples = read_shapes(small_reader())
    assert len(examples) == shapes.NUM_SHAPES
    points, places = examples.__getitems__([7, 3])
    again, same = read_shapes(small_reader()).__getitems__([3])
    assert points.shape == (2, 64, 3)
    assert places.shape == (2, 32, 4)
    assert (points[1] == again[0]).all()
    assert (places[1] == same[0]).all()
    assert points.abs().amax((1, 2)).tolist() == [1.0, 1.0]
    assert len({identity.content for identity in examples.identities()}) == len(examples)


def test_labels_of_examples_are_what_is_inside():
    reader = small_reader()
    random = np.random.default_rng((shapes.SEED, 7))
    solid = random_union(random)
    points = solid.sample(reader.surface_points, random)[:64]
    centre = points.mean(0)
    extent = np.abs(points - centre).max()
    (labels,) = read_shapes(reader).__getitems__([7])[1].double().numpy()
    assert (solid.contains(labels[:, :3] * extent + centre) == labels[:, 3]).all()
    assert 0 < labels[:, 3].mean() < 1
    assert np.abs(labels[:16, :3]).max() <= 1


def test_a_model_of_other_files_is_refused():
    reader = build_reader(PointsConfig())
    with pytest.raises(ValueError, match="holds solids, and the model reads point clouds"):
        read_shapes(reader)
    config = PointsConfig(num_points=64)
    assert modality_of(config).solid_reader(config) == SolidReader(build_reader(config))
