"""The splits of a run, found again in data that may have changed since."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from .hold_out import Assignment
from .identity import Identity, hash_labels
from .labels import same_label
from .saved_splits import SavedSplits

MAX_NAMED = 3  # examples that a message names


class Place(NamedTuple):
    """An example of a run or of the data, and what it is found by."""

    split: str
    content: str
    name: str
    label: str
    by: str = ""


class Relabelled(NamedTuple):
    """An example that has another label than in the run."""

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class Restored:
    """The splits of a run in data that may have changed since."""

    assignment: Assignment
    """The examples of each split that are still there, in the order of the run."""
    new: list[str]
    """Names of the examples that are in no split of the run."""
    gone: dict[str, list[str]]
    """Names of the examples of each split that are not in the data any more."""
    changed: dict[str, list[str]]
    """Names of the examples of each split whose content has changed, or the labels of whose
    elements have."""
    moved: dict[tuple[str, str], list[str]]
    """Names of the examples that another split of the data holds now, by the split of the run and
    the present one."""
    relabelled: dict[str, list[Relabelled]]
    """The examples of each split that have another label now."""
    copied: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Names of the files that hold now what an example of another split held when the run began, by
    their split and the other one."""

    def remarks(self) -> list[str]:
        """Describe how the data differs from that of the run, one line for each kind."""
        kinds = [(("the data", "in no split of the run; left out"), self.new)]
        kinds += [((f"the run's {split} split", "gone"), x) for split, x in self.gone.items()]
        kinds += [
            ((f"the run's {split} split", "changed since the run began"), x)
            for split, x in self.changed.items()
        ]
        kinds += [
            ((f"the run's {split} split", f"now in the data's {now} split; left out"), x)
            for (split, now), x in self.moved.items()
        ]
        kinds += [
            ((f"the run's {split} split", f"now the same as one of its {other} split; left out"), x)
            for (split, other), x in self.copied.items()
        ]
        lines = [
            f"{len(names):,} example{'' if len(names) == 1 else 's'} of {where}: {what} "
            f"({_few(names)})"
            for (where, what), names in kinds
            if names
        ]
        if self.new:
            lines[0] += (
                "; to train on new examples, start a new run; to score them, point eval --data at "
                "them"
            )
        return lines + [
            _describe_relabelled(split, examples)
            for split, examples in self.relabelled.items()
            if examples
        ]


def restore(
    saved: SavedSplits,
    own: Mapping[str, Sequence[Identity]],
    labels: Mapping[str, Tensor],
    classes: Mapping[str, Sequence[str]],
) -> Restored:
    """Find the examples of the splits of a run.

    A file is found by its name and content, else by its content, which finds renamed files, else by
    its name. A line of a text and a row of a table are found by their content. Of several with the
    same content, those with the label that they had in the run come first. Examples known by
    position must be the same as in the run.

    Args:
        saved: the splits of the run.
        own: the identities of the examples of each of the data's own splits.
        labels: their labels.
        classes: their labels as text.

    Raises:
        ValueError: examples known by position are not those of the run.
    """
    if saved.labels:
        _check_positions(saved, labels)
    examples = [
        (split, x, label, elements)
        for split, members in saved.examples.items()
        for x, label, elements in zip(
            members,
            _texts_of(saved, saved.classes, split),
            _texts_of(saved, saved.element_labels, split),
            strict=True,
        )
    ]
    homes = [split if split in saved.own else "train" for split, *_ in examples]
    pool = [
        (split, i, x, label)
        for split, members in own.items()
        for i, (x, label) in enumerate(zip(members, classes[split], strict=True))
    ]
    found = _match(
        [
            Place(home, x.content, x.name, label)
            for home, (_, x, label, _) in zip(homes, examples, strict=True)
        ],
        [Place(split, x.content, x.name, label, x.by) for split, _, x, label in pool],
    )
    indices: dict[str, list[int]] = {split: [] for split in saved.examples}
    gone: dict[str, list[str]] = {split: [] for split in saved.examples}
    changed: dict[str, list[str]] = {split: [] for split in saved.examples}
    moved: dict[tuple[str, str], list[str]] = defaultdict(list)
    copied: dict[tuple[str, str], list[str]] = defaultdict(list)
    relabelled: dict[str, list[Relabelled]] = {split: [] for split in saved.examples}
    other_split = _splits_by_content(saved)
    for (split, example, before, elements), home, place in zip(examples, homes, found, strict=True):
        if place is None:
            gone[split].append(example.name)
            continue
        now, index, identity, label = pool[place]
        if now != home:
            moved[split, now].append(identity.name)
            continue
        if identity.by == "name" and identity.content != example.content:
            if other := other_split(split, identity.content):
                copied[split, other].append(identity.name)
                continue
            changed[split].append(identity.name)
        indices[split].append(index)
        if before and not same_label(before, label):
            relabelled[split].append(Relabelled(identity.name, before, label))
        elif elements and identity.labels != elements and identity.content == example.content:
            changed[split].append(identity.name)
    assignment = {
        split: (split if split in saved.own else "train", torch.tensor(chosen, dtype=torch.int64))
        for split, chosen in indices.items()
    }
    taken = {place for place in found if place is not None}
    new = [identity.name for place, (_, _, identity, _) in enumerate(pool) if place not in taken]
    return Restored(assignment, new, gone, changed, dict(moved), relabelled, dict(copied))


