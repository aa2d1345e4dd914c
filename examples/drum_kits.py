"""Write the sounds of Hydrogen's drum kits as wav files, in one folder per class, split by kit.

    python examples/drum_kits.py SOURCE DEST

SOURCE contains the kits, one folder each, as the Debian package hydrogen-drumkits holds them in
usr/share/hydrogen/data/drumkits (14 kits; GPL, CC BY, CC BY-SA or CC0). The drumkit.xml of a kit
names the instrument of each of its sounds, and the name decides the class. A sound is mixed to mono
and cut to its first two seconds, because the stroke at its start says most; its sample rate stays
as it is. No kit, and no author of several kits, is in both splits.
"""

import argparse
import hashlib
import re
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from perceivers.modalities.sound.decode import decode, probe

SECONDS = 2.0
SUFFIXES = (".wav", ".flac", ".aiff")
MIN_SOUNDS, MIN_KITS = 30, 4  # smaller classes are left out
# The kits of Emiliano Grilli (three), Jim Harney and Audiophob: a fifth of the sounds, and some of
# each class.
TEST_KITS = (
    "Audiophob",
    "Millo-Drums_v.1",
    "Millo_MultiLayered2",
    "Millo_MultiLayered3",
    "circAfrique v4",
)
HAT = r"hi-?hat|hi hat|hat\b|o?hh\b"
CLASSES = {
    "kick": r"kick|bass ?drum",
    "snare": r"snare",
    "closed-hat": rf"(?=.*({HAT})).*(closed|\bcl\b|pedal|\bpd\b)",
    "open-hat": rf"(?=.*({HAT})).*(?<!semi-)(\bopen|\bop\b|\bohh\b)",
    "tom": r"\btom",
    "crash": r"crash|splash|china",
    "ride": r"ride\b",
    "clap": r"clap",
    "stick": r"^([a-g]#?\d - )?stick|side stick|rim click",
    "percussion": r"tambourine|agogo|cowbell|conga|bongo|maraca|clave|woodblock|cajon|djembe|"
    r"sangban|dununba|kenkeni",
}
"""Regular expressions of instruments' names. A name that fits several classes fits none."""


class Sound(NamedTuple):
    """A sound of a kit."""

    kit: str
    file: Path
    label: str | None
    """Its class; None if its instruments' names fit no class, or two."""


def label_of(instrument: str) -> str | None:
    """Return the class of an instrument's name, None if it fits no class or more than one."""
    found = [name for name, words in CLASSES.items() if re.search(words, instrument.lower())]
    return found[0] if len(found) == 1 else None


def sounds_of(kit: Path) -> Iterator[Sound]:
    """Yield the sounds that lie in a kit's folder."""
    labels: dict[str, set[str | None]] = {}
    for instrument in ElementTree.parse(kit / "drumkit.xml").iter():
        if _tag(instrument) == "instrument":
            names = [child.text or "" for child in instrument if _tag(child) == "name"]
            for child in instrument.iter():
                if _tag(child) == "filename" and child.text:
                    labels.setdefault(child.text, set()).add(label_of(names[0]))
    for file in sorted(kit.iterdir()):
        if file.suffix.lower() in SUFFIXES:
            own = labels.get(file.name, {None})
            yield Sound(kit.name, file, next(iter(own)) if len(own) == 1 else None)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]  # files with and without a namespace


def large_classes(sounds: list[Sound]) -> set[str]:
    """Return the classes with at least `MIN_SOUNDS` sounds, from at least `MIN_KITS` kits."""
    counts = Counter(sound.label for sound in sounds if sound.label)
    kits = Counter(label for label, _ in {(s.label, s.kit) for s in sounds if s.label})
    return {label for label in counts if counts[label] >= MIN_SOUNDS and kits[label] >= MIN_KITS}


def write(file: Path, dest: Path) -> None:
    """Write the first `SECONDS` of a sound file as mono wav of 16 bits at its own sample rate."""
    rate = probe(file).rate
    samples = decode(file, rate=rate, channels=1, seconds=SECONDS)
    with wave.open(str(dest), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.int16(np.clip(np.round(samples * 32_768), -32_768, 32_767)).tobytes())


def main(source: Path, dest: Path) -> None:
    """Write DEST/train/CLASS/*.wav and DEST/test/CLASS/*.wav."""
    kits = sorted(folder for folder in source.iterdir() if (folder / "drumkit.xml").is_file())
    sounds = [sound for kit in kits for sound in sounds_of(kit)]
    classes = large_classes(sounds)
    left_out = Counter(s.label or "no class" for s in sounds if s.label not in classes)
    written: Counter[str] = Counter()
    known: set[str] = set()
    for kit, file, label in sounds:
        if label not in classes:
            continue
        split = "test" if kit in TEST_KITS else "train"
        folder = dest / split / label
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kit.replace(' ', '-')}--{file.stem.replace(' ', '-')}.wav"
        write(file, path)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        if content in known:
            path.unlink()
            split = "copies"
        known.add(content)
        written[split] += 1
    for split in ("train", "test", "copies"):
        print(f"{split}: {written[split]} sounds")
    print("left out: " + ", ".join(f"{n} {label}" for label, n in left_out.most_common()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of the kits")
    parser.add_argument("dest", type=Path, help="folder to write to")
    main(**vars(parser.parse_args()))
