"""Text: raw batches (B, L) of the ids of UTF-8 bytes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..measures import Measures, median_of
from ..modality import FileModality, InputChoice
from .config import TextConfig, TextOutputConfig, TextStreamConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .output import TextOutput
    from .reader import TextReader

MAX_BYTES = 1024  # largest `max_length` that `choose` picks


class Text(FileModality):
    """Text, read byte by byte."""

    name = "text"
    recipe = "rt-polarity"
    configs = (TextConfig, TextStreamConfig)
    outputs = (TextOutputConfig,)
    measured_whole = True
    example_per_line = True

    @override
    def adapter(self, config: Any) -> "Adapter":
        from .adapter import TextAdapter
        from .stream import TextStreamAdapter

        if isinstance(config, TextStreamConfig):
            return TextStreamAdapter(**config.adapter_options())
        return TextAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "TextOutput":
        from .output import TextOutput

        return TextOutput(adapter)

    @override
    def reader_class(self) -> "type[TextReader]":
        from .reader import TextReader

        return TextReader

    @override
    def reader(self, config: Any) -> "TextReader":
        return self.reader_class()(config.max_length)

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        return {1: "bytes"}

    @override
    def shading(self, config: Any) -> str:
        return "Red: much of a map; pale: little."

    @override
    def aspect(self, example: Any, config: Any) -> float:
        from .draw import aspect

        return aspect(example)

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def words(self, example: Any, config: Any) -> str:
        from .draw import words

        return words(example)

    @override
    def preparation(self, config: Any) -> str:
        return (
            f"the text's UTF-8 bytes plus 6, at most {config.max_length}; 0 is padding behind the "
            "shorter texts of a batch"
        )

    @override
    def unmixable(self, config: Any) -> str:
        return "the bytes of texts"

    @override
    def probe(self, path: Path) -> dict[str, float]:
        from .decode import decode

        return {"bytes": len(decode(path).encode())}

    @override
    def describe(self, measures: Measures) -> str:
        return median_of(measures["bytes"], "bytes")

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        """Choose a length that holds the longest text, up to 1,024 bytes."""
        longest = measures["bytes"].high
        length = min(MAX_BYTES, max(32, math.ceil(longest / 32) * 32))
        line = f"up to {length:,} bytes of each text, one element per byte"
        if length < longest:
            line += f"; longer texts are cut (the longest has {longest:,.0f} bytes)"
        return InputChoice(replace(base, max_length=length), (line,))
