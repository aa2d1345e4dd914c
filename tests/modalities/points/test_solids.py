"""Closed meshes as examples: what is inside, and what is refused."""

import numpy as np
import pytest
import torch
import trimesh

from perceivers.modalities import ImageConfig, PointsConfig, modality_of
from perceivers.modalities.augmentation import AugmentationConfig
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.points.rivals import said_by_nearest
from perceivers.modalities.points.solids import SolidReader, closed, contained_by

READER = SolidReader(PointReader(200, 3), places=400)


def written(mesh, kind="ply"):
    content = mesh.export(file_type=kind)
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize("kind", ["ply", "off", "obj", "stl"])
def test_places_of_a_box_in_a_file_are_inside_or_not(tmp_path, kind):
    box = trimesh.creation.box((2, 4, 6))
    box.apply_translation((100, 0, 0))
    file = tmp_path / f"box.{kind}"
    file.write_bytes(written(box, kind))
    example = READER.decode(str(file))
    points, labels = example["content"], example["labels"]
    assert points.shape == (200, 3)
    assert labels.shape == (400, 4)
    extent = 3 / np.abs(points[:, 2]).max()  # about 1: the longest axis fills the cube
    assert extent == pytest.approx(3, rel=0.05)
    inside = labels[:, 3] > 0.5
    clear = np.abs(np.abs(labels[:, :3] * 3) - (1, 2, 3)).min(1) > 0.3
    assert (inside == (np.abs(labels[:, :3] * 3) < (1, 2, 3)).all(1))[clear].all()
    assert 0.3 < inside[200:].mean() < 0.7
    again = READER.decode(str(file))
    assert (again["labels"] == labels).all()


def test_parts_that_overlap_are_a_union_and_a_cavity_is_outside():
    outer, inner = trimesh.creation.icosphere(2, 2.0), trimesh.creation.icosphere(2, 1.0)
    inner.invert()
    hollow = trimesh.util.concatenate([outer, inner])
    box = trimesh.creation.box((1, 1, 1))
    box.apply_translation((2, 0, 0))
    inside = contained_by(closed(trimesh.util.concatenate([hollow, box])))
    places = np.array([[0, 0, 0], [0, 1.5, 0], [1.7, 0, 0], [2.3, 0, 0], [0, 3, 0]], float)
    assert inside(places).tolist() == [False, True, True, True, False]


def test_winding_numbers_say_what_trimesh_says_of_a_torus():
    torus = trimesh.creation.torus(1.0, 0.4)
    places = np.random.default_rng(0).uniform(-1.5, 1.5, (500, 3))
    across = np.hypot(places[:, 0], places[:, 1]) - 1
    distance = np.hypot(across, places[:, 2]) - 0.4
    clear = np.abs(distance) > 0.03  # the mesh is inside of the torus
    assert (contained_by(closed(torus))(places) == (distance < 0))[clear].all()


def test_a_mesh_that_looks_inwards_is_turned():
    box = trimesh.creation.box((1, 1, 1))
    box.invert()
    assert contained_by(closed(box))(np.zeros((1, 3))).tolist() == [True]


def open_box():
    box = trimesh.creation.box((1, 1, 1))
    box.update_faces(np.arange(12) > 0)
    return box


def mixed_box():
    box = trimesh.creation.box((1, 1, 1))
    box.faces[0] = box.faces[0][::-1]
    return trimesh.Trimesh(box.vertices, box.faces, process=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (written(open_box()), "not closed: 3 of its 18 edges"),
        (written(mixed_box()), "look inwards and others outwards"),
        (written(trimesh.PointCloud(np.eye(3))), "does not say what is inside"),
        (written(trimesh.Trimesh(np.eye(3), [[0, 1, 2], [2, 1, 0]], process=False)), "no volume"),
        (b"ply\n", "ply file"),
    ],
    ids=["open", "mixed", "cloud", "flat", "damaged"],
)
def test_what_encloses_nothing_is_refused(tmp_path, content, message):
    file = tmp_path / "x.ply"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        READER.decode(str(file))
    assert "\n" not in str(caught.value)


def test_the_nearest_point_tells_the_inside_of_a_ball():
    random = np.random.default_rng(0)
    points = random.normal(size=(800, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    places = random.uniform(-1.2, 1.2, (500, 3))
    inside = np.linalg.norm(places, axis=1) < 1
    assert (said_by_nearest(points, places) == inside).mean() > 0.97


def test_places_move_with_their_points():
    torch.manual_seed(0)
    points = torch.randn(4, 10, 3)
    labels = torch.cat([points, torch.ones(4, 10, 1)], dim=-1)
    config = PointsConfig(num_points=10)
    on = AugmentationConfig(flip=True, rotate="z")
    moved, places = modality_of(config).augment_solids(points, labels, config, on)
    torch.testing.assert_close(moved, places[..., :3])
    assert not torch.equal(moved, points)
    assert (places[..., 3] == 1).all()
    fewer, same = modality_of(config).augment_solids(
        points, labels, config, AugmentationConfig(point_dropout=0.5)
    )
    assert fewer.shape == (4, 5, 3)
    assert torch.equal(same, labels)


@pytest.mark.parametrize(
    ("config", "augmentation", "message"),
    [
        (PointsConfig(), AugmentationConfig(point_scaling=0.1), "moves each point by itself"),
        (PointsConfig(channels=6), AugmentationConfig(flip=True), "have 6 channels"),
        (ImageConfig(), AugmentationConfig(), "have no inside"),
    ],
)
def test_augmentations_that_places_cannot_follow_are_refused(config, augmentation, message):
    x = torch.zeros(1, 4, 6)
    with pytest.raises(ValueError, match=message):
        modality_of(config).augment_solids(x, x, config, augmentation)


def test_inputs_without_an_inside_have_no_reader_of_solids():
    with pytest.raises(ValueError, match="'image' have no inside"):
        modality_of(ImageConfig()).solid_reader(ImageConfig())
