"""Exported models give the same outputs as the models they were made from."""

import json
import math
from dataclasses import fields, replace

import onnxruntime
import pytest
import torch

import perceivers
from perceivers.export import export_onnx, export_torch, largest_difference, quantise
from perceivers.export.program import inputs_of
from perceivers.exported import ExportedModel
from perceivers.modalities.fusion.config import FusionConfig, RowsConfig
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.sound.config import AudioConfig, MelConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.modalities.text.ratios import LogCountRatios
from perceivers.modalities.text.regression import NgramRegression
from perceivers.modalities.video.config import VideoConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig, PerceiverIOClassifierConfig
from perceivers.models.presets import list_presets

IMAGE = ImageConfig(image_size=32, patch_size=4, patch_stride=2, projection_dim=8, num_bands=4)
WAVE = AudioConfig(num_samples=512, patch_size=32, num_bands=4)
MEL = MelConfig(num_samples=4000, n_mels=20, num_bands=4)
VIDEO = VideoConfig(num_frames=4, image_size=16, num_bands=4)
POINTS = PointsConfig(num_points=64, num_bands=4)
TEXT = TextConfig(
    max_length=64,
    embedding_dim=8,
    ngrams=(2,),
    ngram_rows=64,
    ratio_words=(1,),
    ratio_rows=64,
    linear="logistic",
)
TABLE = TabularConfig(numeric=("a", "b"), categorical=("c",), categories=(("x", "y"),))
# `test_every_modality_is_exported` has all of TEXT.
NOTE = replace(TEXT, ratio_words=(), linear="none")
ROWS = RowsConfig(
    parts={"photo": IMAGE, "noise": WAVE, "note": NOTE, "cells": TABLE},
    files={"photo": "photo", "noise": "noise"},
    texts={"note": "note"},
)


def model_of(config, task="classification", **options):
    """Return a small model with random weights, also of the head."""
    torch.manual_seed(0)
    sizes = {"num_latents": 4, "latent_dim": 16, "num_self_heads": 4, "num_layers_per_block": 1}
    order = {"cross_order": (0, 0), "block_order": (0, 0), "num_classes": 3}
    model = build(ModelConfig(input=config, task=task, **{**sizes, **order, **options})).eval()
    torch.nn.init.normal_(model.head.weight, std=0.3)
    for module in model.modules():
        if isinstance(module, LogCountRatios | NgramRegression):
            module.start_counting()
            module.count(torch.randint(38, 42, (50, 9)), torch.eye(2)[torch.arange(50) % 2])
            module.finish_counting()
    return model


