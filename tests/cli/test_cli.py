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
