"""Configuration of text inputs, as plain data."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from ..config import Count, InputConfig, OutputConfig, Proportion, Range, Task


@dataclass(frozen=True, kw_only=True)
class TextConfig(InputConfig):
    """Configuration of text with one element per byte; see `TextAdapter`."""

    kind: ClassVar[str] = "text"

    max_length: Count = 2048
    """Maximum number of bytes that are read of a text; longer texts are cut."""
    embedding_dim: Count = 768
    """Number of channels of the learned embedding of a byte."""
    position_dim: Count | None = None
    """Number of channels of the learned position of a byte; none: equal to embedding_dim."""
    fusion: Literal["concatenate", "add"] = "add"
    """How the position of a byte is combined with its embedding; to add them, position_dim must
    equal embedding_dim."""
    ngrams: tuple[int, ...] = ()
    """Sizes in bytes, each at least 2, of the n-grams whose learned embeddings are added to the
    embedding of the byte they end at; empty: no n-grams."""
    ngram_rows: Count = 32_768
    """Number of rows of the embedding table of each n-gram size; a hash assigns n-grams to rows."""
    ratio_ngrams: tuple[int, ...] = ()
    """Sizes in bytes of the n-grams whose log-count ratios are read at the byte they end at: how
    much more often the training texts of each class contain them; empty: none."""
    ratio_words: tuple[int, ...] = ()
    """Sizes in words of the n-grams whose log-count ratios are read at their last byte; empty:
    none."""
    ratio_rows: Count | None = None
    """Number of rows of the counts of each of these kinds of n-grams; a hash assigns n-grams to
    rows. None: 262,144, or as many as 34 MB hold if there are many classes."""
    ratio_classes: int = 2
    """Number of classes or labels that are counted; training takes it from the data."""
    linear: Literal["none", "logistic"] = "none"
    """A logistic regression of the classes on these n-grams that is fitted before the training, and
    whose outputs each byte of a text gets; see `NgramRegression`. None: there is none."""
    dropout: Proportion = 0.0
    """Fraction of the embedding channels of each byte that are dropped at random in training."""


@dataclass(frozen=True, kw_only=True)
class TextStreamConfig(InputConfig):
    """Configuration of text that a model continues, byte by byte; see `TextStreamAdapter`."""

    kind: ClassVar[str] = "text-stream"

    max_length: Count = 1024
    """Maximum number of bytes that are read at once: the prefix and the latents."""


@dataclass(frozen=True, kw_only=True)
class TextOutputConfig(OutputConfig):
    """Logits of the id of each byte of the input text; see `TextOutput`."""

    kind: ClassVar[str] = "bytes"
    task: ClassVar[Task | None] = "masking"

    queries: Literal["learned", "elements"] = "learned"
    """What is asked for a byte: a learned vector of its place (the published model), or the element
    of the input, which tells the model more of the place, and so is learned in less time."""
    hidden_share: Annotated[float, Range(0.01, 0.99)] = 0.15
    """Share of the bytes that are hidden in training and in scores."""
