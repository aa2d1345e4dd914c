"""Examples of different requests go through the model together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

E = TypeVar("E")
R = TypeVar("R")


class Busy(Exception):
    """The queue is full, or the service is ending."""


class Batcher(Generic[E, R]):
    """Collects examples into batches for a function that runs in threads of its own.

    While batches run, the next one collects. An example waits for others only while a thread is
    idle, and at most `max_wait` seconds. It is used within one event loop.

    Args:
        run: function from a batch of examples to one result, or one exception, for each.
        max_batch: largest number of examples of a batch.
        max_wait: seconds that the first example of a batch waits for others.
        max_queue: examples that may wait.
        threads: number of batches that run at the same time. A batch keeps its thread to its end,
            even if all of its requests are given up meanwhile.
        name: name of the threads.
        on_batch: function that is called with the size of each batch.
    """

    def __init__(
        self,
        run: Callable[[list[E]], Sequence[R | Exception]],
        *,
        max_batch: int,
        max_wait: float,
        max_queue: int,
        threads: int = 1,
        name: str = "model",
        on_batch: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._run, self._on_batch = run, on_batch
        self._max_batch, self._max_wait, self._max_queue = max_batch, max_wait, max_queue
        self._waiting: deque[tuple[E, asyncio.Future[R]]] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    @property
    def waiting(self) -> int:
        """Number of examples that wait."""
        return len(self._waiting)

    async def submit(self, examples: Sequence[E]) -> list[R | Exception]:
        """Run examples, in batches with those of others.

        Returns:
            The result of each, or the exception that it raised.

        Raises:
            Busy: there is no room for all of them in the queue.
        """
        if not self._open or len(self._waiting) + len(examples) > self._max_queue:
            raise Busy
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in examples]
        self._waiting.extend(zip(examples, futures, strict=True))
        self._arrived.set()
        if len(self._waiting) >= self._max_batch:
            self._full.set()
        results = await asyncio.gather(*futures, return_exceptions=True)
        return [_result(result) for result in results]

    def start(self) -> None:
        """Begin to run batches."""
        loop = asyncio.get_running_loop()
        self._open = True
        self._tasks = [loop.create_task(self._work()) for _ in range(self._threads)]

    async def stop(self) -> None:
        """Refuse new examples, and end after those that wait and run have their results."""
        self._open = False
        self._arrived.set()
        self._full.set()
        await asyncio.gather(*self._tasks)
        self._pool.shutdown(wait=False)

    async def _work(self) -> None:
        """Run batches, one after another, until it is stopped."""
        loop = asyncio.get_running_loop()
        while self._open or self._waiting:
            await self._arrived.wait()
            if len(self._waiting) < self._max_batch and self._max_wait:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), self._max_wait)
            batch = self._next_batch()
            if batch:
                examples = [example for example, _ in batch]
                results = await loop.run_in_executor(self._pool, self._run_safely, examples)
                for (_, future), result in zip(batch, results, strict=True):
                    _settle(future, result)

    def _next_batch(self) -> list[tuple[E, asyncio.Future[R]]]:
        """Take the examples of the next batch; those whose request was given up are dropped."""
        share = -(-len(self._waiting) // self._threads)  # the other threads take theirs
        batch: list[tuple[E, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < min(self._max_batch, share):
            item = self._waiting.popleft()
            if not item[1].done():
                batch.append(item)
        if not self._waiting and self._open:
            self._arrived.clear()
        if len(self._waiting) < self._max_batch and self._open:
            self._full.clear()
        return batch

    def _run_safely(self, examples: list[E]) -> Sequence[R | Exception]:
        self._on_batch(len(examples))
        try:
            return self._run(examples)
        except Exception as error:
            return [error] * len(examples)


def _settle(future: "asyncio.Future[R]", result: R | Exception) -> None:
    if future.done():  # its request was given up meanwhile
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _result(result: R | BaseException) -> R | Exception:
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result  # cancelled
    return result