def batch_of(model, count=3, seed=0):
    """Return a raw batch of `count` examples: those that are traced, repeated and changed."""
    inputs = inputs_of(model)
    parts = {}
    for given in inputs:
        x = given.example[:1].expand(count, *given.example.shape[1:]).clone()
        if x.is_floating_point():
            x += torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)) / 9
        parts[given.name] = x
    return parts if len(inputs) > 1 else parts[inputs[0].name]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Return a model of four modalities and its export."""
    model = model_of(ROWS)
    path = tmp_path_factory.mktemp("rows") / "rows.onnx"
    export_onnx(model, path)
    return model, path


def test_export_equals_the_model_for_batches_of_any_size(rows):
    model, path = rows
    exported = ExportedModel(path)
    batches = [batch_of(model, count, seed=count) for count in (1, 2, 7)]
    difference = largest_difference(model, exported, batches)
    assert difference.examples == 10
    assert difference.logits < 1e-4
    assert difference.largest < 1e-5


def test_outputs_that_are_no_numbers_differ():
    """NaN is compared with nothing, and must not pass for equal."""
    model = model_of(POINTS)
    difference = largest_difference(model, lambda x: model(x) * float("nan"), [batch_of(model)])
    assert math.isnan(difference.largest)
    assert not difference.logits <= 1.0


def test_export_masks_parts_that_an_example_or_the_batch_lacks(rows):
    model, path = rows
    exported = ExportedModel(path)
    batch = batch_of(model, 3)
    batch["photo.present"] = torch.tensor([True, False, True])
    assert largest_difference(model, exported, [batch]).logits < 1e-4
    full = exported(batch_of(model, 3))
    assert not torch.allclose(full[1], exported(batch)[1], atol=1e-3)
    del batch["note"], batch["note.present"], batch["photo.present"]
    assert largest_difference(model, exported, [batch]).logits < 1e-4


def test_sizes_and_lengths_vary_where_the_model_allows(rows):
    model, path = rows
    batch = batch_of(model, 2)
    batch["photo"] = torch.randint(0, 256, (2, 20, 48, 3), dtype=torch.uint8)
    batch["noise"] = torch.randn(2, 1024, 1)
    batch["note"] = torch.randint(6, 262, (2, 40))
    assert largest_difference(model, ExportedModel(path), [batch]).logits < 1e-4
    session = onnxruntime.InferenceSession(path)
    shapes = {given.name: given.shape for given in session.get_inputs()}
    assert shapes["photo"] == ["batch", "photo.height", "photo.width", 3]
    assert shapes["noise"] == ["batch", "noise.samples", 1]
    assert shapes["cells"] == ["batch", 3]


def test_description_says_labels_inputs_and_how_to_make_them(rows):
    model, path = rows
    description = json.loads(path.with_suffix(".json").read_text())
    assert description["labels"] == list(model.labels)
    assert description["opset"] == 20
    inputs = {given["name"]: given for given in description["inputs"]}
    assert inputs["photo"]["dtype"] == "uint8"
    assert "resized to 32" in inputs["photo"]["preparation"]
    assert "UTF-8" in inputs["note"]["preparation"]
    assert [output["name"] for output in description["outputs"]] == ["logits", "probabilities"]


def test_probabilities_are_the_softmax_of_the_logits(rows):
    model, path = rows
    session = onnxruntime.InferenceSession(path)
    feed = {name: x.numpy() for name, x in batch_of(model, 2).items()}
    logits, probabilities = session.run(["logits", "probabilities"], feed)
    expected = torch.from_numpy(logits).softmax(-1)
    torch.testing.assert_close(torch.from_numpy(probabilities), expected)


def test_quantised_model_is_smaller_and_close(rows, tmp_path):
    model, path = rows
    small = tmp_path / "small.onnx"
    quantise(path, small)
    assert small.stat().st_size < path.stat().st_size
    difference = largest_difference(model, ExportedModel(small), [batch_of(model, 3)])
    assert 0 < difference.largest < 0.2


def test_torch_archive_equals_the_model(tmp_path):
    model = model_of(IMAGE, task="multilabel")
    run = export_torch(model, tmp_path / "model.pt2")
    batches = [torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8) for n in (1, 4)]
    difference = largest_difference(model, run, batches)
    assert difference.logits < 1e-4


def test_regression_gives_numbers_in_the_units_of_the_data(tmp_path):
    model = model_of(TABLE, task="regression", num_classes=2)
    model.target_scale.measure(torch.tensor([[1e4, 0.0], [3e4, 1.0]]))
    path = tmp_path / "model.onnx"
    example = torch.tensor([[0.5, -1.0, 0.0], [1.0, float("nan"), 1.0]], dtype=torch.float64)
    export_onnx(model, path, example=example)
    exported = ExportedModel(path)
    assert exported(example).mean() > 1e3
    assert largest_difference(model, exported, [example, example[:1]]).largest < 1e-5


@pytest.mark.slow
def test_single_element_along_an_axis_that_varies(tmp_path):
    model = model_of(MEL)
    export_onnx(model, tmp_path / "model.onnx")
    wave = torch.randn(1, MEL.hop_length, 1)
    got, expected = ExportedModel(tmp_path / "model.onnx")(wave), model(wave)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_examples_of_different_lengths_are_run_one_after_another(tmp_path):
    model = model_of(POINTS)
    export_onnx(model, tmp_path / "model.onnx")
    clouds = [torch.rand(n, 3) for n in (5, 64, 20)]
    exported = ExportedModel(tmp_path / "model.onnx")
    torch.testing.assert_close(exported(clouds), model(clouds), atol=1e-4, rtol=0)


def test_export_does_not_change_the_model(rows):
    model, _ = rows
    fresh, batch = model_of(ROWS), batch_of(model, 3)
    assert torch.equal(model(batch), fresh(batch))


def test_model_of_tensors_needs_an_example(tmp_path):
    with pytest.raises(ValueError, match="cannot read files"):
        export_onnx(model_of(TABLE), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_that_onnxruntime_cannot_run_are_refused(dtype, tmp_path):
    with pytest.raises(ValueError, match=rf"weights of the model are {dtype}; .*model.float\(\)"):
        export_onnx(model_of(POINTS).to(dtype), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class WithoutEquivalent(torch.nn.Module):
    """A head whose operator ONNX does not have."""

    def forward(self, x):
        return torch.linalg.qr(x).R


def test_operator_that_cannot_be_exported_is_named(tmp_path):
    model = model_of(POINTS)
    model.head = WithoutEquivalent()
    with pytest.raises(ValueError, match=r"aten.linalg_qr\S* has no equivalent"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class OfTwoExamples(torch.nn.Module):
    """A head whose program is fixed to the number of examples."""

    def forward(self, x):
        return x[:, :3] * len(x)


def test_fixed_number_of_examples_is_refused(tmp_path):
    model = model_of(POINTS)
    model.head = OfTwoExamples()
    with pytest.raises(ValueError, match="fixes the number of examples of points at 2"):
        export_torch(model, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wide heads", "decoder"])
def test_number_of_examples_varies_in_every_architecture(kind, tmp_path):
    wide = {"self_qk_dim": 64}  # products of weights replace keys from some batch on
    model = model_of(POINTS, **(wide if kind == "wide heads" else {}))
    if kind == "decoder":
        values = {field.name: getattr(model.config, field.name) for field in fields(model.config)}
        torch.manual_seed(0)
        model = build(PerceiverIOClassifierConfig(**values)).eval()
        torch.nn.init.normal_(model.head.weight, std=0.3)
    run = export_torch(model, tmp_path / "model.pt2")
    batches = [batch_of(model, count, seed=count) for count in (1, 3, 11)]
    assert largest_difference(model, run, batches).logits < 1e-4


def test_damaged_files_are_refused(rows, tmp_path):
    _, path = rows
    copy = tmp_path / "copy.onnx"
    with pytest.raises(FileNotFoundError, match="no file"):
        ExportedModel(copy)
    copy.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FileNotFoundError, match=r"two files, copy.onnx and copy.json"):
        ExportedModel(copy)
    text = path.with_suffix(".json").read_text()
    copy.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="damaged"):
        ExportedModel(copy)
    copy.with_suffix(".json").write_text(text.replace('"format": 1', '"format": 9'))
    with pytest.raises(ValueError, match="format 9"):
        ExportedModel(copy)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [IMAGE, WAVE, MEL, VIDEO, POINTS, TEXT, FusionConfig(parts={"audio": MEL, "video": VIDEO})],
    ids=["image", "waveform", "mel", "video", "points", "text", "fusion"],
)
def test_every_modality_is_exported(config, tmp_path):
    model = model_of(config, cross_order=(0, 1, 1), block_order=(0, 0, 0))
    export_onnx(model, tmp_path / "model.onnx")
    batches = [batch_of(model, count, seed=count) for count in (1, 5)]
    difference = largest_difference(model, ExportedModel(tmp_path / "model.onnx"), batches)
    assert difference.logits < 2e-4
    assert difference.largest < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", list_presets())
def test_every_preset_is_exported_at_full_size(name, tmp_path):
    torch.manual_seed(0)
    model = perceivers.create(name).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and not module.weight.any():  # the head
            torch.nn.init.normal_(module.weight, std=0.03)
    export_onnx(model, tmp_path / "model.onnx")
    batch = inputs_of(model)
    parts = {given.name: given.example[:1] for given in batch}
    one = parts if len(batch) > 1 else parts[batch[0].name]
    difference = largest_difference(model, ExportedModel(tmp_path / "model.onnx"), [one])
    assert difference.largest < 1e-4  # not true of infinite outputs
    print(f"{name}: {difference}")
