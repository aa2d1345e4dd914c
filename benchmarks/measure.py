"""Measure contenders, each in its own process; all stay alive and only one works at a time."""

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

from .case import PEAK, Case, Contender

TOLERANCE = 1e-4  # largest accepted difference, relative to our largest value
Results = dict[str, np.ndarray]


class Failed(Exception):
    """A contender's process failed to answer a request; the message states the reason."""


class Child:
    """A contender in its own process, which has built its model once this is constructed."""

    def __init__(self, case: Case, contender: Contender, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, case, contender, threads), daemon=True
        )
        count = str(threads)  # NPROC sets the size of JAX's thread pool
        with _environment({"OMP_NUM_THREADS": count, "NPROC": count, **contender.env}):
            self.process.start()
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, request: str) -> Any:
        """Send a request to the process and return its answer.

        Args:
            request: one of the requests that `serve` describes.

        Raises:
            Failed: the process failed or ended.
        """
        with contextlib.suppress(OSError):  # the process has ended; `_answer` reports that
            self.connection.send(request)
        return self._answer()

    def close(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _answer(self) -> Any:
        try:
            succeeded, answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            reason = " (killed, possibly for lack of memory)" if code == -9 else ""
            raise Failed(f"its process ended with exit code {code}{reason}") from None
        if not succeeded:
            raise Failed(answer)
        return answer


def serve(connection: Connection, case: Case, contender: Contender, threads: int) -> None:
    """Run in the child process: import and build a model, then answer requests until killed.

    Requests and their answers:

    - "results": run one step and return its arrays.
    - "time": run one step and return its duration in seconds.
    - "reset": reset the peak memory and return whether the system allows that.
    - "memory": return the peak resident memory since the last reset minus the resident memory after
      the imports, in bytes.

    Args:
        connection: pipe to the parent process.
        case: describes the model and the batch.
        contender: names the function that builds the step.
        threads: number of threads of torch.
    """
    try:
        module, _, name = contender.build.partition(":")
        build = getattr(importlib.import_module(module), name)
        importlib.import_module("torch").set_num_threads(threads)
        imported = _memory("VmRSS")
        step: Callable[[], Results] = build(case, **contender.options)
        _free_memory()
        connection.send((True, None))
        while True:
            request = connection.recv()
            answer: Any = None
            if request == "results":
                answer = step()
            elif request == "time":
                start = time.perf_counter()
                step()
                answer = time.perf_counter() - start
            elif request == "reset":
                answer = _reset_peak()
            elif request == "memory":
                answer = _memory("VmHWM") - imported
            connection.send((True, answer))
    except EOFError:
        return  # the parent has ended
    except Exception as error:
        connection.send((False, f"{type(error).__name__}: {error}"))


def run_case(
    case: Case, *, repeats: int, threads: int, progress: Callable[[str], None] = print
) -> dict[str, Any]:
    """Start all contenders, compare their results, and time them in turn.

    Nothing is timed if a result differs from ours, or if our own model fails.

    Args:
        case: the comparison to run.
        repeats: number of timed rounds; the case may limit it.
        threads: number of threads of every contender.
        progress: is called with a line of text before each stage.

    Returns:
        Plain data for `report.write`.
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
            progress(f"{case.name}: starting {contender.name}")
            contenders[contender.name] = entry = describe(case, contender)
            if entry["status"] == "ok":
                with _recording_failure(entry):
                    child = Child(case, contender, threads)
                    stack.callback(child.close)
                    children[contender.name] = child
        progress(f"{case.name}: comparing results")
        outcome["why_failed"] = _compare(case, children, contenders)
        if not outcome["why_failed"]:
            peak = Child(case, PEAK, threads)
            stack.callback(peak.close)
            outcome["peak_seconds"] = _time(case, children, peak, contenders, repeats, progress)
    return outcome


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest absolute difference divided by our largest absolute value.

    The result is inf if the shapes differ or a value is not finite.
    """
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), np.finfo(np.float32).tiny))


def describe(case: Case, contender: Contender) -> dict[str, Any]:
    """Return the report entry of a contender that has not started: versions, FLOPs, options."""
    from .peers.ours import flops

    entry: dict[str, Any] = {"status": "ok", "why": "", "differences": {}, "seconds": []}
    entry["versions"] = {}
    for package in contender.packages or ("perceivers", "torch"):
        try:
            entry["versions"][package] = version(package)
        except PackageNotFoundError:
            entry |= {
                "status": "not installed",
                "why": f"{package} is missing; {contender.install}",
            }
            break
    return entry | {"flops": flops(case, contender), "options": dict(contender.options)}


def _compare(
    case: Case, children: Mapping[str, Child], contenders: dict[str, dict[str, Any]]
) -> str:
    """Fill in the differences from our results. Return why the case failed, or an empty string."""
    first = case.contenders[0].name
    if not case.compare:
        return "" if children else "no contender could be started"
    bounds = {contender.name: contender.bound for contender in case.contenders}
    ours: Results | None = None
    mismatches = []
    for name, child in children.items():
        entry = contenders[name]
        if bounds[name]:
            continue
        with _recording_failure(entry):
            results: Results = child.ask("results")
            if name == first:
                ours = results
            elif ours is not None:
                differences = {k: relative_difference(ours[k], results[k]) for k in ours}
                entry["differences"] = differences
                mismatches += [
                    f"{key} of {name} differs from ours by {value:.2g} of our largest value"
                    for key, value in differences.items()
                    if not value <= TOLERANCE
                ]
    if ours is None:
        return f"{first} did not run: {contenders[first]['why']}"
    if not mismatches:
        return ""
    return f"{'; '.join(mismatches)}; expected at most {TOLERANCE:g} from rounding"


def _time(
    case: Case,
    children: Mapping[str, Child],
    peak: Child,
    contenders: dict[str, dict[str, Any]],
    repeats: int,
    progress: Callable[[str], None],
) -> list[float]:
    """Fill in times per round and memory. Return the matrix product's seconds in each round."""

    def ask_all(request: str) -> Iterator[tuple[dict[str, Any], Any]]:
        for name, child in children.items():
            entry = contenders[name]
            if entry["status"] == "ok":
                with _recording_failure(entry):
                    yield entry, child.ask(request)

    peak.ask("time")
    for _ in range(case.warm_ups - case.compare):
        list(ask_all("time"))
    for entry, allowed in ask_all("reset"):
        entry["memory_counts_building"] = not allowed
    peak_seconds = []
    rounds = min(repeats, case.max_repeats or repeats)
    for index in range(rounds):
        progress(f"{case.name}: round {index + 1} of {rounds}")
        peak_seconds.append(peak.ask("time"))
        for entry, seconds in ask_all("time"):
            entry["seconds"].append(seconds)
    for entry, memory in ask_all("memory"):
        entry["memory"] = memory
    return peak_seconds


@contextlib.contextmanager
def _recording_failure(entry: dict[str, Any]) -> Iterator[None]:
    """Record a failure of a contender in its entry, so that the others can continue."""
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
    """Return a field of /proc/self/status in bytes: VmRSS (current) or VmHWM (peak) memory."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024
    except OSError:  # not Linux: only the peak of the whole process is available
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _free_memory() -> None:
    """Release memory left over from building the model, so that it does not count for the step."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    """Reset VmHWM. Return False if that is not allowed, so that VmHWM includes building."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True
