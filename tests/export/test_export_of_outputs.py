"""Exported models of Perceiver IO, whose outputs are neither classes nor numbers of a table."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.commands import run

import perceivers
from perceivers.core import attention, decoder
from perceivers.export import export_onnx, export_torch, largest_difference
from perceivers.export.program import inputs_of
from perceivers.exported import ExportedModel
from perceivers.modalities.flow.config import FlowOutputConfig, FramePairConfig
from perceivers.modalities.flow.files import read_flo
from perceivers.modalities.fusion.config import FusionConfig, FusionOutputConfig
from perceivers.modalities.label.config import LabelConfig, LabelOutputConfig
from perceivers.modalities.sound.config import AudioConfig, WaveOutputConfig
from perceivers.modalities.text.config import TextConfig, TextOutputConfig
from perceivers.modalities.video.config import FramesOutputConfig, VideoConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig

SOUND = {"num_samples": 64, "patch_size": 16, "num_bands": 4}
FILM = {"num_frames": 2, "image_size": 8, "num_bands": 2}
CLIP = FusionConfig(
    parts={
        "audio": AudioConfig(**SOUND),
        "video": VideoConfig(**FILM),
        "label": LabelConfig(num_classes=5),
    }
)
CLIP_OUTPUT = FusionOutputConfig(
    parts={
        "audio": WaveOutputConfig(**SOUND),
        "video": FramesOutputConfig(**FILM),
        "label": LabelOutputConfig(num_classes=5, query_dim=12),
    },
    decoded_dim=12,
)


def model_of(inputs, output):
    """Return a small model whose outputs differ from 0."""
    torch.manual_seed(0)
    sizes = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}
    model = build(PerceiverIOConfig(input=inputs, output=output, **sizes)).eval()
    for weight in model.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model


def batch_of(model, count):
    """Return a raw batch of `count` different examples."""
    generator = torch.Generator().manual_seed(count)

    def changed(x):
        x = x[:1].expand(count, *x.shape[1:]).clone()
        if x.dtype == torch.uint8:
            return torch.randint(0, 256, x.shape, dtype=x.dtype, generator=generator)
        return x + torch.randn(x.shape, generator=generator) if x.is_floating_point() else x

    parts = {given.name: changed(given.example) for given in inputs_of(model)}
    return parts if len(parts) > 1 else next(iter(parts.values()))


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    model = model_of(TextConfig(max_length=40, embedding_dim=8), TextOutputConfig())
    path = tmp_path_factory.mktemp("language") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perceivers.export.onnx.MAX_WEIGHTS", 1000)  # as if they were above 2 GiB
        export_onnx(model, path)
    return model, path


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    inputs = FramePairConfig(height=6, width=8, projection_dim=4, num_bands=2)
    model = model_of(inputs, FlowOutputConfig(rescale_factor=0.1))
    path = tmp_path_factory.mktemp("flow") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "EXPORTED_CHUNK", 20)  # 48 queries are three chunks
        patch.setattr(attention, "MAX_EXPORTED_LOGITS", 100)  # 4 latents read in two parts
        export_onnx(model, path)
    return model, path


def test_language_model_gives_logits_for_texts_of_any_length(language):
    model, path = language
    texts = [torch.randint(6, 262, (count, length)) for count, length in ((1, 40), (3, 7))]
    exported = ExportedModel(path)
    assert exported(texts[1]).shape == (3, 7, 262)
    assert largest_difference(model, exported, texts).logits < 1e-4
    [output] = json.loads(path.with_suffix(".json").read_text())["outputs"]
    assert output["name"] == "logits"
    assert output["shape"] == ["batch", "bytes", 262]
    assert "each byte" in output["meaning"]


def test_weights_too_large_for_one_file_have_a_file_of_their_own(language):
    _, path = language
    names = ["model.json", "model.onnx", "model.onnx.data"]
    assert sorted(file.name for file in path.parent.iterdir()) == names
    assert path.with_name(names[2]).stat().st_size > 10 * 1000


def test_predict_fills_texts_with_an_exported_model(capsys, language, tmp_path):
    model, path = language
    perceivers.save(model, tmp_path / "saved")
    results = [
        run(capsys, "predict", source, "--text", "a [MASK:3] b [MASK]")
        for source in (tmp_path / "saved", path)
    ]
    assert results[0] == results[1]
    assert results[0][0] == 0
    status, _, err = run(capsys, "predict", path, "--text", "no mask")
    assert status == 1
    assert "has no mask" in err


def test_flow_is_decoded_in_chunks(flow):
    model, path = flow
    batches = [batch_of(model, count) for count in (1, 3)]
    exported = ExportedModel(path)
    difference = largest_difference(model, exported, batches)
    assert difference.examples == 4
    assert difference.logits < 1e-4
    assert exported(batches[0]).std() > 0.1
    [output] = json.loads(path.with_suffix(".json").read_text())["outputs"]
    assert output["shape"] == ["batch", 6, 8, 2]


def test_predict_writes_flow_of_an_exported_model_in_tiles(capsys, flow, tmp_path):
    model, path = flow
    perceivers.save(model, tmp_path / "saved")
    generator = np.random.default_rng(0)
    frames = [tmp_path / f"{name}.png" for name in "ab"]
    for file in frames:
        Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(file)
    flows = []
    for name, source in (("torch", tmp_path / "saved"), ("onnx", path)):
        status, _, err = run(capsys, "predict", source, *frames, "--out", tmp_path / name)
        assert status == 0, err
        flows.append(read_flo(tmp_path / name / "a-b.flo"))
    assert flows[0].shape == (9, 12, 2)
    np.testing.assert_allclose(flows[1], flows[0], atol=1e-4)


def test_predictor_of_classes_refuses_an_exported_model_of_other_outputs(language):
    with pytest.raises(ValueError, match="kind 'perceiver-io', which has no classes or numbers"):
        perceivers.Predictor(language[1])


def test_options_that_models_of_other_outputs_do_not_take(capsys, language, tmp_path):
    perceivers.save(language[0], tmp_path / "saved")
    for option, message in (
        (("--out", tmp_path / "m.onnx", "--int8"), "--int8 is for models of classes and numbers"),
        (("--web", tmp_path / "page"), "a page shows classes and numbers"),
    ):
        status, _, err = run(capsys, "export", tmp_path / "saved", *option)
        assert status == 1
        assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


@pytest.mark.slow
def test_every_part_of_a_clip_is_an_output(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder, "EXPORTED_CHUNK", 50)  # 128 pixels are three chunks
    model, path = model_of(CLIP, CLIP_OUTPUT), tmp_path / "model.onnx"
    export_onnx(model, path)
    batches = [batch_of(model, count) for count in (1, 3)]
    batches.append({"video": batches[1]["video"]})  # without sound
    exported = ExportedModel(path)
    shapes = {name: tuple(output.shape) for name, output in exported(batches[1]).items()}
    assert shapes == {"audio": (3, 64), "video": (3, 2, 8, 8, 3), "label": (3, 5)}
    assert largest_difference(model, exported, batches).logits < 1e-4
    outputs = json.loads(path.with_suffix(".json").read_text())["outputs"]
    assert [x["name"] for x in outputs] == ["audio.output", "video.output", "label.output"]


@pytest.mark.slow
def test_archives_of_torch_have_all_outputs(tmp_path, language, flow):
    clip = model_of(CLIP, CLIP_OUTPUT)
    for model in (language[0], flow[0], clip):
        run_archive = export_torch(model, tmp_path / "model.pt2")
        batches = [batch_of(model, count) for count in (1, 3)]
        assert largest_difference(model, run_archive, batches).logits < 1e-4
