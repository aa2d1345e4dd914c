"""The named data sets: a description of each and how to get its files. Imports no torch."""

from dataclasses import dataclass

from ..errors import unknown


@dataclass(frozen=True)
class NamedSet:
    """A data set that has a name."""

    title: str
    """Description in one line, shown by `perceivers list`."""
    hub_id: str | None = None
    """Name of its repository on the Hugging Face hub; None if it has none."""
    how_to_get: str = ""
    """How to get its official files and pass them to `--data`; empty if nothing is needed."""


_TORONTO = "https://www.cs.toronto.edu/~kriz/cifar.html"

SETS = {
    "digits": NamedSet("1,797 handwritten digits, 8×8 grey, 10 classes; inside the package"),
    "shapes": NamedSet(
        "4,000 unions of boxes, balls and tori whose inside is known exactly; made by the package"
    ),
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
        "3,000 spoken digits, wav of 8 kHz, 6 speakers, 10 classes; a clone of its git repository",
        how_to_get="git clone https://github.com/Jakobovski/free-spoken-digit-dataset and point at "
        "it: --data free-spoken-digit-dataset",
    ),
    "grid": NamedSet(
        "1,000 clips of a GRID talker saying digits, with sound, 10 classes; a folder of mkv files",
        how_to_get="run python examples/grid_clips.py SOURCE DEST and point at the result: "
        "--data DEST",
    ),
    "kicad": NamedSet(
        "2,837 of KiCad's electronic parts as point clouds, 24 classes; a folder of ply files",
        how_to_get="run python examples/kicad_ply.py SOURCE DEST and point at the result: "
        "--data DEST",
    ),
    "furniture": NamedSet(
        "236 models of furniture as point clouds, 10 kinds; a folder of ply files",
        how_to_get="run python examples/furniture_ply.py PACKAGE DEST and point at the result: "
        "--data DEST",
    ),
    "drums": NamedSet(
        "525 strokes on the instruments of 14 drum kits, 8 classes; a folder of wav files",
        how_to_get="unpack the Debian package hydrogen-drumkits, run python examples/drum_kits.py "
        "SOURCE DEST and point at the result: --data DEST",
    ),
    "rt-polarity": NamedSet(
        "10,662 sentences of film reviews, positive or negative; a folder of two text files",
        how_to_get="download rt-polaritydata.tar.gz from "
        "https://www.cs.cornell.edu/people/pabo/movie-review-data/, unpack it and point at the "
        "folder of its two files: --data rt-polaritydata",
    ),
    "co2": NamedSet(
        "2,284 weeks of carbon dioxide in the air at Mauna Loa, to be forecast; a csv file",
        how_to_get="run python examples/series_sets.py write DEST and point at the result: "
        "--data DEST/co2.csv",
    ),
    "vowels": NamedSet(
        "640 utterances of Japanese vowels as series of 12 channels, 9 speakers; a folder of csv "
        "files",
        how_to_get="run python examples/series_sets.py write DEST and point at the result: "
        "--data DEST/JapaneseVowels",
    ),
}


def named_set(name: str) -> NamedSet:
    """Return the data set of a name.

    Raises:
        ValueError: there is none; the message suggests the nearest name.
    """
    if name not in SETS:
        raise unknown("data set", name, [*SETS, "folder"])
    return SETS[name]
