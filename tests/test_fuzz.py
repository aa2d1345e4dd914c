"""Damaged files give the library's own errors: seeded mutants of every format, in processes.

`python -m tests.fuzz --count 1500` reads more of them; docs/results/faults.md has its table.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz import run
from fuzz.formats import Format, formats
from fuzz.run import attempt

SEED = 7
FAST, SLOW = 37, 4  # mutants of a format


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return formats(tmp_path_factory.mktemp("formats"))


def test_the_files_that_are_mutated_can_be_read(known, tmp_path):
    for format_ in known.values():
        for index, raw in enumerate(format_.files):
            path = tmp_path / f"good.{format_.suffix}"
            path.write_bytes(raw)
            assert attempt(format_, path) == ("read", ""), (format_.name, index)


def fuzz(count: int, slow_count: int, seed: int) -> None:
    """Run the harness in a process of its own: its workers are forked before threads begin."""
    options = ["--count", count, "--slow-count", slow_count, "--seed", seed]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *map(str, options)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert done.stdout.count("\n") > 40  # a line for each format


def test_mutants_are_read_or_refused():
    """Two thousand of them: no traceback, no hang, no gigabyte, no error of another library."""
    fuzz(FAST, SLOW, SEED)


@pytest.mark.slow
def test_many_mutants_are_read_or_refused():
    fuzz(400, 60, SEED + 1)


def spin(path):
    while True:
        pass


def sleep(path):
    time.sleep(0.4)


def die(path):
    os._exit(3)


@pytest.mark.parametrize(
    ("read", "waiting", "outcome", "details"),
    [
        (spin, 60, "hang", "more than 0.2 s of processor time"),
        (sleep, 60, "read", ""),
        (sleep, 0.1, "hang", "waited more than 0.1 s"),
        (die, 60, "traceback", "process died (3)"),
    ],
)
def test_processor_time_is_what_a_mutant_may_not_take(
    read, waiting, outcome, details, monkeypatch, tmp_path
):
    """So that a busy machine, where a mutant waits for its turn, reports no hang."""
    monkeypatch.setattr(run, "SECONDS", 0.2)
    monkeypatch.setattr(run, "WAITING", waiting)
    result = run.run(Format("any", "txt", [b"x"], read), 1, SEED, tmp_path)
    assert result.counts[outcome] == 1
    assert result.faults == ([(0, outcome, details)] if details else [])


SAMPLES = sorted((Path(__file__).parent / "fuzz" / "samples").iterdir())
SLOW_SAMPLES = {"48-otherimg_ok_.tif"}  # ten seconds
READ_AS = {"npyimg": "image-npy", "config": "run config.json"}


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(path, id=path.name, marks=[pytest.mark.slow] * (path.name in SLOW_SAMPLES))
        for path in SAMPLES
    ],
)
def test_files_that_ended_in_a_traceback(known, tmp_path, sample):
    kind = sample.stem.split("-", 1)[1].split("_")[0]
    format_ = known[READ_AS.get(kind, sample.suffix[1:])]
    path = tmp_path / sample.name
    path.write_bytes(sample.read_bytes())
    outcome, details = attempt(format_, path)
    assert outcome in ("read", "refused"), details
