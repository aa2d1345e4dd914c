"""Does a map mean anything? Mask elements in its order, and watch the output fall."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..models.classifier import PerceiverClassifier
from ..models.outputs import values_of

# S steps · M elements

STEPS = 21  # 0%, 5%, … 100% of the elements are masked
RANDOM_ORDERS = 3
MAX_ELEMENTS = 2**16  # of the copies that go through the model together


@dataclass(frozen=True)
class Deletion:
    """How an output falls as elements are masked, the highest of a map first."""

    fractions: Tensor
    """Fractions of the elements that are masked, (S,)."""
    by_map: Tensor
    """The output with the elements masked in the order of the map, (S,)."""
    at_random: Tensor
    """The same in a random order, averaged over `RANDOM_ORDERS` of them, (S,)."""

    @property
    def area(self) -> float:
        """Area under `by_map`: the smaller, the more the map points at what the model uses."""
        return float(torch.trapezoid(self.by_map, self.fractions))

    @property
    def random_area(self) -> float:
        """Area under `at_random`. A map that is no better than chance has the same area."""
        return float(torch.trapezoid(self.at_random, self.fractions))


@torch.inference_mode()
def deletion_test(
    model: PerceiverClassifier, batch: Any, values: Tensor, output: int, *, seed: int = 0
) -> Deletion:
    """Mask elements in the order of a map and in random orders (arXiv 1806.07421).

    Args:
        model: the model, in eval mode.
        batch: raw batch of one example.
        values: the map, (M,).
        output: index of the output that is watched: the probability of a class or label; of a
            number how near it stays to the number without masks, from 1 (the same) to 0 (at least
            one standard deviation of the training data away).
        seed: seed of the random orders.
    """
    values = values.cpu()  # orders and masks are made there, the same for all devices
    mask = model.elements(batch).mask
    mask = torch.ones(len(values), dtype=torch.bool) if mask is None else mask[0].cpu()
    present = mask.nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    orders = [present[values[present].argsort(descending=True, stable=True)]]
    for _ in range(RANDOM_ORDERS):
        orders.append(present[torch.randperm(len(present), generator=generator)])
    fractions = torch.linspace(0, 1, STEPS)
    counts = (fractions * len(present)).round().long()
    curves = []
    for order in orders:
        rank = torch.full((len(values),), -1)  # elements without a rank stay masked
        rank[order] = torch.arange(len(order))
        curves.append(_watch(model, batch, rank[None] >= counts[:, None], output))
    return Deletion(fractions, curves[0], torch.stack(curves[1:]).mean(0))


def _watch(model: PerceiverClassifier, batch: Any, masks: Tensor, output: int) -> Tensor:
    """Return the output, as `deletion_test` has it, for an example under each of S masks (S, M)."""
    masks = masks.to(next(model.parameters()).device)
    parts = masks.split(max(1, MAX_ELEMENTS // masks.shape[1]))
    copies = (model.adapter.mask_elements(batch, part) for part in parts)
    outputs = torch.cat([model.classify(inputs).cpu() for inputs in copies])
    if model.config.task != "regression":
        return values_of(outputs, model.config.task)[:, output]
    std: Any = model.target_scale.std
    scale = std[output].cpu()
    return (1 - (outputs[:, output] - outputs[0, output]).abs() / scale).clamp(min=0)
