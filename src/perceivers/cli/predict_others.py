"""What `perceivers predict` does with models whose outputs are neither classes nor numbers."""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import complain, say

if TYPE_CHECKING:
    from ..predict.answers import Answer, Answerer, Asked

OUT = Path("predictions")
# Options for classes and numbers; these outputs have no use for them.
NOT_USED = {"csv": None, "clips": 1, "own_size": False, "stdin_kind": None}


def check_options(options: argparse.Namespace) -> None:
    """Refuse the options that are for classes and numbers.

    Raises:
        ValueError: one of them is given.
    """
    for name, default in NOT_USED.items():
        if getattr(options, name) != default:
            raise ValueError(f"--{name.replace('_', '-')} is for classes and numbers; leave it out")


def check_no_solids(options: argparse.Namespace) -> None:
    """Refuse the options of models of solids where they would be ignored.

    Raises:
        ValueError: one of them is given.
    """
    for name in ("resolution", "format"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} is for models that write meshes; leave it out")


def predict_others(answerer: "Answerer", options: argparse.Namespace) -> int:
    """Answer about each file or text; what the answers hold as files is written.

    Args:
        answerer: reads the examples and runs the model.
        options: options of the command.

    Raises:
        ValueError: an option does not fit the model, or two results would have the same name.
        OSError: a file cannot be written.
    """
    from ..predict.solids import SolidAnswerer

    if isinstance(answerer, SolidAnswerer):
        if options.resolution is not None:
            answerer.resolution = options.resolution
        answerer.kind = options.format or answerer.kind
    else:
        check_no_solids(options)
    examples = list(answerer.asked(options.files, options.text))
    folder = options.out or OUT
    if answerer.writes_files:
        _check_names(examples)
    entries: list[dict[str, Any]] = []
    for example in examples:
        entry: dict[str, Any] = dict(example.named)
        try:
            answer = answerer.answer(answerer.prepare(example.source))
            files = _write(example, answer, folder)
        except ValueError as error:
            message = str(error)
            complain(message if message.startswith(example.name) else f"{example.name}: {message}")
            entries.append({**entry, "error": message})
            continue
        entries.append({**entry, **answer.data, **({"files": files} if files else {})})
        if not options.json:
            written = f"; wrote {' and '.join(files)}" if files else ""
            say(f"{example.name}: {answer.words}{written}" if files else answer.words)
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return int(any("error" in entry for entry in entries))


def _check_names(examples: Sequence["Asked"]) -> None:
    """Raise a ValueError if results of several examples would have the same name."""
    stems = [example.stem for example in examples]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise ValueError(
            f"several files are called {twice}, and would be written to the same place; predict "
            "them one by one, each with its own --out"
        )


def _write(example: "Asked", answer: "Answer", folder: Path) -> list[str]:
    """Write the files of an answer to a folder, which is made if needed; return their paths.

    Raises:
        ValueError: a file that was read would be replaced.
        OSError: a file cannot be written.
    """
    from ..files import write_atomically
    from ..places import make_directory

    contents = {folder / f"{example.stem}{end}": x for end, x in answer.files.items()}
    for path in contents:
        if path.exists() and any(path.samefile(read) for read in example.paths):
            raise ValueError(f"{path} would be replaced; choose another --out")
    if contents:
        make_directory(folder)
    for path, content in contents.items():
        write_atomically(path, partial(Path.write_bytes, data=content))
    return [str(path) for path in contents]
