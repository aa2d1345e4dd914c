"""The script `drum_kits.py`: classes by the names of instruments, splits by kit, no copies."""

import numpy as np
import pytest
from media_files import wav
from scripts import load_script

from perceivers.modalities.sound.decode import decode, probe

RATE = 22_050


@pytest.fixture
def script():
    return load_script("drum_kits")


@pytest.mark.parametrize(
    ("instrument", "label"),
    [
        ("c3 - bass drum 1", "kick"),
        ("Snare Rimshot (Pearl Free Floating Maple 14x3.5)", "snare"),
        ('Hi-Hat Pedal (Paiste Alpha Metal edge 14")', "closed-hat"),
        ("VariBreaks Hat 1 Cl", "closed-hat"),
        ("Side OHH", "open-hat"),
        ("Hi Hat Opened", "open-hat"),
        ("Sabian Hat Semi-Open", None),
        ('Hi-Hat Semiopen (Paiste Alpha Metal edge 14")', None),
        ("Hat Low", None),
        ('Ride Bow (Custom, Zagrebin 22")', "ride"),
        ('Crash/Ride (Paiste Rude Crash/Ride 18")', None),
        ("Floor Tom", "tom"),
        ("tomhi2", "tom"),
        ("c#3 - stick", "stick"),
        ("Pearl Side Stick", "stick"),
        ("g#4 - cowbell", "percussion"),
        ("Sample: beats_01-10.flac", None),
    ],
)
def test_the_name_of_an_instrument_decides_its_class(script, instrument, label):
    assert script.label_of(instrument) == label


def write_kit(folder, sounds, namespace=""):
    """Write a kit whose sounds are {file: ([instrument, …], samples)}."""
    folder.mkdir(parents=True)
    instruments = ""
    for file, (names, samples) in sounds.items():
        (folder / file).write_bytes(wav(samples, RATE))
        for name in names:
            layer = f"<layer><filename>{file}</filename></layer>"
            instruments += f"<instrument><name>{name}</name>{layer}</instrument>"
    text = (
        f"<drumkit_info {namespace}><instrumentList>{instruments}</instrumentList></drumkit_info>"
    )
    (folder / "drumkit.xml").write_text(text)


def test_kits_are_written_by_class_and_split(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "MIN_SOUNDS", 2)
    monkeypatch.setattr(script, "MIN_KITS", 2)
    rng = np.random.default_rng(0)
    noise = [rng.integers(-9_000, 9_000, n, np.int16) for n in (3 * RATE, 300, 400, 500, 600)]
    kick, low, high, clap, other = noise
    write_kit(
        tmp_path / "kits" / "My Kit",
        {
            "kick.wav": (["Kick"], kick),
            "tom.wav": (["Tom Low", "Tom Mid"], low),
            "both.wav": (["Ride", "Crash"], other),
            "clap.wav": (["Clap"], clap),
        },
        'xmlns="http://www.hydrogen-music.org/drumkit"',
    )
    write_kit(
        tmp_path / "kits" / script.TEST_KITS[0],
        {"bd.wav": (["BassDrum"], high), "t1.wav": (["Tom Hi"], low), "t2.wav": (["Tom"], other)},
    )
    dest = tmp_path / "sounds"
    script.main(tmp_path / "kits", dest)
    written = {str(file.relative_to(dest)) for file in dest.rglob("*.wav")}
    # The kits are read in the order of their names, and a copy of an earlier sound is left out.
    assert written == {
        "test/kick/Audiophob--bd.wav",
        "test/tom/Audiophob--t1.wav",
        "test/tom/Audiophob--t2.wav",
        "train/kick/My-Kit--kick.wav",
    }
    shown = capsys.readouterr().out
    assert "train: 1 sounds\ntest: 3 sounds\ncopies: 1 sounds\n" in shown
    assert "1 no class, 1 clap" in shown
    long = dest / "train" / "kick" / "My-Kit--kick.wav"
    assert probe(long).rate == RATE
    assert np.array_equal(decode(long, rate=RATE)[:, 0] * 32_768, kick[: 2 * RATE])


def test_test_kits_are_of_other_authors(script):
    """Authors with several kits; Debian's copyright file of the package names them."""
    authors = (
        {"Millo-Drums_v.1", "Millo_MultiLayered2", "Millo_MultiLayered3"},
        {"ElectricEmpireKit", "HardElectro1", "VariBreaks"},
        {"Gimme A Hand 1.0", "The Black Pearl 1.0"},
    )
    for kits in authors:
        assert kits <= set(script.TEST_KITS) or kits.isdisjoint(script.TEST_KITS)
