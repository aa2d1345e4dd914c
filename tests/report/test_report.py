"""The report of a run: every task, every modality, and text that would like to be executed."""

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image
from tests.commands import run as run_command
from tests.conftest import write_image_folder
from tests.report.reports import scored_run
from tests.tiny_recipes import tiny

import perceivers
from perceivers import cli
from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    RowsConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
)
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.report import write
from perceivers.report import write as write_report
from perceivers.report.write import place_of
from perceivers.training import engine

RNG = np.random.default_rng(0)
IMAGE = ImageConfig(image_size=8, num_bands=2)
MEL = MelConfig(num_samples=800, sample_rate=8000, n_fft=160, hop_length=80, n_mels=8, num_bands=2)
VIDEO = VideoConfig(num_frames=4, image_size=8, num_bands=2)
TABLE = TabularConfig(numeric=("age",), categorical=("town",), categories=(("Bern", "Oslo"),))
TRUE = np.array(True)


@pytest.fixture
def unrendered(monkeypatch):
    """Compose the pictures of a report but do not render them, which takes most of the time."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "png")
    for name in ("figures.png", "sections.png", "pictures.encoded"):
        monkeypatch.setattr(f"perceivers.report.{name}", lambda figure: pixel.getvalue())


def image():
    return RNG.integers(0, 256, (8, 8, 3), np.uint8)


def wave():
    return RNG.normal(size=(800, 1)).astype(np.float32)


def text():
    ids = np.zeros(24, np.int16)
    ids[:20] = np.frombuffer(b"<b>good</b> & $x$ ok"[:20], np.uint8) + 6
    return ids


KINDS = {
    "image": (IMAGE, image),
    "waveform": (AudioConfig(num_samples=800, patch_size=32, num_bands=2), wave),
    "mel": (MEL, wave),
    "video": (VIDEO, lambda: RNG.integers(0, 256, (4, 8, 8, 3), np.uint8)),
    "points": (
        PointsConfig(num_points=20, num_bands=2),
        lambda: RNG.normal(size=(20, 3)).astype("f4"),
    ),
    "text": (TextConfig(max_length=24, embedding_dim=8), text),
    "table": (
        RowsConfig(parts={"cells": TABLE}),
        lambda: {"cells": np.array([RNG.normal(), 1.0]), "cells.present": TRUE},
    ),
    "mix": (
        FusionConfig(parts={"audio": MEL, "video": VIDEO}),
        lambda: {
            "audio": wave(), "audio.present": TRUE,
            "video": RNG.integers(0, 256, (4, 8, 8, 3), np.uint8), "video.present": TRUE,
        },
    ),
}  # fmt: skip


class Page(HTMLParser):
    """The tags, addresses and text of a page."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.addresses, self.handlers, self.words = [], [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.addresses.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data):
        self.words.append(data)


def checked(content, most=3_000_000):
    """Return a page after checking that it is harmless, needs no other file, and is small."""
    page = Page(content)
    assert len(content.encode()) < most
    assert "http" not in content
    assert not {"script", "iframe", "link", "object", "form"} & {*page.tags}
    assert not page.handlers
    assert all(address.startswith(("data:image/", "#s")) for address in page.addresses)
    return page


def table(directory, reader=csv.reader):
    """Return the rows of the predictions in a directory."""
    text = (directory / "predictions.csv").read_bytes().decode()
    return list(reader(io.StringIO(text, newline="")))


# The mix draws sound and video, too.
SLOW = {"mel", "video"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in KINDS]
)
def test_examples_of_every_modality_are_shown(kind, tmp_path, caplog):
    config, make = KINDS[kind]
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state  # in any order of tests
    labels = torch.arange(3)
    run = scored_run(tmp_path / "run", config, [make() for _ in range(3)], labels)
    written = write(*run)
    assert [path.name for path in written] == ["predictions.csv", "report.html"]
    assert not caplog.records, caplog.text
    content = (tmp_path / "run" / "report.html").read_text()
    page = checked(content)
    assert "not drawn" not in content.lower()
    wrong = int((run[3].outputs.argmax(1) != labels).sum())
    assert wrong
    pictures = page.tags.count("img") - 3  # curves, calibration, maps below
    if kind in ("text", "table"):
        assert page.tags.count("pre") >= wrong + 1  # and the options
        shown = "<b>good</b> & $x$ ok" if kind == "text" else "town = Oslo"
        assert shown in "".join(page.words)
    else:
        assert pictures >= wrong
    assert "image/webp" in content


