"""Data loaders over example sets, and the normalisation constants measured on them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Sampler, get_worker_info

from ..data.config import DataConfig
from ..data.examples import Batch, ExampleSet
from ..data.file_examples import FileExamples

BATCHES_PER_WINDOW = 50  # examples are sorted by length within a window of this many batches


class ShuffleSampler(Sampler[int]):
    """Random order of the examples, a new one for each epoch.

    The order depends on the seed and the epoch alone, so that a resumed run sees the same order.

    Args:
        length: number of examples.
        seed: seed of the run.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch, counted from 0. Lightning calls this when an epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.length, generator=self.generator()).tolist()

    def generator(self) -> torch.Generator:
        """Return a new random generator, seeded for the current epoch."""
        return torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)


class BatchesByLength(Sampler[list[int]]):
    """Batches of examples of similar length, which need little padding.

    The shuffled examples are cut into windows of `BATCHES_PER_WINDOW` batches. Each window is
    sorted by length and cut into batches, and the batches of all windows are shuffled. An epoch
    therefore has every example once, except those of a last partial batch, which is left out if
    there are others.

    Args:
        sampler: order of the examples in each epoch.
        lengths: length of each example, (examples,).
        batch_size: number of examples in a batch.
    """

    def __init__(self, sampler: ShuffleSampler, lengths: Tensor, batch_size: int) -> None:
        self.sampler, self.lengths, self.batch_size = sampler, lengths, batch_size

    def __len__(self) -> int:
        return max(1, len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        size = self.batch_size
        order = torch.tensor(list(self.sampler))[: len(self) * size]  # without a partial batch
        drawn: list[list[int]] = []
        for window in order.split(BATCHES_PER_WINDOW * size):
            by_length = window[self.lengths[window].argsort(stable=True)]
            drawn += [batch.tolist() for batch in by_length.split(size)]
        shuffled = torch.randperm(len(drawn), generator=self.sampler.generator())
        yield from (drawn[i] for i in shuffled.tolist())


class BatchLoader(DataLoader[Batch]):
    """Data loader that begins an epoch when its first batch is asked for.

    Lightning makes the iterator of the first epoch of a run before it tells the sampler which
    epoch that is. Worker processes would then have drawn the first batches of a resumed run in the
    order of epoch 0.

    The unreadable files that workers find are logged and counted in the main process. A batch
    without a readable file is (None, no labels).

    Args:
        examples: examples to load.
        **options: further arguments of `torch.utils.data.DataLoader`.

    Raises:
        ValueError: on iteration: not one file can be read, or a file cannot and `examples.strict`
            is set.
        OSError: on iteration: a worker process ended, for example because memory ran out.
    """

    def __init__(self, examples: ExampleSet, **options: Any) -> None:
        super().__init__(examples, collate_fn=_WithUnreadable(examples), **options)
        self._begun: WeakSet[Any] = WeakSet()

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        examples: Any = self.dataset
        num_readable = 0
        with _plain_errors():
            with _garbage_kept_from_workers(self.num_workers):
                batches = super().__iter__()
            self._begun.add(batches)
            try:
                for number, (batch, found) in enumerate(batches, start=1):
                    if found:
                        examples.report(*found)
                    num_readable += len(batch[1])
                    if number == len(self) and not num_readable:
                        raise ValueError(
                            f"none of {len(examples)} files can be read; the log lines above say "
                            "why"
                        )
                    yield batch
            finally:
                self._end(batches)

    def close(self) -> None:
        """End the worker processes of epochs that were not read to their end.

        They would live as long as the exception that ended the epoch. When the garbage collector
        frees them, the pipes to the workers are often closed first, and it waits 5 s for each.
        """
        for batches in tuple(self._begun):
            self._end(batches)

    def _end(self, batches: Any) -> None:
        if self.num_workers:
            batches._shutdown_workers()


@contextmanager
def _garbage_kept_from_workers(num_workers: int) -> Iterator[None]:
    """Start worker processes inside this context, which do not free objects of this process.

    A scaler of video frames, for one, has threads, and to free it is to wait for them. A worker is
    a copy of this process without its threads, and would wait for ever.
    """
    if not num_workers:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _WithUnreadable:
    """Return a batch, which is collated already, with what a worker process found in its files."""

    def __init__(self, examples: ExampleSet) -> None:
        self.examples = examples

    def __call__(self, batch: Any) -> tuple[Batch, Any]:
        if get_worker_info() is None or not isinstance(self.examples, FileExamples):
            return batch, None
        return batch, self.examples.take_found()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise errors of worker processes without the workers' tracebacks in their messages."""
    try:
        yield
    except Exception as error:
        text = str(error)
        if text.startswith("Caught ") and " in DataLoader worker" in text:
            kinds = (ValueError, OSError, MemoryError)
            kind = next((kind for kind in kinds if isinstance(error, kind)), RuntimeError)
            name, _, message = text.rstrip().splitlines()[-1].partition(": ")
            raise kind(message or name) from error
        if not (isinstance(error, RuntimeError) and text.startswith("DataLoader worker")):
            raise
        raise OSError(
            f"a process that decodes files ended unexpectedly ({' '.join(str(error).split())}); "
            "if memory ran out, lower --data.workers or --data.batch_size"
        ) from None


def batches(
    examples: ExampleSet,
    config: DataConfig,
    *,
    shuffle_seed: int | None = None,
    pin_memory: bool = False,
) -> BatchLoader:
    """Return a data loader of pairs (raw batch of the model, labels (B, …)).

    If the lengths of the examples are known, a batch has examples of similar length.

    Args:
        examples: examples to load.
        config: batch size and number of decoding processes.
        shuffle_seed: seed of the order of training examples; a last partial batch is then left
            out if there are others. None: all examples in order, or by increasing length if the
            lengths are known.
        pin_memory: whether batches are kept in pinned memory, which speeds up copies to a GPU.
    """
    return BatchLoader(
        examples,
        batch_sampler=_batch_sampler(
            examples.lengths, len(examples), config.batch_size, shuffle_seed
        ),
        num_workers=config.workers if isinstance(examples, FileExamples) else 0,
        pin_memory=pin_memory,
    )


def _batch_sampler(
    lengths: Tensor | None, num_examples: int, batch_size: int, seed: int | None
) -> Sampler[list[int]]:
    if seed is None:
        order = range(num_examples) if lengths is None else lengths.argsort(stable=True).tolist()
        return BatchSampler(order, batch_size, drop_last=False)
    shuffled = ShuffleSampler(num_examples, seed)
    if lengths is None:
        return BatchSampler(shuffled, batch_size, drop_last=num_examples >= batch_size)
    return BatchesByLength(shuffled, lengths, batch_size)
