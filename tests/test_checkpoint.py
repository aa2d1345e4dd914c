"""Saving and loading models, and loading damaged ones."""

import dataclasses
import json
import os
import resource
import signal

import numpy as np
import pytest
import torch
from tests.tiny import tiny_classifier

import perceivers
from perceivers import files
from perceivers.modalities import AudioConfig, FusionConfig, ImageConfig, MelConfig, VideoConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

CONFIG = ModelConfig(
    num_classes=2,
    input=ImageConfig(image_size=8, channels=1, num_bands=2),
    num_latents=4,
    latent_dim=16,
    cross_order=(0, None),
    block_order=(0, 0),
    num_layers_per_block=1,
    num_self_heads=2,
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build(CONFIG, ("no", "yes")).eval()
    torch.nn.init.normal_(model.head.weight)
    model.adapter.set_normalisation(torch.tensor([0.3]), torch.tensor([0.2]))
    return model


@pytest.fixture
def saved(model, tmp_path):
    perceivers.save(model, tmp_path / "model")
    return tmp_path / "model"


def test_round_trip(model, saved):
    again = perceivers.load(saved)
    images = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    assert torch.equal(model(images), again(images))
    assert (again.labels, again.config) == (("no", "yes"), CONFIG)
    assert not again.training
    assert sorted(os.listdir(saved)) == ["config.json", "model.safetensors"]


def edit(saved, **changes):
    path = saved / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_other_format_version(saved):
    edit(saved, format=99)
    with pytest.raises(ValueError, match="format 99, but this version of perceivers reads format"):
        perceivers.load(saved)


def test_unknown_field(saved):
    edit(saved, model={"num_latens": 3})
    with pytest.raises(ValueError, match="'num_latens'; did you mean 'num_latents'"):
        perceivers.load(saved)


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_damaged_config(saved, text):
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json"):
        perceivers.load(saved)


def test_incomplete_config(saved):
    (saved / "config.json").write_text('{"format": 1}')
    with pytest.raises(ValueError, match="not a description of a model: it has no model"):
        perceivers.load(saved)


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.7])
def test_truncated_weights(saved, kept):
    path = saved / "model.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept * len(raw))])
    with pytest.raises(ValueError, match=r"model.safetensors: damaged or truncated"):
        perceivers.load(saved)


def test_error_lists_all_weights_that_do_not_fit(saved):
    from safetensors.torch import load_file, save_file

    state = load_file(saved / "model.safetensors")
    del state["head.bias"]
    state["extra"] = torch.zeros(1)
    state["head.weight"] = torch.zeros(3, 3)
    save_file(state, saved / "model.safetensors")
    with pytest.raises(ValueError, match="does not fit its config.json") as caught:
        perceivers.load(saved)
    for part in ("head.bias is missing", "extra is not part", "(3, 3), expected (2, 16)"):
        assert part in str(caught.value)


def test_missing_directory_or_hub_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config.json"):
        perceivers.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no directory nobody/nothing.*hf://nobody/nothing"):
        perceivers.load("nobody/nothing")
    with pytest.raises(FileNotFoundError, match="could not be downloaded from the Hugging Face"):
        perceivers.load("hf://nobody/nothing")


def test_missing_weights(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="the run may have ended before its first epoch"):
        perceivers.load(saved)


def test_full_disk_keeps_the_saved_weights(model, saved, monkeypatch):
    """The disk is simulated by /dev/full, which refuses every write with ENOSPC."""
    before = (saved / "model.safetensors").read_bytes()
    with pytest.raises(OSError, match=r"could not write .*No space left.*is unchanged"):
        files.write_atomically(
            saved / "model.safetensors",
            lambda part: os.symlink("/dev/full", part) or part.write_bytes(before),
        )
    assert (saved / "model.safetensors").read_bytes() == before
    assert not list(saved.glob(".*.part"))


