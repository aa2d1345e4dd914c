"""The command `perceivers explain`."""

import pytest
from PIL import Image
from tests.commands import run
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities import TextConfig

TEXT = TextConfig(max_length=16, embedding_dim=8)


def write_notes(folder):
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(f"note {name}")


def test_explain_on_the_command_line(capsys, tmp_path):
    model = tiny_classifier(TextConfig(max_length=16, embedding_dim=8))
    perceivers.save(model, tmp_path / "saved")
    (tmp_path / "note.txt").write_text("good day")
    out = tmp_path / "pictures" / "note.png"
    status, text, _ = run(
        capsys, "explain", tmp_path / "saved", tmp_path / "note.txt", "--out", out, "--output", "1"
    )
    assert status == 0
    assert "deletion test of roll-out: area" in text
    assert out.read_bytes()[:4] == b"\x89PNG"
    arguments = ("--text", "x", "--out", tmp_path / "t.png")
    assert run(capsys, "explain", tmp_path / "saved", *arguments)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["note.txt", "--out", "there.png"], "there.png exists already"),
        (["note.txt", "--out", "new.jpg"], "ends in .png"),
        (["note.txt", "--out", "new.png", "--output", "9"], "unknown output '9'"),
        (["gone.txt", "--out", "new.png"], "gone.txt"),
        (["--out", "new.png"], "either a FILE or --text"),
        (["note.txt", "--out", "new.png", "--row", "5"], "no example 5"),
        (["note.txt", "--out", "new.png", "--row", "0"], "--row 0; expected 1 or more"),
        (["notes", "--out", "new.png"], "notes has several examples, and new.png shows one"),
        (["notes/*", "--out", "new.png"], "several examples"),
        (["note.txt", "--out", "notes"], "notes exists already"),
    ],
)
def test_bad_input_ends_in_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    perceivers.save(tiny_classifier(TextConfig(max_length=16, embedding_dim=8)), "saved")
    (tmp_path / "note.txt").write_text("good day")
    (tmp_path / "there.png").write_text("mine")
    write_notes(tmp_path / "notes")
    status, _, error = run(capsys, "explain", "saved", *arguments)
    assert status == 1
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "new.png").exists()
    assert (tmp_path / "there.png").read_text() == "mine"


def test_an_exported_model_cannot_be_explained(capsys, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")  # is refused by its ending, unread
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    status, _, error = run(
        capsys, "explain", tmp_path / "model.onnx", tmp_path / "x.png",
        "--out", tmp_path / "y.png",
    )  # fmt: skip
    assert status == 1
    assert "an exported model cannot be explained; give the run" in error


def test_each_file_of_a_folder_is_drawn_into_a_directory(capsys, tmp_path):
    perceivers.save(tiny_classifier(TEXT), tmp_path / "saved")
    write_notes(tmp_path / "notes")
    (tmp_path / "notes" / "b.txt").unlink()
    (tmp_path / "notes" / "b.txt").symlink_to("/dev/null")
    arguments = ("explain", tmp_path / "saved", tmp_path / "notes", "--out")
    status, text, err = run(capsys, *arguments, tmp_path / "pictures")
    assert status == 1, "one is no file"
    assert f"{tmp_path / 'notes' / 'b.txt'}: " in err
    assert text.count("deletion test of roll-out") == 2
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["001-a.txt.png", "003-c.txt.png"]
    assert run(capsys, *arguments, tmp_path / "c.png", "--row", "3")[0] == 0
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "pictures" / names[1]).read_bytes()


def test_lines_of_a_file_of_a_class_are_several_examples(capsys, tmp_path):
    perceivers.save(tiny_classifier(TEXT), tmp_path / "saved")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "1.txt").write_text("first\nsecond\n")  # named after a class
    arguments = ("explain", tmp_path / "saved", tmp_path / "texts", "--out")
    status, _, err = run(capsys, *arguments, tmp_path / "new.png")
    assert (status, err.count("\n")) == (1, 1)
    assert "has several examples" in err
    assert run(capsys, *arguments, tmp_path / "pictures")[0] == 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2
    assert run(capsys, *arguments, tmp_path / "second", "--row", "2")[0] == 0
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["002-1.txt-line-2.png"]
