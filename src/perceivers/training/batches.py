"""Tables to batches: order, size, and the constants measured on them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Sampler

from ..data.config import DataConfig
from ..data.examples import Batch, ExampleSet, FileExamples
from ..modalities.adapter import Adapter

WINDOW = 50  # batches whose examples are sorted by length
AT_ONCE = 16  # examples measured together: a video of the paper's size is 39 MB in float64


class ShuffleSampler(Sampler[int]):
    """A new order each epoch, drawn from (seed, epoch) alone, so that a resumed run sees the same.

    Args:
        length: number of examples.
        seed: of the run.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning when an epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.length, generator=self.generator()).tolist()

    def generator(self) -> torch.Generator:
        """Of what is random in this epoch."""
        return torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)


class BatchesByLength(Sampler[list[int]]):
    """Batches of examples of similar length, so that little of a batch is padding.

    The order of the examples is cut into windows of `WINDOW` batches, each is sorted by length and
    cut into batches, and these are shuffled: an epoch has every example once, as without, and a
    batch is as random as one of a window can be.

    Args:
        sampler: the order of each epoch.
        lengths: of each example, (examples,).
        batch_size: examples of a batch.
    """

    def __init__(self, sampler: ShuffleSampler, lengths: Tensor, batch_size: int) -> None:
        self.sampler, self.lengths, self.batch_size = sampler, lengths, batch_size

    def __len__(self) -> int:
        return max(1, len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        size = self.batch_size
        order = torch.tensor(list(self.sampler))[: len(self) * size]  # less a last partial batch
        found: list[list[int]] = []
        for window in order.split(WINDOW * size):
            by_length = window[self.lengths[window].argsort(stable=True)]
            found += [batch.tolist() for batch in by_length.split(size)]
        shuffled = torch.randperm(len(found), generator=self.sampler.generator())
        yield from (found[i] for i in shuffled.tolist())


def batches(
    table: ExampleSet,
    config: DataConfig,
    *,
    shuffle_seed: int | None = None,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """A loader of (raw batch of the model, labels (B,)).

    Args:
        table: the examples.
        config: batch size and decoding processes.
        shuffle_seed: of the order, for training, where a last partial batch is left out if there
            are others; None: in order, all of them, the shortest first where lengths are known.
        pin_memory: keep batches in pinned memory, from which copies to a GPU are faster.

    Where the table knows the lengths of its examples, a batch has those of similar ones.
    """
    return DataLoader(
        table,
        batch_sampler=_batch_sampler(table.lengths, len(table), config.batch_size, shuffle_seed),
        collate_fn=_whole,
        num_workers=config.workers if isinstance(table, FileExamples) else 0,
        pin_memory=pin_memory,
    )


def _batch_sampler(
    lengths: Tensor | None, examples: int, size: int, seed: int | None
) -> Sampler[list[int]]:
    if seed is None:
        order = range(examples) if lengths is None else lengths.argsort(stable=True).tolist()
        return BatchSampler(order, size, drop_last=False)
    shuffled = ShuffleSampler(examples, seed)
    if lengths is None:
        return BatchSampler(shuffled, size, drop_last=examples >= size)
    return BatchesByLength(shuffled, lengths, size)


def _whole(batch: Any) -> Any:
    """The table made the batch already."""
    return batch


def normalise(adapter: Adapter, table: ExampleSet, limit: int = 10_000) -> None:
    """Give an adapter the mean and spread of each channel of the training examples.

    Measured on up to `limit` examples spread evenly over the table, of several modalities each by
    itself; a channel that never varies keeps its scale.
    """
    indices = range(0, len(table), max(1, len(table) // limit))
    moments: dict[str | None, _Moments] = {}
    for start in range(0, len(indices), AT_ONCE):
        batch = table.__getitems__(list(indices[start : start + AT_ONCE]))[0]
        measured = adapter.values_to_normalise(batch)
        if measured is None:
            return
        for name, x in measured.items() if isinstance(measured, dict) else [(None, measured)]:
            moments.setdefault(name, _Moments()).add(x)
    if None in moments:
        adapter.set_normalisation(*moments[None].mean_and_std())
    elif moments:
        both = {name: of.mean_and_std() for name, of in moments.items()}
        adapter.set_normalisation(*({name: pair[i] for name, pair in both.items()} for i in (0, 1)))


class _Moments:
    """Mean and spread of each channel, merged part by part (Chan et al., 1983, eq. 2.1), so that
    no digits are lost to a mean far from 0. NaN does not count.
    """

    def __init__(self) -> None:
        self.count = self.mean = self.squares = torch.zeros((), dtype=torch.float64)
        self.exact = False

    def add(self, x: Tensor) -> None:
        """(…, channels)."""
        self.exact = x.dtype == torch.float64
        x = x.flatten(0, -2).double()
        count = (~x.isnan()).sum(0)
        mean = x.nanmean(0).nan_to_num(0.0)
        both = (self.count + count).clamp(min=1)
        apart = mean - self.mean
        self.squares = self.squares + (x - mean).square().nansum(0)
        self.squares = self.squares + apart.square() * self.count * count / both
        self.mean = self.mean + apart * count / both
        self.count = self.count + count

    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """(channels,) each; of what was never there 0 and 1."""
        std = (self.squares / self.count.clamp(min=1)).sqrt()
        # What does not vary but for rounding errors. Of samples in float32 they are not known.
        still = std <= (1e-12 * self.mean.abs() if self.exact else 1e-4)
        std = std.float()
        return self.mean.float(), std.where(~still & (std > 0), 1.0)
