"""Exported models with outputs of their own answer about files as the models themselves."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.answering import MODELS, file_of, saved
from tests.commands import run

import perceivers
from perceivers.export import export_onnx, export_torch, largest_difference
from perceivers.export.program import Program, inputs_of, trace
from perceivers.exported import ExportedModel


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    """Return the directory of a model of clouds, and its export."""
    folder = tmp_path_factory.mktemp("clouds")
    model = saved("clouds", folder)
    export_onnx(perceivers.load(model), folder / "model.onnx")
    return model, folder / "model.onnx"


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=() if x == "clouds" else pytest.mark.slow) for x in MODELS]
)
def test_predict_writes_the_same_with_an_exported_model(name, tmp_path, capsys, clouds):
    model, path = clouds
    if name != "clouds":
        model, path = saved(name, tmp_path), tmp_path / "model.onnx"
        export_onnx(perceivers.load(model), path)
    file = file_of(name, tmp_path)
    answers = []
    for source, out in ((model, "torch"), (path, "onnx")):
        status, said, err = run(capsys, "predict", source, file, "--json", "--out", tmp_path / out)
        assert status == 0, err
        [entry] = json.loads(said)
        answers.append((entry, [tmp_path / out / x.rpartition("/")[2] for x in entry["files"]]
                        if "files" in entry else []))  # fmt: skip
    (ours, written), (theirs, exported) = answers
    assert [x.name for x in written] == [x.name for x in exported]
    assert set(ours) == set(theirs)
    if name == "forecast":
        pairs = [
            [list(step.values())[1:] for step in entry["forecast"]] for entry in (ours, theirs)
        ]
        np.testing.assert_allclose(*pairs, rtol=1e-5)
    elif name == "rebuilt":  # pixels may be rounded otherwise
        pixels = [np.asarray(Image.open(x[0])).astype(int) for x in (written, exported)]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1
    elif name == "filled":
        assert ours["spans"] == theirs["spans"]
    else:
        assert ours["elements"] == theirs["elements"]
        assert written[0].read_bytes() == exported[0].read_bytes()
    description = json.loads(path.with_suffix(".json").read_text())
    assert description["task"] == perceivers.load(model).config.task
    assert description["labels"] == list(perceivers.load(model).labels)
    if name == "forecast":
        assert "the last 6 steps and 3 more" in description["inputs"][0]["preparation"]


def test_clouds_of_different_sizes_are_a_list(clouds):
    model, exported = perceivers.load(clouds[0]), ExportedModel(clouds[1])
    batch = [torch.randn(size, 3) for size in (7, 20)]
    assert [tuple(x.shape) for x in exported(batch)] == [(7, 2), (20, 2)]
    difference = largest_difference(model, exported, [batch])
    assert difference.examples == 2
    assert 0 < difference.logits < 1e-4


def test_the_number_of_images_is_not_fixed(tmp_path):
    """The classes of pixels had the batch that was traced alone."""
    model = perceivers.load(saved("masks", tmp_path))
    inputs = inputs_of(model)
    trace(Program(model, inputs), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_archives_of_torch_give_the_same(name, tmp_path):
    model = perceivers.load(saved(name, tmp_path))
    archive = export_torch(model, tmp_path / "model.pt2")
    [given] = inputs_of(model)
    batches = [given.example, given.example[:1]]
    assert largest_difference(model, archive, batches).logits < 1e-4
