"""Compare an exported model with the model that it was made from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from ..models.outputs import values_of
from ..models.perceiver_io import PerceiverIOModel

TOLERANCE = 1e-4  # largest difference of a probability, or of a number as `Difference` says


@dataclass(frozen=True)
class Difference:
    """How far an exported model is from the model that it was made from."""

    largest: float
    """Largest difference of a probability, or of a number. Numbers of a regression are divided by
    the standard deviation of the training labels; those of other outputs, such as motions in
    pixels, by the standard deviation of the output if that is above 1."""
    logits: float
    """Largest difference of a logit, or of a number in the units of the data."""
    examples: int
    """Number of examples that were compared."""


@torch.inference_mode()
def largest_difference(
    model: PerceiverModel, run: Callable[[Any], Any], batches: Iterable[Any]
) -> Difference:
    """Run both models on the same raw batches.

    Args:
        model: the model, in eval mode.
        run: the exported model: a raw batch → what the model returns.
        batches: raw batches of the model.
    """
    largest, logits = [0.0], [0.0]
    examples = 0
    for batch in batches:
        outputs_by_name, got = _named(model(batch)), _named(run(batch))
        examples += len(next(iter(outputs_by_name.values())))
        for name, outputs in outputs_by_name.items():
            for ours, theirs in _pairs(outputs, got[name]):
                logits.append(_largest(ours - theirs))
                expected = _comparable(model, name, ours, ours)
                largest.append(_largest(expected - _comparable(model, name, theirs, ours)))
    # Unlike Python's, NumPy's maximum of NaN and a number is NaN.
    return Difference(float(np.max(largest)), float(np.max(logits)), examples)


def _pairs(ours: Any, theirs: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield outputs of both models in float64; a list has those of examples of different sizes."""
    if isinstance(ours, Tensor):
        ours, theirs = [ours], [theirs]
    for one, other in zip(ours, theirs, strict=True):
        yield one.double(), other.double()


def _named(outputs: Any) -> dict[str, Tensor]:
    """Return outputs by name; a lone one has none."""
    return outputs if isinstance(outputs, dict) else {"": outputs}


def _largest(values: Tensor) -> float:
    return float(values.abs().max())


def _comparable(model: PerceiverModel, name: str, outputs: Tensor, expected: Tensor) -> Tensor:
    """Return outputs in the units in which `Difference.largest` compares them."""
    if isinstance(model, PerceiverIOModel):
        output = model.output.by_part().get(name, model.output)
        if output.gives_logits:
            return outputs.softmax(-1)
        return outputs / expected.std(correction=0).clamp(min=1)
    assert isinstance(model, PerceiverClassifier)
    if model.config.task == "regression":
        std: Any = model.target_scale.std
        return outputs / std.double()
    return values_of(outputs, model.config.task)
