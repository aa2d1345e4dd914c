"""Choosing points that are far from each other."""

import torch

from perceivers.core import farthest_points


def slow(points, count):
    """Return the same choice for one cloud, with loops."""
    chosen = [max(range(len(points)), key=lambda i: float((points[i] - points.mean(0)).norm()))]
    while len(chosen) < count:
        near = [min(float((p - points[c]).norm()) for c in chosen) for p in points]
        chosen.append(max(range(len(points)), key=near.__getitem__))
    return chosen


def test_each_point_is_the_farthest_from_those_before():
    torch.manual_seed(0)
    points = torch.randn(3, 20, 3, dtype=torch.float64)
    expected = [slow(cloud, 6) for cloud in points]
    assert farthest_points(points, 6).tolist() == expected


def test_the_choice_does_not_depend_on_the_order():
    torch.manual_seed(0)
    points = torch.randn(1, 30, 3)
    order = torch.randperm(30)
    chosen = points[0, farthest_points(points, 8)[0]]
    moved = points[:, order]
    assert torch.equal(moved[0, farthest_points(moved, 8)[0]], chosen)


def test_masked_points_are_not_chosen():
    torch.manual_seed(0)
    points = torch.randn(2, 12, 2)
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[1, 7:] = False
    points[1, 7:] = 100.0
    assert (farthest_points(points, 7, mask)[1] < 7).all()
    assert torch.equal(farthest_points(points, 5, mask)[1], farthest_points(points[1:, :7], 5)[0])


def test_more_are_chosen_than_there_are():
    points = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    assert set(farthest_points(points, 5)[0].tolist()) == {0, 1}