def _splits_by_content(saved: SavedSplits) -> Callable[[str, str], str | None]:
    """Return a function that returns which other split of a run had an example of some content."""
    contents = {split: saved.contents(split) for split in saved.examples}

    def other_split(split: str, content: str) -> str | None:
        others = (other for other in contents if other != split and content in contents[other])
        return next(others, None)

    return other_split


def _texts_of(saved: SavedSplits, texts: Mapping[str, Sequence[str]], split: str) -> Sequence[str]:
    """Return a text of each example of a split; empty ones if the run did not save them."""
    found, count = texts.get(split, []), len(saved.examples[split])
    return found if len(found) == count else [""] * count


def _match(examples: Sequence[Place], pool: Sequence[Place]) -> list[int | None]:
    """Return the index in `pool` of each example."""
    found: list[int | None] = [None] * len(examples)
    free = dict.fromkeys(range(len(pool)))
    passes: tuple[tuple[Callable[[Place], object], Callable[[Place], object]], ...] = (
        (lambda e: e.label and e[:4], lambda p: p[:4]),
        (
            lambda e: e.content and e.label and (e.split, e.content, e.label),
            lambda p: p.by != "position" and (p.split, p.content, p.label),
        ),
        (lambda e: e[:3], lambda p: p[:3]),
        (lambda e: e.content and e[:2], lambda p: p.by != "position" and p[:2]),
        (lambda e: e.content, lambda p: p.by != "position" and p.content),
        (lambda e: (e.split, e.name), lambda p: p.by != "content" and (p.split, p.name)),
    )
    for key, pool_key in passes:
        places: dict[object, deque[int]] = defaultdict(deque)
        for place in free:
            if wanted := pool_key(pool[place]):
                places[wanted].append(place)
        for number, example in enumerate(examples):
            if found[number] is None and (waiting := places.get(key(example))):
                place = waiting.popleft()
                found[number] = place
                del free[place]
    return found


def _check_positions(saved: SavedSplits, labels: Mapping[str, Tensor]) -> None:
    """Check that a torch dataset has the number of examples and the labels of the run."""
    for split in dict.fromkeys((*saved.labels, *labels)):
        now = hash_labels(labels[split]) if split in labels else "none"
        if saved.labels.get(split) != now:
            raise ValueError(
                f"the {split} dataset is not that of the run: the number of its examples or their "
                "labels differ; give the same datasets in the same order"
            )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:MAX_NAMED]) + (", …" if len(listed) > MAX_NAMED else "")


def _describe_relabelled(split: str, examples: Sequence[Relabelled]) -> str:
    """Describe the examples of a split of the run that have another label now."""
    (before, now), count = Counter((x.before, x.now) for x in examples).most_common(1)[0]
    chosen = [x.name for x in examples if (x.before, x.now) == (before, now)]
    others = f", and {len(examples) - count:,} with other labels" if count < len(examples) else ""
    return (
        f"{len(examples):,} example{'' if len(examples) == 1 else 's'} of the run's {split} split: "
        f"labelled otherwise since the run began; the present label is used ({_few(chosen)}: "
        f"{before!r} is now {now!r}{others})"
    )
