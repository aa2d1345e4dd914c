"""What a language model filled into the texts of a split."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from ..modalities.text.decode import OFFSET
from ..printing import encodable
from ..training.scores import HIDDEN_BITS, scores_of
from ..training.scoring import Scored
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, joined, table, tiles

HIDDEN = "▁"  # stands for a hidden byte
MAX_TEXTS = 20  # on the page
RIVALS = {
    "unigram": "frequencies of bytes in these very texts, over all of their bytes",
    "bigram": "frequencies of bytes after each byte, in the same way",
}
HEAD = ("file", "given", "filled", "right", "hidden", "found")


def masked_rows(outcome: Outcome) -> Iterator[Sequence[object]]:
    """Return the rows of predictions.csv: texts as given, filled and right, and bytes found.

    Args:
        outcome: what was scored.
    """
    yield HEAD
    for name, row in zip(outcome.file_names, _rows(outcome.scored), strict=True):
        yield [name, *row]


def masked_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    scored, names = outcome.scored, outcome.names
    return [
        ("Scores", lambda: _scores(scored)),
        ("Filled texts", lambda: _filled_texts(scored, names)),
    ]


def _scores(scored: Scored) -> Safe:
    """Return the scores beside those of counts of bytes."""
    rows = [("this model", f"{scored.scores[HIDDEN_BITS.name]:.4f}")]
    rows += [(RIVALS[name], f"{value:.4f}") for name, value in scored.scores["baseline"].items()]
    large = [
        (s.title, f"{scored.scores[s.name]:{s.format_spec}}") for s in scores_of("masking", ())
    ]
    return joined(tiles(large), table(("", HIDDEN_BITS.title), rows))


def _filled_texts(scored: Scored, names: Sequence[str]) -> Safe:
    """Return some texts as they were given, filled and right."""
    rows = [[name, *row[:3]] for name, row in zip(names, _rows(scored, MAX_TEXTS), strict=False)]
    return table(HEAD[:4], rows, left=True)


def _rows(scored: Scored, count: int | None = None) -> list[list[object]]:
    pairs = zip(scored.outputs[:count], scored.labels[:count], strict=True)
    return [_row(said, truth[:, 0], truth[:, 1] == 1) for said, truth in pairs]


def _row(said: Tensor, ids: Tensor, hidden: Tensor) -> list[object]:
    known = ids >= OFFSET  # no padding
    found = (said == ids) & hidden
    given = _text(ids[known], hidden[known])
    filled = _text(said.where(hidden, ids)[known])
    return [given, filled, _text(ids[known]), int(hidden.sum()), int(found.sum())]


def _text(ids: Tensor, hidden: Tensor | None = None) -> str:
    """Return ids as text; bytes that are not UTF-8 are replaced by �, hidden ones by `HIDDEN`."""
    marks = [False] * len(ids) if hidden is None else hidden.tolist()
    mark = HIDDEN.encode()
    raw = b"".join(
        mark if at else bytes([max(0, id_ - OFFSET)])
        for id_, at in zip(ids.tolist(), marks, strict=True)
    )
    return encodable(raw.decode(errors="replace"))


MASKING = TaskReport(masked_rows, masked_sections)
