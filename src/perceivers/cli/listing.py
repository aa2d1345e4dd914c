"""The command `perceivers list`."""

import argparse
from typing import Any

from ..data.sets import SETS
from ..models.presets import PRESETS
from ..recipes import RECIPES
from .console import say
from .parser import Add


def add(command: Add) -> None:
    """Add the command `list` to the command line."""
    command("list", _list, "List the recipes, model presets and data sets.")


def _list(options: argparse.Namespace, rest: list[str]) -> int:
    for title, entries in (
        ("recipes", {name: _first_line(make) for name, make in RECIPES.items()}),
        ("presets", {name: _first_line(make) for name, make in PRESETS.items()}),
        ("data sets", {name: entry.title for name, entry in SETS.items()}),
    ):
        say(f"{title}:")
        for name, text in entries.items():
            say(f"  {name:29} {text}")
    return 0


def _first_line(function: Any) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]
