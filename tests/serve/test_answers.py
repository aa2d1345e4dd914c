"""Models that give neither classes nor numbers: served as the command line writes them."""

import base64
import csv
import io
import json
from collections import Counter

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from tests.answering import MODELS, file_of, saved
from tests.commands import run

import perceivers
from perceivers.modalities import TextStreamConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverARConfig
from perceivers.predict.outputs import answerer
from perceivers.serve import ServeConfig, create_app


def answer_to(model, file):
    """Return what a service answers about a file, and its description."""
    with TestClient(create_app(answerer(str(model)), ServeConfig())) as client:
        answer = client.post("/v1/predict", files={"file": (file.name, file.read_bytes())})
        refused = client.post("/v1/explain", files={"file": (file.name, file.read_bytes())})
        described = client.get("/v1/model").json()
    assert answer.status_code == 200, answer.text
    assert refused.status_code == 400
    assert "explanations are of classes and numbers; this model is for" in refused.json()["error"]
    return answer.json()["predictions"][0], described


@pytest.mark.parametrize("name", MODELS)
def test_the_service_gives_what_the_command_writes(name, tmp_path, capsys):
    model, file = saved(name, tmp_path), file_of(name, tmp_path)
    arguments = ("predict", model, file, "--json")
    status, out, err = run(capsys, *arguments, "--out", tmp_path / "said")
    assert status == 0, err
    [entry] = json.loads(out)
    answer, described = answer_to(model, file)
    written = [tmp_path / "said" / path.rpartition("/")[2] for path in entry.pop("files", [])]
    assert list(answer["files"]) == [path.name for path in written]
    for path in written:
        head, _, content = answer["files"][path.name].partition(";base64,")
        assert head.startswith("data:")
        assert base64.b64decode(content) == path.read_bytes()
    assert entry.pop("file") == str(file)
    assert answer["file"] == file.name
    assert {key: answer[key] for key in entry} == entry
    assert answer["words"]
    assert described["task"] == answerer(str(model)).model.config.task
    assert described["outputs"][0]["meaning"]
    assert file.suffix in described["suffixes"]  # what the page's dialog offers
    assert file.suffix[1:] in described["reads"]
    assert not described["explains"]


def test_classes_of_elements_are_numbers_in_json(tmp_path):
    model = saved("clouds", tmp_path)
    answer, described = answer_to(model, file_of("clouds", tmp_path))
    assert len(answer["classes"]) == 40
    said = [described["labels"][index] for index in answer["classes"]]
    assert answer["elements"] == dict(Counter(said))


def test_spans_of_texts_that_are_sent_as_json(tmp_path):
    model, file = saved("spans", tmp_path), file_of("spans", tmp_path)
    texts = [json.loads(line)["text"] for line in file.read_text().splitlines()]
    whole, _ = answer_to(model, file)
    with TestClient(create_app(answerer(str(model)), ServeConfig())) as client:
        each = client.post("/v1/predict", json={"texts": texts}).json()["predictions"]
    assert [answer["texts"][0] for answer in each] == whole["texts"]
    assert [answer["file"] for answer in each] == ["text 1", "text 2"]
    with pytest.raises(ValueError, match=r"images; this model reads texts \(txt, jsonl\)"):
        answerer(str(model)).prepare(tmp_path / "x.png")


def test_forecasts_are_those_of_python(tmp_path):
    from perceivers.predict.series import forecast

    model, file = saved("forecast", tmp_path), file_of("forecast", tmp_path)
    answer, _ = answer_to(model, file)
    found = forecast(perceivers.load(model), file)
    values = [[step["a"], step["b"]] for step in answer["forecast"]]
    np.testing.assert_array_equal(values, found.values)
    assert [step["time"] for step in answer["forecast"]] == found.moments
    content = answer["files"]["x-forecast.csv"].partition(",")[2]
    rows = list(csv.reader(io.StringIO(base64.b64decode(content).decode())))
    assert rows[0] == ["time", "a", "b"]


@pytest.mark.parametrize(
    ("name", "upload", "status", "message"),
    [
        ("clouds", ("x.png", b"x"), 415, "x.png: this model reads point clouds"),
        ("clouds", ("x.ply", b"ply"), 422, "x.ply: "),
        ("masks", ("x.png", b"\x89PNG"), 422, "x.png: "),
        ("forecast", ("x.csv", b"time,a\n1,2\n"), 422, "x.csv: "),
        ("spans", ("x.jsonl", b"{"), 422, "x.jsonl: line 1: damaged line of JSON"),
        ("filled", ("x.txt", b"no mask"), 200, "'no mask' has no mask; write [MASK]"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(name, upload, status, message, tmp_path):
    app = create_app(answerer(str(saved(name, tmp_path))), ServeConfig())
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/v1/predict", files={"file": upload})
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert message in (found["error"] if status != 200 else found["predictions"][0]["error"])


def test_infinite_outputs_are_an_error(tmp_path, capsys):
    model = perceivers.load(saved("masks", tmp_path))
    for weight in model.decoder.parameters():
        torch.nn.init.constant_(weight, torch.nan)
    perceivers.save(model, tmp_path / "bad")
    file = file_of("masks", tmp_path)
    status, _, err = run(capsys, "predict", tmp_path / "bad", file, "--out", tmp_path / "out")
    assert status == 1
    assert f"{file}: the outputs are not finite numbers" in err
    assert not (tmp_path / "out").exists()


def test_a_model_that_continues_texts_is_not_served_or_exported(tmp_path, capsys):
    config = PerceiverARConfig(
        input=TextStreamConfig(max_length=16), num_latents=4, latent_dim=16, num_self_heads=2,
        num_layers_per_block=1,
    )  # fmt: skip
    perceivers.save(build(config), tmp_path / "model")
    for command, message in (
        (("serve", tmp_path / "model", "--port", 0), "use perceivers generate"),
        (("export", tmp_path / "model", "--out", tmp_path / "m.onnx"), "use perceivers generate"),
        (("export", tmp_path / "model", "--web", tmp_path / "web"), "use perceivers generate"),
        (("explain", tmp_path / "model", "x", "--out", tmp_path / "x.png"), "is for language"),
    ):
        status, _, err = run(capsys, *command)
        assert status == 1
        assert message in err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
