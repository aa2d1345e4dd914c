"""Damaged weight files are refused: every byte of both files of a run is under a checksum."""

import random
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.test_files import HTML, LFS
from tests.tiny_recipes import tiny

import perceivers
from perceivers import checkpoint, checksums, files
from perceivers.cli import main
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.recipe_data import read_recipe

FILES = ["model.safetensors", "checkpoints/last.ckpt"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return two runs of the same recipe with different seeds."""
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        engine.train(tiny(1, trainer={"seed": seed}), root / str(seed))
    return root / "0", root / "1"


@pytest.fixture
def run(runs, tmp_path):
    return shutil.copytree(runs[0], tmp_path / "run")


def refuse(run, file):
    """Assert that the file is refused by what reads it; return the error."""
    read = perceivers.load if file == FILES[0] else lambda run: engine.resume(run, read_recipe(run))
    with pytest.raises(ValueError, match=file.rpartition("/")[2]) as caught:
        read(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def accepted(read, damaged):
    """Return whether a damaged content is accepted."""
    try:
        read(damaged)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("file", FILES)
def test_a_changed_byte_anywhere_is_refused(run, file):
    path = run / file
    raw = path.read_bytes()
    reader = engine.AtomicCheckpointIO(checkpoint.read_run_id(run))

    def read(content):
        path.write_bytes(content)
        if file == FILES[0]:
            checkpoint.check_weights(run)
        else:
            reader.check(path)

    read(raw)
    rng = random.Random(0)
    end = 300 if file != FILES[0] else 0
    places = [rng.randrange(len(raw)) for _ in range(80)] + list(range(0, 400, 5))
    places += list(range(len(raw) - end, len(raw)))
    for place in places:
        bit = raw[place] ^ (1 << rng.randrange(8))
        other = rng.choice([b for b in range(256) if b != raw[place]])
        for changed in (bit, other):
            damaged = raw[:place] + bytes([changed]) + raw[place + 1 :]
            assert not accepted(read, damaged), (place, changed)
    for length in [0, 1, 7, *(rng.randrange(len(raw)) for _ in range(30)), len(raw) - 1]:
        assert not accepted(read, raw[:length]), length
    for size in (1, 64, 512, 4096):
        for _ in range(10):
            place = rng.randrange(len(raw) - size)
            damaged = raw[:place] + bytes(size) + raw[place + size :]
            assert damaged == raw or not accepted(read, damaged), (place, size)
    assert not accepted(read, raw + b"\0")


@pytest.mark.parametrize("file", FILES)
def test_the_error_names_the_file_and_what_to_do(run, file):
    path = run / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    message = refuse(run, file)
    assert "damaged" in message
    assert ("copy or download it again" if file == FILES[0] else "the best weights") in message


@pytest.mark.parametrize("file", FILES)
def test_files_of_two_runs_cannot_be_swapped(run, runs, file):
    shutil.copy(runs[1] / file, run / file)
    assert "it belongs to another run" in refuse(run, file)


@pytest.mark.parametrize("command", ["eval", "predict", "resume"])
def test_all_commands_refuse_damaged_weights(run, command, capsys):
    path = run / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 64
    path.write_bytes(raw)
    arguments = {
        "eval": ["eval", run],
        "predict": ["predict", run, "examples/digits/0.png"],
        "resume": ["train", run, "--resume"],
    }[command]
    assert main([str(a) for a in arguments]) == 1
    assert "model.safetensors: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("content", "message"), [(LFS, "git lfs pull"), (HTML, "a web page")])
def test_failed_downloads_are_not_called_damaged(run, file, content, message):
    (run / file).write_bytes(content)
    assert message in refuse(run, file)


def test_weights_without_a_checksum_are_loaded(run, runs):
    """Those of older versions and of other programs; a new run of theirs can be resumed."""
    expected = load_file(run / "model.safetensors")
    save_file(expected, run / "model.safetensors", metadata={"format": "pt"})
    got = perceivers.load(run).state_dict()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_a_run_of_an_older_version_is_resumed(run):
    config = files.read_json(run / "config.json")
    config.pop("id")
    files.write_json(run / "config.json", config)
    path = run / "checkpoints" / "last.ckpt"
    torch.save(torch.load(path, weights_only=True), path)
    save_file(load_file(run / "model.safetensors"), run / "model.safetensors")
    assert engine.resume(run, tiny(2))["epochs"] == 2
    assert evaluate(run)["examples"] == 217
    assert engine.resume(run, tiny(3))["epochs"] == 3


def test_a_crash_between_weights_and_configuration_is_no_false_alarm(run, runs):
    """The weights of a run are replaced at an epoch; its configuration stays as it is."""
    model = perceivers.load(run)
    checkpoint.save_weights(model, run)
    perceivers.load(run)
    perceivers.save(model, run)
    perceivers.load(run)
    other = perceivers.load(runs[1])
    other.labels = tuple("abcdefghij")
    model_only = run / "saved"
    perceivers.save(model, model_only)
    before = (model_only / "config.json").read_bytes()
    perceivers.save(other, model_only)
    (model_only / "config.json").write_bytes(before)  # as after a crash between the two
    with pytest.raises(ValueError, match="it belongs to another"):
        perceivers.load(model_only)


def test_a_foreign_tensor_with_the_words_of_a_checksum_is_loaded(tmp_path):
    save_file({"checksum.perceivers": torch.zeros(2)}, tmp_path / "a.safetensors")
    checksums.verify(tmp_path / "a.safetensors", checksums.METADATA)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors", "a.weights.h5", "model.keras"])
@pytest.mark.parametrize(("content", "message"), [(LFS, "git lfs pull"), (HTML, "a web page")])
def test_convert_tells_failed_downloads(tmp_path, name, content, message, capsys):
    if name.endswith((".h5", ".keras")):
        pytest.importorskip("h5py")
    (tmp_path / name).write_bytes(content)
    assert main(["convert", str(tmp_path / name), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "execute code" not in error
