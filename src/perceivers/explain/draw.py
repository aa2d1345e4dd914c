"""Draw what a model looked at in one example, and whether that means anything."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..modalities import build_reader, modality_of
from ..modalities.drawing import new_figure, quiet_fonts, shortened
from ..modalities.fusion.adapter import FusionAdapter
from ..modalities.reader import collate, to_device
from ..models.classifier import PerceiverClassifier
from ..models.outputs import values_of
from ..printing import formatted
from .deletion import Deletion, deletion_test
from .maps import ElementMap, Maps, explain_maps

COLUMNS = 3
WIDTH, TITLE, TEST, MARGIN = 4.2, 0.3, 2.4, 1.3  # inches: a panel, and the heights of the rest
MAX_LABEL = 24  # characters of the name of an output beside an axis
FOOT = (
    "The colours of each map are relative to its own highest values.\n"
    "Content, position: the attention that one term of the logits gives alone. Roll-out: attention "
    "followed through all layers. Saliency: the gradient of the output.\n"
    "Deletion test: elements are masked until none is left. The smaller the area is beside that of "
    "the random order, the more the map says about what the model uses."
)
FOOT_OF_EVIDENCE = (
    "Linear model: what the linear model of n-grams or cells, whose outputs the model reads, finds "
    "in an element for the output."
)


@dataclass(frozen=True)
class Explanation:
    """What a model looked at in one example."""

    maps: Maps
    """Attention, roll-out, saliency and evidence of each element."""
    output: int
    """Index of the output that is explained."""
    outcome: str
    """The output in words, such as "cat 97.1%"."""
    deletions: dict[str, Deletion]
    """The deletion test of some of the maps, by their titles."""
    png: bytes
    """The drawing of all of it."""
    gif: bytes | None
    """The roll-out over all frames, for videos alone."""


def draw(
    model: PerceiverClassifier, example: Any, *, output: int | None = None, title: str = ""
) -> Explanation:
    """Explain one example and draw it.

    Args:
        model: the model, in eval mode.
        example: an example as the model's reader decodes it, such as `Predictor.prepare` returns.
        output: index of the output to explain; None: the most probable class or label.
        title: text above the drawing, such as the name of the file.

    Raises:
        ValueError: inputs of this kind cannot be drawn.
        ImportError: matplotlib is not installed.
    """
    config = model.config.input
    reader: Any = build_reader(config)
    device = next(model.parameters()).device
    batch = to_device(reader.batch(collate([example])), device)
    maps = explain_maps(model, batch, output)
    chosen = int(maps.outputs.argmax()) if output is None else output
    tested = [maps.attention[-1].mean, maps.rollout, maps.saliency]
    tested += [] if maps.evidence is None else [maps.evidence]
    deletions = {
        tested_map.title: deletion_test(model, batch, tested_map.values, chosen)
        for tested_map in tested
    }
    modality = modality_of(config)

    def panel(figure: Any, shown: ElementMap | None) -> None:
        values = None if shown is None else element_values(model, shown.values, batch)
        modality.draw(figure, example, values, config)

    test_rows = -(-len(tested) // COLUMNS)
    figure = _figure(maps, modality.aspect(example, config) * WIDTH + TITLE, panel, test_rows)
    places = figure.subfigs[-COLUMNS * test_rows :]
    for place, (name, deletion) in zip(places, deletions.items(), strict=False):
        _titled(place, f"deletion test of {name}", partial(_draw_deletion, deletion, model, chosen))
    outcome = _outcome(model, maps.outputs, chosen)
    figure.suptitle(f"{title}\n{outcome}".strip(), parse_math=False)
    foot = FOOT if maps.evidence is None else f"{FOOT}\n{FOOT_OF_EVIDENCE}"
    figure.supxlabel(f"{modality.shading(config)} {foot}", fontsize=8, x=0.01, ha="left")
    file = io.BytesIO()
    with quiet_fonts():
        figure.savefig(file, format="png", dpi=100)
    moving = modality.animation(example, element_values(model, maps.rollout.values, batch), config)
    return Explanation(maps, chosen, outcome, deletions, file.getvalue(), moving)


def _figure(maps: Maps, height: float, panel: Any, test_rows: int) -> Any:
    """Lay out the example and its maps in rows of three panels, above empty ones for the tests.

    Args:
        maps: the maps.
        height: height of a panel in inches.
        panel: function that draws the example with a map over it, or alone.
        test_rows: number of rows of empty panels.
    """
    rows: list[list[ElementMap]] = [] if maps.evidence is None else [[maps.evidence]]
    rows += [[a.mean, a.content, a.position] for a in maps.attention]
    if maps.clusters:
        rows.append(list(maps.clusters))
    heights = [height] * (len(rows) + 1) + [TEST] * test_rows
    figure = new_figure(COLUMNS * WIDTH, sum(heights) + MARGIN)
    subfigures = figure.subfigures(len(heights), COLUMNS, height_ratios=heights)
    _titled(subfigures[0, 0], "the example", partial(panel, shown=None))
    for place, shown in zip(subfigures[0, 1:], (maps.rollout, maps.saliency), strict=True):
        _titled(place, shown.title, partial(panel, shown=shown))
    for line, row in zip(subfigures[1:], rows, strict=False):
        for place, shown in zip(line, row, strict=False):
            _titled(place, shown.title, partial(panel, shown=shown))
    return figure


def _titled(figure: Any, title: str, fill: Callable[[Any], None]) -> None:
    figure.suptitle(title, fontsize=9)
    fill(figure)


def _draw_deletion(
    deletion: Deletion, model: PerceiverClassifier, output: int, figure: Any
) -> None:
    axes = figure.subplots()
    percent = 100 * deletion.fractions
    axes.plot(percent, deletion.by_map, label=f"highest of the map first: area {deletion.area:.3f}")
    axes.plot(percent, deletion.at_random, label=f"random order: area {deletion.random_area:.3f}")
    label = shortened(model.labels[output], MAX_LABEL)
    watched = f"probability of\n{label}"
    if model.config.task == "regression":
        watched = f"{label}\n(1: as without masks)"
    axes.set(xlabel="elements masked, %", ylim=(0, 1.05))
    axes.set_ylabel(watched, fontsize=8, parse_math=False)
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)


def element_values(model: PerceiverClassifier, values: Tensor, batch: Any) -> Any:
    """Return the values of elements as arrays, by part if there are several modalities."""
    adapter = model.adapter
    with torch.no_grad():
        if isinstance(adapter, FusionAdapter):
            parts = adapter.by_part(values, batch)
            return {name: x.cpu().numpy() for name, x in parts.items()}
    array: np.ndarray = values.cpu().numpy()
    return array


def _outcome(model: PerceiverClassifier, outputs: Tensor, index: int) -> str:
    """Say the output that is explained, such as "cat 97.1%"."""
    label = model.labels[index]
    if model.config.task == "regression":
        return f"{label}: {formatted(float(outputs[index]), '.5g')}"
    return f"{label} {float(values_of(outputs, model.config.task)[index]):.1%}"