def test_what_a_report_says_of_classes(unrendered, tmp_path):
    examples = [image() for _ in range(30)]
    run = scored_run(tmp_path / "run", IMAGE, examples, torch.arange(30) % 3)
    write(*run)
    words = " ".join(Page((tmp_path / "run" / "report.html").read_text()).words)
    for expected in (
        "macro F1", "balanced accuracy", "top-1 of the baseline", "always “a”", "12,345",
        "a machine", "perceivers 0.1.0", "stopped after epoch 2", "2 of", "Most confused",
        "Expected calibration error", "precision", "recall", "confident learning",
        "attention roll-out follows", "seed",
    ):  # fmt: skip
        assert expected.lower() in words.lower(), expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((10, 10, 10), "always “a”; all classes are equally frequent"),
        ((4, 13, 13), "always “b”, one of the 2 most frequent classes"),
        ((4, 12, 14), "always “c”, the most frequent class"),
    ],
)
def test_what_a_report_says_of_its_baseline(unrendered, tmp_path, counts, expected):
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))
    run = scored_run(tmp_path / "run", IMAGE, [image() for _ in range(30)], labels)
    write(*run)
    assert f"Baseline: {expected}." in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_other_tasks(task, unrendered, tmp_path, caplog):
    examples = [image() for _ in range(12)]
    labels = torch.from_numpy(RNG.integers(0, 2, (12, 3)))
    if task == "regression":
        labels = torch.from_numpy(RNG.normal(size=(12, 3)))
    write(*scored_run(tmp_path / "run", IMAGE, examples, labels, classes=("a", "b $", "c [m]")))
    assert not caplog.records, caplog.text
    words = " ".join(checked((tmp_path / "run" / "report.html").read_text()).words)
    expected = {
        "multilabel": ["macro F1", " said:", "average precision", "mAP of the baseline",
                       "Calibration"],
        "regression": ["R²", "MAE of the baseline", "of the baseline", "is "],
    }  # fmt: skip
    for text in expected[task]:
        assert text in words, text
    rows = list(
        csv.reader(
            io.StringIO((tmp_path / "run" / "predictions.csv").read_bytes().decode(), newline="")
        )
    )
    assert len(rows) == 13
    if task == "multilabel":
        assert rows[0][:3] == ["file", "truth", "prediction"]
        chosen = [n for n, on in zip(("a", "b $", "c [m]"), labels[0], strict=True) if on]
        assert rows[1][1] == "|".join(chosen)
    else:
        assert rows[0][1:3] == ["truth a", "truth b $"]
        assert float(rows[1][1]) == pytest.approx(float(labels[0, 0]))


def test_one_number(unrendered, tmp_path):
    labels = torch.from_numpy(RNG.normal(size=(12, 1)))
    run = scored_run(tmp_path / "run", IMAGE, [image() for _ in range(12)], labels, classes=("y",))
    write(*run)
    checked((tmp_path / "run" / "report.html").read_text())
    rows = list(
        csv.reader(
            io.StringIO((tmp_path / "run" / "predictions.csv").read_bytes().decode(), newline="")
        )
    )
    assert rows[0] == ["file", "truth", "prediction"]
    assert float(rows[3][2]) == pytest.approx(float(run[3].outputs[2, 0]))


def test_a_hundred_classes_stay_small_and_readable(tmp_path):
    classes = [f"class {index}" for index in range(100)]
    labels = torch.arange(200) % 100
    examples = [RNG.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(200)]
    config = ImageConfig(image_size=64, patch_size=8, num_bands=2)
    write(*scored_run(tmp_path / "run", config, examples, labels, classes=classes))
    content = (tmp_path / "run" / "report.html").read_text()
    page = checked(content)
    assert page.tags.count("img") >= 24 + 4
    assert "Most confused" in " ".join(page.words)
    assert 'class="matrix"' not in content  # a picture, not a table
    assert "<td>class 42</td><td>42</td>" in content  # the number in the picture


def test_names_and_labels_are_never_executed(unrendered, tmp_path):
    evil = [
        "<script>alert(1)</script>.png", '"><img src=x onerror=alert(1)>.png', "a'b\u202egnp.exe",
        "line\nend\x1b[31m.png",
    ]  # fmt: skip
    classes = ["<script>alert(2)</script>", '" onmouseover="alert(3)', "</table><h1>c"]
    labels = torch.tensor([0, 1, 2, 0])
    run = scored_run(tmp_path / "<i>run", IMAGE, [image() for _ in evil], labels, evil, classes)
    write(*run)
    content = (run[0] / "report.html").read_text()
    page = checked(content)
    assert "script" not in page.tags
    assert "i" not in page.tags
    assert "<script>alert(1)</script>.png" in "".join(page.words)
    assert "\u202e" not in content
    assert "\x1b" not in content
    rows = list(
        csv.reader(io.StringIO((run[0] / "predictions.csv").read_bytes().decode(), newline=""))
    )
    assert [row[0] for row in rows[1:]] == evil


def test_names_that_are_not_utf8_are_uris_in_the_table(unrendered, tmp_path):
    names = ["/data/caf\udce9.png", "/data/b.png", "/data/c.png"]
    run = scored_run(tmp_path / "run", IMAGE, [image()] * 3, torch.arange(3), names)
    write(*run)
    rows = list(
        csv.reader(
            io.StringIO((tmp_path / "run" / "predictions.csv").read_bytes().decode(), newline="")
        )
    )
    assert rows[1][0] == "file:///data/caf%E9.png"
    assert "caf\\xe9.png" in (tmp_path / "run" / "report.html").read_text()


