"""Augmentation of point clouds, against what it promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.data import augment_points as ap


def clouds(batch=3, points=50, channels=6, seed=0):
    return torch.randn(batch, points, channels, generator=torch.Generator().manual_seed(seed))


def operations(points):
    return {
        "paper": ap.paper_augmentation(points),
        "scale": ap.scale_each_point(points),
        "rotate": ap.rotate(points),
        "jitter": ap.jitter(points, 0.1),
        "subset": ap.random_subset(points, 20)[0],
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(3, 7), st.integers(0, 99), st.booleans())
def test_shapes_and_masks(batch, points, channels, seed, masked):
    x = clouds(batch, points, channels, seed)
    mask = torch.rand(batch, points) < 0.5 if masked else None
    kept = x.clone()
    for got in (ap.paper_augmentation(x, mask), ap.rotate(x), ap.jitter(x, 0.1)):
        assert got.shape == x.shape
        assert got.isfinite().all()
        assert torch.equal(got[..., 3:], x[..., 3:])
    assert torch.equal(x, kept)  # the batch given is left alone
    centred = ap.centre_and_scale(x, mask)[..., :3]
    assert centred.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(centred.sum(1), torch.zeros(batch, 3), atol=1e-4, rtol=0)
    if mask is not None:
        assert not centred[~mask].any()
        for example, seen, result in zip(x, mask, centred, strict=True):
            alone = ap.centre_and_scale(example[seen][None])[0, :, :3] if seen.any() else None
            if alone is not None:
                torch.testing.assert_close(result[seen], alone)


def test_all_follow_the_seed_and_each_example_its_own_draw():
    x = clouds(1).expand(2, -1, -1)
    torch.manual_seed(0)
    first = operations(x)
    same = operations(x)
    torch.manual_seed(0)
    again = operations(x)
    for name, got in first.items():
        assert torch.equal(got, again[name]), name
        assert not torch.equal(got, same[name]), name
        assert not torch.allclose(got[0], got[1]), name


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


def test_no_extent():
    """Equal points are zeros, not rounding errors blown up; so is an example of padding alone."""
    for place in (0.0, 0.1, 12345.678, 1e38):
        x = torch.full((1, 1000, 4), place)
        got = ap.centre_and_scale(x)
        assert not got[..., :3].any()
        assert torch.equal(got[..., 3], x[..., 3])
    assert not ap.centre_and_scale(clouds()[..., :3], torch.zeros(3, 50).bool()).any()
    small = clouds() * 1e-30  # small is not none
    torch.testing.assert_close(
        ap.centre_and_scale(small)[..., :3].abs().amax((1, 2)), torch.ones(3)
    )


def test_padding_may_hold_anything():
    x, mask = clouds(), torch.arange(50).expand(3, -1) < 30
    before = ap.centre_and_scale(x, mask)
    x[~mask] = float("nan")
    got = ap.centre_and_scale(x, mask)
    assert torch.equal(got[mask], before[mask])
    assert got[..., :3].isfinite().all()


@pytest.mark.parametrize(("axis", "stays"), [("x", 0), ("y", 1), ("z", 2)])
def test_rotation_about_an_axis(axis, stays):
    x = clouds().double()
    x[..., 3:] = x[..., :3]
    torch.manual_seed(0)
    got = ap.rotate(x, axis, vectors=2)
    assert torch.equal(got[..., stays], x[..., stays])
    products = (cloud[..., :3] @ cloud[..., :3].mT for cloud in (got, x))  # lengths and angles
    torch.testing.assert_close(*products)
    assert torch.equal(got[..., 3:], got[..., :3])  # normals turn along
    volume = torch.linalg.det(got[:, :3, :3])  # turned, not mirrored
    torch.testing.assert_close(volume, torch.linalg.det(x[:, :3, :3]))
    torch.manual_seed(0)
    assert torch.equal(ap.rotate(x, axis)[..., 3:], x[..., 3:])


def test_rotation_takes_any_angle():
    torch.manual_seed(0)
    x = torch.tensor([1.0, 0.0, 0.0]).expand(4000, 1, 3)
    angles = torch.atan2(*ap.rotate(x)[:, 0, :2].flip(-1).unbind(-1))
    counts = torch.histc(angles, bins=4)
    assert counts.min() > 900


def test_jitter_has_its_spread():
    x = clouds(points=5000)
    torch.manual_seed(0)
    noise = (ap.jitter(x, 0.05) - x)[..., :3]
    assert noise.std() == pytest.approx(0.05, rel=0.05)
    assert noise.mean().abs() < 0.002


def test_subsets_are_of_different_points():
    x = torch.arange(50.0)[None, :, None].expand(200, 50, 3)
    torch.manual_seed(0)
    got, mask = ap.random_subset(x, 10)
    assert mask is None
    rows = got[..., 0]
    assert all(len(set(row.tolist())) == 10 for row in rows)
    counts = torch.bincount(rows.flatten().long(), minlength=50)
    assert counts.min() > 15  # each point is taken in about 40 of 200
    assert counts.max() < 70


def test_subsets_prefer_what_is_there():
    x = torch.arange(8.0)[None, :, None].expand(2, 8, 3)
    mask = torch.tensor([[0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 0, 0, 0, 0]]).bool()
    got, seen = ap.random_subset(x, 3, mask)
    assert seen.sum(1).tolist() == [3, 1]
    assert set(got[0, :, 0].tolist()) < {1.0, 3.0, 5.0, 7.0}
    assert got[1, seen[1], 0].tolist() == [2.0]
    whole, same = ap.random_subset(x, 9, mask)
    assert torch.equal(whole, x)
    assert same is mask


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "w"}, "unknown axis 'w'"),
        ({"vectors": 3}, "vectors=3 .* expected 1 to 2 in points of 6 channels"),
        ({"vectors": 0}, "vectors=0"),
    ],
)
def test_impossible_rotations(options, message):
    with pytest.raises(ValueError, match=message):
        ap.rotate(clouds(), **options)
