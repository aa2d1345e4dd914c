"""The page of an exported model reads files as Python does, in a real browser."""

import io
import struct

import numpy as np
import pytest
from browsers import ask, pages, runtime, small_model  # noqa: F401 - fixtures
from commands import run
from media_files import sound, wav
from PIL import Image

from perceivers import checkpoint
from perceivers.modalities import build_reader
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.sound.config import AudioConfig, MelConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.modalities.video.config import VideoConfig
from perceivers.predict import Predictor

TOLERANCE = 1e-4
COLOUR = ImageConfig(image_size=32, channels=3, patch_size=4, num_bands=2)
GREY = ImageConfig(image_size=16, channels=1, num_bands=2)
DEEP = ImageConfig(image_size=16, channels=1, num_bands=2, value_range=(1000.0, 60_000.0))
WAVE = AudioConfig(num_samples=2048, sample_rate=8000, patch_size=64, num_bands=2)
STEREO = AudioConfig(num_samples=2048, channels=2, sample_rate=8000, patch_size=64, num_bands=2)
MEL = MelConfig(num_samples=4000, sample_rate=8000, n_mels=20, num_bands=2, own_length=True)
CLOUD = PointsConfig(num_points=128, num_bands=2)
COLOURED = PointsConfig(num_points=128, num_bands=2, channels=6)
SURFACE = PointsConfig(
    num_points=256, num_bands=2, channels=18, own_length=True, size_channel=True, neighbours=(8, 24)
)
TEXT = TextConfig(max_length=33, embedding_dim=8, ngrams=(2,), ngram_rows=64)
SIZES = ((37, 53), (53, 37), (64, 32), (90, 131), (9, 7))
rng = np.random.default_rng(0)


