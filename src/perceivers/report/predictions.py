"""The predictions of a split as a table, and the names of its examples."""

import logging
from collections.abc import Iterator, Sequence

from torch import Tensor

from ..data.identity import relative_names
from ..printing import encodable, portable
from ..training.scoring import Scored
from .judge import Judged

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.csv"
MAX_CELLS = 20_000_000  # more probabilities would make a file of hundreds of megabytes


def example_names(scored: Scored, path: str | None) -> list[str]:
    """Return the names of the scored examples; of files relative to the folder of the data.

    Args:
        scored: what was scored.
        path: path of the data; None: it has none.
    """
    return relative_names(scored.examples.names(scored.indices.tolist()), path)


def file_names(scored: Scored, path: str | None) -> list[str]:
    """Return the same names for files: one that is not UTF-8 is the URI of its whole path."""
    whole = scored.examples.names(scored.indices.tolist())
    pairs = zip(relative_names(whole, path), whole, strict=True)
    return [short if portable(short) == short else portable(name) for short, name in pairs]


def prediction_rows(judged: Judged, names: Sequence[str]) -> Iterator[list[object]]:
    """Return the rows of predictions.csv of a model with one row of outputs for each example.

    The columns are the file, the truth, the prediction, and the probability of each class or
    label; several labels are joined by "|". Of one number they are the file, the truth and the
    prediction; of several, the truth and the prediction of each.

    Args:
        judged: the predictions.
        names: names of the examples, from `file_names`.
    """
    labels = [encodable(label) for label in judged.names]
    if judged.task == "regression":
        one = len(labels) == 1
        yield [
            "file",
            *(f"truth {label}".removesuffix(f" {label}" if one else "") for label in labels),
            *("prediction" if one else f"predicted {label}" for label in labels),
        ]
        for name, truth, said in zip(names, judged.truth, judged.values, strict=True):
            yield [name, *truth.tolist(), *said.tolist()]
        return
    every = judged.values.numel() <= MAX_CELLS
    if not every:
        log.info("%s has no probabilities: there are too many classes and examples", PREDICTIONS)
    columns = [f"probability {label}" for label in labels] if every else []
    yield ["file", "truth", "prediction", *columns]
    rows = zip(names, judged.truth, judged.predicted, judged.values, strict=True)
    for name, truth, said, values in rows:
        cells = [f"{value:.6g}" for value in values.tolist()] if every else []
        yield [name, _named(truth, labels), _named(said, labels), *cells]


def _named(value: Tensor, labels: Sequence[str]) -> str:
    """Return the name of a class, or the names of several labels."""
    numbers = value.tolist()
    if isinstance(numbers, int):
        return labels[numbers]
    return "|".join(label for label, on in zip(labels, numbers, strict=True) if on)
