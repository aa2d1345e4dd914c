"""The page of an exported model reads files as Python does, in a real browser."""

import numpy as np
import onnx
import pytest
from browsers import ask, pages, runtime, small_model  # noqa: F401 - fixtures
from commands import run
from page_files import TEXTS, clouds, compressed, compressed_images, jpegs, plain_pngs, pngs, wavs
from tests.media_files import PHOTOGRAPH

from perceivers import checkpoint
from perceivers.export.runtime import PACKAGE, VERSION
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
LARGE = ImageConfig(image_size=224, channels=3, num_bands=8)  # 50,176 elements
TEXT = TextConfig(max_length=33, embedding_dim=8, ngrams=(2,), ngram_rows=64)


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


def case(name, config, make, *marks):
    return pytest.param(config, make, id=name, marks=marks)


def those(files, start):
    return {name: content for name, content in files.items() if name.startswith(start)}


def untied():
    """Return clouds of which no point has several neighbours at the same distance."""
    return {name: content for name, content in clouds().items() if name != "integers.npy"}


slow = pytest.mark.slow  # each of these exports another model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "make"),
    [
        case("png", COLOUR, pngs),
        case("png-grey", GREY, pngs, slow),
        case("png-16", DEEP, lambda: those(pngs(), "deep"), slow),
        case("png-kinds", COLOUR, plain_pngs),
        case("png-kinds-16", DEEP, plain_pngs, slow),
        case("jpeg", COLOUR, jpegs),
        case("jpeg-grey", GREY, jpegs, slow),
        case("webp", COLOUR, compressed_images),
        case("wav", WAVE, wavs),
        case("stereo", STEREO, lambda: those(wavs(), "s16"), slow),
        case("mel", MEL, wavs, slow),
        case("compressed", WAVE, compressed),
        case("cloud", CLOUD, clouds),
        case("colours", COLOURED, lambda: clouds(True), slow),
        case("surface", SURFACE, untied, slow),
        case("text", TEXT, lambda: TEXTS),
    ],
)
def test_page_reads_files_as_python_does(pages, config, make):  # noqa: F811
    example, probability = differences(pages, config, make())
    assert example <= TOLERANCE
    assert probability <= TOLERANCE


@slow
def test_page_reads_large_grids_in_blocks(pages):  # noqa: F811
    """Keys as wide as these are left out, and the pixels are read in a Scan."""
    model, page = pages.open(LARGE, qk_dim=64)
    path = pages.folder / "photograph.jpg"
    path.write_bytes(PHOTOGRAPH.read_bytes())
    graph = onnx.load(pages.folder / page.url.split("/")[-2] / "model.onnx").graph
    assert "Scan" in {node.op_type for node in graph.node}
    _, outputs = ask(page, path.read_bytes(), path.name)
    for label, probability in Predictor(model)([path])[0]:
        assert abs(outputs[label] - probability) <= TOLERANCE
    assert not pages.problems
    page.close()


@slow
def test_neighbours_at_the_same_distance_are_said(pages):  # noqa: F811
    _, page = pages.open(SURFACE)
    for name, said in (("integers.npy", True), ("double.npy", False)):
        page.locator("#file").set_input_files(
            {"name": name, "mimeType": "", "buffer": clouds()[name]}
        )
        page.locator("#name", has_text=name).wait_for()
        assert ("at the same distance" in page.locator("#status").inner_text()) is said
    page.close()


@pytest.mark.slow
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


@pytest.mark.slow
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
        pytest.param(WAVE, "a.wav", b"RIFF\0\0\0\0WAVE", "damaged", marks=slow),
        pytest.param(WAVE, "a.mp3", b"nothing", "This is no sound", marks=slow),
        pytest.param(CLOUD, "a.csv", b"x,y,z\n1,2,3\n1,2\n", "Row 2 is not 3 numbers.", marks=slow),
        pytest.param(CLOUD, "a.obj", b"v 1 2 3", "convert the file", marks=slow),
        pytest.param(TEXT, "a.txt", b"\xff", "not UTF-8", marks=slow),
        pytest.param(TEXT, "a.txt", b"\xff\xfea", "not UTF-16LE", marks=slow),
        pytest.param(TEXT, "a.txt", b"a\x00b\x00", "Too many characters are zero", marks=slow),
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
    assert "npm is not installed" in said
    assert f"-{VERSION}.tgz, unpack it with tar xzf, and give --onnxruntime-web FOLDER" in said
    assert len(said.strip().splitlines()) == 1
    status, _, said = run(capsys, *command, "--onnxruntime-web", tmp_path)
    assert status
    assert "has no ort.wasm.bundle.min.mjs" in said
    (tmp_path / "ort.wasm.bundle.min.mjs").write_text("another version")
    status, _, said = run(capsys, *command, "--onnxruntime-web", tmp_path)
    assert status
    assert "is not that of onnxruntime-web" in said
    assert not (tmp_path / "page").exists()


def test_npm_that_fails_leaves_nothing_and_says_how_to_bring_the_files(
    tmp_path, capsys, monkeypatch
):
    checkpoint.save(small_model(GREY), tmp_path / "model")
    npm = tmp_path / "npm"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for script, words in (
        ("echo 'npm error network: no route' >&2; exit 1", "npm error network: no route"),
        (f"echo another > {PACKAGE}-{VERSION}.tgz", "npm gave another"),
        ("exit 0", "no message"),
    ):
        npm.write_text(f"#!/bin/sh\n{script}\n")
        npm.chmod(0o755)
        status, _, said = run(capsys, "export", tmp_path / "model", "--web", tmp_path / "page")
        assert status
        assert words in said
        assert "give --onnxruntime-web FOLDER" in said.strip().splitlines()[-1]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "npm"]


def test_page_that_exists_is_kept(tmp_path, capsys):
    checkpoint.save(small_model(GREY), tmp_path / "model")
    page = tmp_path / "page"
    page.mkdir()
    status, _, said = run(capsys, "export", tmp_path / "model", "--web", page)
    assert status
    assert "exists already" in said
    assert not any(page.iterdir())
