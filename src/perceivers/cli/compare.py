"""The command `perceivers compare`."""

import argparse
from pathlib import Path

from .console import say
from .parser import Add


def add(command: Add) -> None:
    """Add the command `compare` to the command line."""
    sub = command(
        "compare", _compare, "Print trained runs side by side, and draw their curves together."
    )
    sub.add_argument(
        "run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="directories of two or more runs"
    )
    sub.add_argument(
        "--out", type=Path, metavar="FILE",
        help="page with the table and the curves of all runs (.html), or the curves alone (.png) "
        "[the table is printed, nothing is written]",
    )  # fmt: skip


def _compare(options: argparse.Namespace, rest: list[str]) -> int:
    from ..report.compare import check_out, compare, text_lines, write_comparison

    if options.out is not None:
        check_out(options.out)
    groups = compare(options.run_dirs)
    for number, group in enumerate(groups):
        if len(groups) > 1:
            say(f"{group.task}:")
        for line in text_lines(group):
            say(line)
        if remark := group.remark():
            say(remark)
        if number + 1 < len(groups):
            say()
    if options.out is not None:
        write_comparison(groups, options.out)
        say(f"wrote {options.out}")
    return 0
