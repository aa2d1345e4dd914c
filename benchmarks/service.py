"""Load the service of a run of digits: `python -m benchmarks.service RUN`.

Three servers are timed in turn in every round: the service, the service without batches, and a
plain FastAPI endpoint around `Predictor`. With --soak the service answers good and bad requests
while its memory is watched.
"""

import argparse
import asyncio
import io
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from . import load

COMMAND = "import sys; from perceivers.cli import main; sys.exit(main())"
SERVERS = {
    "service": ["-c", COMMAND, "serve", "RUN", "--port", "0"],
    "service, max_batch 1": ["-c", COMMAND, "serve", "RUN", "--port", "0", "--max-batch", "1"],
    "plain FastAPI": ["-m", "benchmarks.peers.plain_service", "RUN"],
}
WARM_UP = 2000  # requests of the soak before memory is noted


@contextmanager
def running(run: str, name: str) -> Iterator[tuple[int, int]]:
    """Run a server; yield its port and its process id."""
    arguments = [run if argument == "RUN" else argument for argument in SERVERS[name]]
    process = subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://[\d.]+:(\d+)", line):
                break
        else:
            raise RuntimeError(f"{name} did not begin: {''.join(lines)}")
        # Its log would fill the pipe.
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait(120)  # on a busy machine its end takes as long
    drain.wait(30)


def digit(seed: int) -> bytes:
    """Return a small grey image as PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def good(count: int) -> Iterator[bytes]:
    """Return requests with a digit each."""
    requests = [load.post("/v1/predict", f"{i}.png", digit(i)) for i in range(20)]
    return itertools.islice(itertools.cycle(requests), count)


def mixed(count: int, seed: int = 0) -> Iterator[bytes]:
    """Return good and bad requests in a random order; explanations are rare, as they are slow."""
    chance = random.Random(seed)
    image = digit(0)
    kinds = [
        (60, load.post("/v1/predict", "good.png", image)),
        (8, load.post("/v1/predict", "cut.png", image[: len(image) // 2])),
        (8, load.post("/v1/predict", "empty.png", b"")),
        (8, load.post("/v1/predict", "../../etc/passwd", b"root")),
        (5, load.post("/v1/predict", "sound.wav", b"RIFF")),
        (5, load.post("/v1/predict?top_k=0", "good.png", image)),
        (3, load.post("/v1/predict", "large.png", os.urandom(100_000))),
        (5, b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'text':1"),
        (5, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"),
        (3, b"GET /v1/model HTTP/1.1\r\nHost: x\r\n\r\n"),
        (3, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        (1, b"NONSENSE\r\n\r\n"),
        (0.2, load.post("/v1/explain", "good.png", image)),
    ]
    weights = [weight for weight, _ in kinds]
    return (chance.choices(kinds, weights)[0][1] for _ in range(count))


def speed(run: str, rounds: int, count: int, connections: int) -> dict[str, object]:
    """Time the three servers in turn, so that what else the machine does meets all alike."""
    loads: dict[str, list[load.Load]] = {name: [] for name in SERVERS}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(running(run, name))[0] for name in SERVERS}
        for round_ in range(rounds + 1):
            for name, port in ports.items():
                done = asyncio.run(load.send(port, good(count), connections))
                assert set(done.statuses) == {200}, f"{name}: {done.statuses}"
                if round_:  # the first one warms up
                    loads[name].append(done)
                    print(f"{round_} {name}: {done.per_second:.0f}/s")
    result: dict[str, object] = {}
    for name, dones in loads.items():
        rates = [done.per_second for done in dones]
        result[name] = {
            "requests/s": round(statistics.median(rates)),
            "lowest to highest": [round(min(rates)), round(max(rates))],
            "p50 ms": round(statistics.median(done.percentile(50) for done in dones), 1),
            "p99 ms": round(statistics.median(done.percentile(99) for done in dones), 1),
            "times as fast is the service": round(
                statistics.median(
                    a.per_second / b.per_second
                    for a, b in zip(loads["service"], dones, strict=True)
                ),
                2,
            ),
        }
    return result


def soak(run: str, count: int, connections: int) -> dict[str, object]:
    """Send good and bad requests; return the statuses and the memory before and after."""
    with running(run, "service") as (port, pid):
        statuses: Counter[int] = Counter()
        memory = []
        for part in range(count // WARM_UP):
            done = asyncio.run(load.send(port, mixed(WARM_UP, seed=part), connections))
            statuses += done.statuses
            memory.append(resident(pid))
            print(f"{(part + 1) * WARM_UP} requests: {memory[-1]:.1f} MB, {dict(statuses)}")
    return {
        "requests": sum(statuses.values()),
        "statuses": dict(sorted(statuses.items())),
        "MB after each 2000": [round(x, 1) for x in memory],
        "memory after the first 2000, %": round(100 * (memory[-1] / memory[0] - 1), 2),
    }


def resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """Measure and print the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("run", help="directory of a run of digits")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="of a round, or of the soak")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--soak", action="store_true", help="send good and bad requests")
    options = parser.parse_args()
    before = os.getloadavg()
    if options.soak:
        result = soak(options.run, options.requests, options.connections)
    else:
        result = speed(options.run, options.rounds, options.requests, options.connections)
    loads = {"load average before": round(before[0], 2), "cores": os.cpu_count()}
    print(json.dumps(result | loads | {"date": time.strftime("%Y-%m-%d")}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
