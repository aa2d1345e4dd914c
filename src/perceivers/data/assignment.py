"""Which examples of a data set are in which split of a run: drawn, saved and found again."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .contradictions import log_contradictions
from .examples import ExampleSet
from .hold_out import Assignment
from .identity import Identity, relative
from .labels import label_texts
from .restored import Restored, restore
from .saved_splits import SavedSplits, record

log = logging.getLogger(__name__)

EVALUATED = ("test", "validation", "train")  # the first split that exists is scored


def assign(loaded: Mapping[str, ExampleSet], assignment: Assignment) -> dict[str, ExampleSet]:
    """Return the examples of each split of an assignment."""
    return {
        name: loaded[own]
        if len(indices) == len(loaded[own]) and bool((indices.diff() == 1).all())
        else loaded[own].subset(indices.tolist())
        for name, (own, indices) in assignment.items()
    }


def first_scored(assignment: Assignment) -> Assignment:
    """Return only the split of an assignment to score a model on."""
    name = next(name for name in EVALUATED if name in assignment)
    return {name: assignment[name]}


def make_record(
    loaded: Mapping[str, ExampleSet],
    assignment: Assignment,
    names: Sequence[str],
    path: str | None = None,
) -> SavedSplits:
    """Return what a run saves of its splits; only the splits of the data that it uses are read.

    Args:
        loaded: the splits that the data has of its own.
        assignment: the splits of the run.
        names: names of the classes, labels or numbers.
        path: path of the data, which names of files are relative to.
    """
    used = {own: loaded[own] for own, _ in assignment.values()}
    labels = {name: examples.labels for name, examples in loaded.items()}
    identities = {name: relative(examples.identities(), path) for name, examples in used.items()}
    log_contradictions(identities, labels)
    return record(assignment, identities, labels, _texts(labels, names))


def find_saved(
    saved: SavedSplits,
    loaded: Mapping[str, ExampleSet],
    names: Sequence[str],
    path: str | None = None,
    *,
    scored: bool = False,
) -> Assignment:
    """Find the splits of a run in data, and log what has changed since the run.

    Args:
        saved: the splits of the run.
        loaded: the splits that the data has of its own.
        names: names of the classes, labels or numbers in the data.
        path: path of the data, which names of files are relative to.
        scored: return only the split to score a model on.

    Raises:
        ValueError: none of the examples of a split is there any more; or a torch dataset is not
            that of the run.
    """
    labels = {name: examples.labels for name, examples in loaded.items()}
    identities = {name: relative(x.identities(), path) for name, x in loaded.items()}
    restored = restore(
        saved,
        identities,
        labels,
        _texts(labels, names),
    )
    if (spans := loaded["train"].spans if "train" in loaded else None) is not None:
        restored = without_overlaps(restored, spans, identities["train"])
    for line in restored.remarks():
        log.warning("%s", line)
    kept = restored.assignment
    if scored:
        kept = first_scored(kept)
    for name, (_, indices) in kept.items():
        if not len(indices) and saved.examples[name]:
            raise ValueError(
                f"none of the {len(saved.examples[name]):,} {name} examples of the run is in its "
                f"{name} split in {path or 'the data'} any more; give the data that the run was "
                "trained on, or start a new run"
            )
    return kept


def without_overlaps(restored: Restored, spans: Tensor, identities: Sequence[Identity]) -> Restored:
    """Return the same without calling windows new that lie on a border of the run's splits.

    Args:
        restored: the splits of a run, found in a series.
        spans: which steps each window of the series holds, (windows, 2).
        identities: the identity of each window.
    """
    found = spans[torch.cat([indices for _, indices in restored.assignment.values()])]
    if not len(found):
        return restored
    inside = (spans[:, 0] >= found[:, 0].min()) & (spans[:, 1] <= found[:, 1].max())
    known = {identities[i].name for i in inside.nonzero()[:, 0].tolist()}
    return replace(restored, new=[name for name in restored.new if name not in known])


def _texts(labels: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, list[str]]:
    return {split: label_texts(values, names) for split, values in labels.items()}
