"""What a report says of forecasts: scores, plots of a few windows, and predictions.csv."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..exported import device_of
from ..modalities.drawing import new_figure
from ..modalities.series.draw import draw_forecast
from ..modalities.series.times import regular_times
from ..models.base import PerceiverModel
from ..models.perceiver_ar_forecast import PerceiverARForecaster, interval_of
from ..printing import encodable, formatted
from ..training.forecast_targets import forecasts
from ..training.results import COLUMNS
from ..training.scores import COVERAGE, LOSS, Score, scores_of
from ..training.scoring import Scored
from .figures import png
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, label, paragraph, picture, table

SHOWN = 6  # windows that are drawn, evenly spaced in time
WIDTH, HEIGHT = 8.6, 1.9  # inches of a drawing, and of each channel in it
MAX_CHANNELS = 4  # that are drawn

# n windows · T length · H horizon · K forecast channels


def forecast_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    model, scored, names = outcome.model, outcome.scored, outcome.names
    made = [("Scores", lambda: _scores(model, scored))]
    if scored.scores.get("by_label"):
        made.append(("By channel", lambda: _by_channel(scored)))
    made.append(("Forecasts", lambda: _plots(model, scored, names)))
    return made


def _scores(model: PerceiverModel, scored: Scored) -> Safe:
    base = scored.scores["baseline"]
    loss = "the mean absolute error in standard deviations of each window"
    if COVERAGE.name in scored.scores:
        loss = (
            "the mean cross-entropy of the tokens that values become, and the interval that from "
            "the 10th to the 90th percentile of the continuations"
        )
    rows = [
        [score.title, _value(score, scored.scores), _value(score, base)]
        for score in (*scores_of("forecasting", model.labels), COVERAGE, LOSS)
        if score.name in scored.scores
    ]
    return joined(
        table(("score", "this model", "seasonal naive"), rows),
        paragraph(
            "Seasonal naive: each value as it was one season earlier. MASE: the mean absolute "
            "error, divided by the mean change over a season in the training part; the loss is "
            f"{loss}.",
            dim=True,
        ),
    )


def _value(score: Score, values: dict[str, float]) -> str:
    return score.text(values[score.name]) if score.name in values else "-"


def _by_channel(scored: Scored) -> Safe:
    each = scored.scores["by_label"]
    shown = [name for name in COLUMNS if any(name in scores for scores in each.values())]
    rows = [
        [label(channel), *(formatted(scores[name], COLUMNS[name][1]) for name in shown)]
        for channel, scores in each.items()
    ]
    return table(("", *(COLUMNS[name][0] for name in shown)), rows)


def _plots(model: PerceiverModel, scored: Scored, names: Sequence[str]) -> Safe:
    chosen = np.unique(np.linspace(0, len(names) - 1, SHOWN).round().astype(int))
    cards = []
    for row in chosen.tolist():
        drawn = picture(_plot(model, scored, row), f"forecast of {names[row]}")
        cards.append(element("div", joined(drawn, element("div", names[row], class_="file"))))
    return joined(paragraph("Windows evenly spaced over the split.", dim=True), *cards)


def _plot(model: PerceiverModel, scored: Scored, row: int) -> bytes:
    example = np.asarray(scored.examples.example(int(scored.indices[row])))
    horizon = scored.labels.shape[1]
    channels = list(model.labels[:MAX_CHANNELS])
    figure = new_figure(WIDTH, HEIGHT * len(channels) + 0.4)
    steps, truth = example[:, 0], scored.labels[row].numpy()
    draw_forecast(
        figure, channels, regular_times(2), steps[:-horizon], example[:-horizon, 1:],
        steps[-horizon:], said=_said(scored)[row].numpy(), interval=_interval(model, scored, row),
        truth=truth[..., 0], naive=truth[..., 3],
    )  # fmt: skip
    return png(figure)


@torch.inference_mode()
def _interval(model: PerceiverModel, scored: Scored, row: int) -> np.ndarray | None:
    """Return the interval of a forecast, (2, H, K); None if the model draws no continuations.

    They are drawn anew, because scores keep their median alone; the draws are the same.
    """
    if not isinstance(model, PerceiverARForecaster):
        return None
    batch, _ = scored.examples.__getitems__([int(scored.indices[row])])
    paths = model.eval().sample(batch.to(device_of(model)))[0].double()
    return interval_of(paths, dim=0).cpu().numpy()


def forecast_rows(outcome: Outcome) -> Iterator[list[object]]:
    """Return the rows of predictions.csv: what was forecast for each step after each window.

    Args:
        outcome: what was scored.
    """
    scored, names = outcome.scored, outcome.file_names
    named = [encodable(channel) for channel in outcome.model.labels]
    heads = [f"{what} {name}" for name in named for what in ("truth", "forecast", "naive")]
    yield ["window", "step", *heads]
    every = zip(names, scored.labels.tolist(), _said(scored).tolist(), strict=True)
    for name, truth, said in every:
        for step, (values, forecast) in enumerate(zip(truth, said, strict=True), 1):
            cells = [
                cell
                for (value, _, _, naive), number in zip(values, forecast, strict=True)
                for cell in ("" if value != value else value, number, naive)
            ]
            yield [name, step, *cells]


def _said(scored: Scored) -> Tensor:
    return forecasts(scored.outputs.double(), scored.labels)


FORECASTING = TaskReport(forecast_rows, forecast_sections)
