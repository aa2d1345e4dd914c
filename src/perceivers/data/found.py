"""What a folder of files by class holds, in numbers and in a sentence. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Modality = Literal["image", "video", "sound", "points", "text"]

LINES = "lines of text"
SHOWN = 5  # suffixes that are named


@dataclass(frozen=True)
class Spread:
    """How a measure varies over the files looked into."""

    low: float
    median: float
    """A value that occurs: of an even number of files the lower middle one."""
    most: float
    """19 of 20 files have no more."""
    high: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        ordered = sorted(values)
        middle, most = (len(ordered) - 1) // 2, -(-19 * len(ordered) // 20) - 1
        mean = sum(ordered) / len(ordered)
        return cls(ordered[0], ordered[middle], ordered[most], ordered[-1], mean)


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    modality: Modality
    kinds: dict[str, int]
    """Files of each suffix, without its dot; texts of a line each: {LINES: their number}."""
    classes: tuple[str, ...]
    """Names in the order of labels."""
    splits: dict[str, int]
    """Examples of each split: "train", and "validation" and "test" if the folder has its own."""
    measures: dict[str, Spread]
    """Of image: height, width (pixels), channels (1: grey, 3). Of sound: sample_rate (Hz),
    channels, seconds. Of video: frames, frame_rate, seconds, height, width, has_sound (0 or 1), and
    of those that have, sample_rate and sound_seconds. Of points: points, channels, faces (0: a
    cloud). Of text: bytes."""
    looked_at: int
    """Files that were looked into."""
    unreadable: tuple[str, ...] = ()
    """Those among them that could not be read, each with the reason."""
    strays: dict[str, int] = field(default_factory=dict)
    """Files by suffix that are of another modality, and are left out."""

    @property
    def examples(self) -> int:
        """Of all splits."""
        return sum(self.splits.values())

    def sentence(self) -> str:
        """Such as "3,000 wav files in 10 classes, 8 kHz mono, median 0.42 s"."""
        own = [f"{count:,} for {name}" for name, count in self.splits.items() if name != "train"]
        extra = f" ({' and '.join(own)})" if own else ""
        what = SAID[self.modality](self.measures)
        return f"{of_kinds(self.kinds)} in {len(self.classes)} classes{extra}, {what}"

    def remarks(self) -> list[str]:
        """What else there is to say, a line each: files that are unreadable or left out."""
        lines = []
        if self.unreadable:
            named = "; ".join(self.unreadable[:3]) + ("; …" if len(self.unreadable) > 3 else "")
            bad = len(self.unreadable)
            lines.append(f"{bad:,} of the {self.looked_at:,} looked into cannot be read: {named}")
        if self.strays:
            lines.append(f"left out, being something else: {of_kinds(self.strays)}")
        return lines


def of_kinds(kinds: Mapping[str, int]) -> str:
    """Counts of files by suffix: "2,900 jpg and 100 png files"; empty if there are none."""
    if LINES in kinds:
        return f"{kinds[LINES]:,} {LINES}"
    counts = [f"{count:,} {kind}" for kind, count in kinds.items()]
    if len(counts) > SHOWN:
        rest = sum(kinds.values()) - sum(list(kinds.values())[: SHOWN - 1])
        counts = [*counts[: SHOWN - 1], f"{rest:,} other"]
    said = (
        " and ".join([", ".join(counts[:-1]), counts[-1]]) if len(counts) > 1 else "".join(counts)
    )
    return f"{said} file{'' if sum(kinds.values()) == 1 else 's'}" if counts else ""


def number(value: float) -> str:
    """Three digits, two below one, all of larger ones: 0.42, 25, 12.5, 1,024."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def _say_image(m: dict[str, Spread]) -> str:
    shade = "grey" if m["channels"].high == 1 else "colour"
    return f"{shade}, {_pixels(m)}"


def _say_sound(m: dict[str, Spread]) -> str:
    names = {1: "mono", 2: "stereo"}
    ends = dict.fromkeys(int(end) for end in (m["channels"].low, m["channels"].high))
    channels = " to ".join(names.get(end, f"{end} channels") for end in ends)
    return f"{_kilohertz(m['sample_rate'])} {channels}, {_middle(m['seconds'], 's')}"


def _say_video(m: dict[str, Spread]) -> str:
    share = m["has_sound"].mean  # of the files
    heard = {0.0: "no sound", 1.0: "with sound"}.get(share, f"{share:.0%} with sound")
    rate = number(m["frame_rate"].median)
    return f"{_pixels(m)}, {rate} frames a second, {_middle(m['seconds'], 's')}, {heard}"


def _say_points(m: dict[str, Spread]) -> str:
    what = "points" if m["faces"].high == 0 else "corners of meshes"
    return f"{_middle(m['points'], what)} of {number(m['channels'].low)} channels"


def _say_text(m: dict[str, Spread]) -> str:
    return _middle(m["bytes"], "bytes")


SAID: dict[Modality, Callable[[dict[str, Spread]], str]] = {
    "image": _say_image,
    "video": _say_video,
    "sound": _say_sound,
    "points": _say_points,
    "text": _say_text,
}


def _pixels(m: dict[str, Spread]) -> str:
    sides = m["width"], m["height"]
    size = " × ".join(number(side.median) for side in sides)
    return f"{'' if all(side.low == side.high for side in sides) else 'median '}{size} pixels"


def _middle(spread: Spread, unit: str) -> str:
    word = "" if spread.low == spread.high else "median "
    return f"{word}{number(spread.median)} {unit}"


def _kilohertz(spread: Spread) -> str:
    ends = dict.fromkeys((spread.low, spread.high))
    return f"{' to '.join(f'{end / 1000:g}' for end in ends)} kHz"
