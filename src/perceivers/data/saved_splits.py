"""The splits of a run, saved by the names and contents of their examples, and found again."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..files import read_json, write_json
from .hold_out import Assignment
from .identity import Identity, hash_labels

SPLITS_FILE = "splits.json"
FORMAT = 1
MAX_NAMED = 3  # examples that a message names


class SavedExample(NamedTuple):
    """An example of a run: what it is recognised by in the data, see `identity.Identity`."""

    content: str
    name: str


@dataclass(frozen=True)
class SavedSplits:
    """Which example is in which split of a run."""

    examples: dict[str, list[SavedExample]]
    """The examples of each split, in their order."""
    own: tuple[str, ...]
    """The splits that the data had of its own; the others were held out of "train"."""
    labels: dict[str, str] = field(default_factory=dict)
    """Hash of the labels of each of the data's own splits, if examples are known by position."""

    def copies(self) -> dict[str, int]:
        """Count the examples of each other split whose content a training example has too."""
        trained = self.contents("train")
        return {
            split: sum(example.content in trained for example in examples)
            for split, examples in self.examples.items()
            if split != "train"
        }

    def describe_copies(self) -> list[str]:
        """Describe the result of `copies`, a line for each split that has any."""
        return [
            f"{count:,} of the {len(self.examples[split]):,} {split} examples are exact copies of "
            "training examples, so scores may be better than on new data; unless such examples are "
            "alike by nature, remove the copies"
            for split, count in self.copies().items()
            if count
        ]

    def contents(self, split: str) -> frozenset[str]:
        """Return the hashes of the contents of a split."""
        return frozenset(x.content for x in self.examples.get(split, ()) if x.content)

    def write(self, run_dir: Path) -> None:
        """Write `splits.json` in a run directory, atomically.

        Raises:
            OSError: the file could not be written.
        """
        examples = {
            split: [f"{content or '?'} {name}" for content, name in members]
            for split, members in self.examples.items()
        }
        own, labels = list(self.own), self.labels
        data = {"format": FORMAT, "own": own, "labels": labels, "examples": examples}
        write_json(run_dir / SPLITS_FILE, data)

    @classmethod
    def read(cls, run_dir: Path) -> "SavedSplits | None":
        """Read `splits.json` of a run directory; None if there is none.

        Raises:
            ValueError: the file is damaged or of another version.
        """
        path = run_dir / SPLITS_FILE
        if not path.exists():
            return None
        data = read_json(path)
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']}")
            return cls(
                {
                    split: [_parse(line) for line in lines]
                    for split, lines in data["examples"].items()
                },
                tuple(map(str, data["own"])),
                {str(split): str(labels) for split, labels in data["labels"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path}: not the splits of a run of this version ({error}); restore it from a copy"
            ) from None


def _parse(line: str) -> SavedExample:
    content, separator, name = line.partition(" ")
    if not separator:
        raise ValueError(f"expected a hash and a name, got {line[:50]!r}")
    return SavedExample("" if content == "?" else content, name)


def record(
    assignment: Assignment,
    identities: Mapping[str, Sequence[Identity]],
    labels: Mapping[str, Tensor],
) -> SavedSplits:
    """Return the splits of a run as they are saved.

    Args:
        assignment: the splits.
        identities: the identities of the examples of each of the data's own splits.
        labels: their labels.
    """
    positional = any(x.by == "position" for members in identities.values() for x in members[:1])
    return SavedSplits(
        {
            split: [
                SavedExample(identities[own][i].content, identities[own][i].name)
                for i in indices.tolist()
            ]
            for split, (own, indices) in assignment.items()
        },
        tuple(labels),
        {own: hash_labels(values) for own, values in labels.items()} if positional else {},
    )


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
    """Names of the files of each split whose content has changed."""
    moved: dict[tuple[str, str], list[str]]
    """Names of the examples that another split of the data holds now, by the split of the run and
    the present one."""

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
        return lines


def restore(
    saved: SavedSplits, own: Mapping[str, Sequence[Identity]], labels: Mapping[str, Tensor]
) -> Restored:
    """Find the examples of the splits of a run.

    A file is found by its name and content, else by its content, which finds renamed files, else by
    its name. A line of a text and a row of a table are found by their content. Examples known by
    position must be the same as in the run.

    Args:
        saved: the splits of the run.
        own: the identities of the examples of each of the data's own splits.
        labels: their labels.

    Raises:
        ValueError: examples known by position are not those of the run.
    """
    if saved.labels:
        _check_positions(saved, labels)
    examples = [(split, x) for split, members in saved.examples.items() for x in members]
    homes = [split if split in saved.own else "train" for split, _ in examples]
    pool = [(split, i, x) for split, members in own.items() for i, x in enumerate(members)]
    found = _match(
        [(home, *x) for home, (_, x) in zip(homes, examples, strict=True)],
        [(split, x) for split, _, x in pool],
    )
    indices: dict[str, list[int]] = {split: [] for split in saved.examples}
    gone: dict[str, list[str]] = {split: [] for split in saved.examples}
    changed: dict[str, list[str]] = {split: [] for split in saved.examples}
    moved: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (split, example), home, place in zip(examples, homes, found, strict=True):
        if place is None:
            gone[split].append(example.name)
            continue
        now, index, identity = pool[place]
        if now != home:
            moved[split, now].append(identity.name)
            continue
        indices[split].append(index)
        if identity.by == "name" and identity.content != example.content:
            changed[split].append(identity.name)
    assignment = {
        split: (split if split in saved.own else "train", torch.tensor(chosen, dtype=torch.int64))
        for split, chosen in indices.items()
    }
    taken = {place for place in found if place is not None}
    new = [identity.name for place, (*_, identity) in enumerate(pool) if place not in taken]
    return Restored(assignment, new, gone, changed, dict(moved))


def _match(
    examples: Sequence[tuple[str, str, str]], pool: Sequence[tuple[str, Identity]]
) -> list[int | None]:
    """Return the index in `pool` of each example, given as (split, content, name)."""
    found: list[int | None] = [None] * len(examples)
    free = dict.fromkeys(range(len(pool)))
    passes = (
        (lambda e: e, lambda s, x: (s, x.content, x.name)),
        (lambda e: e[1] and e[:2], lambda s, x: x.by != "position" and (s, x.content)),
        (lambda e: e[1], lambda s, x: x.by != "position" and x.content),
        (lambda e: (e[0], e[2]), lambda s, x: x.by != "content" and (s, x.name)),
    )
    for key, pool_key in passes:
        places: dict[object, deque[int]] = defaultdict(deque)
        for place in free:
            if wanted := pool_key(*pool[place]):
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
