"""Examples as pictures or text, and what a model looked at in them."""

import io
import logging
import math
from typing import Any

import numpy as np

from ..data.examples import ExampleSet
from ..explain.draw import element_values
from ..explain.maps import explain_maps
from ..modalities import build_reader, modality_of
from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.modality import Modality
from ..modalities.reader import collate, to_device
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from .page import Safe, element, joined, picture

log = logging.getLogger(__name__)

WIDTH = 2.4  # inches of the picture of an example
WIDE = 3.6  # inches of a mix, or of a map over text
TITLE = 0.3  # inches above a map
DPI = 100
QUALITY = 80  # of WebP
MAX_WORDS = 600  # characters of an example that is shown as text
# Weights of all cross-attends together that are recorded for the maps of one example, of which
# there are three kinds: 400 MB.
MAX_WEIGHTS = 2**25


class Pictures:
    """Shows examples of a split.

    Args:
        model: the model that reads them, in eval mode.
        examples: the split.
    """

    def __init__(self, model: PerceiverModel, examples: ExampleSet) -> None:
        self.model, self.examples = model, examples
        self.config = model.config.input
        self.modality = modality_of(self.config)
        self.drawable = type(self.modality).draw is not Modality.draw
        self.mixed = len(getattr(self.config, "parts", ())) > 1
        self.shading = self.modality.shading(self.config)
        self._shown: dict[int, Safe] = {}
        self._said: set[str] = set()

    def show(self, index: int, name: str) -> Safe:
        """Return an example as HTML: its text, or a picture; nothing for inputs without either.

        Args:
            index: index of the example in the split.
            name: its name, for those who cannot see the picture.
        """
        if not self.drawable:
            return Safe("")
        if index not in self._shown:
            try:
                self._shown[index] = self._show(index, name)
            except Exception as error:  # a drawing is worth no report
                if str(error) not in self._said:  # once, not for each example
                    log.warning("%s could not be drawn: %s", name, error)
                    self._said.add(str(error))
                self._shown[index] = element("p", f"(not drawn: {error})", class_="dim")
        return self._shown[index]

    def _show(self, index: int, name: str) -> Safe:
        example = self.examples.example(index)
        words = self.modality.words(example, self.config)
        if words is not None:
            cut = words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]}…"
            # Line ends are shown; every other control character is escaped.
            return element("pre", Safe("\n".join(element("span", x) for x in cut.split("\n"))))
        width = self._width(example)
        figure = new_figure(width, width * self.modality.aspect(example, self.config))
        with quiet_fonts():
            self.modality.draw(figure, example, None, self.config)
            return picture(encoded(figure), name, "webp")

    def _width(self, example: Any) -> float:
        """Return the width of a drawing of an example, in inches."""
        reads_better = self.modality.words(example, self.config) is not None
        return WIDE if self.mixed or reads_better else WIDTH

    def grid(self, cards: list[Safe]) -> Safe:
        """Return boxes side by side, as many as there is room for."""
        return element("div", joined(*cards), class_="grid large" if self.mixed else "grid")

    def why_not_explained(self) -> str:
        """Return why no maps are drawn; empty if they are."""
        config = self.model.config
        if not self.drawable:
            return f"inputs of kind {self.config.kind} have no drawing"
        if not isinstance(self.model, PerceiverClassifier):
            return "maps are of one output of an example, and this model has many"
        elements = self.model.adapter.num_inputs
        applied = sum(cross is not None for cross in config.cross_order)
        if elements * config.num_latents * config.num_cross_heads * applied > MAX_WEIGHTS:
            return (
                f"{config.num_latents} latents and {elements:,} elements take too much memory "
                "here; perceivers explain draws a single file"
            )
        return ""

    def explain(self, index: int, name: str) -> Safe:
        """Return the example, its attention roll-out and its saliency side by side.

        A fourth picture shows what a linear model in the adapter finds, if there is one.

        Args:
            index: index of the example in the split.
            name: its name.
        """
        example = self.examples.example(index)
        try:
            raw: Any = build_reader(self.config)
            batch = raw.batch(collate([example]))
        except ValueError:  # inputs that are not read from files
            batch = collate([example])
        batch = to_device(batch, next(self.model.parameters()).device)
        assert isinstance(self.model, PerceiverClassifier)  # see `why_not_explained`
        maps = explain_maps(self.model, batch)
        width = self._width(example)
        height = width * self.modality.aspect(example, self.config) + TITLE
        shown = [("example", None), ("attention roll-out", maps.rollout)]
        shown.append(("saliency", maps.saliency))
        shown += [] if maps.evidence is None else [("linear model", maps.evidence)]
        figure = new_figure(len(shown) * width, height)
        panels = np.atleast_1d(figure.subfigures(1, len(shown)))
        with quiet_fonts():
            for panel, (title, element_map) in zip(panels, shown, strict=True):
                panel.suptitle(title, fontsize=7)
                values = None
                if element_map is not None:
                    values = element_values(self.model, element_map.values, batch)
                self.modality.draw(panel, example, values, self.config)
            return picture(encoded(figure), f"maps of {name}", "webp")


def encoded(figure: Any) -> bytes:
    """Return a figure without its margins as a WebP file, which is small for photographs too."""
    file = io.BytesIO()
    figure.savefig(
        file, format="webp", dpi=DPI, bbox_inches="tight", pad_inches=0.03,
        pil_kwargs={"quality": QUALITY},
    )  # fmt: skip
    return file.getvalue()


def card(*parts: Safe, kind: str = "card") -> Safe:
    """Return a box, of a class of the page's style, around what belongs to one example."""
    return element("div", joined(*parts), class_=kind)


def percent(value: float) -> str:
    """Format a probability."""
    return "-" if math.isnan(value) else f"{value:.1%}"
