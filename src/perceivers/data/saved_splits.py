"""The splits of a run, saved by the names, contents and labels of their examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..files import read_json, write_json
from .hold_out import Assignment
from .identity import Identity, hash_labels

SPLITS_FILE = "splits.json"
FORMAT = 1


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
    classes: dict[str, list[str]] = field(default_factory=dict)
    """The label of each example of each split as text; empty for runs of older versions."""
    element_labels: dict[str, list[str]] = field(default_factory=dict)
    """`Identity.labels` of each example of each split; empty if there are none, and for runs of
    older versions."""

    @classmethod
    def of(cls, identities: Mapping[str, Sequence[Identity]]) -> "SavedSplits":
        """Return the splits of the identities of their examples, without any labels."""
        examples = {
            split: [SavedExample(x.content, x.name) for x in members]
            for split, members in identities.items()
        }
        return cls(examples, tuple(identities))

    def copies(self, of: "SavedSplits | None" = None) -> dict[str, int]:
        """Count the examples of each other split whose content a training example has too.

        Args:
            of: the splits whose training examples are meant; None: these.
        """
        trained = (of or self).contents("train")
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
        data["classes"] = self.classes
        if self.element_labels:
            data["element_labels"] = self.element_labels
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
                _texts(data.get("classes", {})),
                _texts(data.get("element_labels", {})),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path}: not the splits of a run of this version ({error}); restore it from a copy"
            ) from None


def _texts(columns: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    return {str(split): list(map(str, texts)) for split, texts in columns.items()}


def _parse(line: str) -> SavedExample:
    content, separator, name = line.partition(" ")
    if not separator:
        raise ValueError(f"expected a hash and a name, got {line[:50]!r}")
    return SavedExample("" if content == "?" else content, name)


def record(
    assignment: Assignment,
    identities: Mapping[str, Sequence[Identity]],
    labels: Mapping[str, Tensor],
    classes: Mapping[str, Sequence[str]],
) -> SavedSplits:
    """Return the splits of a run as they are saved.

    Args:
        assignment: the splits.
        identities: the identities of the examples of each of the data's own splits.
        labels: their labels.
        classes: their labels as text.
    """
    element_labels = {
        split: [identities[own][i].labels for i in indices.tolist()]
        for split, (own, indices) in assignment.items()
    }
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
        {split: [classes[own][i] for i in x.tolist()] for split, (own, x) in assignment.items()},
        element_labels if any(map(any, element_labels.values())) else {},
    )
