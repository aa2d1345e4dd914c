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
    page: str = ""
    """Where its official files are published."""
    files: tuple[str, ...] = ()
    """Official archives, any one of which is enough."""

    def how_to_bring(self) -> str:
        """What a user is to do."""
        files = " or ".join(self.files)
        return f"download {files} from {self.page} and point at it: --data FILE_OR_FOLDER"


_TORONTO = "https://www.cs.toronto.edu/~kriz/cifar.html"

SETS = {
    "digits": NamedSet("1,797 handwritten digits, 8×8 grey, 10 classes; inside the package"),
    "cifar10": NamedSet(
        "60,000 photographs, 32×32 RGB, 10 classes; official files or the hub",
        "uoft-cs/cifar10",
        _TORONTO,
        ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    ),
    "cifar100": NamedSet(
        "60,000 photographs, 32×32 RGB, 100 classes; official files or the hub",
        "uoft-cs/cifar100",
        _TORONTO,
        ("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
    ),
    "fsdd": NamedSet(
        "3,000 spoken digits, wav of 8 kHz, 6 speakers, 10 classes; its repository's folder",
        page="https://github.com/Jakobovski/free-spoken-digit-dataset",
        files=("the repository",),
    ),
    "rt-polarity": NamedSet(
        "10,662 sentences of film reviews, positive or negative; the folder of its two files",
        page="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        files=("rt-polaritydata.tar.gz and unpack it",),
    ),
}


def named_set(name: str) -> NamedSet:
    """The set of that name; ValueError with the nearest name if there is none."""
    if name not in SETS:
        raise unknown("data set", name, [*SETS, "folder"])
    return SETS[name]
