"""What a report shows of a model that gives a class for each element."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.labelled import IGNORED
from ..modalities.palette import palette
from ..printing import encodable
from ..training.metrics import ElementCounts
from ..training.scoring import Scored
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, label, paragraph, picture
from .pictures import Pictures, card, encoded
from .sections import by_label, score_table

SHOWN = 3  # examples of the best and of the worst mIoU each
WIDTH = 3.2  # inches of a drawing
TITLE = 0.35  # inches above it


def example_scores(scored: Scored, count: int) -> list[dict[str, float]]:
    """Return the number of labelled elements of each example, its accuracy and its mIoU.

    Args:
        scored: what was scored.
        count: number of classes.
    """
    found = []
    for said, truth in zip(scored.outputs, scored.labels, strict=True):
        counts = ElementCounts(count)
        counts.update(said.long(), truth.long())
        scores = counts.compute()
        found.append(
            {
                "elements": int((truth != IGNORED).sum()),
                "accuracy": float(scores["accuracy"]),
                "miou": float(scores["miou"].nanmean()),
            }
        )
    return found


def element_rows(outcome: Outcome) -> Iterator[list[object]]:
    """Return the rows of predictions.csv: how well each example was labelled.

    The columns are the file, the number of elements with a label, the accuracy, the mIoU, and of
    each class the number of elements that have it and of those it was said of.

    Args:
        outcome: what was scored.
    """
    scored, labels = outcome.scored, outcome.model.labels
    heads = [f"{what} {encodable(name)}" for name in labels for what in ("truth", "said")]
    yield ["file", "elements", "accuracy", "mIoU", *heads]
    each = example_scores(scored, len(labels))
    examples = zip(outcome.file_names, each, scored.outputs, scored.labels, strict=True)
    for name, scores, said, truth in examples:
        known = truth != IGNORED
        pairs = [torch.bincount(x[known].long(), minlength=len(labels)) for x in (truth, said)]
        counts = torch.stack(pairs, dim=1).flatten().tolist()
        shares = [f"{scores[key]:.6g}" for key in ("accuracy", "miou")]
        yield [name, scores["elements"], *shares, *counts]


def element_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    labels, scores = outcome.model.labels, outcome.scored.scores
    return [
        ("Scores", lambda: score_table("segmentation", labels, scores)),
        ("By class", lambda: by_label(scores)),
        ("Examples", lambda: _examples(outcome)),
    ]


def _examples(outcome: Outcome) -> Safe:
    """Return the examples of the lowest and of the highest mIoU, the truth beside what was said."""
    model, scored, names = outcome.model, outcome.scored, outcome.names
    each = np.nan_to_num([scores["miou"] for scores in example_scores(scored, len(model.labels))])
    order = each.argsort(kind="stable")
    chosen = dict.fromkeys([*order[:SHOWN].tolist(), *order[::-1][:SHOWN].tolist()])
    cards = []
    for row in chosen:
        shown = _drawn(scored, row, names[row], outcome.pictures)
        said = element("div", f"mIoU {each[row]:.1%}")
        cards.append(card(shown, said, element("div", names[row], class_="file"), kind="card maps"))
    note = paragraph(
        "The examples of the lowest and of the highest mIoU: the truth, and what was said. Grey "
        "elements have no label.",
        dim=True,
    )
    return joined(note, _legend(model.labels), *cards)


def _drawn(scored: Scored, row: int, name: str, pictures: Pictures) -> Safe:
    example = scored.examples.example(int(scored.indices[row]))
    modality, config = pictures.modality, pictures.config
    height = WIDTH * modality.aspect_of_classes(example, config) + TITLE
    figure = new_figure(2 * WIDTH, height)
    panels: Any = np.atleast_1d(figure.subfigures(1, 2))
    truth = scored.labels[row].numpy()
    said = np.where(truth == IGNORED, IGNORED, scored.outputs[row].numpy())
    with quiet_fonts():
        for panel, title, classes in zip(panels, ("truth", "said"), (truth, said), strict=True):
            panel.suptitle(title, fontsize=7)
            count = len(pictures.model.labels)
            modality.draw_classes(panel, example, classes, config, count)
        return picture(encoded(figure), f"truth and prediction of {name}", "webp")


def _legend(labels: Sequence[str]) -> Safe:
    """Return the names of the classes beside their colours."""
    parts = []
    for name, (red, green, blue) in zip(labels, palette(len(labels)).tolist(), strict=True):
        square = element("span", "■", style=f"color: rgb({red}, {green}, {blue})")
        parts.append(element("span", Safe(f"{square} {label(name)} &nbsp; ")))
    return element("p", joined(*parts))


SEGMENTATION = TaskReport(element_rows, element_sections)
