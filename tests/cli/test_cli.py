"""The commands of the command line."""

import json
import os
import signal
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
from commands import run
from PIL import Image

from perceivers import cli
from perceivers.models.presets import PRESETS
from perceivers.recipes import RECIPES

COMMANDS = ["list", "train", "eval", "predict", "export", "convert", "cost"]
TINY = [
    "--model.num_latents", "4", "--model.latent_dim", "16", "--model.num_self_heads", "2",
    "--data.test", "0.6", "--model.num_layers_per_block", "1",
]  # fmt: skip


def test_list_describes_everything_on_one_line_each(capsys):
    status, out, _ = run(capsys, "list")
    assert status == 0
    lines = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert {*RECIPES, *PRESETS} <= set(lines)
    assert max(map(len, out.splitlines())) < 130


def test_no_error_message_if_stdout_is_closed():
    """As in `perceivers list | head`."""
    command = [sys.executable, "-m", "perceivers.cli", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, "0.1.0\n")


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


def test_the_package_can_be_run_as_a_module():
    command = [sys.executable, "-m", "perceivers", "predict", "no-such-run", "x.png"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr == "perceivers: no directory no-such-run; check the path\n"


def test_train_eval_predict(capsys, tmp_path):
    out_dir = tmp_path / "run"
    status, out, _ = run(
        capsys, "train", "digits", "--out", out_dir, *TINY, "--trainer.max_epochs", "2",
        "--optimizer.warmup_epochs", "0", "--seed", "5",
    )  # fmt: skip
    assert status == 0
    assert "test top-1" in out
    assert f"run: {out_dir}" in out
    config = json.loads((out_dir / "config.json").read_text())
    assert config["recipe"]["trainer"]["seed"] == 5
    assert config["model"]["num_latents"] == 4

    status, out, _ = run(capsys, "eval", out_dir)
    assert status == 0
    assert out.startswith("test top-1")

    digit = "examples/digits/3.png"
    status, out, _ = run(capsys, "predict", out_dir, digit, "--json", "--top-k", "3")
    assert status == 0
    (entry,) = json.loads(out)
    assert entry["file"] == digit
    assert len(entry["predictions"]) == 3

    (tmp_path / "bad.png").write_bytes(b"x")
    Image.open(digit).resize((40, 30)).save(tmp_path / "wide.png")
    resized, own_size = (
        json.loads(run(capsys, "predict", out_dir, tmp_path / "wide.png", "--json", *more)[1])
        for more in ([], ["--own-size"])
    )
    assert resized != own_size
    status, out, err = run(capsys, "predict", out_dir, tmp_path / "bad.png", digit)
    assert status == 1
    assert out.startswith(f"{digit}: ")
    assert "bad.png: not an image" in err

    status, out, _ = run(capsys, "train", out_dir, "--resume", "--trainer.max_epochs", "3")
    assert status == 0
    assert "epoch 3/3" in (out_dir / "log.txt").read_text()

    status, out, _ = run(capsys, "cost", out_dir)
    assert status == 0


@pytest.fixture
def sounds(tmp_path):
    """A folder of two classes of sounds: 12 short high and 12 short low tones."""
    for label, hertz in (("high", 1500), ("low", 300)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for index in range(12):
            tone = np.sin(2 * np.pi * hertz * np.arange(1600 + 80 * index) / 8000)
            with wave.open(str(tmp_path / "sounds" / label / f"{index}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((tone * 9000).astype("<i2").tobytes())
    return tmp_path / "sounds"


def test_train_and_predict_a_folder_of_sounds(capsys, sounds, tmp_path):
    out_dir = tmp_path / "run"
    status, out, err = run(
        capsys, "train", "folder", "--data", sounds, "--out", out_dir, *TINY[:6], "--data.test=0.2",
        "--trainer.max_epochs", "2", "--model.input.n_mels", "32", "--data.time_shift", "0",
    )  # fmt: skip
    assert status == 0, err
    messages = [
        "found: 24 wav files in 2 classes, 8 kHz mono, median 0.25 s",
        "changed: --model.num_latents 4",
        "steps: 2 × 2 of 8 examples",
    ]
    log_text = (out_dir / "log.txt").read_text()
    for message in messages:
        assert message in err
        assert message in log_text
    assert "found:" in log_text.splitlines()[0]
    config = json.loads((out_dir / "config.json").read_text())
    assert (config["model"]["input"]["kind"], config["model"]["input"]["n_mels"]) == ("mel", 32)
    assert config["recipe"]["data"]["time_shift"] == 0
    status, out, _ = run(capsys, "predict", out_dir, sounds / "low" / "3.wav", "--json")
    assert status == 0
    assert {pair["label"] for pair in json.loads(out)[0]["predictions"]} == {"high", "low"}
    status, _, err = run(capsys, "train", "folder", f"--data={sounds}", "--model.input.n_mel", "32")
    assert status == 1
    assert "did you mean '--model.input.n_mels'?" in err


def test_dry_run_writes_nothing(capsys, sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, out, _ = run(capsys, "train", "digits", "--dry-run", *TINY, "--trainer.max_epochs", "3")
    assert status == 0
    starts = [line.split(":")[0] for line in out.splitlines()]
    counted = ["data", "train", "validation", "test"]
    assert starts == [*counted, "parameters", "steps", "time", "run"]
    assert "steps: 3 × 2 of 64 examples" in out
    assert "run: runs/digits-" in out
    assert "(dry run, nothing was written)" in out
    status, out, _ = run(capsys, "train", "folder", "--data", sounds, "--dry-run", "--seed", "4")
    assert status == 0
    starts = [line.split(":")[0] for line in out.splitlines()]
    assert starts[:5] == ["found", "reads", "model", "trains", "changed"]
    assert "changed: --trainer.seed 4\n" in out
    assert sorted(tmp_path.rglob("*")) == before
    status, _, err = run(capsys, "train", "digits", "--dry-run", "--out", sounds)
    assert status == 1
    assert "exists already" in err


def test_help_shows_the_options_for_the_files_of_a_folder(capsys, sounds):
    assert "--model.input.n_mels" in run(capsys, "train", "folder", "--data", sounds, "-h")[1]
    assert "--model.input.n_mels" not in run(capsys, "train", "folder", "-h")[1]
    # For `eval`, "folder" is a run directory, not a recipe.
    assert "no directory folder" in run(capsys, "eval", "folder", "--data", sounds)[2]


def test_cost(capsys):
    status, out, _ = run(capsys, "cost", "perceiver-imagenet", "--inputs", 50176, 100352)
    assert status == 0
    assert "44,912,254 parameters (44.91M)" in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    by_inputs = {row[0]: row for row in rows}
    assert by_inputs["50,176"][4] == "706.279"
    assert float(by_inputs["100,352"][1]) > 1.9 * float(by_inputs["50,176"][1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digts"], "unknown recipe 'digts'; did you mean 'digits'?"),
        (["train", "digits", "--model.num_latent", "3"], "did you mean '--model.num_latents'?"),
        (["train", "digits", "--model.num_latents", "x"], "invalid int value: 'x'"),
        (["train", "digits", "--optimizer.name", "adma"], "value: 'adma'"),
        (["train", "digits", "--model.num_self_heads", "7"], "not divisible by 7 heads"),
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
        (["predict", "run", "file", "--limits.pixels", "0"], "limits.pixels=0"),
        (["predict", "run", "file", "--limits.pixel", "9"], "did you mean '--limits.pixels'"),
        (["predict", "run", "file", "--data.path", "x"], "unknown option '--data.path'"),
        (["train", "digits", "--limits.seconds=-1"], "--limits.seconds is -1.0; expected"),
    ]:
        status, _, err = run(capsys, *arguments)
        assert status == 1
        assert message in err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_a_real_process(tmp_path, number, status):
    """Ctrl-C or `kill`: a clean end, a usable run, and the shell's exit status for the signal."""
    options = [*TINY, "--trainer.max_epochs", "500", "--data.batch_size", "4"]
    command = [sys.executable, "-m", "perceivers.cli", "train", "digits", "--out", tmp_path / "run"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 300
    while time.time() < deadline and not (tmp_path / "run" / "metrics.csv").exists():
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Traceback" not in err
    assert "--resume" in err
    assert cli.main(["eval", str(tmp_path / "run")]) == 0


@pytest.mark.slow
def test_a_killed_process_resumes(tmp_path):
    """A process killed in the middle of an epoch resumes to the scores of an uninterrupted run."""
    command = [sys.executable, "-m", "perceivers.cli", "train"]
    options = [*TINY, "--trainer.max_epochs", "6", "--data.batch_size", "4"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    first = [*command, "digits", "--out", uninterrupted, *options]
    subprocess.run(first, check=True, env=environment)
    process = subprocess.Popen([*command, "digits", "--out", killed, *options], env=environment)
    deadline = time.time() + 300
    while time.time() < deadline and not (killed / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run([*command, killed, "--resume"], check=True, env=environment)
    expected, resumed = (
        json.loads((run / "metrics.json").read_text())["test"] for run in (uninterrupted, killed)
    )
    assert resumed == expected


def test_parsing_touches_no_file(monkeypatch, tmp_path):
    """What the options of a folder are is asked only once the command runs."""
    looked_at = []

    def record(function):
        def recorded(path, *rest, **options):
            looked_at.append(str(path))
            return function(path, *rest, **options)

        return recorded

    arguments = ["train", "folder", "--data", str(tmp_path), "--model.num_latents", "4"]
    with monkeypatch.context() as patch:
        for name in ("stat", "scandir", "listdir", "open"):
            patch.setattr(os, name, record(getattr(os, name)))
        namespace, rest = cli.parse(arguments)
    assert (namespace.recipe, rest) == ("folder", ["--model.num_latents", "4"])
    assert not [path for path in looked_at if path.startswith(str(tmp_path))]


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


def test_files_whose_names_look_like_options(capsys, tmp_path):
    status, _, err = run(capsys, "predict", tmp_path, "--", "--data.csv", "-x.png")
    assert (status, "config.json" in err) == (1, True)  # parsed: it is the model that is missing


def test_train_without_a_recipe(capsys):
    status, out, err = run(capsys, "train")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "expected a recipe or a run directory" in err
