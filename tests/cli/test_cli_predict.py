"""The command `predict`: folders, patterns, stdin and texts; lines, JSON and CSV."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import run

import perceivers
from perceivers.modalities import ImageConfig, PointsConfig, TextConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

SMALL = {"num_latents": 2, "latent_dim": 8, "num_self_heads": 1, "cross_order": (0,)}
ODD_NAMES = [b"\x1b[2J.png", b"a\nb.png", b"a\rb.png", "\u202egnp.png".encode(), b"caf\xff.png"]


def saved(path, input_, labels=("bright", "dark"), **options):
    """Save an untrained model and return its directory."""
    config = ModelConfig(
        input=input_, num_classes=len(labels), block_order=(0,), num_layers_per_block=1,
        **SMALL, **options,
    )  # fmt: skip
    perceivers.save(build(config, labels), path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A model of images, without training."""
    return saved(tmp_path_factory.mktemp("images"), ImageConfig(image_size=8, num_bands=2))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A model of texts, without training."""
    config = TextConfig(max_length=32, embedding_dim=8)
    return saved(tmp_path_factory.mktemp("texts"), config, ("neg", "pos"))


def feed(monkeypatch, raw):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_with_class_folders(capsys, images, image_folder, tmp_path):
    """All files below it are predicted in order, and those in class folders are compared."""
    (image_folder / "other").mkdir()
    (image_folder / "bright" / "1.png").rename(image_folder / "other" / "1.png")
    for name in ("._0.png", "Thumbs.db", ".hidden/1.png", "__MACOSX/1.png"):
        (image_folder / name).parent.mkdir(exist_ok=True)
        (image_folder / name).write_bytes(b"litter")
    (image_folder / "notes.json").touch()
    status, out, err = run(capsys, "predict", images, image_folder, "--csv", tmp_path / "out.csv")
    assert status == 0
    assert "files that are not predicted: 1 .json; this model reads images (" in err
    *lines, accuracy = out.splitlines()
    names = [line.split(": ")[0] for line in lines]
    assert names == sorted(map(str, image_folder.glob("[bdo]*/*.png")))
    written = rows(tmp_path / "out.csv")
    assert [row["file"] for row in written] == names
    assert {row["truth"] for row in written if "other" in row["file"]} == {""}
    known = [row for row in written if row["truth"]]
    wrong = [row for row in known if row["truth"] != row["prediction"]]
    assert len(known) == 23
    assert accuracy.startswith(f"accuracy {1 - len(wrong) / 23:.2%}: {23 - len(wrong)} of 23 ")
    assert [line for line in lines if "[wrong: " in line] == [
        line for line, row in zip(lines, written, strict=True) if row in wrong
    ]
    for row in written:
        assert float(row["probability bright"]) + float(row["probability dark"]) == pytest.approx(1)


def test_truths_below_split_folders(capsys, images, image_folder):
    for label in ("bright", "dark"):
        (image_folder / "test").mkdir(exist_ok=True)
        (image_folder / label).rename(image_folder / "test" / label)
    _, out, _ = run(capsys, "predict", images, image_folder, "--json")
    assert {entry["truth"] for entry in json.loads(out)} == {"bright", "dark"}


def test_quoted_patterns(capsys, images, image_folder, monkeypatch):
    monkeypatch.chdir(image_folder)
    (image_folder / "a[1].png").write_bytes((image_folder / "dark" / "1.png").read_bytes())

    def names(*arguments):
        _, out, err = run(capsys, "predict", images, *arguments)
        return [line.split(": ")[0] for line in out.splitlines()], err

    assert names("dark/1*.png")[0] == ["dark/1.png", "dark/10.png", "dark/11.png"]
    assert len(names("**/*.png")[0]) == 25
    assert names("a[1].png")[0] == ["a[1].png"]  # a file of this name comes first
    assert names("*.gif") == ([], "perceivers: *.gif: no file matches this pattern\n")


def test_json_and_csv_with_failures(capsys, images, image_folder, tmp_path):
    """Failed files are entries with an error, so the output stays valid and complete."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    arguments = [bad, image_folder / "dark" / "0.png", "nowhere.png", tmp_path / "no*.png"]
    status, out, err = run(
        capsys, "predict", images, *arguments, "--json", "--csv", tmp_path / "out.csv"
    )
    assert status == 1
    assert "3 of 4 examples could not be predicted" in err
    entries = json.loads(out)
    assert [entry["file"] for entry in entries] == list(map(str, arguments))
    assert ["error" in entry for entry in entries] == [True, False, True, True]
    assert [row["error"] for row in rows(tmp_path / "out.csv")] == [
        entry.get("error", "") for entry in entries
    ]
    status, out, _ = run(capsys, "predict", images, bad, "--json")
    assert (status, len(json.loads(out))) == (1, 1)


