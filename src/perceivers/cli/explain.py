"""The command `perceivers explain`."""

import argparse
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import unknown
from ..places import check_place, make_directory
from .console import complain, say
from .options import add_limits
from .parser import Add

if TYPE_CHECKING:
    from ..predict import Predictor
    from ..predict.inputs import Input

PNG, GIF = ".png", ".gif"
MAX_SLUG = 80  # characters of the name of an example in the name of its picture


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
        "file", nargs="?", metavar="FILE",
        help="file of the kind that the model reads; or a folder of them, a pattern such as "
        "'*.png', a table or a file of one text a line, which stand for several examples",
    )  # fmt: skip
    sub.add_argument(
        "--text", metavar="TEXT", help="text to explain in place of a file, for models of texts"
    )
    sub.add_argument(
        "--row", type=int, metavar="N",
        help="row of the table, line of the file, or file of the folder to draw, counted from 1 "
        "[all, if --out is a directory]",
    )  # fmt: skip
    sub.add_argument(
        "--output", metavar="LABEL",
        help="class, label or number to explain [the most probable one]",
    )  # fmt: skip
    sub.add_argument(
        "--out", type=Path, required=True, metavar="PNG|DIR",
        help="picture to write, or new directory for a picture of each example; of a video, an "
        "animation with the suffix .gif is written beside it",
    )  # fmt: skip
    add_limits(sub)


def _explain(options: argparse.Namespace, rest: list[str]) -> int:
    if (options.file is None) == (options.text is None):
        raise ValueError("expected either a FILE or --text TEXT; see perceivers explain --help")
    if options.row is not None and options.row < 1:
        raise ValueError(f"--row {options.row}; expected 1 or more")
    _check_out(options.out)
    _check_model(options.model)

    from ..predict import Predictor

    predictor = Predictor(options.model)
    labels = predictor.trained.labels
    output = None if options.output is None else output_index(options.output, labels)
    if options.out.suffix.lower() == PNG:
        example = _one_example(options, predictor)
        _draw(predictor, example, output, options.out)
        return 0
    failed = 0
    for number, example in enumerate(_examples(options, predictor), options.row or 1):
        try:
            _draw(predictor, example, output, options.out / f"{number:03}-{_slug(example)}{PNG}")
        except ValueError as error:
            complain(error)
            failed += 1
    return 1 if failed else 0


def _check_model(model: str) -> None:
    """Check that a model gives classes or numbers, which alone can be explained."""
    from ..checkpoint import local_directory, read_model_config
    from ..exported import SUFFIX
    from ..models.config import ModelConfig

    if Path(model).suffix.lower() == SUFFIX:
        raise ValueError(f"{model}: an exported model cannot be explained; give the run")
    config, _ = read_model_config(local_directory(model))
    if not isinstance(config, ModelConfig):
        raise ValueError(
            f"explanations are of classes and numbers, and {model} is for "
            f"{config.task or 'other outputs'}; perceivers eval draws examples in report.html"
        )


def _check_out(out: Path) -> None:
    """Check that a picture, or a directory of pictures, can be written."""
    if out.suffix.lower() not in (PNG, ""):
        raise ValueError(
            f"--out {out}: expected a file name that ends in .png, or a directory, which has no "
            "suffix"
        )
    for path in (out, out.with_suffix(GIF)) if out.suffix else (out,):
        if path.exists() and not (path == out and out.is_dir() and not any(out.iterdir())):
            raise FileExistsError(f"{path} exists already; choose another --out, or remove it")
    check_place(out)


def _draw(predictor: "Predictor", example: "Input", output: int | None, out: Path) -> None:
    """Draw an example, and say what was found."""
    from ..explain import draw
    from ..files import write_atomically

    if isinstance(example.source, ValueError):
        raise example.source
    name = example.name or "the text"
    explained = draw(
        predictor.trained, predictor.prepare(example.source), output=output, title=name
    )
    make_directory(out.parent)
    write_atomically(out, lambda part: part.write_bytes(explained.png))
    say(f"{name}: {explained.outcome}")
    for title, deletion in explained.deletions.items():
        say(
            f"deletion test of {title}: area {deletion.area:.3f}, in random order "
            f"{deletion.random_area:.3f}"
        )
    say(f"wrote {out}")
    if explained.gif is not None:
        gif, moving = explained.gif, out.with_suffix(GIF)
        write_atomically(moving, lambda part: part.write_bytes(gif))
        say(f"wrote {moving}")


def output_index(label: str, labels: Sequence[str]) -> int:
    """Return the index of an output by its label.

    Raises:
        ValueError: there is none; the message suggests the nearest label.
    """
    if label not in labels:
        raise unknown("output", label, labels)
    return labels.index(label)


def _examples(options: argparse.Namespace, predictor: "Predictor") -> Iterator["Input"]:
    """Return the examples that the options stand for; with --row, this one alone."""
    from ..predict.inputs import find_inputs

    texts = [] if options.text is None else [options.text]
    arguments = [] if options.file is None else [options.file]
    found = find_inputs(arguments, predictor, texts=texts)
    return found if options.row is None else itertools.islice(found, options.row - 1, options.row)


def _one_example(options: argparse.Namespace, predictor: "Predictor") -> "Input":
    """Return the example that the options stand for; an error if there is none, or several."""
    found = list(itertools.islice(_examples(options, predictor), 2))
    if not found:
        raise ValueError(f"{options.file} has no example {options.row}; choose a smaller --row")
    if len(found) > 1:
        raise ValueError(
            f"{options.file} has several examples, and {options.out} shows one; choose it with "
            f"--row N, or give a directory as --out, such as {options.out.with_suffix('')}, for a "
            "picture of each"
        )
    return found[0]


def _slug(example: "Input") -> str:
    """Return the last part of the name of an example, as the name of a file on every system."""
    name = re.sub(r"[^\w.-]+", "-", Path(example.name).name).strip("-.")
    return name[-MAX_SLUG:] or "example"
