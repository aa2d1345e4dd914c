"""What a report says of a model of solids: scores, drawn surfaces, and predictions.csv."""

from collections.abc import Iterator

import numpy as np

from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.points.draw import draw_points, draw_surface
from ..modalities.points.marching import surface_of
from ..models.perceiver_io import PerceiverIOModel
from ..predict.solids import occupancy
from ..training.scores import LOSS, NEAREST, scores_of
from ..training.scoring import Scored
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, paragraph, picture, table
from .pictures import card, encoded

SHOWN = 3  # solids of the lowest and of the highest IoU each
WIDTH = 2.4  # inches of a drawing
RESOLUTION = 40  # of the surfaces that are drawn


def solid_rows(outcome: Outcome) -> Iterator[list[object]]:
    """Return the rows of predictions.csv: IoU, accuracy and divergence of each solid.

    Args:
        outcome: what was scored.
    """
    yield ["file", "IoU", "accuracy", "KL divergence"]
    for name, row in zip(outcome.file_names, outcome.scored.outputs.tolist(), strict=True):
        yield [name, *(f"{value:.6g}" for value in row)]


def solid_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    return [("Scores", lambda: _scores(outcome.scored)), ("Examples", lambda: _examples(outcome))]


def _scores(scored: Scored) -> Safe:
    base, scores = scored.scores["baseline"], scored.scores
    rows = []
    for score in (*scores_of("occupancy", ()), LOSS):
        given = (scores.get(score.name), base.get(score.name), base.get(f"{NEAREST}{score.name}"))
        rows.append(
            [score.title, *("-" if x is None else f"{x:{score.format_spec}}" for x in given)]
        )
    return joined(
        table(("score", "this model", "everything inside", "nearest point"), rows),
        paragraph(
            "IoU is that of the solids, at places that are uniform in the cube that the points "
            "fill; accuracy that of places near the surface; both are means over solids. Nearest "
            "point: the tangent plane there tells which side is inside, away from the mean of the "
            "points.",
            dim=True,
        ),
    )


def _examples(outcome: Outcome) -> Safe:
    """Return the solids of the lowest and of the highest IoU, as read and as the model has them."""
    ious = outcome.scored.outputs[:, 0]
    order = ious.argsort(stable=True).tolist()
    cards = []
    for row in dict.fromkeys([*order[:SHOWN], *order[::-1][:SHOWN]]):
        shown, empty = _drawn(outcome, row)
        lack = "; no surface: to the model, nothing is inside" if empty else ""
        said = element("div", f"IoU {ious[row]:.1%}{lack}")
        cards.append(card(shown, said, element("div", outcome.names[row], class_="file")))
    note = (
        "The solids of the lowest and of the highest IoU: the points, and the surface made of them."
    )
    return joined(paragraph(note, dim=True), element("div", joined(*cards), class_="grid large"))


def _drawn(outcome: Outcome, row: int) -> tuple[Safe, bool]:
    """Return the points of a solid beside its surface, and whether there is no surface."""
    model, scored, name = outcome.model, outcome.scored, outcome.names[row]
    assert isinstance(model, PerceiverIOModel)
    content = scored.examples.example(int(scored.indices[row]))
    assert isinstance(content, np.ndarray)
    logits = occupancy(model, content, RESOLUTION)
    figure = new_figure(2 * WIDTH, WIDTH)
    left, right = figure.subfigures(1, 2)
    with quiet_fonts():
        draw_points(left, content)
        empty = not bool((logits > 0).any())
        if not empty:
            draw_surface(right, *surface_of(logits))
        return picture(encoded(figure), f"{name}, points and surface", "webp"), empty


OCCUPANCY = TaskReport(solid_rows, solid_sections)