def test_an_existing_csv_is_not_overwritten(capsys, images, image_folder, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("precious")
    file = image_folder / "dark" / "0.png"
    assert "mine.csv exists already" in run(capsys, "predict", images, file, "--csv", table)[2]
    assert table.read_text() == "precious"


def test_the_directory_of_a_csv_is_made_unless_the_command_is_refused(
    capsys, images, image_folder, tmp_path
):
    table = tmp_path / "new" / "folder" / "out.csv"
    file = image_folder / "dark" / "0.png"
    assert run(capsys, "predict", images, file, "--csv", table, "--top-k", "0")[0] == 1
    assert not (tmp_path / "new").exists()
    assert run(capsys, "predict", images, file, "--csv", table)[0] == 0
    assert len(rows(table)) == 1


def test_stdin(capsys, images, texts, image_folder, tmp_path, monkeypatch):
    file = image_folder / "dark" / "0.png"
    expected = run(capsys, "predict", images, file)[1].split(": ")[1]
    feed(monkeypatch, file.read_bytes())
    assert run(capsys, "predict", images, "-") == (0, f"-: {expected}", "")
    feed(monkeypatch, b"nonsense")
    status, _, err = run(capsys, "predict", images, "-")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("perceivers: -: not an image")
    feed(monkeypatch, b"")
    assert "nothing on stdin" in run(capsys, "predict", images, "-")[2]
    assert "give - once" in run(capsys, "predict", images, "-", "-")[2]
    assert "give - as FILE" in run(capsys, "predict", images, file, "--stdin-kind", "png")[2]
    feed(monkeypatch, b"a fine film\n")  # the line end of `echo` does not count
    text_out = run(capsys, "predict", texts, "--text", "a fine film")[1]
    assert run(capsys, "predict", texts, "-")[1] == text_out.replace("'a fine film'", "-")


def test_point_clouds_on_stdin(capsys, tmp_path, monkeypatch):
    """Their format is recognised by the bytes, or named."""
    model = saved(tmp_path / "model", PointsConfig(num_points=8, num_bands=2))
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).normal(size=(8, 3)))
    raw = (tmp_path / "cloud.npy").read_bytes()
    expected = run(capsys, "predict", model, tmp_path / "cloud.npy")[1].split(": ")[1]
    for options in ([], ["--stdin-kind", "npy"]):
        feed(monkeypatch, raw)
        assert run(capsys, "predict", model, "-", *options)[1] == f"-: {expected}"
    feed(monkeypatch, raw)
    status, _, err = run(capsys, "predict", model, "-", "--stdin-kind", "ply")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("perceivers: -: ")


def test_texts(capsys, texts, tmp_path):
    long = "very " * 20
    status, out, _ = run(capsys, "predict", texts, "--text", "fine", "--text", f"{long}\n\x1b[2J")
    assert status == 0
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["'fine'", f"'{long[:60]}…'"]
    _, out, _ = run(
        capsys, "predict", texts, "--json", "--text", "fine", "--csv", tmp_path / "out.csv"
    )
    assert json.loads(out)[0]["text"] == "fine"
    assert (rows(tmp_path / "out.csv")[0]["file"], rows(tmp_path / "out.csv")[0]["text"]) == (
        "", "fine",
    )  # fmt: skip
    lone = os.fsdecode(b"caf\xff")
    assert "--text: not UTF-8" in run(capsys, "predict", texts, "--text", lone)[2]
    status, _, err = run(capsys, "predict", texts, "--text", "")
    assert status == 0
    assert "a text is empty, or white space alone" in err


