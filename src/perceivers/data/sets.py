"""The named data sets: what they are, where they come from. Imports no torch."""

from dataclasses import dataclass

from ..errors import unknown


@dataclass(frozen=True)
class NamedSet:
    """A data set known by name."""

    title: str
    """One line for `perceivers list`."""
    hub_id: str | None = None
    """Its repository on the Hugging Face hub; None: shipped inside the package."""
    page: str = ""
    """Where its official files are published."""
    files: tuple[str, ...] = ()
    """Official archives, any one of which is enough."""


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
}


def named_set(name: str) -> NamedSet:
    """The set of that name; ValueError with the nearest name if there is none."""
    if name not in SETS:
        raise unknown("data set", name, [*SETS, "folder"])
    return SETS[name]
