"""The report of a run: every task, every modality, and text that would like to be executed."""

import csv
import io

import numpy as np
import pytest
import torch
from tests.report.pages import Page, checked
from tests.report.reports import scored_run

import perceivers
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

RNG = np.random.default_rng(0)
IMAGE = ImageConfig(image_size=8, num_bands=2)
MEL = MelConfig(num_samples=800, sample_rate=8000, n_fft=160, hop_length=80, n_mels=8, num_bands=2)
VIDEO = VideoConfig(num_frames=4, image_size=8, num_bands=2)
TABLE = TabularConfig(numeric=("age",), categorical=("town",), categories=(("Bern", "Oslo"),))
TRUE = np.array(True)


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
