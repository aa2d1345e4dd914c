"""Fuzz the readers: `python -m tests.fuzz [--count N] [--format F] [--seed S]`.

Prints how many mutants of each format were read, refused with an error of the library, or ended in
a traceback, a hang, or more than 1 GB of memory; the exit status is 1 if there are any of the last.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.formats import formats
from fuzz.run import OUTCOMES, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="mutants of each format [200]")
    parser.add_argument(
        "--slow-count", type=int, help="mutants of the formats that take long to read [--count]"
    )
    parser.add_argument("--format", action="append", help="only this format, such as png")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations [0]")
    parser.add_argument("--keep", type=Path, help="folder to write the faulty mutants to")
    options = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        known = formats(Path(folder))
        print("| format | " + " | ".join(OUTCOMES) + " | peak MB | s |")
        print("|---|" + "---:|" * (len(OUTCOMES) + 2), flush=True)
        for name in options.format or known:
            slow = known[name].slow and options.slow_count is not None
            count = options.slow_count if slow else options.count
            result = run(known[name], count, options.seed, Path(folder))
            faults += result.num_faults
            cells = [*result.counts.values(), f"{result.peak:.0f}", f"{result.seconds:.0f}"]
            print(f"| {name} | " + " | ".join(map(str, cells)) + " |", flush=True)
            for index, outcome, details in result.faults:
                print(f"{name} mutant {index}: {outcome}\n{details}\n", file=sys.stderr, flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    path = options.keep / f"{name}-{index}.{known[name].suffix}"
                    path.write_bytes(known[name].mutant(options.seed, index))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
