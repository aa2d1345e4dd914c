"""Atomic writing of files, and JSON files. Imports the standard library alone."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file atomically: after an error or a crash it is either the old or the new one.

    Args:
        path: the file.
        write: function that writes the new content to the path it is given, which lies beside
            `path`.

    Raises:
        OSError: the content could not be written; `path` is unchanged.
    """
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        part.chmod(0o644)  # safetensors creates files that only their owner can read
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OSError(
            f"could not write {path}: {error.strerror or error}; the previous file is unchanged. "
            "Free some space or choose another directory"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON object to a file atomically.

    Raises:
        OSError: see `write_atomically`.
    """
    text = json.dumps(data, indent=1) + "\n"
    write_atomically(path, lambda part: part.write_text(text))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        ValueError: the file holds no JSON object.
    """
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); restore it from a copy") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data
