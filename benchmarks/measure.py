"""How it is measured: each contender in its own process, all alive, one at work at a time."""

import contextlib
import ctypes
import gc
import importlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .cases import PEAK, Case, Contender

TOLERANCE = 1e-4  # of a difference, relative to the largest value
Results = dict[str, np.ndarray]


class Failed(Exception):
    """A contender's process could not do what it was asked; the message says why."""


class Child:
    """A contender in its own process, ready once constructed."""

    def __init__(self, case: Case, contender: Contender, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, case, contender, threads), daemon=True
        )
        count = str(threads)  # NPROC: JAX's pool
        with _environment({"OMP_NUM_THREADS": count, "NPROC": count, **contender.env}):
            self.process.start()
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, what: str) -> Any:
        """See `serve`. Raises Failed."""
        with contextlib.suppress(OSError):  # it is gone; the answer says so
            self.connection.send(what)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _answer(self) -> Any:
        try:
            worked, answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            why = " (killed: out of memory?)" if code == -9 else ""
            raise Failed(f"its process ended with code {code}{why}") from None
        if not worked:
            raise Failed(answer)
        return answer


def serve(connection: Connection, case: Case, contender: Contender, threads: int) -> None:
    """In the child: import, build, then answer until the parent ends it.

    Answers to "results" are the arrays of one step, to "time" the seconds of one, to "memory" the
    highest resident memory, above that after the imports, in bytes, to "reset" whether it counts
    only what comes after.
    """
    try:
        module, _, name = contender.build.partition(":")
        build = getattr(importlib.import_module(module), name)
        importlib.import_module("torch").set_num_threads(threads)
        imported = _memory("VmRSS")
        step: Callable[[], Results] = build(case, **contender.options)
        _give_back()
        connection.send((True, None))
        while True:
            what = connection.recv()
            answer: Any = None
            if what == "results":
                answer = step()
            elif what == "time":
                start = time.perf_counter()
                step()
                answer = time.perf_counter() - start
            elif what == "reset":
                answer = _reset_peak()
            elif what == "memory":
                answer = _memory("VmHWM") - imported
            connection.send((True, answer))
    except EOFError:
        return  # the parent is gone
    except Exception as error:
        connection.send((False, f"{type(error).__name__}: {error}"))


def run_case(
    case: Case, *, repeats: int, threads: int, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Start all, compare their results, time them in turn. Plain data, for the report.

    Nothing is timed if a result differs from ours, or ours cannot be had.
    """
    contenders: dict[str, dict[str, Any]] = {}
    outcome: dict[str, Any] = {
        "title": case.title,
        "remark": case.remark,
        "threads": threads,
        "why_failed": "",
        "contenders": contenders,
    }
    with contextlib.ExitStack() as stack:
        children: dict[str, Child] = {}
        for contender in case.contenders:
            say(f"{case.name}: starting {contender.name}")
            contenders[contender.name] = entry = describe(case, contender)
            if entry["status"] == "ok":
                with _failing(entry):
                    child = Child(case, contender, threads)
                    stack.callback(child.close)
                    children[contender.name] = child
        say(f"{case.name}: comparing results")
        outcome["why_failed"] = _compare(case, children, contenders)
        if not outcome["why_failed"]:
            peak = Child(case, PEAK, threads)
            stack.callback(peak.close)
            outcome["peak_seconds"] = _time(case, children, peak, contenders, repeats, say)
    return outcome


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest absolute difference over our largest absolute value; inf if not comparable."""
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), np.finfo(np.float32).tiny))


def describe(case: Case, contender: Contender) -> dict[str, Any]:
    """What is known of a contender before it starts."""
    from .peers.ours import flops

    entry: dict[str, Any] = {"status": "ok", "why": "", "differences": {}, "seconds": []}
    entry["versions"] = {}
    for package in contender.packages or ("perceivers", "torch"):
        try:
            entry["versions"][package] = version(package)
        except PackageNotFoundError:
            entry |= {"status": "not installed", "why": f"no {package}; {contender.install}"}
            break
    return entry | {"flops": flops(case, contender), "options": dict(contender.options)}


def _compare(
    case: Case, children: Mapping[str, Child], contenders: dict[str, dict[str, Any]]
) -> str:
    """Fill in the differences from ours; why the case fails, or nothing."""
    first = case.contenders[0].name
    if not case.compare:
        return "" if children else "no contender could be started"
    ours: Results | None = None
    wrong = []
    for name, child in children.items():
        entry = contenders[name]
        with _failing(entry):
            results: Results = child.ask("results")
            if name == first:
                ours = results
            elif ours is not None:
                differences = {k: relative_difference(ours[k], results[k]) for k in ours}
                entry["differences"] = differences
                wrong += [
                    f"{key} of {name} differs by {value:.2g} of its largest value"
                    for key, value in differences.items()
                    if not value <= TOLERANCE
                ]
    if ours is None:
        return f"{first} did not run: {contenders[first]['why']}"
    return f"{'; '.join(wrong)} (at most {TOLERANCE:g} is rounding)" if wrong else ""


def _time(
    case: Case,
    children: Mapping[str, Child],
    peak: Child,
    contenders: dict[str, dict[str, Any]],
    repeats: int,
    say: Callable[[str], None],
) -> list[float]:
    """Fill in times, round by round, and memory; seconds of the matrix product of each round."""

    def all_ask(what: str) -> Iterator[tuple[dict[str, Any], Any]]:
        for name, child in children.items():
            entry = contenders[name]
            if entry["status"] == "ok":
                with _failing(entry):
                    yield entry, child.ask(what)

    peak.ask("time")
    for _ in range(case.warm_ups - case.compare):
        list(all_ask("time"))
    for entry, allowed in all_ask("reset"):
        entry["memory_counts_building"] = not allowed
    of_peak = []
    rounds = min(repeats, case.max_repeats or repeats)
    for index in range(rounds):
        say(f"{case.name}: round {index + 1} of {rounds}")
        of_peak.append(peak.ask("time"))
        for entry, seconds in all_ask("time"):
            entry["seconds"].append(seconds)
    for entry, memory in all_ask("memory"):
        entry["memory"] = memory
    return of_peak


@contextlib.contextmanager
def _failing(entry: dict[str, Any]) -> Iterator[None]:
    """A contender that fails is reported, and the others go on."""
    try:
        yield
    except Failed as error:
        entry |= {"status": "failed", "why": str(error)}


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _memory(name: str) -> int:
    """VmRSS, resident now, or VmHWM, its highest since the last reset; in bytes."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024
    except OSError:  # no Linux: the highest ever is all there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _give_back() -> None:
    """Let go of what building left behind, so that it is not counted as the step's."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    """Let VmHWM begin anew. False: not allowed here, it counts building too."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True
