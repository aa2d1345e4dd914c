"""Errors of the command line: one line that names the fault, and an exit status."""

import pytest
from commands import run

from perceivers.cli.parser import named_as_options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digts"], "unknown recipe 'digts'; did you mean 'digits'?"),
        (["train", "digits", "--model.num_latent", "3"], "did you mean '--model.num_latents'?"),
        (["train", "digits", "--model.num_latents", "x"], "invalid int value: 'x'"),
        (["train", "digits", "--optimizer.name", "adma"], "value: 'adma'"),
        (["train", "digits", "--model.num_self_heads", "7"], "64 channels are not divisible by 7"),
        (["train", "digits", "--model.num_self_heads", "0"], "of at least 1"),
        (["train", "digits", "--model.input.image_size", "0"], "image_size is 0; expected a whole"),
        (["train", "folder"], "point at your folder: --data DIR"),
        (["train", "folder", "--data", "./nowhere"], "no folder or table ./nowhere"),
        (["train", "folder", "--data", "a/b"], "of the Hugging Face hub write hf://a/b"),
        (["train", "cifar10", "--data", "a/b"], "of the Hugging Face hub write hf://a/b"),
        (["predict", "a/b", "x.png"], "of the Hugging Face hub write hf://a/b"),
        (["train", "folder", "--data", "."], "has no sub-folders; expected one folder"),
        (["train", "folder", "--data"], "--data: expected one argument"),
        (["train", "cifar10"], "download cifar-10-python.tar.gz or cifar-10-binary.tar.gz"),
        (["train", "fsdd"], "free-spoken-digit-dataset and point at it: --data free-spoken"),
        (["train", "rt-polarity"], "unpack it and point at the folder of its two files: --data rt"),
        (["train", "nowhere", "--resume"], "no directory nowhere"),
        (["eval", "nowhere"], "no directory nowhere"),
        (["eval", "hf://a/b"], "hf://a/b is a name on the Hugging Face hub; expected a directory"),
        (["cost", "hf://a/b"], "hf://a/b could not be downloaded from the Hugging Face hub"),
        (["predict", "hf://a", "x.png"], "expected the name of a repository, hf://owner/name"),
        (["predict", "nowhere", "x.png"], "no directory nowhere"),
        (["predict", "nowhere"], "expected a FILE, a folder, - or --text TEXT"),
        (["cost", "perceiver-imagent"], "did you mean 'perceiver-imagenet'?"),
        (["cost", "perceiver-imagenet", "--inputs", "0"], "expected at least one element"),
        (["list", "everything"], "unexpected argument 'everything'"),
        (["list", "--al"], "unknown option '--al'"),
        (["lst"], "unknown command 'lst'; did you mean 'list'?"),
        (["--versoin"], "unknown option '--versoin'; did you mean '--version'?"),
        (["train", "digits", "--dry-rn"], "unknown option '--dry-rn'; did you mean '--dry-run'?"),
        (["predict", "r", "x.png", "--top_k=3"], "unknown option '--top_k'; did you mean '--top-k"),
        (["eval", "r", "--clip", "3"], "unknown option '--clip'; did you mean '--clips'?"),
        (["train", "."], ". is not a recipe; to train on it: perceivers train folder --data ."),
        (["help", "trian"], "unknown command 'trian'; did you mean 'train'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line_with_an_exit_status(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *arguments)
    assert status in (1, 2)
    errors = [line for line in err.splitlines() if line.startswith("perceivers")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in err
    assert not out
    assert list(tmp_path.glob("runs/*")) == []


@pytest.mark.parametrize(
    "arguments", [["train", "digts", "--debug"], ["--debug", "train", "digts"]]
)
def test_debug_prints_the_traceback_of_an_error(capsys, monkeypatch, arguments):
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("perceivers: unknown recipe")
    monkeypatch.setenv("PERCEIVERS_DEBUG", "1")
    assert "Traceback" in run(capsys, "train", "digts")[2]


def test_any_exception_ends_in_one_line(capsys, monkeypatch):
    def fail(*_):
        raise IndexError("a fault\nof ours")

    monkeypatch.setattr("perceivers.checkpoint.description.read_config", fail)
    status, _, err = run(capsys, "cost", "src")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "unexpected IndexError: a fault\\nof ours" in err
    assert "--debug" in err


def test_limits_are_options_of_every_command_that_reads(capsys):
    for arguments, message in [
        (["predict", "run", "file", "--limits.pixels", "0"], "--limits.pixels 0; expected"),
        (["predict", "run", "file", "--limits.pixel", "9"], "did you mean '--limits.pixels'"),
        (["predict", "run", "file", "--data.path", "x"], "unknown option '--data.path'"),
        (["train", "digits", "--limits.seconds=-1"], "--limits.seconds is -1.0; expected"),
    ]:
        status, _, err = run(capsys, *arguments)
        assert status == 1
        assert message in err


def test_files_whose_names_look_like_options(capsys, tmp_path):
    status, _, err = run(capsys, "predict", tmp_path, "--", "--data.csv", "-x.png")
    assert (status, "config.json" in err) == (1, True)  # parsed: it is the model that is missing


def test_train_without_a_recipe(capsys):
    status, out, err = run(capsys, "train")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "expected a recipe or a run directory" in err


@pytest.mark.parametrize(
    ("arguments", "message", "expected"),
    [
        (["predict", "run", "f", "--top-k", "0"], "top_k=0; expected 1", "--top-k 0; expected 1"),
        (["predict", "run", "f", "--top-k=0"], "top_k=0; expected 1", "--top-k 0; expected 1"),
        (["predict", "run", "f", "--top-k", "5"], "top_k=0; expected 1", "top_k=0; expected 1"),
        (["predict", "run", "f"], "qk_dim=65 (odd)", "qk_dim=65 (odd)"),
        (
            ["train", "digits", "--data.batch_size", "8"],
            "a mix of batch_size=8 and flip=True",
            "a mix of --data.batch_size 8 and flip=True",
        ),
        (
            ["train", "digits"],
            "optimizer.warmup_epochs=2 of trainer.max_epochs=1",
            "--optimizer.warmup_epochs 2 of --trainer.max_epochs 1",
        ),
        (["eval", "run"], "optimizer.warmup_epochs=2", "optimizer.warmup_epochs=2"),
        (
            ["train", "digits", "--data.name", "odd"],
            "unknown name='odd'; expected",
            "unknown --data.name odd; expected",
        ),
    ],
)
def test_messages_name_options_as_they_are_typed(arguments, message, expected):
    assert named_as_options(message, arguments) == expected
