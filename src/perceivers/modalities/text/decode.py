"""Text in: UTF-8 bytes as numbers, the same for training and prediction; lines and whole files."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..files import PathOrBytes, read_bytes

# A byte's id is its value + OFFSET, as in transformers' `PerceiverTokenizer` for DeepMind's models.
# Below OFFSET are its [PAD] [BOS] [EOS] [MASK] [CLS] [SEP], of which only PAD is used here.
PAD, OFFSET = 0, 6
NUM_IDS = OFFSET + 256


def encode(texts: Sequence[str | bytes], max_length: int) -> Tensor:
    """Texts → ids of their UTF-8 bytes, int64 (B, L), padded at the end with `PAD`.

    L is that of the longest text of the batch, at least 1. What goes beyond `max_length` bytes is
    cut off at the end of the last whole character. An empty text is all padding.

    Args:
        texts: B of them; bytes are taken for UTF-8.
        max_length: bytes of a text at most.

    Raises:
        ValueError: bytes that are no UTF-8, or text that has none (half a surrogate pair).
    """
    if isinstance(texts, str | bytes):
        raise ValueError("got one text; expected a list of texts: put it into [ ]")
    if max_length < 1:
        raise ValueError(f"max_length={max_length}; expected at least 1")
    encoded = [_bytes_of(text, index, max_length) for index, text in enumerate(texts)]
    ids = torch.full((len(encoded), max([1, *map(len, encoded)])), PAD)
    for row, raw in zip(ids, encoded, strict=True):
        if raw:
            row[: len(raw)] = torch.frombuffer(bytearray(raw), dtype=torch.uint8) + OFFSET
    return ids


def decode(source: PathOrBytes) -> str:
    """A text file as one example.

    UTF-8, with or without a byte order mark; line ends become "\\n", those at the very end go, so
    that a text reads the same from a file as from the command line.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: cannot be opened, or not UTF-8; the message does not name the file.
    """
    text = _utf8(read_bytes(source)).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def decode_lines(source: PathOrBytes) -> list[str]:
    """A text file of one example a line; lines of nothing but white space are left out.

    Lines end with "\\n", "\\r\\n" or "\\r" alone: other signs that Unicode counts as line ends stay
    in the text. The rest is as for `decode`.
    """
    return [line for line in decode(source).split("\n") if line.strip()]


def _bytes_of(text: str | bytes, index: int, max_length: int) -> bytes:
    """The UTF-8 bytes of a text, whole characters of at most `max_length` bytes."""
    try:
        raw = _utf8(text).encode() if isinstance(text, bytes) else text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text {index}: character {error.start} ({text[error.start]!r}) has no UTF-8; remove it"
        ) from None
    except ValueError as error:
        raise ValueError(f"text {index}: {error}") from None
    return raw if len(raw) <= max_length else raw[:max_length].decode(errors="ignore").encode()


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = " (by its first bytes it is UTF-16)" if marked else ""
        raise ValueError(
            f"not UTF-8: byte {error.start}, in line {line}, is 0x{raw[error.start]:02x}{hint}; "
            "save it as UTF-8"
        ) from None
