"""Tables to batches: order, size, and the constants measured on them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler, SequentialSampler

from ..adapters.base import Adapter
from ..data.config import DataConfig
from ..data.tables import Batch, FileTable, Table


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
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        yield from torch.randperm(self.length, generator=generator).tolist()


def batches(
    table: Table, config: DataConfig, *, shuffle_seed: int | None = None
) -> DataLoader[Batch]:
    """A loader of (raw batch of the model, labels (B,)).

    Args:
        table: the examples.
        config: batch size and decoding processes.
        shuffle_seed: of the order, for training, where a last partial batch is left out if there
            are others; None: in order, all of them.
    """
    if shuffle_seed is None:
        sampler: Sampler[int] = SequentialSampler(table)
    else:
        sampler = ShuffleSampler(len(table), shuffle_seed)
    drop_last = shuffle_seed is not None and len(table) >= config.batch_size
    return DataLoader(
        table,
        batch_sampler=BatchSampler(sampler, config.batch_size, drop_last),
        collate_fn=_whole,
        num_workers=config.workers if isinstance(table, FileTable) else 0,
        pin_memory=torch.cuda.is_available(),
    )


def _whole(batch: Any) -> Any:
    """The table made the batch already."""
    return batch


def normalise(adapter: Adapter, table: Table, limit: int = 10_000) -> None:
    """Give an adapter the mean and spread of each channel of the training examples.

    Measured on up to `limit` examples spread evenly over the table; a channel that never varies
    keeps its scale.
    """
    indices = range(0, len(table), max(1, len(table) // limit))
    total = squares = torch.zeros(())
    count = 0
    for start in range(0, len(indices), 500):
        x = adapter.measured(table.__getitems__(list(indices[start : start + 500]))[0])
        if x is None:
            return
        x = x.flatten(0, -2).double()
        total, squares = total + x.sum(0), squares + x.square().sum(0)
        count += len(x)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    adapter.set_normalisation(
        mean.float(), torch.where(std > 1e-4, std, torch.ones_like(std)).float()
    )
