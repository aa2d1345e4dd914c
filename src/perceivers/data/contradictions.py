"""Examples with the same input and different labels, and the score that they allow at most."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .identity import Identity

log = logging.getLogger(__name__)


def log_contradictions(
    identities: Mapping[str, Sequence[Identity]], labels: Mapping[str, Tensor]
) -> None:
    """Log how many examples have the same input as examples with another label.

    Files of one content in several classes are a warning. Rows, lines and arrays may be the same by
    nature, such as rows of a few categories.

    Args:
        identities: the identities of the examples of each split.
        labels: their labels; see the module `labels`.
    """
    line = describe_contradictions(identities, labels)
    if line:
        log.log(logging.WARNING if _are_files(identities) else logging.INFO, "%s", line)


def describe_contradictions(
    identities: Mapping[str, Sequence[Identity]], labels: Mapping[str, Tensor]
) -> str:
    """Describe examples with the same input and different labels; empty if there are none.

    Args:
        identities: the identities of the examples of each split.
        labels: their labels; see the module `labels`.
    """
    members = [identity for each in identities.values() for identity in each]
    if not members:
        return ""
    values = torch.cat([labels[split] for split in identities])
    if values.ndim == 2 and not values.is_floating_point():
        return ""  # labels of elements are a part of the file
    rows = values.view(len(values), -1)
    groups = [g for g in _groups(members) if (rows[g] != rows[g[0]]).any()]
    if not groups:
        return ""
    first = groups[0]
    other = first[int((rows[first] != rows[first[0]]).any(1).nonzero()[0])]
    names = f"{members[first[0]].name} and {members[other].name}"
    count, best = sum(map(len, groups)), _describe_best(rows, groups)
    if _are_files(identities) and not values.is_floating_point():
        return (
            f"{count:,} files are exact copies of files of another class, such as {names}; a model "
            f"cannot tell them apart, and at most one of the classes is right: remove the others "
            f"({best} otherwise)"
        )
    another = "other labels" if values.is_floating_point() else "another class"
    return (
        f"{count:,} of {len(members):,} examples have the same input as examples with {another}, "
        f"such as {names}; {best or 'a model cannot tell them apart'}"
    )


def _are_files(identities: Mapping[str, Sequence[Identity]]) -> bool:
    return any(identity.by == "name" for each in identities.values() for identity in each[:1])


def _groups(members: Sequence[Identity]) -> Iterator[list[int]]:
    """Yield the indices of the examples of each content that several examples have."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, identity in enumerate(members):
        if identity.content:
            places[identity.content].append(index)
    yield from (group for group in places.values() if len(group) > 1)


def _describe_best(rows: Tensor, groups: Sequence[Sequence[int]]) -> str:
    """Describe the highest score that is possible; empty for several labels of an example.

    Args:
        rows: labels of all examples, (examples, K).
        groups: the examples of one input and several labels.
    """
    if not rows.is_floating_point():
        wrong = sum(len(g) - int(rows[g, 0].bincount().max()) for g in groups)
        share = math.floor(1000 * (1 - wrong / len(rows))) / 10
        return f"no model can be right about more than {share:g}% of all examples"
    if rows.shape[1] > 1 and bool(((rows == 0) | (rows == 1)).all()):
        return ""
    scatter = (rows - rows.mean(0)).square().sum(0)
    within = sum((rows[g] - rows[g].mean(0)).square().sum(0) for g in groups)
    r2 = float((1 - within / scatter).mean())
    return f"no model can reach a higher R² than {math.floor(1000 * r2) / 1000:g} on all examples"
