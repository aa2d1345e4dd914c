"""Score a model on a split, and keep its outputs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..data.assignment import EVALUATED
from ..data.examples import ExampleSet
from ..data.splits import Splits
from ..machine import placement
from ..modalities.reader import to_device
from ..models.base import PerceiverModel
from .batches import batches
from .recipe import Recipe
from .summaries import baseline, by_label, summary
from .targets import targets_of
from .task import Learner

# n examples · K outputs


@dataclass(frozen=True)
class Scored:
    """The outputs of a model for all readable examples of a split, and their scores."""

    split: str
    """Name of the split."""
    examples: ExampleSet
    """The examples of the split."""
    indices: Tensor
    """Which of them were read, int64 (n,), in increasing order."""
    labels: Any
    """What their outputs are compared with, (n, …): for classes and numbers the labels as in the
    data."""
    outputs: Any
    """Logits, or numbers in their units, averaged over clips, (n, K); of elements a list of the
    classes that were said, int16 (E)."""
    scores: dict[str, Any]
    """The loss, the scores of the task, their values by label ("by_label"), those of the baseline
    ("baseline"), and the number of examples ("examples")."""


Report = Callable[[Path, PerceiverModel, Recipe, Scored], object]
"""A function that writes down what was scored: it is given a directory, the model, its recipe and
what scoring it gave. It raises no errors: the scores are saved already."""


def score(model: PerceiverModel, recipe: Recipe, splits: Splits) -> Scored:
    """Score a model on the first of the `EVALUATED` splits that exists.

    Args:
        model: the model.
        recipe: the recipe of its run.
        splits: the data.

    Raises:
        ValueError: the outputs are not finite numbers, or no example can be read.
    """
    split = next(name for name in EVALUATED if name in splits.examples)
    examples = splits.examples[split]
    targets = targets_of(model)
    collection = targets.collection()
    parts = []
    for indices, outputs, labels, loss in _outputs(model, recipe, examples):
        collection.to(loss.device)
        targets.update(collection, outputs, labels, loss)
        parts.append((torch.tensor(indices, dtype=torch.int64), *targets.kept(outputs, labels)))
    chosen, outputs, labels = (_joined(part) for part in zip(*parts, strict=True))
    order = chosen.argsort()
    each = by_label(collection, targets.names)
    scores = {
        **summary(collection),
        **({"by_label": each} if each else {}),
        "baseline": {**baseline(collection, model.labels), **targets.rivals(examples)},
        "examples": examples.num_readable,
    }
    return Scored(
        split, examples, chosen[order], _ordered(labels, order), _ordered(outputs, order), scores
    )


def _joined(parts: Sequence[Any]) -> Any:
    """Join tensors (B, …), or lists, of all batches."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [example for part in parts for example in part]


def _ordered(values: Any, order: Tensor) -> Any:
    """Return the entries of a tensor or list in another order."""
    return values[order] if isinstance(values, Tensor) else [values[i] for i in order.tolist()]


def _outputs(
    model: PerceiverModel, recipe: Recipe, examples: ExampleSet
) -> Iterator[tuple[list[int], Tensor, Tensor, Tensor]]:
    """Yield the indices, outputs, labels and loss of each batch with a readable example."""
    place = placement(recipe.trainer.device, recipe.trainer.precision)
    home = next((p.device for p in model.parameters()), place.device)
    loader = batches(examples, recipe.data, pin_memory=place.device.type == "cuda")
    learner = Learner(model, recipe).to(place.device).eval()
    bar = tqdm(loader, "Testing", leave=False, disable=not sys.stderr.isatty())
    try:
        with logging_redirect_tqdm(), torch.inference_mode(), place.autocast():
            members: Any = loader.batch_sampler
            for number, (indices, (batch, labels)) in enumerate(zip(members, bar, strict=True)):
                if not len(labels):
                    continue
                batch, labels = to_device(batch, place.device), labels.to(place.device)
                outputs, truth, loss = learner.evaluate(batch, labels, number)
                if not loss.isfinite():
                    raise ValueError(
                        f"the loss on these examples is {loss.item()}: the outputs of the model "
                        "are not finite numbers. Either the data holds such values, or the "
                        "training diverged; then train again with a lower --optimizer.lr"
                    )
                yield examples.readable(indices), outputs, truth, loss
    finally:
        bar.close()
        model.to(home)
