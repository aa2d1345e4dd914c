"""Help texts of the command line."""

import subprocess
import sys

import pytest
from commands import run

COMMANDS = ["list", "train", "eval", "predict", "export", "convert", "cost"]


@pytest.mark.parametrize("command", [[], *([c] for c in COMMANDS)], ids=str)
def test_help_is_quick(command):
    """No heavy package is imported. It takes about 0.1 s of one core; 0.5 s are allowed."""
    code = (
        "import sys, time\nfrom perceivers.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'numpy', 'lightning', 'datasets', 'av', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 0.5\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "usage: perceivers" in ran.stdout


def test_help_shows_the_values_of_the_recipe(capsys, image_folder):
    status, out, _ = run(capsys, "train", "digits", "--help")
    assert status == 0
    assert "[40]" in out[out.index("--trainer.max_epochs") :][:200]
    status, out, _ = run(capsys, "train", "folder", "--data", image_folder, "--help")
    assert status == 0
    assert "[8]" in out[out.index("--model.input.image_size") :][:200]  # chosen for the images
    assert run(capsys, "train", "--help")[0] == 0


@pytest.mark.parametrize(
    "arguments", [[], ["help"], ["help", "predict"], ["help", "train", "digits"]]
)
def test_help_as_a_command(capsys, arguments):
    """No arguments at all ask for the help, too."""
    asked = [*arguments[1:], "--help"]
    assert run(capsys, *arguments) == run(capsys, *asked) == (0, run(capsys, *asked)[1], "")


@pytest.mark.parametrize("columns", ["60", "250"])
def test_help_fits_100_columns(capsys, image_folder, mixed_table, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for command in ([], *([name] for name in COMMANDS), ["train", "keras-cifar100"]):
        _, out, _ = run(capsys, *command, "--help")
        assert max(map(len, out.splitlines())) <= 100
    for data in (image_folder, mixed_table):
        _, out, _ = run(capsys, "train", "folder", "--data", data, "--help")
        assert max(len(line) for line in out.splitlines() if "{" not in line) <= 100


def test_help_shows_what_would_be_trained(capsys, image_folder):
    """The values are those of the data and of the other options, not other defaults."""
    arguments = ["train", "folder", "--data", image_folder, "--seed", "7", "--optimizer.lr", "0.5"]
    help_text = "".join(run(capsys, *arguments, "--help")[1].split())  # names are broken in two
    for option, value in (
        ("--model.num_classes", "2"), ("--data.path", image_folder), ("--trainer.seed", "7"),
        ("--optimizer.lr", "0.5"), ("--model.num_latents", "32"), ("--data.batch_size", "8"),
    ):  # fmt: skip
        text = help_text[help_text.rindex(option) :]
        text = text[: text.index("]") + 1]
        assert f"[{value}]" in text, text
    assert f"thevalueschosenfor{image_folder}" in help_text
