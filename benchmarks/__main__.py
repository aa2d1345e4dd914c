"""Times us side by side with the real peers: `python -m benchmarks`, or `make bench`."""

import argparse
import shlex
import sys
from pathlib import Path

from . import cases, measure, report

QUICK_REPEATS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the cases, writing the report after each; 1 if one failed."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(given)
    for name in options.case:
        if name not in cases.CASES:
            parser.error(f"no case {name!r}; expected some of {', '.join(cases.CASES)}")
    command = shlex.join(["python", "-m", "benchmarks", *given])
    repeats = min(options.repeats, QUICK_REPEATS) if options.quick else options.repeats
    failed = []
    for name in options.case or cases.CASES:
        case = cases.CASES[name]()
        if name in cases.SCALING:
            elements = [m for m in cases.ELEMENTS if not options.quick or m <= 10**6]
            case = cases.SCALING[name](sorted({*elements, *options.elements}))
        known = report.provenance(command)
        outcome = measure.run_case(case, repeats=repeats, threads=options.threads, say=_say)
        page = report.write(
            {name: known | outcome}, options.out, options.name or report.slug(known["hardware"])
        )
        if outcome["why_failed"]:
            failed.append(name)
            _say(f"{name} failed: {outcome['why_failed']}")
        for contender, entry in outcome["contenders"].items():
            if entry["status"] != "ok":
                _say(f"{name}: {contender} {entry['status']}: {entry['why']}")
        print(page)
    return bool(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(cases.CASES)}; default: all")
    parser.add_argument("--repeats", type=_positive, default=10, help="rounds (10)")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_REPEATS} rounds, scaling up to 10⁶ elements"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(docs/results)")
    parser.add_argument("--threads", type=_positive, default=2, help="of every contender (2)")
    parser.add_argument(
        "--elements", type=_positive, nargs="+", default=[], help="scaling: more M, such as 1e8"
    )
    parser.add_argument("--name", help="of the machine, in file names; default: from its CPU")
    return parser


def _positive(text: str) -> int:
    number = float(text)
    if number < 1 or number != int(number):
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
