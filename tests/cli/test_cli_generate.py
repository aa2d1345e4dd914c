"""The command generate."""

import subprocess
import sys

import pytest
from commands import run
from texts import tiny_ar
from tiny import tiny_classifier

import perceivers
from perceivers.modalities import ImageConfig
from perceivers.models.perceiver_ar import PerceiverARModel


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return the directory of a saved model."""
    directory = tmp_path_factory.mktemp("model")
    perceivers.save(tiny_ar(), directory)
    return directory


def given(monkeypatch, *parts):
    """Let the model say these bytes, and raise what is no bytes."""

    def stream(self, prompt, length, **settings):
        for part in parts:
            if not isinstance(part, bytes):
                raise part
            yield part

    monkeypatch.setattr(PerceiverARModel, "stream", stream)


def test_the_text_is_that_of_the_model(model, capsys):
    options = ["--length", 12, "--temperature", 0.7, "--top-k", 40, "--top-p", 0.9, "--seed", 3]
    status, out, err = run(capsys, "generate", model, "--prompt", "Ein Anfang", *options)
    found = perceivers.load(model).generate(
        "Ein Anfang", 12, temperature=0.7, top_k=40, top_p=0.9, seed=3
    )
    assert (status, err) == (0, "")
    assert out.startswith("Ein Anfang")
    assert out.endswith("\n")
    shown = "".join(c for c in found if c.isprintable() and c.isascii())
    assert [c for c in out[10:] if c in shown] == [c for c in found if c in shown]


def test_characters_come_whole_and_escapes_are_shown(model, capsys, monkeypatch):
    given(monkeypatch, b"\xc3", b"\xa9", b"\n", b"\x1b", b"\xff", b"\xe2", b"\x82")
    status, out, _ = run(capsys, "generate", model, "--prompt", "é")
    assert status == 0
    assert out == "éé\n\\x1b\ufffd\ufffd\n"


def test_ctrl_c_ends_the_line(model, capsys, monkeypatch):
    given(monkeypatch, b"a", KeyboardInterrupt())
    status, out, err = run(capsys, "generate", model, "--prompt", "x")
    assert (status, out, err) == (130, "xa\n", "perceivers: interrupted\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", ""], "the prompt is empty; expected at least one character"),
        (["--prompt", "x" * 24], "the prompt has 24 bytes; this model reads up to 23"),
        (["--prompt", "x", "--length", "0"], "--length 0; expected at least 1 token to generate"),
        (["--prompt", "x", "--top-p", "1.5"], "--top-p 1.5; expected more than 0 and at most 1"),
        (["--prompt", "x", "--temperature", "-1"], "--temperature -1; expected a number"),
        (["--prompt", "x", "--top-k", "0"], "--top-k 0; expected at least 1; leave it out"),
        ([], "the following arguments are required: --prompt"),
    ],
)
def test_bad_options_are_one_line(model, capsys, options, message):
    status, out, err = run(capsys, "generate", model, *options)
    assert (status, out.strip()) == (1, "")
    assert err.count("\n") == 1
    assert message in err


def test_another_model_is_refused(tmp_path, capsys):
    perceivers.save(tiny_classifier(ImageConfig(image_size=4, num_bands=2)), tmp_path)
    status, _, err = run(capsys, "generate", tmp_path, "--prompt", "x")
    assert status == 1
    assert "holds a model of kind 'perceiver', which does not continue texts" in err
    assert err.count("\n") == 1
    status, _, err = run(capsys, "generate", tmp_path / "none", "--prompt", "x")
    assert status == 1
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_hears_nothing(model):
    command = [sys.executable, "-m", "perceivers.cli", "generate", model, "--prompt", "x"]
    process = subprocess.Popen(
        [*map(str, command), "--length", "400"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.read(1) == b"x"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()
