"""Images of more than 8 bits that use little of their range, and notices about images."""

import io
import logging
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from commands import run
from PIL import Image

import perceivers
from perceivers.data.config import DataConfig
from perceivers.data.file_examples import FileExamples
from perceivers.modalities import ImageConfig, RowsConfig, build_reader
from perceivers.modalities.image import levels
from perceivers.modalities.image.decode import decode
from perceivers.recipes import get_recipe
from perceivers.training.recipe_data import measure_files

RNG = np.random.default_rng(0)


def png_of_16_bits(values) -> bytes:
    """Return a png file of (H, W, 2, 3 or 4) channels of 16 bits, which Pillow cannot write."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def thermal(side: str, low=29_000, high=31_000):
    """Return a picture whose left or right half is warm."""
    values = RNG.integers(low, low + 200, (16, 16))
    half = slice(0, 8) if side == "left" else slice(8, 16)
    values[:, half] += high - low - 200
    return values


def write(path, values, kind):
    if kind == "colours":
        colours = np.stack([values, values, values], axis=-1)
        path.with_suffix(".png").write_bytes(png_of_16_bits(colours))
    elif kind == "16 bits":
        Image.fromarray(values.astype(np.uint16)).save(path.with_suffix(".png"))
    else:
        dtype = {"32 bits": np.int32, "floats": np.float32}[kind]
        Image.fromarray(values.astype(dtype)).save(path.with_suffix(".tif"))


def folder(root, kind, count=6, **limits):
    for side in ("left", "right"):
        (root / side).mkdir(parents=True)
        for index in range(count):
            write(root / side / f"{index}", thermal(side, **limits), kind)
    return root


def measured(root):
    recipe = get_recipe("cifar10")
    recipe = replace(recipe, data=replace(recipe.data, name="folder", path=str(root)))
    recipe, lines = measure_files(recipe)
    return recipe.model.input, lines


@pytest.mark.parametrize("kind", ["16 bits", "32 bits", "floats", "colours"])
def test_a_narrow_range_is_measured_with_any_recipe(tmp_path, kind):
    root = folder(tmp_path / "thermal", kind)
    config, (line,) = measured(root)
    low, high = config.value_range
    assert 29_000 <= low < 29_100
    assert 30_900 < high < 31_000
    assert "8 of 8 inspected images have more than 8 bits: their values from 29" in line
    pixels = build_reader(replace(config, image_size=16)).decode(next((root / "left").iterdir()))
    assert pixels[:, :8].min() > 200
    assert pixels[:, 8:].max() < 50


def test_a_run_on_values_below_zero_can_be_loaded(tmp_path, capsys):
    for name, heights in (("hills", (0, 90)), ("sea", (-500, -400))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(6):
            values = RNG.integers(*heights, (8, 8)).astype(np.int32)
            Image.fromarray(values).save(tmp_path / "data" / name / f"{index}.tif")
    options = ["--trainer.max_epochs", "1", "--model.num_latents", "4"]
    out = tmp_path / "run"
    trained = run(capsys, "train", "folder", "--data", tmp_path / "data", "--out", out, *options)
    assert trained[0] == 0, trained
    assert perceivers.Predictor(out).model.config.input.value_range[0] < -490


def test_all_readers_of_a_run_scale_alike(tmp_path, capsys, caplog):
    root = folder(tmp_path / "thermal", "16 bits", count=10)
    _, _, err = run(capsys, "train", "folder", "--data", root, "--dry-run")
    said = "inspected images have more than 8 bits: their values from 29"
    assert said in err + caplog.text
    options = ["--trainer.max_epochs", "1", "--model.num_latents", "4", "--data.batch_size", "8"]
    options += ["--model.num_layers_per_block", "1"]
    status, _, _ = run(
        capsys, "train", "folder", "--data", root, "--out", tmp_path / "run", *options
    )
    assert status == 0
    assert said in (tmp_path / "run" / "log.txt").read_text()
    file = next((root / "left").iterdir())
    for own_size in (False, True):
        predictor = perceivers.Predictor(tmp_path / "run", own_size=own_size)
        pixels = predictor.prepare(file)
        assert int(pixels.max()) - int(pixels.min()) > 200
        array = np.asarray(Image.open(file))
        np.testing.assert_array_equal(predictor.prepare(array), pixels)
        np.testing.assert_array_equal(predictor.prepare(Image.open(file)), pixels)
        np.save(tmp_path / "x.npy", array)
        np.testing.assert_array_equal(predictor.prepare(tmp_path / "x.npy"), pixels)


def test_images_of_the_full_range_are_scaled_as_before(tmp_path):
    root = folder(tmp_path / "full", "16 bits", low=500, high=60_000)
    config, lines = measured(root)
    assert (config.value_range, lines) == (None, [])
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    for limits in (None, levels.FULL):
        got = decode(buffer.getvalue(), channels=1, size=None, value_range=limits)
        np.testing.assert_array_equal(got[..., 0], values // 257)


def test_images_of_8_bits_are_not_measured(tmp_path):
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        for index in range(3):
            image = Image.fromarray(thermal(side, 40, 250).astype(np.uint8))
            image.save(tmp_path / side / f"{index}.png")
    assert measured(tmp_path)[0].value_range is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.random(500), (0, 1)),
        (255 * RNG.random(500), (0, 255)),
        (RNG.integers(0, 256, 500), (0, 255)),
        (RNG.integers(0, 65_536, 500), (0, 65_535)),
        (np.r_[np.zeros(200), np.linspace(20, 35, 500)], (20, 35)),  # 0: no measurement
        (np.r_[np.full(200, 65_535), np.linspace(400, 9_000, 500)], (400, 9_000)),
        (np.r_[np.full(50, np.nan), np.linspace(-40, 35, 500)], (-40, 35)),
        (np.r_[np.full(100, -9_999), np.linspace(0, 2_500, 500)], (0, 2_500)),
        (np.r_[np.zeros(300), np.linspace(500, 9_000, 500)], (0, 9_000)),
        (np.r_[np.linspace(100, 200, 5_000), 1e6, 2e6], (100, 298.0)),
        (np.full(10, 7), None),
        ([], None),
    ],
)
def test_measured_ranges(values, expected):
    found = levels.measure_range([np.asarray(values, np.float64)])
    assert found == (expected if expected is None else pytest.approx(expected, rel=0.01))


def test_floats_of_8_bits_are_read_exactly():
    pixels = RNG.integers(0, 256, (9, 9)).astype(np.uint8)
    values = (pixels / 255).astype(np.float32)
    np.testing.assert_array_equal(levels.scale(values, (0, 1)), pixels)


def test_a_range_must_ascend():
    with pytest.raises(ValueError, match="value_range=.*expected two ascending numbers"):
        levels.scale(np.zeros((2, 2)), (5, 5))


def encoded(image, fmt="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def white_on_transparent():
    image = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (2, 2, 6, 6))
    return image


ANIMATION = encoded(
    Image.new("L", (8, 8)), "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 255)]
)
PAGES = encoded(
    Image.new("L", (8, 8)), "TIFF", save_all=True, append_images=[Image.new("L", (8, 8), 255)]
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (encoded(Image.fromarray(thermal("left").astype(np.uint16))), ""),
        (encoded(Image.fromarray(thermal("left", 20, 240).astype(np.uint16))), "becomes one col"),
        (png_of_16_bits(np.stack([thermal("left", 20, 240)] * 3, -1)), "becomes one colour, bec"),
        (encoded(white_on_transparent()), "becomes one colour, although its file holds more"),
        (encoded(Image.new("RGB", (8, 8), (3, 4, 5))), ""),
        (encoded(Image.effect_noise((8, 8), 50)), ""),
        (ANIMATION, "has several frames or pages, of which only the first is read"),
        (PAGES, "has several frames or pages, of which only the first is read"),
    ],
    ids="wide narrow colours transparent plain noise animation pages".split(),  # noqa: SIM905
)
def test_notices(raw, text, caplog):
    import torch

    reader = build_reader(ImageConfig(image_size=8))
    files = [(f"{index}.png", raw) for index in range(5)]
    examples = FileExamples(files, torch.zeros(5, dtype=torch.int64), torch.arange(5), reader)
    with caplog.at_level(logging.WARNING):
        examples.decode_all()
    assert [record.getMessage() for record in caplog.records if not text] == []
    if text:
        (record,) = caplog.records
        assert record.getMessage().startswith(f"of 5 of 5 images, each {text}")
    caplog.clear()
    examples.notices._said.clear()
    for _ in range(2):
        examples.__getitems__([0, 1])
    assert len(caplog.records) == bool(text)


def test_the_images_of_a_table_are_measured_by_column(tmp_path):
    root = folder(tmp_path / "thermal", "16 bits")
    lines = [
        "photo,label",
        *(f"{f.relative_to(root)},{f.parent.name}" for f in root.rglob("*.png")),
    ]
    (root / "table.csv").write_text("\n".join(lines))
    part = ImageConfig(image_size=16, channels=1)
    rows = RowsConfig(parts={"photo": part}, files={"photo": "photo"})
    recipe = get_recipe("cifar10")
    data = DataConfig(name="folder", path=str(root / "table.csv"))
    recipe = replace(recipe, data=data, model=replace(recipe.model, input=rows))
    measured_recipe, (line,) = measure_files(recipe)
    low, high = measured_recipe.model.input.parts["photo"].value_range
    assert 29_000 <= low < high <= 31_000
    assert line.startswith("photo: 8 of 8 inspected images have more than 8 bits")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_alpha_of_16_bits(channels):
    values = np.full((8, 8, channels), 200 * 257, np.uint16)
    values[:, 4:, 0] = 40 * 257
    if channels != 3:
        values[..., -1] = 65_535
    raw = png_of_16_bits(values)
    for limits in (None, levels.FULL):
        pixels = decode(raw, channels=3, size=8, value_range=limits)
        assert (pixels[:, :4, 0] == 200).all()
        assert (pixels[:, 4:, 0] == 40).all()
    plain = png_of_16_bits(np.full((8, 8, channels), 65_535, np.uint16))
    assert (decode(plain, channels=1, size=8) == 255).all()
