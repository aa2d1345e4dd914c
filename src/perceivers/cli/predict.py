"""The command `perceivers predict`."""

import argparse
import logging
import math
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .console import complain, say
from .options import add_limits
from .parser import Add, add_clips
from .predict_others import check_no_solids, check_options, predict_others
from .predict_output import Csv, Json, Lines, Output, check_new_file, is_correct

if TYPE_CHECKING:
    from ..predict import Prediction, Predictor
    from ..predict.inputs import Input

log = logging.getLogger(__name__)

STDIN = "-"

SECONDS_BETWEEN_LINES = 5  # of progress


def add(command: Add) -> None:
    """Add the command `predict` to the command line."""
    sub = command(
        "predict",
        _predict,
        "Predict the classes, labels or numbers of files, or what else the model gives.",
    )
    sub.add_argument(
        "model", metavar="RUN_DIR",
        help="directory of a run or saved model, or hf://OWNER/NAME for a model of the Hugging "
        "Face hub",
    )  # fmt: skip
    sub.add_argument(
        "files", nargs="*", metavar="FILE",
        help="file of the kind that the model reads; a folder, of which all such files are "
        "predicted, and compared with the class if their sub-folder is named after one; a pattern "
        "such as '*.png'; - for one file on stdin, or for one text; if the model was trained on a "
        "table, also a table, of which each row is predicted",
    )  # fmt: skip
    sub.add_argument(
        "--text", action="append", default=[], metavar="TEXT",
        help="text to predict, for models of texts; may be repeated; a language model fills its "
        "masks: [MASK] stands for a byte, [MASK:9] for nine",
    )  # fmt: skip
    sub.add_argument(
        "--top-k", type=int, default=5, metavar="K",
        help="number of classes or labels to print for each file, most probable first; "
        "for numbers to predict, all are printed [5]",
    )  # fmt: skip
    sub.add_argument(
        "--json", action="store_true",
        help="print the predictions, and the errors of files that cannot be read, as JSON",
    )  # fmt: skip
    sub.add_argument(
        "--csv", type=Path, metavar="OUT",
        help="write the file, truth, prediction, all probabilities or numbers, and error of each "
        "example to a new CSV file too",
    )  # fmt: skip
    sub.add_argument(
        "--out", type=Path, metavar="DIR",
        help="directory for the files of models that give neither classes nor numbers, such as "
        "masks, labelled clouds, forecasts or films [predictions]",
    )  # fmt: skip
    sub.add_argument(
        "--resolution", type=int, metavar="R",
        help="models of solids: places along each axis of the grid that the mesh is made of [64]",
    )  # fmt: skip
    sub.add_argument(
        "--format", choices=("ply", "obj", "stl"),
        help="models of solids: format of the mesh that is written [ply]",
    )  # fmt: skip
    sub.add_argument(
        "--stdin-kind", metavar="SUFFIX",
        help="format of the file on stdin, such as obj, where its bytes do not tell",
    )  # fmt: skip
    add_clips(sub)
    sub.add_argument(
        "--own-size", action="store_true",
        help="read each file whole (images and point clouds at their own size, sounds and videos "
        "to their end), in parts if it is large; only for models with Fourier positions or none, "
        "and not for models trained on a table",
    )  # fmt: skip
    add_limits(sub)


