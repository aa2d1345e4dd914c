"""Augmentation of point clouds."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities import AugmentationConfig, PointsConfig, modality_of
from perceivers.modalities.points import augment as ap
from perceivers.modalities.points.surface import surface_shape

PAIRS = list(itertools.product([True, False], repeat=2))


def clouds(batch=3, points=50, channels=6, seed=0):
    return torch.randn(batch, points, channels, generator=torch.Generator().manual_seed(seed))


def operations(points):
    return {
        "paper": ap.paper_augmentation(points),
        "scale": ap.scale_each_point(points),
        "rotate": ap.rotate(points),
        "drop": ap.drop_points(points, 0.5),
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(3, 7), st.integers(0, 99))
def test_shapes(batch, points, channels, seed):
    x = clouds(batch, points, channels, seed)
    original = x.clone()
    for got in (ap.paper_augmentation(x), ap.rotate(x)):
        assert got.shape == x.shape
        assert got.isfinite().all()
        assert torch.equal(got[..., 3:], x[..., 3:])
    assert torch.equal(x, original)  # not changed in place
    centred = ap.centre_and_scale(x)[..., :3]
    assert centred.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(centred.sum(1), torch.zeros(batch, 3), atol=1e-4, rtol=0)


def test_augmentation_follows_the_seed_and_differs_between_examples():
    x = clouds(1).expand(2, -1, -1)
    torch.manual_seed(0)
    first = operations(x)
    second = operations(x)
    torch.manual_seed(0)
    repeated = operations(x)
    for name, got in first.items():
        assert torch.equal(got, repeated[name]), name
        assert not torch.equal(got, second[name]), name
        assert not torch.allclose(got[0], got[1]), name


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.floats(0, 1))
def test_dropped_points(batch, points, share):
    """The rest are points of the cloud, without repetition."""
    x = torch.arange(batch * points * 4).view(batch, points, 4)
    got = ap.drop_points(x, share)
    assert got.shape == (batch, max(1, round((1 - share) * points)), 4)
    for before, after in zip(x.tolist(), got.tolist(), strict=True):
        rows = {tuple(row) for row in after}
        assert rows <= {tuple(row) for row in before}
        assert len(rows) == len(after)


def test_mirrored_clouds():
    """Mirroring along x and along y is independent, with probability 1/2; never along z."""
    x = clouds(400, 5, 7)
    torch.manual_seed(0)
    ratio = ap.mirror(x) / x
    assert (ratio[..., 2:] == 1).all()
    signs = ratio[:, 0, :2]
    assert torch.equal(ratio[..., :2], signs[:, None].expand(-1, 5, -1))
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert all(80 < ((signs > 0) == torch.tensor(pair)).all(1).sum() < 120 for pair in PAIRS)


def test_each_point_is_scaled_by_its_own_factor():
    x = clouds(points=2000)
    torch.manual_seed(0)
    ratio = ap.scale_each_point(x)[..., :3] / x[..., :3]
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio))
    assert 0.99 <= ratio.min() < 0.9902  # arXiv 2103.03206v2, §4.3
    assert 1.0098 < ratio.max() <= 1.01
    assert (ap.scale_each_point(x, share=0.5) / x).max() > 1.4


def test_the_paper_scales_then_centres():
    x = clouds()
    torch.manual_seed(0)
    expected = ap.centre_and_scale(ap.scale_each_point(x))
    torch.manual_seed(0)
    assert torch.equal(ap.paper_augmentation(x), expected)
    assert not torch.allclose(ap.paper_augmentation(x, 0.5), expected, atol=0.05)


def test_equal_points_become_zeros():
    """Rounding errors are not scaled up to a shape."""
    for place in (0.0, 0.1, 12345.678, 1e38):
        x = torch.full((1, 1000, 4), place)
        got = ap.centre_and_scale(x)
        assert not got[..., :3].any()
        assert torch.equal(got[..., 3], x[..., 3])
    small = clouds() * 1e-30  # a small cloud is scaled, too
    torch.testing.assert_close(
        ap.centre_and_scale(small)[..., :3].abs().amax((1, 2)), torch.ones(3)
    )


@pytest.mark.parametrize(("axis", "unchanged"), [("x", 0), ("y", 1), ("z", 2)])
def test_rotation_about_an_axis(axis, unchanged):
    x = clouds().double()
    x[..., 3:] = x[..., :3]
    torch.manual_seed(0)
    got = ap.rotate(x, axis, vectors=2)
    assert torch.equal(got[..., unchanged], x[..., unchanged])
    products = (cloud[..., :3] @ cloud[..., :3].mT for cloud in (got, x))  # lengths and angles
    torch.testing.assert_close(*products)
    assert torch.equal(got[..., 3:], got[..., :3])  # normals are rotated too
    volume = torch.linalg.det(got[:, :3, :3])  # a rotation, not a reflection
    torch.testing.assert_close(volume, torch.linalg.det(x[:, :3, :3]))
    torch.manual_seed(0)
    assert torch.equal(ap.rotate(x, axis)[..., 3:], x[..., 3:])


def test_rotation_takes_any_angle():
    torch.manual_seed(0)
    x = torch.tensor([1.0, 0.0, 0.0]).expand(4000, 1, 3)
    angles = torch.atan2(*ap.rotate(x)[:, 0, :2].flip(-1).unbind(-1))
    counts = torch.histc(angles, bins=4)
    assert counts.min() > 900


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "w"}, "unknown axis 'w'"),
        ({"vectors": 3}, "vectors=3 .* expected 1 to 2 for points of 6 channels"),
        ({"vectors": 0}, "vectors=0"),
    ],
)
def test_rejects_impossible_rotations(options, message):
    with pytest.raises(ValueError, match=message):
        ap.rotate(clouds(), **options)


def with_shape(neighbours=(6,), normals=True, points=40, batch=3):
    """Return clouds with normals of their own, and the shape of the surface around each point."""
    x = clouds(batch, points, 3)
    columns = [x, torch.nn.functional.normalize(clouds(batch, points, 3, seed=1), dim=-1)][
        : 1 + normals
    ]
    shapes = [torch.from_numpy(surface_shape(cloud.numpy(), neighbours)).float() for cloud in x]
    return torch.cat([*columns, torch.stack(shapes)], dim=-1)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("flip", [False, True])
def test_normals_and_neighbourhoods_turn_with_the_cloud(axis, flip):
    """The channels are those that are measured on the turned cloud."""
    x = with_shape((6, 20))
    torch.manual_seed(3)
    config = AugmentationConfig(rotate=axis, flip=flip)
    got = ap.augment_points(x, config, normals=True, neighbours=(6, 20))
    assert not torch.allclose(got[..., :3], x[..., :3])
    for cloud in got:
        expected = torch.from_numpy(surface_shape(cloud[:, :3].double().numpy(), (6, 20))).float()
        torch.testing.assert_close(cloud[:, 6:], expected, atol=2e-3, rtol=0)
    angles = [(c[..., :3] * c[..., 3:6]).sum(-1) for c in (x, got)]  # of normal and coordinates
    torch.testing.assert_close(*angles, atol=1e-5, rtol=0)


def test_mirroring_alone_needs_no_neighbours():
    x = with_shape()
    torch.manual_seed(1)
    got = ap.augment_points(x, AugmentationConfig(flip=True), normals=True, neighbours=(6,))
    signs = got[..., :3] / x[..., :3]
    torch.testing.assert_close(got[..., 3:6], signs * x[..., 3:6])
    assert torch.equal(got[..., 6:], x[..., 6:])
    assert {tuple(s) for s in signs[:, 0, :2].round().int().tolist()} != {(1, 1)}


@pytest.mark.parametrize("in_file_unit", [False, True])
def test_lengths_scale_with_the_cloud(in_file_unit):
    x = with_shape(normals=False)
    config = AugmentationConfig(point_scaling=1e-6)
    got = ap.augment_points(x, config, neighbours=(6,), in_file_unit=in_file_unit)
    cloud = (x if in_file_unit else got)[0, :, :3].double().numpy()
    expected = torch.from_numpy(surface_shape(cloud, (6,))).float()
    torch.testing.assert_close(got[0, :, 3:], expected, atol=2e-3, rtol=0)


def test_channels_of_unknown_meaning_are_said():
    augmentation = AugmentationConfig(rotate="z", flip=True)

    def remarks(**options):
        config = PointsConfig(**options)
        return modality_of(config).augmentation_remarks(config, augmentation)

    assert remarks() == remarks(channels=4, size_channel=True) == []
    assert remarks(channels=20, neighbours=(6, 20), normals=True) == []
    (line,) = remarks(channels=6)
    assert line.startswith("mirroring and rotation of points changes channels 1 to 3, not the 3")
    (line,) = remarks(channels=9, normals=True)
    assert line.endswith("channels 1 to 6, not the 3 that follow")
