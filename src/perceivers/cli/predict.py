"""`perceivers predict`."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .parser import Add, add_clips


def add(command: Add) -> None:
    """See `Add`."""
    sub = command("predict", _predict, "Name what is in each file, or tell its numbers.")
    sub.add_argument("model", metavar="RUN_DIR", help="a run, a saved model or a hub name")
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE")
    sub.add_argument("--top-k", type=int, default=5, metavar="K", help="classes to show [5]")
    sub.add_argument("--json", action="store_true", help="print JSON")
    add_clips(sub)
    sub.add_argument(
        "--own-size", action="store_true",
        help="read files whole, large ones in parts: images and clouds at their own size, sound "
        "and videos to their end",
    )  # fmt: skip


def _predict(options: argparse.Namespace, rest: list[str]) -> int:
    from ..predict import Predictor

    results, failed = [], 0
    predictor = Predictor(
        options.model, own_size=options.own_size, clips=options.clips, progress=_progress()
    )
    for file, outcome in predictor.predict_files(options.files, top_k=options.top_k):
        if isinstance(outcome, ValueError):
            print(f"perceivers: {outcome}", file=sys.stderr)
            failed += 1
        elif options.json:
            results.append({"file": str(file), "predictions": predictor.as_json(outcome)})
        else:
            print(f"{file}: {predictor.as_text(outcome)}")
    if options.json:
        print(json.dumps(results, indent=1))
    return 1 if failed else 0


def _progress() -> Callable[[float], None]:
    """Tells on stderr, now and then, how much is done and how long the rest will take."""
    began = said = time.monotonic()

    def tell(share: float) -> None:
        nonlocal began, said
        now = time.monotonic()
        if now - said > 5:
            rest = (now - began) * (1 - share) / share
            print(f"perceivers: {share:.0%} read, {rest:.0f} s left", file=sys.stderr)
            said = now
        if share >= 1:
            began = said = now  # the next file's

    return tell
