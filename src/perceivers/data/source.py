"""What can be decoded: a path, or a file's bytes."""

from pathlib import Path

Source = str | Path | bytes


def read_bytes(source: Source) -> bytes:
    """The bytes of a source.

    Raises:
        ValueError: cannot be opened; the message does not name the file.
    """
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise ValueError("no such file; check the path") from None
    except OSError as error:
        raise ValueError(f"cannot be opened: {error.strerror}") from None


def kind_of(source: Source, kind: str | None) -> str:
    """The kind of a file: `kind` if given, else the suffix of its path; no dot, small letters.

    Raises:
        ValueError: bytes without a kind.
    """
    if kind is None and isinstance(source, bytes):
        raise ValueError("bytes have no suffix; say what they are, such as kind='csv'")
    return (Path(str(source)).suffix if kind is None else kind).lower().lstrip(".")
