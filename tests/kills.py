"""Kill real training processes, resume them, and compare with runs that were not killed.

    python -m tests.kills --kills 60 --seed 0 --out docs/results/kills.md

Training processes are forked from this one, which has imported everything, so that a start takes no
time. Each is killed with SIGKILL at a random moment, or at the moment when it writes one of its
files; then the run is resumed, perhaps killed again, and at last completed. Its weights, the state
of its optimiser and its metrics must be those of the run that was not killed, bit by bit.
"""

import argparse
import dataclasses
import datetime
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import torch
from tests.conftest import write_image_folder
from tests.tiny_recipes import tiny
from tests.training.test_resume import bits, images_recipe, rows

import perceivers
from perceivers.checkpoint import check_weights, read_run_id
from perceivers.files import PART
from perceivers.machine import describe_machine
from perceivers.training import engine
from perceivers.training.recipe_data import read_recipe

KILLS_A_RUN = 3
SHARED_MEMORY = Path("/dev/shm")  # where it exists, another file system than /tmp


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained, with how many workers, and where the run directory lies."""

    recipe: str
    workers: int
    place: Path


def recipes(folder: Path) -> dict:
    """Return the recipes that are trained, by name."""
    ema = {"data": {"mixup": 0.2, "crop_padding": 1}, "trainer": {"ema_decay": 0.9}}
    return {
        "digits in memory, mixup, EMA": tiny(4, **ema),
        "images file by file, mixup, EMA": images_recipe(
            folder,
            data={"hold_gb": 0.0, **ema["data"]},
            trainer={"max_epochs": 4, **ema["trainer"]},
        ),
        "images file by file, plateau": images_recipe(
            folder,
            data={"hold_gb": 0.0},
            optimizer={"schedule": "plateau", "plateau_patience": 0, "name": "sgd", "lr": 1.0},
            trainer={"max_epochs": 4},
        ),
    }


def start(run: Path, recipe, log: Path, *, resume: bool) -> int:
    """Train in a forked process; return its number."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        engine.resume(run, read_recipe(run)) if resume else engine.train(recipe, run)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(process: int) -> int | None:
    """Return the exit status of a process, or None if it runs."""
    number, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None


def is_writing(run: Path) -> bool:
    """Return whether an unfinished file lies in the run directory."""
    for directory in (run, run / "checkpoints"):
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        if any(PART.fullmatch(name) for name in names):
            return True
    return False


def kill(process: int, run: Path, *, after: float, saving: bool, delay: float) -> str:
    """Kill a process after some seconds, or at its next save after them; say what happened."""
    deadline = time.perf_counter() + after
    while time.perf_counter() < deadline:
        if ended(process) is not None:
            return "ended before"
        time.sleep(0.005)
    while saving and not is_writing(run):
        if ended(process) is not None:
            return "ended before"
    if saving:
        time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        return "ended before"
    return "while saving" if is_writing(run) else "between two saves"


def check_usable(run: Path) -> None:
    """Assert that what a killed run has saved can be read."""
    if (run / "checkpoints" / "last.ckpt").exists():
        engine.AtomicCheckpointIO(read_run_id(run)).check(run / "checkpoints" / "last.ckpt")
        assert (run / "model.safetensors").exists()
        perceivers.load(run)
    if (run / "config.json").exists():
        check_weights(run)


def differences(run: Path, whole: Path) -> list[str]:
    """Return the names of what differs between two runs."""
    first, second = bits(run), bits(whole)
    names = [name for name in {**first, **second} if name not in first or name not in second]
    names += [n for n in first if n in second and not first[n].equal(second[n])]
    return names + ([] if rows(run) == rows(whole) else ["metrics.csv"])


