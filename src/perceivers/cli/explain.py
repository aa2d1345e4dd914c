"""The command `perceivers explain`."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from ..places import check_place, make_directory
from .console import say
from .options import add_limits
from .parser import Add

if TYPE_CHECKING:
    from ..predict import Predictor


def add(command: Add) -> None:
    """Add the command `explain` to the command line."""
    sub = command(
        "explain",
        _explain,
        "Draw what a trained model looked at in a file, and test whether it matters.",
    )
    sub.add_argument(
        "model", metavar="RUN_DIR",
        help="directory of a run or saved model, or hf://owner/name on the Hugging Face hub",
    )  # fmt: skip
    sub.add_argument(
        "file", nargs="?", metavar="FILE", help="file of the kind that the model reads, or a table"
    )
    sub.add_argument(
        "--text", metavar="TEXT", help="text to explain in place of a file, for models of texts"
    )
    sub.add_argument(
        "--row", type=int, default=1, metavar="N",
        help="row of the table, or line of the file, counted from 1 [1]",
    )  # fmt: skip
    sub.add_argument(
        "--output", metavar="LABEL",
        help="class, label or number to explain [the most probable one]",
    )  # fmt: skip
    sub.add_argument(
        "--out", type=Path, required=True, metavar="PNG",
        help="picture to write; of a video, an animation with the suffix .gif is written beside it",
    )  # fmt: skip
    add_limits(sub)


def _explain(options: argparse.Namespace, rest: list[str]) -> int:
    if (options.file is None) == (options.text is None):
        raise ValueError("expected either a FILE or --text TEXT; see perceivers explain --help")
    if options.out.suffix.lower() != ".png":
        raise ValueError(f"--out {options.out}: expected a file name that ends in .png")
    moving = options.out.with_suffix(".gif")
    for path in (options.out, moving):
        if path.exists():
            raise FileExistsError(f"{path} exists already; choose another --out, or remove it")
    check_place(options.out)

    from ..explain import draw
    from ..files import write_atomically
    from ..predict import Predictor

    predictor = Predictor(options.model)
    model = predictor.trained
    output = None if options.output is None else output_index(options.output, model.labels)
    name, source = _example(options, predictor)
    explained = draw(model, predictor.prepare(source), output=output, title=name)
    make_directory(options.out.parent)
    write_atomically(options.out, lambda part: part.write_bytes(explained.png))
    say(f"{name}: {explained.outcome}")
    for title, deletion in explained.deletions.items():
        say(
            f"deletion test of {title}: area {deletion.area:.3f}, in random order "
            f"{deletion.random_area:.3f}"
        )
    say(f"wrote {options.out}")
    if explained.gif is not None:
        gif = explained.gif
        write_atomically(moving, lambda part: part.write_bytes(gif))
        say(f"wrote {moving}")
    return 0


def output_index(label: str, labels: Sequence[str]) -> int:
    """Return the index of an output by its label.

    Raises:
        ValueError: there is none; the message suggests the nearest label.
    """
    if label not in labels:
        raise unknown("output", label, labels)
    return labels.index(label)


def _example(options: argparse.Namespace, predictor: "Predictor") -> tuple[str, Any]:
    """Return the name and the source of the example that the options choose."""
    from ..predict.inputs import find_inputs

    texts = [] if options.text is None else [options.text]
    arguments = [] if options.file is None else [options.file]
    if options.row < 1:
        raise ValueError(f"--row {options.row}; expected 1 or more")
    found = find_inputs(arguments, predictor, texts=texts)
    chosen = next(itertools.islice(found, options.row - 1, None), None)
    if chosen is None:
        raise ValueError(f"{options.file} has no example {options.row}; choose a smaller --row")
    if isinstance(chosen.source, ValueError):
        raise chosen.source
    return chosen.name or "the text", chosen.source
