"""The named data sets: what they are, where they come from. Imports no torch."""

from dataclasses import dataclass

from ..errors import unknown


@dataclass(frozen=True)
class NamedSet:
    """A data set known by name."""

    title: str
    """One line for `perceivers list`."""
    hub_id: str | None = None
    """Its repository on the Hugging Face hub; None: it has none, or is inside the package."""
    how_to_get: str = ""
    """How to have its official files and point at them; empty: there is nothing to bring."""


_TORONTO = "https://www.cs.toronto.edu/~kriz/cifar.html"

SETS = {
    "digits": NamedSet("1,797 handwritten digits, 8×8 grey, 10 classes; inside the package"),
    "cifar10": NamedSet(
        "60,000 photographs, 32×32 RGB, 10 classes; official files or the hub",
        "uoft-cs/cifar10",
        f"download cifar-10-python.tar.gz or cifar-10-binary.tar.gz from {_TORONTO} and point at "
        "it: --data cifar-10-python.tar.gz",
    ),
    "cifar100": NamedSet(
        "60,000 photographs, 32×32 RGB, 100 classes; official files or the hub",
        "uoft-cs/cifar100",
        f"download cifar-100-python.tar.gz or cifar-100-binary.tar.gz from {_TORONTO} and point at "
        "it: --data cifar-100-python.tar.gz",
    ),
    "fsdd": NamedSet(
        "3,000 spoken digits, wav of 8 kHz, 6 speakers, 10 classes; its repository's folder",
        how_to_get="git clone https://github.com/Jakobovski/free-spoken-digit-dataset and point at it: "
        "--data free-spoken-digit-dataset",
    ),
    "grid": NamedSet(
        "1,000 clips of one GRID talker's digits with sound, 10 classes; a folder of mkv files",
        how_to_get="python examples/grid_clips.py SOURCE DEST writes it; point at it: --data DEST",
    ),
    "kicad": NamedSet(
        "2,837 of KiCad's electronic parts as point clouds, 24 classes; a folder of ply files",
        how_to_get="python examples/kicad_ply.py SOURCE DEST writes it; point at it: --data DEST",
    ),
    "rt-polarity": NamedSet(
        "10,662 sentences of film reviews, positive or negative; the folder of its two files",
        how_to_get="download rt-polaritydata.tar.gz from "
        "https://www.cs.cornell.edu/people/pabo/movie-review-data/, unpack it and point at the "
        "folder of its two files: --data rt-polaritydata",
    ),
}


def named_set(name: str) -> NamedSet:
    """The set of that name; ValueError with the nearest name if there is none."""
    if name not in SETS:
        raise unknown("data set", name, [*SETS, "folder"])
    return SETS[name]