def trial(case: Case, recipe, whole: Path, seconds: float, rng, kills: int) -> Counter:
    """Train a run, kill it some times, complete it and compare it; return counts."""
    counts: Counter = Counter()
    case.place.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(dir=case.place))
    run, log = root / "run", root / "output.txt"
    saved, status = False, 0
    for _ in range(kills):
        process = start(run, recipe, log, resume=saved)
        how = kill(
            process,
            run,
            after=rng.uniform(0, seconds),
            saving=rng.random() < 0.8,
            delay=rng.uniform(0, 0.006),
        )
        if how == "ended before":
            saved = (run / "checkpoints" / "last.ckpt").exists()
            break
        counts[how] += 1
        check_usable(run)
        has_checkpoint = (run / "checkpoints" / "last.ckpt").exists()
        assert has_checkpoint or not saved, "the only checkpoint was lost"
        saved = has_checkpoint
        if not saved:
            counts["before the first checkpoint"] += 1
            shutil.rmtree(run, ignore_errors=True)
    if not (run / "metrics.json").exists() or counts.total():
        process = start(run, recipe, log, resume=saved)
        _, status = os.waitpid(process, 0)
        if status:
            print(log.read_text()[-3000:], file=sys.stderr)
    counts["runs"] += 1
    different = differences(run, whole) if not status else ["the resume failed"]
    counts["identical"] += not different
    if different:
        print(f"{case}: {different[:5]}; see {root}", file=sys.stderr)
    else:
        shutil.rmtree(root)
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Run the kills, print a table, and return 1 unless every resume was identical."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="markdown file to write the table to")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch) / "runs"]
        if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
            places.append(SHARED_MEMORY / f"perceivers-kills-{os.getpid()}")
        folder = write_image_folder(Path(scratch) / "photos", count=10)
        by_name = recipes(folder)
        whole, seconds = {}, {}
        for number, (name, recipe) in enumerate(by_name.items()):
            whole[name] = Path(scratch) / f"whole-{number}"
            started = time.perf_counter()
            process = start(whole[name], recipe, Path(scratch) / "whole.txt", resume=False)
            assert os.waitpid(process, 0)[1] == 0, (Path(scratch) / "whole.txt").read_text()
            seconds[name] = time.perf_counter() - started
        cases = [
            Case(name, workers, place)
            for place in places
            for name in by_name
            for workers in ((0,) if "memory" in name else (0, 1, 2))
        ]
        table: dict[Case, Counter] = {case: Counter() for case in cases}
        try:
            while (done := sum(_kills(counts) for counts in table.values())) < options.kills:
                case = min(cases, key=lambda case: _kills(table[case]))
                recipe = by_name[case.recipe]
                data = dataclasses.replace(recipe.data, workers=case.workers)
                table[case] += trial(
                    case,
                    dataclasses.replace(recipe, data=data),
                    whole[case.recipe],
                    seconds[case.recipe] * (1 + case.workers / 2),
                    rng,
                    min(KILLS_A_RUN, options.kills - done),
                )
                done = sum(map(_kills, table.values()))
                print(f"{done} kills, {time.perf_counter() - began:.0f} s", file=sys.stderr)
        finally:
            if len(places) > 1 and not list(places[1].glob("*")):
                shutil.rmtree(places[1], ignore_errors=True)
    text = report(table, options, time.perf_counter() - began)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    total = sum(table.values(), Counter())
    return int(total["identical"] != total["runs"])


def _kills(counts: Counter) -> int:
    return counts["while saving"] + counts["between two saves"]


def report(table: dict[Case, Counter], options: argparse.Namespace, seconds: float) -> str:
    """Return the results as markdown."""
    columns = ["while saving", "between two saves", "before the first checkpoint"]
    columns += ["runs", "identical"]
    machine = describe_machine(torch.device("cpu"))
    where = (
        f"Command: `python -m tests.kills --kills {options.kills} --seed {options.seed}`; "
        f"{seconds:.0f} s on {machine}; {datetime.date.today()}. A run directory "
        f"in {SHARED_MEMORY} lies on another file system than the directory of temporary files. "
        "The kills before the first checkpoint are among the others; after them the run is "
        "started anew, as there is nothing to resume."
    )
    lines = ["# Killed runs", "", (__doc__ or "").split("\n\n", 2)[2].strip(), "", where, ""]
    lines += [
        f"| recipe | workers | run directory | kills | {' | '.join(columns)} |",
        f"|---|{'---|' * (len(columns) + 3)}",
    ]
    for case, counts in table.items():
        place = "/dev/shm" if SHARED_MEMORY in case.place.parents else "/tmp"
        cells = [case.recipe, case.workers, place, _kills(counts), *(counts[c] for c in columns)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    total = sum(table.values(), Counter())
    cells = ["**all**", "", "", _kills(total), *(total[c] for c in columns)]
    return "\n".join([*lines, f"| {' | '.join(map(str, cells))} |", ""])


if __name__ == "__main__":
    sys.exit(main())
