"""Compare an exported model with the model that it was made from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..models.classifier import PerceiverClassifier

TOLERANCE = 1e-4  # largest difference of a probability, or of a number in standard deviations


@dataclass(frozen=True)
class Difference:
    """How far an exported model is from the model that it was made from."""

    largest: float
    """Largest difference of a probability; in a regression of a number, divided by the standard
    deviation of the training labels."""
    logits: float
    """Largest difference of a logit, or of a number in the units of the data."""
    examples: int
    """Number of examples that were compared."""


@torch.inference_mode()
def largest_difference(
    model: PerceiverClassifier, run: Callable[[Any], Tensor], batches: Iterable[Any]
) -> Difference:
    """Run both models on the same raw batches.

    Args:
        model: the model, in eval mode.
        run: the exported model: a raw batch → logits or numbers (B, num_classes).
        batches: raw batches of the model.
    """
    largest = logits = 0.0
    examples = 0
    for batch in batches:
        expected, got = model(batch).double(), run(batch).double()
        examples += len(expected)
        logits = max(logits, float((expected - got).abs().max()))
        values = _values(model, expected) - _values(model, got)
        largest = max(largest, float(values.abs().max()))
    return Difference(largest, logits, examples)


def _values(model: PerceiverClassifier, outputs: Tensor) -> Tensor:
    if model.config.task == "regression":
        std: Any = model.target_scale.std
        return outputs / std.double()
    return outputs.softmax(-1) if model.config.task == "classification" else outputs.sigmoid()
