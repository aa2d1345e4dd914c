"""Batches of the service: bounded, complete, in order, and no longer waited for than allowed."""

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.serve.batcher import Batcher, Busy


def run_requests(requests, *, max_batch, max_queue, run=None, max_wait=0.001):
    """Submit requests at once; return their results or Busy, and the sizes of the batches."""
    sizes = []

    async def main():
        batcher = Batcher(
            run or (lambda xs: [2 * x for x in xs]),
            max_batch=max_batch,
            max_wait=max_wait,
            max_queue=max_queue,
            on_batch=sizes.append,
        )
        batcher.start()
        results = await asyncio.gather(
            *(batcher.submit(request) for request in requests), return_exceptions=True
        )
        await batcher.stop()
        return results

    return asyncio.run(asyncio.wait_for(main(), 20)), sizes


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(), min_size=1, max_size=9), min_size=1, max_size=12),
    st.integers(1, 8),
    st.integers(1, 40),
)
def test_no_batch_is_larger_than_allowed_and_every_answer_is_the_requests_own(
    requests, max_batch, max_queue
):
    results, sizes = run_requests(requests, max_batch=max_batch, max_queue=max_queue)
    assert all(1 <= size <= max_batch for size in sizes)
    answered = 0
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, Busy):
            assert sum(map(len, requests)) > max_queue
        else:
            assert result == [2 * x for x in request]
            answered += len(request)
    assert sum(sizes) == answered


def test_examples_that_arrive_while_a_batch_runs_share_the_next_one():
    entered, release = threading.Event(), threading.Event()
    seen = []

    def run(xs):
        seen.append(list(xs))
        entered.set()
        release.wait(10)
        return xs

    async def main():
        batcher = Batcher(run, max_batch=8, max_wait=0.0, max_queue=100)
        batcher.start()
        first = asyncio.create_task(batcher.submit([0]))
        await asyncio.to_thread(entered.wait, 10)
        others = [asyncio.create_task(batcher.submit([i])) for i in range(1, 6)]
        await asyncio.sleep(0.01)
        release.set()
        await asyncio.gather(first, *others)
        await batcher.stop()

    asyncio.run(asyncio.wait_for(main(), 20))
    assert seen == [[0], [1, 2, 3, 4, 5]]


def test_an_error_belongs_to_the_examples_of_its_batch_alone():
    def run(xs):
        if 13 in xs:
            raise RuntimeError("unlucky")
        return [None if x == 7 else x for x in xs]

    results, _ = run_requests([[1], [13], [2]], max_batch=1, max_queue=9, run=run)
    assert results[0] == [1]
    assert results[2] == [2]
    assert isinstance(results[1][0], RuntimeError)


def test_given_up_requests_do_not_run():
    seen = []

    async def main():
        hold = threading.Event()

        def run(xs):
            seen.extend(xs)
            hold.wait(10)
            return xs

        batcher = Batcher(run, max_batch=1, max_wait=0.0, max_queue=9)
        batcher.start()
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.sleep(0.05)
        given_up = asyncio.create_task(batcher.submit([2]))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        hold.set()
        assert await first == [1]
        assert await batcher.submit([3]) == [3]
        await batcher.stop()

    asyncio.run(asyncio.wait_for(main(), 20))
    assert seen == [1, 3]


def test_stop_answers_what_waits_and_refuses_what_comes():
    async def main():
        batcher = Batcher(lambda xs: xs, max_batch=2, max_wait=0.0, max_queue=100)
        batcher.start()
        waiting = [asyncio.create_task(batcher.submit([i])) for i in range(7)]
        await asyncio.sleep(0)
        await batcher.stop()
        assert await asyncio.gather(*waiting) == [[i] for i in range(7)]
        with pytest.raises(Busy):
            await batcher.submit([1])

    asyncio.run(asyncio.wait_for(main(), 20))