def test_what_cannot_be_drawn_costs_nothing_else(tmp_path, caplog, monkeypatch):
    run = scored_run(tmp_path / "run", IMAGE, [image() for _ in range(4)], torch.arange(4) % 3)

    def broken(index):
        raise ValueError(f"example {index} is gone")

    monkeypatch.setattr(run[3].examples, "example", broken)
    assert len(write(*run)) == 2
    words = " ".join(checked((tmp_path / "run" / "report.html").read_text()).words)
    assert "is gone" in words
    assert "macro F1" in words
    assert "could not be drawn" in caplog.text


def test_a_report_that_cannot_be_written_costs_no_scores(tmp_path, caplog):
    run = scored_run(tmp_path / "run", IMAGE, [image() for _ in range(4)], torch.arange(4) % 3)
    (tmp_path / "run" / "report.html").mkdir()
    assert [path.name for path in write(*run)] == ["predictions.csv"]
    assert "could not write" in caplog.text


def test_an_evaluation_without_its_report_has_failed(unrendered, tmp_path, capsys):
    directory = tmp_path / "run"
    engine.train(tiny(epochs=1), directory)
    (directory / "predictions.csv").mkdir()
    status, out, err = run_command(capsys, "eval", directory)
    assert status == 1
    assert "test top-1" in out
    assert "could not write" in err


def test_inputs_that_have_no_drawing(unrendered, tmp_path, caplog):
    """An adapter of the user's own: the names are shown, without a warning for each."""

    class Columns(perceivers.Adapter):
        dim, num_inputs = 1, 6

        def elements(self, x):
            return perceivers.Inputs(x[..., None].float())

    rows = [(RNG.normal(size=6).astype("f4"), index % 2) for index in range(40)]

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(rows)

        def __getitem__(self, index):
            return rows[index]

    config = ModelConfig(
        num_classes=2, num_latents=4, latent_dim=16, cross_order=(0,), block_order=(0,),
        num_self_heads=2, num_layers_per_block=1,
    )  # fmt: skip
    model = build(config, adapter=Columns())
    options = {"trainer": {"max_epochs": 1}, "optimizer": {"warmup_epochs": 0}}
    perceivers.train(model, Rows(), out=tmp_path / "run", **options)
    content = (tmp_path / "run" / "report.html").read_text()
    checked(content)
    assert "have no drawing" in content
    assert "train[" in content
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_trained_run_has_a_report_and_eval_replaces_it(tmp_path, capsys):
    directory = tmp_path / "run"
    result = engine.train(tiny(), directory, report=write_report)
    before = checked((directory / "report.html").read_text())
    assert "image/webp" in "".join(before.addresses)[:10_000_000]
    (directory / "report.html").unlink()
    (directory / "predictions.csv").unlink()
    assert cli.main(["eval", str(directory)]) == 0
    out = capsys.readouterr().out
    assert f"wrote {directory}/report.html" in out
    rows = list(
        csv.DictReader(
            io.StringIO((directory / "predictions.csv").read_bytes().decode(), newline="")
        )
    )
    assert len(rows) == result["test"]["examples"]
    assert all(row["file"].startswith("digits[") for row in rows)
    right = sum(row["truth"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(result["test"]["top1"])
    assert sum(float(rows[0][f"probability {k}"]) for k in range(10)) == pytest.approx(1, abs=1e-4)


def test_other_data_gets_a_report_of_its_own(unrendered, tmp_path, capsys):
    photos = write_image_folder(tmp_path / "photos")
    directory = tmp_path / "run"
    status, _, err = run_command(
        capsys, "train", "folder", "--data", photos, "--out", directory, "--trainer.max_epochs",
        "1", "--model.num_latents", "4", "--model.latent_dim", "16", "--model.qk_dim", "none",
    )  # fmt: skip
    assert status == 0, err
    own = (directory / "report.html").read_bytes()
    rows = (directory / "predictions.csv").read_text()
    assert re.search(r"^(bright|dark)/\d+\.png,", rows, re.M)
    status, out, _ = run_command(capsys, "eval", directory, "--data", photos)
    assert status == 0
    assert (directory / "report.html").read_bytes() == own
    place = place_of(directory, str(photos), None)
    assert place.parent == directory / "evaluations"
    assert f"wrote {place}/report.html" in out
    assert len((place / "predictions.csv").read_text().splitlines()) == 25
    new = tmp_path / "new"
    assert run_command(capsys, "eval", directory, "--out", new)[0] == 0
    assert (new / "report.html").exists()
    status, _, err = run_command(capsys, "eval", directory, "--out", new)
    assert status == 1
    assert "exists already; choose another --out" in err
    assert "Traceback" not in err


def test_places_differ_for_data_of_one_name(tmp_path):
    places = {place_of(tmp_path, f"/{name}/photos", None) for name in "ab"}
    assert len(places) == 2
    assert place_of(tmp_path, "hf://owner/../x y", None).parent == tmp_path / "evaluations"