def smooth(height, width, bands):
    """Return a picture of waves with a little noise, uint8 (height, width, bands)."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + k) + y / 9) * 80 + 40 * np.cos(y / (4 + k)) for k in range(bands)]
    return (127 + np.stack(waves, -1) + rng.normal(size=(height, width, 1)) * 4).astype(np.uint8)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def pngs():
    files = {}
    for height, width in SIZES:
        size = f"{height}x{width}"
        colours = Image.fromarray(smooth(height, width, 3))
        grey = Image.fromarray(smooth(height, width, 1)[..., 0])
        files |= {
            f"grey{size}.png": encoded(grey),
            f"bits{size}.png": encoded(grey.convert("1")),
            f"rgb{size}.png": encoded(colours),
            f"rgba{size}.png": encoded(Image.fromarray(smooth(height, width, 4))),
            f"la{size}.png": encoded(Image.fromarray(smooth(height, width, 2))),
            f"palette{size}.png": encoded(colours.quantize(17)),
            f"clear{size}.png": encoded(colours.quantize(17), transparency=3),
            f"key{size}.png": encoded(colours.quantize(9).convert("RGB"), transparency=(1, 2, 3)),
            f"deep{size}.png": encoded(Image.fromarray(np.array(grey).astype(np.uint16) * 256 + 7)),
        }
    for turn in range(1, 9):
        files[f"turned{turn}.png"] = encoded(Image.fromarray(smooth(37, 53, 3)), exif=exif(turn))
    files["lossless.webp"] = encoded(Image.fromarray(smooth(37, 53, 3)), "WEBP", lossless=True)
    files["first.gif"] = encoded(Image.fromarray(smooth(37, 53, 3)).quantize(30), "GIF")
    files["plain.bmp"] = encoded(Image.fromarray(smooth(37, 53, 3)), "BMP")
    return files


def jpegs(**options):
    files = {f"plain{h}x{w}.jpg": Image.fromarray(smooth(h, w, 3)) for h, w in SIZES}
    files = {name: encoded(image, "JPEG", **options) for name, image in files.items()}
    for turn in range(1, 9):
        image = Image.fromarray(smooth(37, 53, 3))
        files[f"turned{turn}.jpg"] = encoded(image, "JPEG", exif=exif(turn), **options)
    return files


def float_wav(samples, rate):
    """Return a wav file of float32 samples (S, C)."""
    x = np.asarray(samples, np.float32)
    channels = x.shape[1]
    form = struct.pack("<IHHIIHH", 16, 3, channels, rate, 4 * rate * channels, 4 * channels, 32)
    head = b"RIFF" + struct.pack("<I", 36 + x.nbytes) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", x.nbytes) + x.tobytes()


def wavs():
    files = {"tiny.wav": wav(np.arange(10) * 100, 16_000)}
    for rate in (8000, 16_000, 11_025, 11_111):
        for channels in (1, 2):
            x = (rng.normal(size=(rate // 3, channels)) * 0.1).clip(-1, 1)
            name = f"{rate}_{channels}.wav"
            files["u8_" + name] = wav((x * 127 + 128).astype(int), rate, 1)
            files["s16_" + name] = wav((x * 32_767).astype(int), rate, 2)
            files["s24_" + name] = wav((x * 8_388_607).astype(int), rate, 3)
            files["float_" + name] = float_wav(x, rate)
    return files


def compressed():
    x = np.convolve(rng.normal(size=24_000) * 0.1, np.hanning(31), "same")[:, None] / 8
    return {
        "a.flac": sound(x, 16_000, "flac", "flac"),
        "b.mp3": sound(x, 44_100, "mp3", "libmp3lame"),
        "c.ogg": sound(x, 48_000, "ogg", "libopus"),
    }


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def ply(points, colours, form):
    """Return a ply file of points and their colours."""
    kinds = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
    properties = [f"property double {axis}" for axis in "xyz"]
    properties += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines = ["ply", f"format {form} 1.0", f"element vertex {len(points)}", *properties]
    head = "\n".join([*lines, "end_header\n"]).encode()
    if form == "ascii":
        rows = zip(points.tolist(), colours.tolist(), strict=True)
        return head + "".join(" ".join(map(str, [*a, *b])) + "\n" for a, b in rows).encode()
    rows = np.zeros(len(points), [("xyz", kinds[form] + "f8", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = points, colours
    return head + rows.tobytes()


def clouds(coloured=False):
    points = rng.normal(size=(200, 3)) * [3, 1, 2] + [1e5, 2e5, 5]
    colours = rng.integers(0, 256, (200, 3))
    forms = ("ascii", "binary_little_endian", "binary_big_endian")
    rows = [",".join(map(str, [*c, *p])) for c, p in zip(colours, points.tolist(), strict=True)]
    files = {f"{form}.ply": ply(points, colours, form) for form in forms}
    files["named.csv"] = "\n".join(["r,g,b,x,y,z", *rows]).encode()
    if coloured:
        return files
    large = rng.normal(size=(12_000, 3))
    return files | {
        "double.npy": npy(points),
        "float.npy": npy(large[:200].astype(np.float32)),
        "fortran.npy": npy(np.asfortranarray(points)),
        "big_endian.npy": npy(points.astype(">f4")),
        "few.npy": npy(points[:20]),
        "same.npy": npy(np.ones((5, 3))),
        "chosen.npy": npy(large[:3000]),
        "shuffled.npy": npy(large),
        "blanks.xyz": b"# x y z\r\n"
        + b"\r\n".join(b"%r %r %r" % tuple(p) for p in points.tolist()),
    }


TEXTS = {
    "umlauts.txt": "Grüße aus Köln, ß\r\n\r\nzwei\n\n".encode(),
    "emoji.txt": "ab👍🏽".encode() * 6,
    "cut.txt": ("ä" * 50).encode(),
    "mark.txt": "\ufeffhello".encode(),
    "empty.txt": b"",
}


def differences(pages, config, files):  # noqa: F811
    """Return the largest difference of an example and of a probability, over all files."""
    model, page = pages.open(config)
    reader, predictor = build_reader(config), Predictor(model)
    examples = probabilities = 0.0
    for file, content in files.items():
        path = pages.folder / file
        path.write_bytes(content)
        got, outputs = ask(page, content, file)
        example = reader.decode(path)[: len(got)].astype(float)  # texts are padded for the batch
        assert got.shape == example.shape, file
        examples = max(examples, float(np.abs(got - example).max()))
        for label, probability in predictor([path])[0]:
            probabilities = max(probabilities, abs(outputs[label] - probability))
    page.close()
    return examples, probabilities


def case(name, config, files, *marks):
    return pytest.param(config, files, id=name, marks=marks)


def those(files, start):
    return {name: content for name, content in files.items() if name.startswith(start)}


slow = pytest.mark.slow  # each of these exports another model


@pytest.mark.parametrize(
    ("config", "files"),
    [
        case("png", COLOUR, pngs()),
        case("png-grey", GREY, pngs(), slow),
        case("png-16", DEEP, those(pngs(), "deep"), slow),
        case("jpeg", COLOUR, jpegs(quality=95, subsampling=0)),
        case("wav", WAVE, wavs()),
        case("stereo", STEREO, those(wavs(), "s16"), slow),
        case("mel", MEL, wavs(), slow),
        case("compressed", WAVE, compressed()),
        case("cloud", CLOUD, clouds()),
        case("colours", COLOURED, clouds(coloured=True), slow),
        case("surface", SURFACE, clouds(), slow),
        case("text", TEXT, TEXTS),
    ],
)
def test_page_reads_files_as_python_does(pages, config, files):  # noqa: F811
    example, probability = differences(pages, config, files)
    assert example <= TOLERANCE
    assert probability <= TOLERANCE


def test_jpeg_that_pillow_decodes_at_a_fraction_of_its_size_differs_little(pages):  # noqa: F811
    """Pillow lets libjpeg reduce them; the page averages what the browser has decoded."""
    example, probability = differences(pages, COLOUR, jpegs(quality=75))
    assert example <= 6
    assert probability <= 0.02


def test_dropped_file_gets_the_label(pages, tmp_path):  # noqa: F811
    model, page = pages.open(COLOUR)
    path = tmp_path / "<b>picture<b>.png"
    path.write_bytes(pngs()["rgb37x53.png"])
    expected = Predictor(model)([path])[0][0]
    page.locator("#file").set_input_files(path)
    page.locator("#result").wait_for(state="visible")
    assert page.locator("#bars th").first.inner_text() == expected[0]
    assert page.locator("#bars td.number").first.inner_text() == f"{expected[1]:.1%}"
    assert page.locator("#name").inner_text() == path.name  # as text, never as HTML
    assert not pages.problems


def test_typed_text_is_classified(pages, tmp_path):  # noqa: F811
    model, page = pages.open(TEXT)
    page.locator("#text").fill("Grüße 👍")
    page.get_by_role("button", name="Classify").click()
    page.locator("#result").wait_for(state="visible")
    (tmp_path / "text.txt").write_text("Grüße 👍", encoding="utf-8")
    expected = Predictor(model)([tmp_path / "text.txt"])[0][0]
    assert page.locator("#bars th").first.inner_text() == expected[0]


@pytest.mark.parametrize(
    ("config", "name", "content", "message"),
    [
        (COLOUR, "a.png", b"\x89PNG\r\n\x1a\nxx", "The PNG file is damaged."),
        (COLOUR, "a.png", pngs()["rgb37x53.png"][:300], "damaged"),
        (COLOUR, "a.txt", b"text", "This is no image"),
        (WAVE, "a.wav", b"RIFF\0\0\0\0WAVE", "damaged"),
        (WAVE, "a.mp3", b"nothing", "This is no sound"),
        (CLOUD, "a.csv", b"x,y,z\n1,2,3\n1,2\n", "Row 2 is not 3 numbers."),
        (CLOUD, "a.obj", b"v 1 2 3", "convert the file"),
        (TEXT, "a.txt", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_file_that_cannot_be_read_is_said(pages, config, name, content, message):  # noqa: F811
    _, page = pages.open(config)
    page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": content})
    status = page.locator("#status.error")
    status.wait_for()
    assert message in status.inner_text()
    page.close()


@pytest.mark.parametrize("config", [VideoConfig(), TabularConfig(numeric=("a",))])
def test_page_is_refused_for_inputs_that_it_cannot_read(config, tmp_path, capsys):
    checkpoint.save(small_model(config), tmp_path / "model")
    status, _, said = run(capsys, "export", tmp_path / "model", "--web", tmp_path / "page")
    assert status
    assert "a page cannot read" in said.strip()
    assert len(said.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_page_needs_npm_or_the_files(tmp_path, capsys, monkeypatch):
    checkpoint.save(small_model(GREY), tmp_path / "model")
    command = ["export", tmp_path / "model", "--web", tmp_path / "page"]
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, said = run(capsys, *command)
    assert status
    assert "--onnxruntime-web FOLDER" in said
    status, _, said = run(capsys, *command, "--onnxruntime-web", tmp_path)
    assert status
    assert "has no ort.wasm.bundle.min.mjs" in said
    (tmp_path / "ort.wasm.bundle.min.mjs").write_text("another version")
    status, _, said = run(capsys, *command, "--onnxruntime-web", tmp_path)
    assert status
    assert "is not that of onnxruntime-web" in said
    assert not (tmp_path / "page").exists()


def test_page_that_exists_is_kept(tmp_path, capsys):
    checkpoint.save(small_model(GREY), tmp_path / "model")
    page = tmp_path / "page"
    page.mkdir()
    status, _, said = run(capsys, "export", tmp_path / "model", "--web", page)
    assert status
    assert "exists already" in said
    assert not any(page.iterdir())
