"""What a report shows of a model that rebuilds its inputs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..modalities.drawing import new_figure, quiet_fonts
from ..predict.rebuild import rebuild
from ..training.metrics import psnr
from ..training.targets import targets_of
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, paragraph, picture
from .pictures import WIDE, card, encoded
from .sections import by_label, score_table

SHOWN = 3  # examples of the highest and of the lowest error each
TITLE = 0.3  # inches above a drawing


def value_rows(outcome: Outcome) -> Iterator[list[object]]:
    """Return the rows of predictions.csv: the PSNR in dB of each part of each example.

    Args:
        outcome: what was scored.
    """
    parts = targets_of(outcome.model).names
    yield ["file", *([f"PSNR {name}" for name in parts] or ["PSNR"])]
    ratios = psnr(outcome.scored.outputs).tolist()
    for name, row in zip(outcome.file_names, ratios, strict=True):
        yield [name, *(f"{value:.4f}" for value in row)]


def value_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    scores = outcome.scored.scores
    makers: Makers = [("Scores", lambda: score_table("reconstruction", (), scores))]
    if scores.get("by_label"):
        makers.append(("By part", lambda: by_label(scores)))
    makers.append(("Examples", lambda: _examples(outcome)))
    return makers


def _examples(outcome: Outcome) -> Safe:
    """Return the examples of the lowest and of the highest PSNR, beside what was rebuilt."""
    names = outcome.names
    ratios: Tensor = psnr(outcome.scored.outputs).mean(1)
    order = ratios.argsort(stable=True).tolist()
    cards = []
    for row in dict.fromkeys([*order[:SHOWN], *order[::-1][:SHOWN]]):
        shown = _drawn(outcome, row)
        said = element("div", f"PSNR {ratios[row]:.2f} dB")
        cards.append(card(shown, said, element("div", names[row], class_="file"), kind="card maps"))
    note = (
        "The examples of the lowest and of the highest PSNR: what was read, and what was rebuilt."
    )
    return joined(paragraph(note, dim=True), *cards)


def _drawn(outcome: Outcome, row: int) -> Safe:
    scored, pictures = outcome.scored, outcome.pictures
    example = scored.examples.example(int(scored.indices[row]))
    modality, config = pictures.modality, pictures.config
    figure = new_figure(2 * WIDE, WIDE * modality.aspect(example, config) + TITLE)
    panels: Any = np.atleast_1d(figure.subfigures(1, 2))
    pairs = (("read", example), ("rebuilt", rebuild(outcome.model, example)))
    with quiet_fonts():
        for panel, (title, shown) in zip(panels, pairs, strict=True):
            panel.suptitle(title, fontsize=7)
            modality.draw(panel, shown, None, config)
        _share_scales(*(panel.axes for panel in panels))
        return picture(encoded(figure), f"{outcome.names[row]}, read and rebuilt", "webp")


def _share_scales(read: Sequence[Any], rebuilt: Sequence[Any]) -> None:
    """Give the curves and the grey values of two drawings the same scales."""
    for pair in zip(read, rebuilt, strict=True):
        if all(axes.lines for axes in pair):
            limits = [limit for axes in pair for limit in axes.get_ylim()]
            for axes in pair:
                axes.set_ylim(min(limits), max(limits))
        images = [image for axes in pair for image in axes.images]
        limits = [limit for image in images for limit in image.get_clim()]
        for image in images:
            image.set_clim(min(limits), max(limits))


RECONSTRUCTION = TaskReport(value_rows, value_sections)