def _predict(options: argparse.Namespace, rest: list[str]) -> int:
    if not options.files and not options.text:
        raise ValueError("nothing to predict; expected a FILE, a folder, - or --text TEXT")
    if options.stdin_kind and STDIN not in options.files:
        raise ValueError(f"--stdin-kind describes the file on stdin; give {STDIN} as FILE")
    if options.files.count(STDIN) > 1:
        raise ValueError(f"stdin can be read once; give {STDIN} once")
    if options.csv:
        check_new_file(options.csv)
    from ..predict import Predictor, check_top_k
    from ..predict.outputs import answerer

    check_top_k(options.top_k)
    if (other := answerer(options.model, top_k=options.top_k)) is not None:
        check_options(options)
        return predict_others(other, options)
    check_no_solids(options)
    if options.out:
        raise ValueError("--out is for models whose outputs are files; leave it out, or use --csv")
    predictor = Predictor(
        options.model, own_size=options.own_size, clips=options.clips, progress=_progress_printer()
    )
    writer = Json if options.json else Lines
    outputs: list[Output] = [writer(predictor, options.top_k)]
    if options.csv:
        outputs.append(Csv(options.csv, predictor, has_texts=bool(options.text)))
    tally, complete = Tally(), False
    try:
        for example, outcome in _outcomes(options, predictor):
            tally.add(example, outcome)
            if isinstance(outcome, str):
                complain(outcome)
            for output in outputs:
                output.add(example, outcome)
        complete = True
    finally:
        for output in outputs:
            output.close(complete=complete)
    if tally.known:
        (log.info if options.json else say)(tally.accuracy())
    if tally.failed and tally.total > 1:
        log.info("%d of %d examples could not be predicted", tally.failed, tally.total)
    return 1 if tally.failed else 0


def _outcomes(
    options: argparse.Namespace, predictor: "Predictor"
) -> Iterator[tuple["Input", "Prediction | str"]]:
    """Yield each example with its prediction, or with a message why there is none."""
    from ..predict.inputs import find_inputs

    top_k = max(options.top_k, len(predictor.labels) if options.csv else 0)
    with _file_on_stdin(options.stdin_kind, predictor) as stdin:
        examples = find_inputs(options.files, predictor, texts=options.text, stdin=stdin)
        named = ((example, example.source) for example in examples)
        for example, outcome in predictor.predict_sources(named, top_k=top_k):
            if isinstance(outcome, ValueError):
                if options.debug:
                    traceback.print_exception(outcome)
                yield example, _message(example, str(outcome), stdin)
            elif not all(math.isfinite(value) for _, value in outcome):
                yield example, f"{_name(example)}: the model gives infinite values or no numbers"
            else:
                yield example, outcome


@contextmanager
def _file_on_stdin(kind: str | None, predictor: "Predictor") -> Iterator[Path | None]:
    """Save stdin to a file with a suffix while the context lasts; None if no suffix is given."""
    from ..predict.inputs import read_stdin

    if kind is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"stdin.{kind.lstrip('.')}"
        with predictor.reading():
            path.write_bytes(read_stdin())
        yield path


def _name(example: "Input") -> str:
    return "--text" if example.text is not None else example.name


def _message(example: "Input", message: str, stdin: Path | None) -> str:
    """Return the message of an error, with the name of the example in front."""
    for prefix in ("bytes: ", f"{stdin}: "):  # what the predictor calls texts and stdin
        if example.name in ("", STDIN):
            message = message.removeprefix(prefix)
    name = _name(example)
    return message if message.startswith(name) else f"{name}: {message}"


class Tally:
    """Counts of the examples that were predicted, and of those whose truth is known."""

    def __init__(self) -> None:
        self.total = self.failed = self.known = self.correct = 0

    def add(self, example: "Input", outcome: "Prediction | str") -> None:
        """Count an example."""
        self.total += 1
        self.failed += isinstance(outcome, str)
        correct = is_correct(example, outcome)
        self.known += correct is not None
        self.correct += correct is True

    def accuracy(self) -> str:
        """Describe the share of correct predictions among the examples with a known truth."""
        return (
            f"accuracy {self.correct / self.known:.2%}: {self.correct:,} of {self.known:,} whose "
            "folder or file is named after a class"
        )


def _progress_printer() -> Callable[[float], None]:
    """Return a function that prints the progress of a file and the remaining time to stderr.

    It prints at most once in `SECONDS_BETWEEN_LINES`.
    """
    start = last_line = time.monotonic()

    def print_progress(fraction: float) -> None:
        nonlocal start, last_line
        now = time.monotonic()
        if now - last_line > SECONDS_BETWEEN_LINES:
            remaining = (now - start) * (1 - fraction) / fraction
            complain(f"{fraction:.0%} read, {remaining:.0f} s left")
            last_line = now
        if fraction >= 1:
            start = last_line = now  # the next call is about the next file

    return print_progress
