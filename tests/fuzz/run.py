"""Read mutants in a worker process with a limit of processor time, and measure its memory."""

import logging
import multiprocessing
import resource
import signal
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.formats import Format, Returned
from perceivers.reading import _is_ours

SECONDS = 20.0  # a mutant that takes more processor time hangs
WAITING = 600.0  # seconds after which a mutant hangs that takes no processor time
MEGABYTES = 1000  # the most by which a mutant may raise the memory of its process
OUTCOMES = ("read", "refused", "traceback", "hang", "memory")
FAULTS = OUTCOMES[2:]


@dataclass
class Result:
    """How the mutants of a format were read."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    """Index of the mutant, outcome and details of each fault."""
    seconds: float = 0.0
    peak: float = 0.0
    """Largest growth of memory in MB."""

    @property
    def num_faults(self) -> int:
        return sum(self.counts[name] for name in FAULTS)


def run(format_: Format, count: int, seed: int, folder: Path) -> Result:
    """Read the mutants 0 to `count` - 1 of a format."""
    result, start, index = Result(), time.monotonic(), 0
    context = multiprocessing.get_context("fork")
    while index < count:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(format_, index, count, seed, folder, theirs))
        worker.start()
        theirs.close()
        index = _listen(ours, worker, index, count, result)
        worker.kill()
        worker.join()
    result.seconds = time.monotonic() - start
    return result


def _listen(pipe: Any, worker: Any, index: int, count: int, result: Result) -> int:
    """Note the outcomes of a worker until it ends or is to be replaced; return the next index."""
    while index < count:
        try:
            if pipe.poll(WAITING):
                outcome, details, grown = pipe.recv()
            else:
                outcome, details, grown = "hang", f"waited more than {WAITING:g} s", 0.0
        except EOFError:
            outcome, details, grown = *_end_of(worker), 0.0
        result.peak = max(result.peak, grown)
        if outcome in ("read", "refused") and grown > MEGABYTES:
            outcome, details = "memory", f"{grown:.0f} MB"
        result.counts[outcome] += 1
        if outcome in FAULTS:
            result.faults.append((index, outcome, details))
        index += 1
        if outcome == "hang" or details.startswith("process died") or grown > 300:
            return index
    return index


def _end_of(worker: Any) -> tuple[str, str]:
    """Return the outcome of the mutant at which a worker ended."""
    worker.join()
    if worker.exitcode == -signal.SIGPROF:
        return "hang", f"more than {SECONDS:g} s of processor time"
    return "traceback", f"process died ({worker.exitcode})"


def _work(format_: Format, first: int, count: int, seed: int, folder: Path, pipe: Any) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process
    path = folder / f"mutant.{format_.suffix}"
    for index in range(first, count):
        path.write_bytes(format_.mutant(seed, index))
        before = _reset_peak()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        outcome, details = attempt(format_, path)
        pipe.send((outcome, details, _peak() - before))


def attempt(format_: Format, path: Path) -> tuple[str, str]:
    """Read a file and return the outcome with details about a fault."""
    try:
        format_.read(path)
    except (ValueError, OSError, ImportError) as error:
        if _is_raw(error):
            return "traceback", "raw error: " + _trace(error)
        return "refused", str(error)
    except Returned as error:
        return "refused", str(error)
    except BaseException as error:
        return "traceback", _trace(error)
    return "read", ""


def _is_raw(error: BaseException) -> bool:
    """Return whether the message is only that of another library, with at most a name before it."""
    inner = error.__cause__ or error.__context__
    if not _is_ours(error):
        return True
    if isinstance(inner, ValueError) and str(error).endswith(f": {inner}"):
        return _is_raw(inner)
    return False


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-2500:]


def _reset_peak() -> float:
    """Reset the peak of the memory of this process, and return its memory in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0