def test_files_of_one_text_a_line(capsys, texts, tmp_path):
    """A folder that a model could be trained on is read as in training."""
    for name, lines in (("pos", "good\nfine\n"), ("neg", "bad\n"), ("new", "one text\nof two\n")):
        (tmp_path / f"{name}.txt").write_text(lines)
    _, out, _ = run(capsys, "predict", texts, tmp_path, "--json")
    found = [(entry["file"].split("/")[-1], entry.get("truth")) for entry in json.loads(out)]
    assert found == [
        ("neg.txt line 1", "neg"), ("new.txt", None),
        ("pos.txt line 1", "pos"), ("pos.txt line 2", "pos"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.wav", "a.txt", "a.csv", "a.MP4", "a.ply"])
def test_files_of_another_kind(capsys, images, tmp_path, name):
    (tmp_path / name).write_bytes(b"1,2,3\n")
    status, _, err = run(capsys, "predict", images, tmp_path / name)
    assert (status, err.count("\n")) == (1, 1)
    assert f"{name}: .{name.lower().split('.')[1]} files are " in err
    assert "; this model reads images (" in err
    with pytest.raises(ValueError, match="this model reads images"):
        perceivers.Predictor(images)([tmp_path / name])


def test_other_kinds_of_input_are_refused_in_one_line(capsys, images, texts, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").touch()
    for arguments, message in (
        ([images, "--text", "x"], "got texts, but this model reads images"),
        ([images, tmp_path / "empty"], "empty holds no files; this model reads images"),
        ([images, tmp_path / "sounds"], "sounds holds only other files (1 .wav); this model reads"),
        ([images], "expected a FILE, a folder, - or --text TEXT"),
        ([images, "x.png", "--top-k", "0"], "--top-k 0; expected at least 1"),
        ([images, "x.png", "--jsn"], "--jsn"),
    ):
        status, out, err = run(capsys, "predict", *arguments)
        assert (status, out, err.count("\n")) == (1, "", 1), err
        assert message in err


@pytest.mark.parametrize("raw", ODD_NAMES)
def test_odd_names_in_all_outputs(capsys, images, image_folder, tmp_path, raw):
    """No escape code, line end or override reaches the terminal; the data files stay exact."""
    folder = os.fsencode(tmp_path) + b"/odd"
    for label in ("bright", "odd \u202e \x1b[31m"):
        os.makedirs(os.path.join(folder, os.fsencode(label)))
    good = os.path.join(folder, b"bright", raw)
    with open(good, "wb") as file:
        file.write((image_folder / "bright" / "0.png").read_bytes())
    with open(os.path.join(folder, os.fsencode("odd \u202e \x1b[31m"), raw), "wb") as file:
        file.write(b"damaged")
    folder_name = os.fsdecode(folder)
    status, out, err = run(capsys, "predict", images, folder_name)
    assert (status, out.count("\n")) == (1, 2)
    for character in "\x1b\r\u202e":
        assert character not in out + err
    (out + err).encode()
    assert all(line.isprintable() for line in (out + err).splitlines())
    status, out, _ = run(
        capsys, "predict", images, folder_name, "--json", "--csv", tmp_path / "out.csv"
    )
    entries = json.loads(out)
    assert out.isascii()
    assert [row["file"] for row in rows(tmp_path / "out.csv")] == [e["file"] for e in entries]
    if raw == ODD_NAMES[-1]:
        assert entries[0]["file"].endswith("bright/caf%FF.png")
    else:
        assert os.fsencode(entries[0]["file"]) == good


def test_an_interrupted_list_is_valid_json(capsys, images, image_folder, tmp_path, monkeypatch):
    """Ctrl-C after the first batch: the list is closed, and no incomplete CSV file appears."""
    from perceivers.predict import Predictor

    predict = Predictor.predict_prepared

    def once(self, *arguments, **options):
        monkeypatch.setattr(Predictor, "predict_prepared", stop)
        return predict(self, *arguments, **options)

    def stop(self, *arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict_prepared", once)
    monkeypatch.setattr(Predictor.__init__, "__kwdefaults__", {
        **Predictor.__init__.__kwdefaults__, "batch_size": 5,
    })  # fmt: skip
    status, out, _ = run(
        capsys, "predict", images, image_folder, "--json", "--csv", tmp_path / "out.csv"
    )
    assert status == 130
    assert len(json.loads(out)) == 5
    assert not (tmp_path / "out.csv").exists()


def test_lines_reach_a_closed_pipe_quietly(images, image_folder):
    """As in `perceivers predict … | head -1`."""
    command = f"{sys.executable} -m perceivers.cli predict {images} {image_folder} | head -1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ran.stdout.count("\n") == 1
    assert ran.stderr == ""


def test_predictions_are_not_held(images, image_folder):
    """Sources are read, and predictions given, batch by batch."""
    predictor = perceivers.Predictor(images, batch_size=4)
    taken = []

    def sources():
        for index in range(1000):
            taken.append(index)
            yield index, image_folder / "dark" / "0.png"

    predictions = predictor.predict_sources(sources())
    next(predictions)
    assert len(taken) <= 5


def test_an_empty_name_is_not_the_working_directory(capsys, images, tmp_path, monkeypatch):
    """As in `predict run "$FILE"` where the variable is not set."""
    monkeypatch.chdir(images.parent)
    status, out, err = run(capsys, "predict", images, "")
    assert (status, out) == (1, "")
    assert err == "perceivers: an empty name; expected a file, a folder or a pattern\n"
    status, out, err = run(capsys, "train", "folder", "--data", "", "--dry-run")
    assert (status, out) == (1, "")
    assert "--data is empty" in err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_csv_that_cannot_be_written_is_refused_before_the_prediction(capsys, images):
    status, out, err = run(capsys, "predict", images, images, "--csv", "/proc/predictions.csv")
    assert (status, out) == (1, "")
    assert "could not write /proc/" in err
