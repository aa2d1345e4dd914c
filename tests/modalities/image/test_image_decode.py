"""Decoding of image files of every kind, compared with the known pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from perceivers.modalities.image.decode import decode, fit

RED = (200, 10, 20)


def encoded(image, fmt="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def colour_of(raw, channels=3, size=4):
    pixels = decode(raw, channels=channels, size=size)
    assert pixels.shape == (size, size, channels)
    assert pixels.dtype == np.uint8
    return tuple(int(v) for v in np.unique(pixels.reshape(-1, channels), axis=0)[0])


def palette_image(transparency=None):
    image = Image.new("P", (6, 6), 1)
    image.putpalette([0, 0, 0, *RED])
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (6, 6), RED), RED),
        (Image.new("L", (6, 6), 77), (77, 77, 77)),
        (Image.new("1", (6, 6), 1), (255, 255, 255)),
        (palette_image(), RED),
        (palette_image(transparency=1), (255, 255, 255)),
        (Image.new("RGBA", (6, 6), (*RED, 255)), RED),
        (Image.new("RGBA", (6, 6), (*RED, 0)), (255, 255, 255)),
        (Image.new("LA", (6, 6), (40, 255)), (40, 40, 40)),
        (Image.fromarray(np.full((6, 6), 257 * 90, np.uint16)), (90, 90, 90)),
        (Image.new("RGB", (1, 1), RED), RED),
    ],
    ids=[
        "rgb", "grey", "black and white", "palette", "transparent palette", "opaque alpha",
        "transparent", "grey alpha", "16 bits", "one pixel",
    ],
)  # fmt: skip
def test_every_mode_becomes_rgb(image, expected):
    assert colour_of(encoded(image)) == expected


def test_grey_is_kept_grey_when_the_model_reads_one_channel():
    assert colour_of(encoded(Image.new("L", (6, 6), 77)), channels=1) == (77,)


def test_animation_shows_its_first_frame():
    frames = [Image.new("RGB", (6, 6), colour) for colour in (RED, (0, 0, 255))]
    raw = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert colour_of(raw) == RED


def test_exif_orientation_is_applied():
    image = Image.new("RGB", (6, 6), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 6, 3))  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180°
    pixels = decode(encoded(image, "PNG", exif=exif), channels=1, size=6)
    assert pixels[0, 0, 0] == 0
    assert pixels[5, 0, 0] == 255


@pytest.mark.parametrize(
    ("orientation", "corners"),
    list(enumerate(["wg..", "gw..", "..gw", "..wg", "w.g.", ".w.g", ".g.w", "g.w."], 1)),
)
def test_all_eight_exif_orientations(orientation, corners):
    image = Image.new("L", (6, 6), 0)
    image.paste(255, (0, 0, 2, 2))
    image.paste(128, (4, 0, 6, 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decode(encoded(image, "PNG", exif=exif), channels=1, size=6)[..., 0]
    shades = [got[corner] for corner in [(0, 0), (0, -1), (-1, 0), (-1, -1)]]
    assert "".join({0: ".", 128: "g", 255: "w"}[int(shade)] for shade in shades) == corners


def test_shorter_side_is_resized_and_the_middle_kept():
    image = Image.new("RGB", (30, 10), (0, 0, 0))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    assert (decode(encoded(image), channels=1, size=10) == 255).all()


def huge_png(side=30_000) -> bytes:
    """Return a PNG file that declares 30,000×30,000 pixels, which would decode to 2.7 GB."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty; expected an image"),
        (b"hello", "not an image"),
        (encoded(Image.new("RGB", (50, 50), RED), "JPEG")[:300], "not an image|damaged image"),
        (encoded(Image.effect_noise((50, 50), 50))[:400], "damaged image"),
        (huge_png(), "too large: 900,000,000 pixels; .* --limits.pixels 900000000"),
        (encoded(Image.new("F", (3, 3), 0.5), "TIFF"), "floating-point pixels"),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "30000×30000", "floats"],
)
def test_files_that_cannot_be_decoded(raw, message):
    with pytest.raises(ValueError, match=message):
        decode(raw, channels=3, size=8)


def test_a_folder_is_not_an_image(tmp_path):
    with pytest.raises(ValueError, match="cannot be opened: it is a directory"):
        decode(tmp_path, channels=3, size=8)


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        decode(tmp_path / "none.png", channels=3, size=8)


def test_fit_converts_grey_images():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 1), dtype=np.uint8)
    assert fit(pixels, channels=1, size=6) is pixels
    fitted = fit(pixels, channels=3, size=12)
    expected = decode(encoded(Image.fromarray(pixels[1, ..., 0])), channels=3, size=12)
    np.testing.assert_array_equal(fitted[1], expected)


def test_the_suffix_npy_in_any_case(tmp_path):
    pixels = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    with (tmp_path / "photo.NPY").open("wb") as file:
        np.save(file, pixels)
    assert np.array_equal(decode(tmp_path / "photo.NPY", channels=3, size=4), pixels)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_bytes_of_a_npy_file(tmp_path, order):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    np.save(tmp_path / "photo.npy", np.asarray(pixels, order=order))
    raw, look = (tmp_path / "photo.npy").read_bytes(), {"channels": 3, "size": 8}
    assert np.array_equal(decode(raw, **look), decode(tmp_path / "photo.npy", **look))
    objects = io.BytesIO()
    np.save(objects, np.array([None]), allow_pickle=True)
    for damaged in (raw[:-1], raw[:20], objects.getvalue()):
        with pytest.raises(ValueError, match="damaged file, or not an array"):
            decode(damaged, **look)
