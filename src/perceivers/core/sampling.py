"""Choosing elements that are spread evenly over an input."""

import torch
from torch import Tensor

# B batch · M elements · A axes · N chosen


@torch.no_grad()
def farthest_points(coordinates: Tensor, count: int, mask: Tensor | None = None) -> Tensor:
    """Choose points one by one, each the farthest from all that were chosen before.

    The first is the farthest from the mean, so that the choice does not depend on the order of the
    points. If there are fewer points than are wanted, some are chosen again.

    Args:
        coordinates: (B, M, A).
        count: N.
        mask: boolean (B, M), True where there is a point. None: everywhere.

    Returns:
        Indices of the points, int64 (B, N), in the order of their choice.
    """
    present = torch.ones_like(coordinates[..., 0]) if mask is None else mask.to(coordinates.dtype)
    mean = (coordinates * present[..., None]).sum(1) / present.sum(1, keepdim=True).clamp(min=1)
    nearest = (coordinates - mean[:, None]).square().sum(-1)
    absent = present == 0
    chosen = []
    for number in range(count):
        index = nearest.masked_fill(absent, -1.0).argmax(1)
        chosen.append(index)
        last = coordinates.gather(1, index[:, None, None].expand(-1, 1, coordinates.shape[2]))
        distance = (coordinates - last).square().sum(-1)
        nearest = distance if number == 0 else torch.minimum(nearest, distance)
    return torch.stack(chosen, dim=1)
