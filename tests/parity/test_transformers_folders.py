"""Folders that transformers wrote: loaded, converted, predicted with, and refused with a reason."""

import json
import re
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers
from commands import run
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers_models import CLASSES, assert_close, batches, flat, their_inputs, theirs_of

import perceivers


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "pytorch_model.bin"])
def test_folder(name, safe, tmp_path):
    theirs = theirs_of(name)
    theirs.config.id2label = {0: "cat", 1: "dog", 2: "ant"}
    theirs.save_pretrained(tmp_path)
    if not safe:
        (tmp_path / "model.safetensors").unlink()
        torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    ours = perceivers.load(tmp_path)
    assert ours.labels == (() if name in ("MaskedLM", "OpticalFlow") else ("cat", "dog", "ant"))
    x = next(batches(name, ours))
    result = theirs(**their_inputs(ours, x)).logits
    assert_close(flat(ours(x)), flat(result))
    perceivers.save(ours, tmp_path / "ours")
    assert torch.equal(flat(perceivers.load(tmp_path / "ours")(x)), flat(ours(x)))


@pytest.fixture
def folder(tmp_path):
    transformers.utils.logging.disable_progress_bar()
    theirs_of("ImageClassificationFourier").save_pretrained(tmp_path / "hub")
    transformers.utils.logging.enable_progress_bar()
    return tmp_path / "hub"


def changed(folder, **values):
    """Change fields of a config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_convert(capsys, folder, tmp_path):
    status, out, err = run(capsys, "convert", folder, tmp_path / "ours")
    assert (status, err) == (0, "")
    assert float(re.search(r"on a random batch: (\S+)", out)[1]) < 1e-4
    assert isinstance(perceivers.load(tmp_path / "ours"), torch.nn.Module)
    status, _, err = run(capsys, "convert", folder, tmp_path / "b", "--input-shape", 8, 8)
    assert status
    assert "input_shape" in err


def test_normalisation_is_that_of_the_folder(folder):
    assert perceivers.load(folder).adapter.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0, 0.5, 1]}')
    assert perceivers.load(folder).adapter.mean.tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "bert"}, "model of type 'bert'; expected 'perceiver'"),
        ({"architectures": ["PerceiverModel"]}, "its class is PerceiverModel; expected one of"),
        ({"architectures": None}, "architectures is None; expected one of"),
        ({"hidden_act": "relu"}, "hidden_act='relu'; expected 'gelu'"),
        ({"cross_attention_widening_factor": 3}, "expected equal factors"),
        ({"use_query_residual": False}, "use_query_residual is false"),
        ({"d_latents": 32}, r"embeddings.latents has shape \(5, 16\), expected \(5, 32\)"),
        ({"num_latents": "many"}, "config"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_other_configurations_are_refused(folder, values, message):
    changed(folder, **values)
    with pytest.raises(ValueError, match=message) as caught:
        perceivers.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_all_wrong_weights_are_listed(folder):
    path = folder / "model.safetensors"
    state = load_file(path)
    state["perceiver.embeddings.latents"] = torch.zeros(2, 2)
    state["perceiver.encoder.other"] = state.pop(
        "perceiver.encoder.cross_attention.mlp.dense1.bias"
    )
    save_file(state, path)
    with pytest.raises(ValueError, match="not the weights of") as caught:
        perceivers.load(folder)
    for text in ("latents has shape (2, 2)", "dense1.bias is missing", "other is not part of"):
        assert text in str(caught.value)


def test_half_a_download(folder):
    (folder / "model.safetensors").rename(folder / "half")
    with pytest.raises(FileNotFoundError, match="no weights; expected model.safetensors or"):
        perceivers.load(folder)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FileNotFoundError, match="lacks model-1.safetensors, model-2.safetensors"):
        perceivers.load(folder)
    half = (folder / "half").read_bytes()
    (folder / "model.safetensors").write_bytes(half[: len(half) // 2])
    with pytest.raises(ValueError, match="damaged"):
        perceivers.load(folder)


def test_a_pickle_is_not_executed(folder):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (folder / "executed",))

    (folder / "model.safetensors").unlink()
    torch.save({"weight": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="more than tensors"):
        perceivers.load(folder)
    assert not (folder / "executed").exists()


def test_the_hub_cannot_be_reached(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"the cache {tmp_path} does not hold it"):
        perceivers.load("hf://deepmind/no-such-perceiver")


def test_predict_reads_a_folder_of_the_library(capsys, folder, tmp_path):
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "x.png")
    status, out, err = run(capsys, "predict", folder, tmp_path / "x.png", "--json")
    assert (status, err) == (0, "")
    [entry] = json.loads(out)
    assert len(entry["predictions"]) == 3
