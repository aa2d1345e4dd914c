"""Text: raw batches (B, L) of the ids of UTF-8 bytes."""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..file_modality import FileModality, InputChoice
from ..measures import Measures, median_of
from .config import TextConfig, TextOutputConfig, TextStreamConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .labels import LabelledTextReader
    from .output import TextOutput
    from .reader import TextReader

log = logging.getLogger(__name__)

MAX_BYTES = 1024  # largest `max_length` that `choose` picks


class Text(FileModality):
    """Text, read byte by byte."""

    name = "text"
    recipe = "rt-polarity"
    configs = (TextConfig, TextStreamConfig)
    outputs = (TextOutputConfig,)
    measured_whole = True
    example_per_line = True
    labels_words = "spans of characters, one text on each line"

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

        return TextOutput(adapter, **config.options())

    @override
    def reader_class(self) -> "type[TextReader]":
        from .reader import TextReader

        return TextReader

    @override
    def reader(self, config: Any) -> "TextReader":
        return self.reader_class()(config.max_length)

    @override
    def labelled_reader_class(self) -> "type[LabelledTextReader]":
        from .labels import LabelledTextReader

        return LabelledTextReader

    @override
    def labelled_files(self, folder: Path) -> list[Path]:
        files = [folder] if folder.is_file() else folder.iterdir()
        return sorted(f for f in files if f.suffix.lower() == ".jsonl")

    @override
    def count_labelled(self, path: Path) -> int:
        from .decode import numbered_lines

        try:
            return len(numbered_lines(path))
        except ValueError:
            return 0  # training names the file

    @override
    def has_element_labels(self, path: Path, label: str | None) -> bool:
        from .labels import has_spans

        return has_spans(path)

    @override
    def draw_classes(
        self, figure: Any, example: Any, classes: Any, config: Any, count: int
    ) -> None:
        from .draw import draw_classes

        draw_classes(figure, example, classes, count)

    @override
    def aspect_of_classes(self, example: Any, config: Any) -> float:
        return self.aspect(example, config)

    @override
    def for_labels(self, config: Any, task: str, count: int) -> Any:
        """Set the number of classes whose texts are counted for ratios.

        A regression has no classes, nor has a text of which each byte has one: there the n-grams of
        bytes get learned embeddings instead.
        """
        if not isinstance(config, TextConfig) or not (config.ratio_ngrams or config.ratio_words):
            return config
        if task not in ("classification", "multilabel"):
            log.info("ratios are of classes of texts; n-grams of bytes have embeddings instead")
            ngrams = config.ngrams or tuple(n for n in config.ratio_ngrams if n > 1)
            return replace(config, ngrams=ngrams, ratio_ngrams=(), ratio_words=(), linear="none")
        return replace(config, ratio_classes=count)

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
        from .labels import SUFFIX, texts_of

        if path.suffix.lower() == SUFFIX:  # the longest of its texts
            texts = texts_of(path, skip=True)  # training names the other lines
            return {"bytes": max((len(text.encode()) for text in texts), default=0)}
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
        if base.ratio_ngrams or base.ratio_words:
            line += "; if the labels are classes, with what words and n-grams say of them in the"
            line += " training texts, and the outputs of a linear model of words and n-grams"
            base = replace(base, linear="logistic")
        if length < longest:
            line += f"; longer texts are cut (the longest has {longest:,.0f} bytes)"
        return InputChoice(replace(base, max_length=length), (line,))
