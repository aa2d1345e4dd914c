"""What is measured in the training examples before training: normalising constants and counts."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..data.config import DataConfig
from ..data.examples import ExampleSet
from ..data.file_examples import FileExamples
from ..modalities.adapter import Adapter
from ..modalities.fusion.adapter import FusionAdapter
from .batches import batches

# Few examples are measured at once: a video of the paper's size is 39 MB in float64.
EXAMPLES_PER_MEASUREMENT = 16
IDENTITY = {"mean": 0.0, "std": 1.0}  # normalising constants that are not set


@runtime_checkable
class Counting(Protocol):
    """A part of an adapter that counts training examples by label, or fits a model to them.

    `Adapter.count` hands it the batches between the two calls.
    """

    def start_counting(self) -> None:
        """Forget what was counted before."""

    def finish_counting(self) -> None:
        """Compute what follows from all training examples."""


def is_normalised(adapter: Adapter) -> bool:
    """Return whether the normalising constants of an adapter, or of all its parts, are set."""
    changed: dict[str, bool] = {}
    for name, constants in adapter.named_buffers():
        part, _, kind = name.rpartition(".")
        if kind in IDENTITY and constants.numel():
            different = bool((constants != IDENTITY[kind]).any())
            changed[part] = changed.get(part, False) or different
    return bool(changed) and all(changed.values())


def measure_normalisation(adapter: Adapter, examples: ExampleSet, limit: int = 10_000) -> None:
    """Measure the mean and standard deviation of each channel and set them on an adapter.

    The modalities of an adapter with several are measured separately, except those whose constants
    are set. A channel that never varies gets a standard deviation of 1. Missing values (NaN) are
    not counted. Of files that are decoded for this, those that tell a model nothing are logged.

    Args:
        adapter: adapter whose normalisation is set; one without normalisation stays as it is.
        examples: training examples.
        limit: the most examples to measure, evenly spaced; at least half as many are, if there are
            enough.
    """
    indices = range(0, len(examples), max(1, -(-len(examples) // limit)))
    moments: dict[str | None, _Moments] = {}
    for start in range(0, len(indices), EXAMPLES_PER_MEASUREMENT):
        chosen = list(indices[start : start + EXAMPLES_PER_MEASUREMENT])
        batch, _ = examples.__getitems__(chosen)
        if batch is None:  # no file of these can be read
            continue
        values = adapter.values_to_normalise(batch)
        if values is None:
            return
        for name, x in values.items() if isinstance(values, dict) else [(None, values)]:
            if (
                name
                and isinstance(adapter, FusionAdapter)
                and is_normalised(adapter.adapter_of(name))
            ):
                continue
            moments.setdefault(name, _Moments()).add(x)
    if isinstance(examples, FileExamples):  # of which these are the first to be decoded
        examples.report_sameness("train")
    if None in moments:
        adapter.set_normalisation(*moments[None].mean_and_std())
    elif moments:
        constants = {name: measured.mean_and_std() for name, measured in moments.items()}
        adapter.set_normalisation(
            {name: mean for name, (mean, _) in constants.items()},
            {name: std for name, (_, std) in constants.items()},
        )


def count_labels(
    adapter: Adapter,
    examples: ExampleSet,
    config: DataConfig,
    as_floats: Callable[[Tensor], Tensor],
) -> None:
    """Count the n-grams of training texts, or fit linear models, if an adapter has such parts.

    Args:
        adapter: adapter whose counts and linear models are set.
        examples: training examples.
        config: batch size and number of decoding processes.
        as_floats: turns the labels of a batch into targets (B, labels).
    """
    counting = [module for module in adapter.modules() if isinstance(module, Counting)]
    if not counting:
        return
    for module in counting:
        module.start_counting()
    for batch, labels in batches(examples, config):
        if len(labels):
            adapter.count(batch, as_floats(labels))
    for module in counting:
        module.finish_counting()


class _Moments:
    """Running mean and standard deviation of each channel; NaN is not counted.

    Batches are merged as in Chan et al. (1983), eq. 2.1, which loses no digits if a mean is far
    from 0.
    """

    def __init__(self) -> None:
        self.count = self.mean = self.squares = torch.zeros((), dtype=torch.float64)
        self.exact = False

    def add(self, x: Tensor) -> None:
        """Add values (…, channels)."""
        self.exact = x.dtype == torch.float64
        x = x.flatten(0, -2).double()
        count = (~x.isnan()).sum(0)
        mean = x.nanmean(0).nan_to_num(0.0)
        total = (self.count + count).clamp(min=1)
        delta = mean - self.mean
        self.squares = self.squares + (x - mean).square().nansum(0)
        self.squares = self.squares + delta.square() * self.count * count / total
        self.mean = self.mean + delta * count / total
        self.count = self.count + count

    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Return the mean and standard deviation, float64 (channels,); 0 and 1 without a value."""
        std = (self.squares / self.count.clamp(min=1)).sqrt()
        # A spread of the size of rounding errors counts as none. The rounding errors of float64
        # values are relative to the mean; those of float32 values are unknown, so their threshold
        # is fixed.
        constant = std <= (1e-12 * self.mean.abs() if self.exact else 1e-4)
        # The buffers of most adapters are float32, in which the smallest numbers are 0.
        return self.mean, std.where(~constant & (std.float() > 0), 1.0)
