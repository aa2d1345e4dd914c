"""What a report shows of a model of optical flow."""

from collections.abc import Iterator

import torch

from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.flow.draw import draw_flows
from ..modalities.reader import to_device
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, paragraph, picture
from .pictures import card, encoded
from .sections import score_table

SHOWN = 3  # pairs of the lowest and of the highest error each
WIDTH = 1.8  # inches of one of the four drawings
TITLE = 0.3  # inches above them


def flow_rows(outcome: Outcome) -> Iterator[list[object]]:
    """Return the rows of predictions.csv: the end-point error of each pair, and if nothing moved.

    Args:
        outcome: what was scored.
    """
    yield ["file", "EPE", "EPE if nothing moved"]
    errors = (outcome.scored.outputs.tolist(), outcome.scored.labels.tolist())
    for name, said, still in zip(outcome.file_names, *errors, strict=True):
        yield [name, f"{said:.6g}", f"{still:.6g}"]


def flow_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    return [
        ("Scores", lambda: score_table("flow", (), outcome.scored.scores)),
        ("Pairs of frames", lambda: _pairs(outcome)),
    ]


def _pairs(outcome: Outcome) -> Safe:
    """Return the pairs of the lowest and of the highest error, the truth beside what was said."""
    errors, still = outcome.scored.outputs, outcome.scored.labels
    order = errors.argsort(stable=True).tolist()
    cards = []
    for row in dict.fromkeys([*order[:SHOWN], *order[::-1][:SHOWN]]):
        said = f"EPE {errors[row]:.3f} px; {still[row]:.3f} px if nothing moved"
        file = element("div", outcome.names[row], class_="file")
        cards.append(card(_drawn(outcome, row), element("div", said), file, kind="card maps"))
    note = (
        "The pairs of the lowest and of the highest end-point error (EPE). Colours are directions "
        "of motion, and white is none; both flows are drawn with the same colours."
    )
    return joined(paragraph(note, dim=True), *cards)


@torch.inference_mode()
def _drawn(outcome: Outcome, row: int) -> Safe:
    scored, model = outcome.scored, outcome.model
    batch, truth = scored.examples.__getitems__([int(scored.indices[row])])
    said = model(to_device(batch, next(model.parameters()).device))
    flows = {"true motion": truth[0].numpy(), "said": said[0].float().cpu().numpy()}
    height, width = batch.shape[2:4]
    figure = new_figure(4 * WIDTH, WIDTH * height / width + TITLE)
    with quiet_fonts():
        draw_flows(figure, batch[0].numpy(), flows)
        name = outcome.names[row]
        return picture(encoded(figure), f"frames, truth and prediction of {name}", "webp")


FLOW = TaskReport(flow_rows, flow_sections)
