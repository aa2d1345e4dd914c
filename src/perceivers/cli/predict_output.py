"""How `perceivers predict` writes predictions: as lines, as JSON, and to a CSV file."""

import csv
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..files import write_atomically
from ..places import check_place, make_directory
from ..printing import encodable, portable
from .console import say, write

if TYPE_CHECKING:
    from ..predict import Prediction, Predictor
    from ..predict.inputs import Input

LIKELY = 0.5  # a label is predicted from this probability on
CHUNK = 2**20  # bytes
MAX_TEXT = 60  # characters of a text that are printed in front of its prediction


class Output(Protocol):
    """Somewhere that predictions are written to, one at a time."""

    def add(self, example: "Input", outcome: "Prediction | str") -> None:
        """Write the prediction of an example, or the error that prevented it."""

    def close(self, *, complete: bool) -> None:
        """End the output; `complete` says whether it has all examples."""


class Lines:
    """Write predictions to stdout, one line each. Errors are not written.

    Args:
        predictor: the predictor.
        top_k: number of classes or labels of a line.
    """

    def __init__(self, predictor: "Predictor", top_k: int) -> None:
        self.predictor, self.top_k = predictor, top_k

    def add(self, example: "Input", outcome: "Prediction | str") -> None:
        """Write the line of an example; a wrong prediction is marked."""
        if isinstance(outcome, str):
            return
        name = example.name
        if (text := example.text) is not None:
            name = repr(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…")
        wrong = f" [wrong: {example.truth}]" if is_correct(example, outcome) is False else ""
        say(f"{name}: {self.predictor.as_text(self.predictor.first(outcome, self.top_k))}{wrong}")

    def close(self, *, complete: bool) -> None:
        """Do nothing: all lines are written."""


class Json:
    """Write predictions and errors to stdout as one JSON list in ASCII.

    Args:
        predictor: the predictor.
        top_k: number of classes or labels of an entry.
    """

    def __init__(self, predictor: "Predictor", top_k: int) -> None:
        self.predictor, self.top_k, self.empty = predictor, top_k, True

    def add(self, example: "Input", outcome: "Prediction | str") -> None:
        """Write the entry of an example."""
        entry: dict[str, Any] = {"file": portable(example.name)}
        if example.text is not None:
            entry = {"text": encodable(example.text)}
        if example.truth is not None:
            entry["truth"] = encodable(example.truth)
        if isinstance(outcome, str):
            entry["error"] = encodable(outcome)
        else:
            pairs = self.predictor.as_json(self.predictor.first(outcome, self.top_k))
            entry["predictions"] = [{**pair, "label": encodable(pair["label"])} for pair in pairs]
        text = json.dumps(entry, indent=1, allow_nan=False).replace("\n", "\n ")
        write(f"{'[' if self.empty else ','}\n {text}")
        self.empty = False

    def close(self, *, complete: bool) -> None:
        """Close the list, so that it is valid JSON even if the command is stopped."""
        write("[]\n" if self.empty else "\n]\n")


class Csv:
    """Write predictions and errors to a CSV file in UTF-8, which appears once it is complete.

    The columns are the file, the text (only if texts were given), the truth, the prediction (not
    in a regression), one column for each class, label or number, and the error.

    Args:
        path: the file.
        predictor: the predictor.
        has_texts: whether texts were given.

    Raises:
        FileExistsError: the file exists.
        FileNotFoundError: its directory does not exist.
    """

    def __init__(self, path: Path, predictor: "Predictor", *, has_texts: bool) -> None:
        check_new_file(path)
        self.path, self.predictor, self.has_texts = path, predictor, has_texts
        # Rows are kept on disk, because there may be many.
        self.rows = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115
        self.writer = csv.writer(self.rows)
        what = "predicted" if predictor.gives_numbers else "probability"
        self.writer.writerow(
            [
                "file",
                *(["text"] if has_texts else []),
                "truth",
                *([] if predictor.gives_numbers else ["prediction"]),
                *(f"{what} {encodable(label)}" for label in predictor.labels),
                "error",
            ]
        )

    def add(self, example: "Input", outcome: "Prediction | str") -> None:
        """Keep the row of an example."""
        values: dict[str, float] = {} if isinstance(outcome, str) else dict(outcome)
        likely = [label for label, value in values.items() if value >= LIKELY]
        if self.predictor.model.config.task == "classification":
            likely = list(values)[:1]  # the most likely is the first
        self.writer.writerow(
            [
                portable(example.name),
                *([encodable(example.text or "")] if self.has_texts else []),
                encodable(example.truth or ""),
                *([] if self.predictor.gives_numbers else [encodable("|".join(likely))]),
                *(values.get(label, "") for label in self.predictor.labels),
                encodable(outcome) if isinstance(outcome, str) else "",
            ]
        )

    def close(self, *, complete: bool) -> None:
        """Write the file if it is complete."""

        def write_rows(part: Path) -> None:
            self.rows.flush()
            self.rows.seek(0)
            with part.open("wb") as file:
                while chunk := self.rows.buffer.read(CHUNK):
                    file.write(chunk)

        with self.rows:
            if complete:
                make_directory(self.path.parent)
                write_atomically(self.path, write_rows)


def check_new_file(path: Path) -> None:
    """Check that a file can be created, before long work.

    Raises:
        FileExistsError: it exists.
        OSError: its directory cannot be written to, or cannot be made.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already; choose another name, or remove it first")
    check_place(path)


def is_correct(example: "Input", outcome: "Prediction | str") -> bool | None:
    """Return whether the most likely class is the truth; None if either is missing."""
    if example.truth is None or isinstance(outcome, str):
        return None
    return outcome[0][0] == example.truth
