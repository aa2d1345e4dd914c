"""Convert texts to the ids of their UTF-8 bytes, and read text files and their lines."""

import codecs
from collections.abc import Sequence

import torch
from torch import Tensor

from ...reading import read_bytes
from ..files import PathOrBytes
from ..notices import notice

# The id of a byte is its value + OFFSET, as in transformers' `PerceiverTokenizer` for DeepMind's
# models. The ids below OFFSET are that tokenizer's [PAD], [BOS], [EOS], [MASK], [CLS] and [SEP];
# only PAD and MASK are used here.
PAD, MASK, OFFSET = 0, 3, 6
NUM_IDS = OFFSET + 256
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # Excel's "Unicode text" begins with one
MAX_NULLS = 0.1  # of the characters; more zeros are not UTF-8, although they can be decoded as such


def encode(texts: Sequence[str | bytes], max_length: int) -> Tensor:
    """Convert texts to the ids of their UTF-8 bytes.

    A text of more than `max_length` bytes is cut after the last character that fits whole.

    Args:
        texts: B texts; bytes must be UTF-8.
        max_length: maximum number of bytes of a text.

    Returns:
        Ids (B, L), int64, padded at the end with `PAD`. L is the length of the longest text, at
        least 1. An empty text is all padding.

    Raises:
        ValueError: a single text instead of a list, `max_length` below 1, bytes that are not UTF-8,
            or text that UTF-8 cannot encode (half of a surrogate pair).
    """
    if isinstance(texts, str | bytes):
        raise ValueError("got a single text; expected a list of texts, such as [text]")
    if max_length < 1:
        raise ValueError(f"max_length={max_length}; expected at least 1")
    encoded = [_encode_one(text, index, max_length) for index, text in enumerate(texts)]
    ids = torch.full((len(encoded), max([1, *map(len, encoded)])), PAD)
    for row, raw in zip(ids, encoded, strict=True):
        if raw:
            row[: len(raw)] = torch.frombuffer(bytearray(raw), dtype=torch.uint8) + OFFSET
    return ids


def decode(source: PathOrBytes) -> str:
    r"""Read a text file as one example.

    The file must be UTF-8, with or without a byte order mark, or UTF-16 with one, and not full of
    zero bytes. All line ends become "\n", and those at the end of the file are removed, so that a
    text gives the same example from a file and from the command line.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        ValueError: the file cannot be opened, or has another encoding; the message does not name
            the file.
    """
    raw = read_bytes(source)
    text = _decode_utf16(raw) if raw.startswith(UTF16_MARKS) else _decode_utf8(raw)
    text = text.removeprefix("\ufeff")
    if nulls := text.count("\0"):
        if nulls >= MAX_NULLS * len(text):
            raise ValueError(
                f"{nulls:,} of {len(text):,} characters are zero, as in UTF-16 or in a binary "
                "file; save the text as UTF-8"
            )
        notice("has zero bytes, which text has not; they are read as characters")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def decode_lines(source: PathOrBytes) -> list[str]:
    r"""Read a text file with one example per line, without the lines that are only white space.

    Only "\n", "\r\n" and "\r" end a line; other characters that Unicode counts as line ends stay
    in the text. The encoding is as in `decode`.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        ValueError: as in `decode`.
    """
    return [line for _, line in numbered_lines(source)]


def numbered_lines(source: PathOrBytes) -> list[tuple[int, str]]:
    """Read lines as `decode_lines` does, each with its number in the file, counted from 1.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        ValueError: as in `decode`.
    """
    lines = enumerate(decode(source).split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _encode_one(text: str | bytes, index: int, max_length: int) -> bytes:
    """Return the UTF-8 bytes of the whole characters of a text that fit into `max_length`."""
    try:
        raw = _decode_utf8(text).encode() if isinstance(text, bytes) else text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text {index}: character {error.start} ({text[error.start]!r}) cannot be encoded as "
            "UTF-8; remove it"
        ) from None
    except ValueError as error:
        raise ValueError(f"text {index}: {error}") from None
    return raw if len(raw) <= max_length else raw[:max_length].decode(errors="ignore").encode()


def _decode_utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"not UTF-8: byte {error.start}, in line {line}, is 0x{raw[error.start]:02x}; "
            "save the text as UTF-8"
        ) from None


def _decode_utf16(raw: bytes) -> str:
    """Return the text of a file that begins with a byte order mark of UTF-16, without the mark."""
    try:
        return raw.decode("utf-16")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-16, although it begins with its byte order mark: byte {error.start} is "
            f"damaged ({error.reason}); save the text as UTF-8"
        ) from None
