"""Errors for users. Each says what is wrong, what was got, what was expected and how to fix it."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

MAX_KNOWN = 40  # names in the message about an unknown one
NEAR = 0.65  # likeness from which on a name is suggested


def unknown(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> ValueError:
    """Return the error for a name that does not exist. Its message suggests a known name if near.

    Args:
        kind: kind of thing that the name is for, such as "preset".
        name: the name that was got.
        known: all names that exist.
        otherwise: what the message says if no name is near; empty: the known names.
    """
    names = sorted(known)
    nearest = max(names, key=lambda other: _nearness(name, other), default="")
    if _nearness(name, nearest) >= NEAR:
        hint = f"did you mean {nearest!r}?"
    else:
        hint = otherwise or f"known: {listed(names, MAX_KNOWN)}"
    return ValueError(f"unknown {kind} {name!r}; {hint}")


def _nearness(name: str, known: str) -> float:
    """Return how alike two names are, from 0 to 1; sections in common and units do not count."""
    got, other = _parts(name), _parts(known)
    while len(got) > 1 and len(other) > 1 and got[0] == other[0]:
        got, other = got[1:], other[1:]
    whole = _likeness(".".join(got), ".".join(other))
    # An option may be named without its section or in another: --epochs, --trainer.lr.
    return max(whole, 0.99 * _likeness(got[-1], other[-1]))


def _parts(name: str) -> list[str]:
    """Return the parts of a name such as "--data.label" or "price [CHF]", without its unit."""
    return re.sub(r"\s*\[.*\]$", "", name.lower().strip("-")).split(".")


def _likeness(one: str, two: str) -> float:
    if len(one) == len(two) and sorted(one) == sorted(two):
        return 1.0  # letters in another order
    return difflib.SequenceMatcher(None, one, two).ratio()


def listed(names: Iterable[str], most: int = 12) -> str:
    """Join names with commas; if there are many, name the first ones and the number of all.

    Args:
        names: the names.
        most: largest number of names that are all named.
    """
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 2])}, … ({len(names):,} in all)"


def missing_extra(package: str, extra: str) -> ImportError:
    """Return the error for a package that is not installed. Its message names the extra to install.

    Args:
        package: name of the package that could not be imported.
        extra: the extra of `perceivers` that installs it, such as "media".
    """
    return ImportError(
        f"the package {package} is not installed but needed here; "
        f"install it: pip install 'perceivers[{extra}]'"
    )


def weight_mismatches(
    got: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]]
) -> list[str]:
    """Describe every weight that is missing, unexpected or of the wrong shape.

    Args:
        got: shapes of the weights to load, by name.
        expected: shapes of the model's weights, by name.

    Returns:
        One clause for each problem; empty if the weights fit the model.
    """
    problems = [f"{name} is missing" for name in expected if name not in got]
    problems += [f"{name} is not part of this model" for name in got if name not in expected]
    return problems + [
        f"{name} has shape {tuple(got[name])}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in got and tuple(got[name]) != tuple(shape)
    ]
