"""Files of one set that differ in their channels, rates or modes: what is done is said."""

import io
import logging

import numpy as np
import pytest
from media_files import sound, video
from PIL import Image

from perceivers.autoconfig.choose import choose, choose_for
from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities import build_reader, modality_of
from perceivers.modalities.image.decode import decode as decode_image

RNG = np.random.default_rng(0)


def ply(*names, count=20):
    """Return a cloud with properties besides its coordinates; colours are bytes."""
    kinds = [("x", "float"), ("y", "float"), ("z", "float")]
    kinds += [(name, "uchar" if name in ("red", "green", "blue") else "float") for name in names]
    header = "".join(f"property {kind} {name}\n" for name, kind in kinds)
    rows = "".join(
        " ".join(
            str(RNG.integers(256)) if kind == "uchar" else f"{RNG.normal():.3f}"
            for _, kind in kinds
        )
        + "\n"
        for _ in range(count)
    )
    return f"ply\nformat ascii 1.0\nelement vertex {count}\n{header}end_header\n{rows}".encode()


def folder(root, *kinds):
    """Write files of each kind, given as a suffix and a function, to both of two classes."""
    for label in "ab":
        (root / label).mkdir(parents=True)
        for number, (suffix, make) in enumerate(kinds):
            for index in range(3):
                (root / label / f"{number}_{index}{suffix}").write_bytes(make())
    return root


def said_of_reading(root, caplog):
    """Return the choice for a folder, and what is logged while it is read as chosen."""
    choice = choose_for(str(root))
    caplog.clear()
    read_splits(DataConfig(path=str(root)), build_reader(choice.recipe.model.input))
    return choice, [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


NORMALS, COLOURS = ("nx", "ny", "nz"), ("red", "green", "blue")


def test_clouds_with_and_without_normals_are_read_without_and_it_is_counted(tmp_path, caplog):
    root = folder(tmp_path / "data", (".ply", lambda: ply(*NORMALS)), (".ply", ply))
    choice, said = said_of_reading(root, caplog)
    assert "points of 3 to 6 channels" in "\n".join(choice.lines)
    assert "channels that only some of the files have are not read" in "\n".join(choice.lines)
    assert not choice.recipe.model.input.normals
    train = [line for line in said if "has 6 channels, of which only the first 3 are read" in line]
    counts = [int(line.split()[1]) for line in train]
    assert sum(counts) == 6
    assert len(train) <= 3  # one a split


def test_normals_of_some_clouds_and_colours_of_others_are_not_one_channel(tmp_path, caplog):
    root = folder(
        tmp_path / "data", (".ply", lambda: ply(*NORMALS)), (".ply", lambda: ply(*COLOURS))
    )
    choice, said = said_of_reading(root, caplog)
    added = 7 * len(choice.recipe.model.input.neighbours)
    assert choice.recipe.model.input.channels == 3 + added
    assert "only some of the files have normals" in "\n".join(choice.lines)
    assert sum("has 6 channels, of which only the first 3" in line for line in said) <= 3


def test_colours_of_some_clouds_with_normals_are_not_read(tmp_path):
    both = lambda: ply(*NORMALS, *COLOURS)  # noqa: E731
    root = folder(tmp_path / "data", (".ply", lambda: ply(*NORMALS)), (".ply", both))
    config = choose_for(str(root)).recipe.model.input
    assert config.normals
    assert config.channels == 6 + 7 * len(config.neighbours)


def test_sounds_of_several_rates_and_layouts_are_described_and_brought_to_one(tmp_path, caplog):
    def tone(rate, channels):
        wave = 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)
        layout = "mono" if channels == 1 else "stereo"
        return sound(np.stack([wave] * channels, 1), rate, "wav", "pcm_s16le", layout)

    root = folder(
        tmp_path / "data", (".wav", lambda: tone(8000, 1)), (".wav", lambda: tone(32000, 2))
    )
    choice, said = said_of_reading(root, caplog)
    text = "\n".join(choice.lines)
    assert "8 to 32 kHz mono to stereo" in text
    assert "all channels are averaged to mono" in text
    reader = build_reader(choice.recipe.model.input)
    slow, fast = (reader.decode(root / "a" / f"{kind}_0.wav") for kind in (0, 1))
    inside = slice(400, -400)
    assert np.abs(slow[inside] - fast[inside]).max() < 0.01
    assert said == []


def pictures():
    """Return one picture in several modes."""
    grey = Image.fromarray(np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8)
    rgb = grey.convert("RGB")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return {
        "grey": (grey, "PNG"),
        "colour": (rgb, "PNG"),
        "alpha": (rgb.convert("RGBA"), "PNG"),
        "grey alpha": (grey.convert("LA"), "PNG"),
        "palette": (rgb.quantize(256), "PNG"),
        "CMYK": (rgb.convert("CMYK"), "TIFF"),
        "16 bits": (wide, "PNG"),
    }


def encoded(image, kind):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("name", list(pictures()))
def test_images_of_all_modes_become_the_same_pixels(name):
    image, kind = pictures()[name]
    expected = np.asarray(pictures()["colour"][0])
    got = decode_image(encoded(image, kind), channels=3, size=16)
    assert np.abs(got.astype(int) - expected).max() <= 2


def test_images_of_several_modes_are_described(tmp_path, caplog):
    kinds = [
        (".png" if kind == "PNG" else ".tif", lambda image=image, kind=kind: encoded(image, kind))
        for image, kind in pictures().values()
    ]
    root = folder(tmp_path / "data", *kinds)
    contents = inspect_folder(root)
    assert "grey and colour, 16 × 16 pixels" in contents.sentence()
    assert choose(contents).recipe.model.input.channels == 3


def test_films_of_several_rates_and_sizes_are_described_by_their_median(tmp_path):
    def film(rate, side):
        return video(RNG.integers(0, 256, (8, side, side, 3), dtype=np.uint8), rate=rate)

    root = folder(tmp_path / "data", (".mkv", lambda: film(10, 16)), (".mkv", lambda: film(25, 32)))
    sentence = inspect_folder(root).sentence()
    assert "median 16 × 16 pixels, median 10 frames a second, median 0.32 s, no sound" in sentence


def test_colours_of_two_scales_are_said(tmp_path):
    """Arrays have no names that would tell that they are colours."""

    def cloud(colours):
        buffer = io.BytesIO()
        np.save(buffer, np.hstack([RNG.normal(size=(30, 3)), colours]))
        return buffer.getvalue()

    kinds = [
        (".npy", lambda: cloud(RNG.integers(0, 256, (30, 3)))),
        (".npy", lambda: cloud(RNG.random((30, 3)))),
    ]
    for number, chosen in enumerate((kinds, kinds[:1], kinds[1:])):
        root = folder(tmp_path / str(number), *chosen)
        config = choose_for(str(root)).recipe.model.input
        files = sorted(root.rglob("*.npy"))
        _, lines = modality_of(config).measure(config, lambda files=files: files)
        mixed = "fractions up to 1 in 6 and whole numbers up to 255 in 6 of 12 inspected"
        assert [mixed in line for line in lines] == ([True] if number == 0 else [])
