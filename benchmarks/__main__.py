"""Time perceivers side by side with other libraries: `python -m benchmarks` or `make bench`."""

import argparse
import shlex
import sys
from pathlib import Path

from . import ar_cases, cases, io_cases, measure, report, resampler_cases

CASES = {**cases.CASES, **resampler_cases.CASES, **io_cases.CASES, **ar_cases.CASES}
QUICK_REPEATS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and write the report after each. Return 1 if a case failed, else 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    for name in options.case:
        if name not in CASES:
            parser.error(f"unknown case {name!r}; expected one or more of {', '.join(CASES)}")
    command = shlex.join(["python", "-m", "benchmarks", *arguments])
    repeats = min(options.repeats, QUICK_REPEATS) if options.quick else options.repeats
    failed = []
    for name in options.case or CASES:
        case = CASES[name]()
        if name in cases.SCALING:
            elements = [m for m in cases.ELEMENTS if not options.quick or m <= 10**6]
            case = cases.SCALING[name](sorted({*elements, *options.elements}))
        provenance = report.provenance(command)
        outcome = measure.run_case(
            case, repeats=repeats, threads=options.threads, progress=_print_progress
        )
        page = report.write(
            {name: provenance | outcome},
            options.out,
            options.name or report.slug(provenance["hardware"]),
        )
        if outcome["why_failed"]:
            failed.append(name)
            _print_progress(f"{name} failed: {outcome['why_failed']}")
        for contender, entry in outcome["contenders"].items():
            if entry["status"] != "ok":
                _print_progress(f"{name}: {contender} {entry['status']}: {entry['why']}")
        print(page)
    return bool(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "case",
        nargs="*",
        help=f"cases to run, one or more of {', '.join(CASES)}; default: all",
    )
    parser.add_argument(
        "--repeats", type=_positive, default=10, help="number of timed rounds (default: 10)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"run {QUICK_REPEATS} rounds, and the scaling cases only up to 10⁶ elements",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results"),
        help="directory of the report (default: docs/results)",
    )
    parser.add_argument(
        "--threads", type=_positive, default=2, help="threads of every contender (default: 2)"
    )
    parser.add_argument(
        "--elements",
        type=_positive,
        nargs="+",
        default=[],
        help="additional numbers of elements M for the scaling cases, such as 1e8",
    )
    parser.add_argument(
        "--name",
        help="name of the machine in the report's file names; default: derived from its CPU",
    )
    return parser


def _positive(text: str) -> int:
    number = float(text)
    if number < 1 or number != int(number):
        raise argparse.ArgumentTypeError(f"got {text}; expected a whole number of at least 1")
    return int(number)


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
