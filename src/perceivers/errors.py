"""Errors that a user can act on: what, what was got, what was expected, the fix."""

import difflib
from collections.abc import Iterable, Mapping, Sequence


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that does not exist, with the nearest one that does.

    Args:
        kind: what the name should be, such as "preset".
        name: what was got.
        known: every name there is.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    return ValueError(f"unknown {kind} {name!r}; {hint}")


def missing_extra(package: str, extra: str) -> ImportError:
    """The error for a package that only a named extra installs."""
    return ImportError(
        f"{package} is not installed and this needs it; "
        f"install the extra: pip install 'perceivers[{extra}]'"
    )


def misfits(got: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]]) -> list[str]:
    """All that keeps weights, by name and shape, from fitting a model; empty if they do."""
    problems = [f"{name} is missing" for name in expected if name not in got]
    problems += [f"{name} is not part of this model" for name in got if name not in expected]
    return problems + [
        f"{name} has shape {tuple(got[name])}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in got and tuple(got[name]) != tuple(shape)
    ]