@pytest.fixture
def small_files():
    """Let this process write no more than 4 KiB per file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_file_size_limit_while_saving(model, saved, small_files):
    """A process that may write at most 4 KiB per file fails and keeps the saved weights."""
    before = (saved / "model.safetensors").read_bytes()
    with pytest.raises(OSError, match="could not write") as caught:
        perceivers.save(model, saved)
    assert ": File too large; the previous file is unchanged; " in str(caught.value)
    assert (saved / "model.safetensors").read_bytes() == before
    perceivers.load(saved)


def compiled(model):
    return torch.compile(model, backend="eager")


def test_of_a_compiled_model_the_original_is_saved(model, tmp_path):
    images = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    expected = model(images)
    perceivers.save(compiled(model), tmp_path / "whole")
    assert torch.equal(perceivers.load(tmp_path / "whole")(images), expected)
    perceivers.save(torch.nn.DataParallel(model), tmp_path / "parallel")
    assert torch.equal(perceivers.load(tmp_path / "parallel")(images), expected)
    model.perceiver = compiled(model.perceiver)
    perceivers.save(model, tmp_path / "part")
    assert torch.equal(perceivers.load(tmp_path / "part")(images), expected)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (torch.nn.Linear(16, 5), r"head.weight has shape \(5, 16\), expected \(2, 16\)"),
        (torch.nn.Sequential(torch.nn.Linear(16, 2)), "head.weight is missing"),
        (torch.nn.Identity(), "head.weight is missing"),
    ],
    ids=["other classes", "other layers", "none"],
)
def test_what_load_would_refuse_is_not_written(model, saved, head, message):
    before = (saved / "model.safetensors").read_bytes()
    model.head = head
    with pytest.raises(ValueError, match=message) as caught:
        perceivers.save(model, saved)
    assert "num_classes" in str(caught.value)
    assert (saved / "model.safetensors").read_bytes() == before
    with pytest.raises(ValueError, match=message):
        perceivers.train(model, "unused", out=saved / "run")


def test_only_models_of_this_library_are_saved(tmp_path):
    with pytest.raises(ValueError, match="got a Linear; expected a model from perceivers.create"):
        perceivers.save(torch.nn.Linear(2, 2), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("empty", [torch.zeros(0, 8, 8, 1), []], ids=["tensor", "list"])
def test_an_empty_batch_is_refused_and_an_empty_list_predicts_nothing(model, saved, empty):
    with pytest.raises(ValueError, match="expected at least one"):
        model(empty)
    with pytest.raises(ValueError, match="expected at least one"):
        model.encode(empty)
    assert perceivers.Predictor(saved)([]) == []


SIZES = {
    "image": (ImageConfig(image_size=8, num_bands=2), (1, 8, 8, 3), (1, 8, 12, 3)),
    "video": (VideoConfig(num_frames=2, image_size=4, patch_size=2, num_bands=2),
              (1, 2, 4, 4, 3), (1, 4, 4, 4, 3)),
    "audio": (AudioConfig(num_samples=12, patch_size=4, num_bands=2), (1, 12), (1, 8)),
    "mel": (MelConfig(num_samples=160, sample_rate=8000, n_fft=40, hop_length=20, n_mels=3,
                      num_bands=2), (1, 160), (1, 320)),
}  # fmt: skip


@pytest.mark.parametrize("kind", SIZES)
def test_another_size_than_in_training_is_said_once(tmp_path, caplog, kind):
    """`Predictor` resizes, cuts or pads files; a loaded model takes a batch as it is."""
    config, trained, other = SIZES[kind]
    built = tiny_classifier(config)
    built(torch.rand(other))  # nothing was trained yet
    perceivers.save(built, tmp_path)
    model = perceivers.load(tmp_path)
    model(torch.rand(trained))
    assert not caplog.messages
    for _ in range(2):
        model(torch.rand(other))
    [message] = caplog.messages
    assert "but this model was trained on" in message
    assert "perceivers.Predictor" in message


def test_parts_of_a_fusion_say_other_sizes_each(tmp_path, caplog):
    parts = {"audio": SIZES["audio"][0], "video": SIZES["video"][0]}
    perceivers.save(tiny_classifier(FusionConfig(parts=parts)), tmp_path)
    perceivers.load(tmp_path)({"audio": torch.rand(1, 8), "video": torch.rand(1, 2, 4, 4, 3)})
    [message] = caplog.messages
    assert message.startswith("audio of 8, but this model was trained on 12")


def test_other_sizes_that_are_intended_are_not_said(tmp_path, caplog):
    """Own lengths, whole files, and a model that goes on to be trained on other sizes."""
    own = dataclasses.replace(SIZES["audio"][0], own_length=True)
    perceivers.save(tiny_classifier(own), tmp_path / "sound")
    perceivers.load(tmp_path / "sound")(torch.rand(1, 8))
    perceivers.save(tiny_classifier(SIZES["image"][0]), tmp_path / "image")
    whole = perceivers.Predictor(tmp_path / "image", own_size=True, device="cpu")
    resizing = perceivers.Predictor(tmp_path / "image", device="cpu")
    image = np.zeros((12, 10, 3), np.uint8)
    assert len(whole([image]) + resizing([image])) == 2
    model = perceivers.load(tmp_path / "image").train()
    model(torch.rand(1, 8, 12, 3))
    model.eval()(torch.rand(1, 12, 12, 3))
    assert not caplog.messages
    longer = perceivers.load(tmp_path / "sound")
    longer(torch.rand(1, 16))  # `Predictor` cuts it
    assert len(caplog.messages) == 1


def test_an_archive_of_torch_export_is_refused_with_what_reads_it(tmp_path):
    for name, fix in (("a.pt2", "; torch.export.load reads archives of torch.export"), ("a", "")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(
            ValueError, match=f"expected the directory of a run or a saved model{fix}$"
        ):
            perceivers.load(tmp_path / name)
