"""What the model looked at in an example, as pictures for the page."""

import base64
import io
from contextlib import suppress
from typing import Any

from ..explain import ElementMap, explain_maps
from ..explain.draw import element_values
from ..modalities import modality_of
from ..modalities.clips import without_clips
from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.reader import collate, to_device
from ..predict import Predictor

INCHES, DPI = 3.2, 100


def load_drawing() -> None:
    """Import what draws, if it is installed: in the first request it would stop all others."""
    with suppress(ImportError):
        new_figure(INCHES, INCHES).savefig(io.BytesIO(), format="png", dpi=DPI)


def overlays(predictor: Predictor, example: Any, output: int | None) -> dict[str, Any]:
    """Return the maps of an example, each drawn over it.

    Args:
        predictor: the model and its reader.
        example: an example as `Predictor.prepare` returns it.
        output: index of the output to explain; None: the most probable one.

    Returns:
        The label of the output, what the colours mean, and PNG pictures as data URLs: the example,
        the maps of each step, roll-out and saliency, and that of the linear model or None.
    """
    model = predictor.trained
    reader: Any = without_clips(predictor.reader)
    batch = to_device(reader.batch(collate([example])), next(model.parameters()).device)
    maps = explain_maps(model, batch, output)
    chosen = int(maps.outputs.argmax()) if output is None else output

    def picture(shown: ElementMap | None) -> str:
        values = None if shown is None else element_values(model, shown.values, batch)
        return _picture(model.config.input, example, values)

    return {
        "label": model.labels[chosen],
        "shading": modality_of(model.config.input).shading(model.config.input),
        "example": picture(None),
        "steps": [
            {
                "step": attention.step + 1,
                "both": picture(attention.mean),
                "content": picture(attention.content),
                "position": picture(attention.position),
            }
            for attention in maps.attention
        ],
        "rollout": picture(maps.rollout),
        "saliency": picture(maps.saliency),
        "evidence": None if maps.evidence is None else picture(maps.evidence),
    }


def _picture(config: Any, example: Any, values: Any) -> str:
    """Draw an example with values over it, as a data URL."""
    modality = modality_of(config)
    figure = new_figure(INCHES, INCHES * modality.aspect(example, config))
    modality.draw(figure, example, values, config)
    file = io.BytesIO()
    with quiet_fonts():
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.04)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
