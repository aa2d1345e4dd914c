"""Errors that a user can act on: what, what was got, what was expected, the fix."""

import difflib
from collections.abc import Iterable


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
