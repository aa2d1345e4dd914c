"""Loss and scores of occupancy, and whole runs of solids."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import trimesh
from safetensors.torch import load_file
from tests.solids import tiny_shape_model, tiny_shape_recipe

from perceivers.checkpoint import load_trained
from perceivers.data import shapes
from perceivers.models.build import build
from perceivers.models.config import ModelConfig, PerceiverIOConfig
from perceivers.recipes import get_recipe
from perceivers.report.outcome import Outcome
from perceivers.report.write import report_page, write
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.occupancy_targets import OccupancyTargets, scores_of_solids
from perceivers.training.plan import plan
from perceivers.training.recipe_data import read_recipe, read_recipe_splits, read_saved_splits
from perceivers.training.recorder import Recorder
from perceivers.training.scoring import score
from perceivers.training.summaries import baseline, summary
from perceivers.training.targets import targets_of


def truth(inside):
    """Return labels (1, Q, 4) of places at the origin."""
    return torch.cat([torch.zeros(len(inside), 3), torch.tensor(inside)[:, None]], dim=1)[None]


def test_iou_is_of_the_uniform_places_and_accuracy_of_the_others():
    right = truth([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    said = torch.tensor([[True, False, True, False, True, True, False, True]])
    scores = scores_of_solids(said, right)
    assert scores["iou"].item() == pytest.approx(1 / 3)
    assert scores["accuracy"].item() == pytest.approx(3 / 4)
    nothing = scores_of_solids(torch.zeros(1, 4, dtype=torch.bool), truth([0.0] * 4))
    assert nothing["iou"].item() == 1.0


def test_loss_scores_and_baseline():
    model = tiny_shape_model(kl_weight=0.5)
    made = targets_of(model)
    right = truth([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    logits = torch.tensor([[2.0, -1.0, 1.0, -3.0, 0.5, 0.2, -0.1, 4.0]])
    outputs = {"values": logits[..., None], "kl": torch.tensor([0.6])}
    p = [1 / (1 + math.exp(-x)) for x in logits[0].tolist()]
    each = [-math.log(q if y else 1 - q) for q, y in zip(p, right[0, :, 3].tolist(), strict=True)]
    loss = made.loss(outputs, right)
    assert loss.item() == pytest.approx(sum(each) / 8 + 0.5 * 0.6, rel=1e-5)
    collection = made.collection()
    made.update(collection, outputs, right, loss)
    scores = summary(collection)
    assert scores["iou"] == pytest.approx(1 / 3)
    assert scores["kl"] == pytest.approx(0.6)
    assert baseline(collection, ()) == {"iou": 0.5, "accuracy": 0.5}
    kept, _ = made.kept(outputs, right)
    torch.testing.assert_close(kept, torch.tensor([[1 / 3, 0.75, 0.6]]))


def test_a_model_without_a_bottleneck_has_no_divergence():
    config = tiny_shape_recipe().model
    shared = {f.name: getattr(config, f.name) for f in dataclasses.fields(PerceiverIOConfig)}
    made = targets_of(build(PerceiverIOConfig(**shared)))
    right = truth([1.0, 0.0])
    logits = torch.zeros(1, 2, 1)
    assert made.loss(logits, right).item() == pytest.approx(math.log(2))
    assert made.kept(logits, right)[0][0, 2] == 0


def test_as_many_uniform_as_near_places_are_drawn():
    made = targets_of(tiny_shape_model(train_queries=10))
    right = torch.rand(3, 40, 4)
    torch.manual_seed(0)
    at = made.draw(right)
    assert sorted(set(at.tolist())) == sorted(at.tolist())
    assert [(at < 20).sum().item(), (at >= 20).sum().item()] == [5, 5]
    assert torch.equal(made.asked(made.at(right, at), at), right[:, at, :3])
    assert targets_of(tiny_shape_model(train_queries=0)).draw(right) is None
    assert made.draw(right[:, :10]) is None


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="does not tell what is inside"):
        OccupancyTargets(build(ModelConfig(num_classes=2, latent_dim=16, num_latents=2)))


@pytest.fixture(scope="module")
def few_shapes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "NUM_SHAPES", 20)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, few_shapes):
    run = tmp_path_factory.mktemp("shapes") / "run"
    result = engine.train(tiny_shape_recipe(), run)
    return run, result


@pytest.mark.usefixtures("empty_report")
def test_a_run_is_scored_beside_its_rivals(trained):
    run, result = trained
    assert result["best"]["epoch"] in (1, 2)
    base = result["test"]["baseline"]
    assert 0 < base["iou"] < 1
    assert base["nearest_iou"] > base["iou"]
    scores = evaluate(run)
    assert scores["iou"] == pytest.approx(result["test"]["iou"])
    assert scores["examples"] == 4
    assert read_recipe(run).data.task == "occupancy"


class Stop(Exception):
    pass


def test_a_resumed_run_is_bit_identical(trained, tmp_path, monkeypatch):
    whole, _ = trained
    recipe = tiny_shape_recipe()
    with monkeypatch.context() as patch:

        def stop(self, trainer, module, batch, index):
            if trainer.current_epoch == 1:
                raise Stop

        patch.setattr(Recorder, "on_train_batch_start", stop, raising=False)
        with pytest.raises(Stop):
            engine.train(recipe, tmp_path / "run")
    engine.resume(tmp_path / "run", read_recipe(tmp_path / "run"))
    ours, theirs = (load_file(x / "model.safetensors") for x in (tmp_path / "run", whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_plan_says_what_a_run_would_take(few_shapes):
    made = plan(tiny_shape_recipe())
    assert made.examples == {"train": 13, "validation": 3, "test": 4}
    assert made.num_inputs == 64


def test_folders_of_closed_meshes(tmp_path, caplog):
    folder = tmp_path / "parts" / "any"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(11):
        box = trimesh.creation.box(random.uniform(0.5, 2, 3))
        if index == 5:
            box.update_faces(np.arange(12) > 0)
        (folder / f"{index}.stl").write_bytes(box.export(file_type="stl"))
    recipe = tiny_shape_recipe(epochs=1)
    data = dataclasses.replace(recipe.data, path=str(tmp_path / "parts"))
    result = engine.train(dataclasses.replace(recipe, data=data), tmp_path / "run")
    assert result["test"]["examples"] == 2
    assert "5.stl: the mesh is not closed" in caplog.text
    names = json.loads((tmp_path / "run" / "splits.json").read_text())
    assert "any/5.stl" in json.dumps(names)


def test_options_that_would_be_ignored_are_refused(few_shapes, tmp_path):
    recipe = tiny_shape_recipe()
    changed = dataclasses.replace(recipe.data, point_scaling=0.1)
    with pytest.raises(ValueError, match="moves each point by itself"):
        engine.train(dataclasses.replace(recipe, data=changed), tmp_path / "a")
    other = get_recipe("kicad")
    data = dataclasses.replace(other.data, name="shapes", path=None)
    with pytest.raises(ValueError, match="holds solids, and the model reads point clouds"):
        engine.train(dataclasses.replace(other, data=data), tmp_path / "b")


def test_predictions_csv_and_report(trained, monkeypatch):
    monkeypatch.setattr("perceivers.report.solids.RESOLUTION", 5)
    monkeypatch.setattr("perceivers.report.solids.SHOWN", 1)
    run, _ = trained
    recipe, model = read_recipe(run), load_trained(run)
    splits = read_recipe_splits(recipe, saved=read_saved_splits(run), scored=True)
    scored = score(model, recipe, splits)
    logits = -np.ones((5, 5, 5), np.float32)
    monkeypatch.setattr("perceivers.report.solids.occupancy", lambda *_: logits)
    assert write(run, model, recipe, scored, out=run / "report")
    assert "no surface" in (run / "report" / "report.html").read_text()
    rows = list(csv.DictReader((run / "report" / "predictions.csv").read_text().splitlines()))
    mean = sum(float(row["IoU"]) for row in rows) / len(rows)
    assert mean == pytest.approx(scored.scores["iou"], abs=1e-6)
    logits[2, 2, 2] = 1.0
    page = report_page(run, recipe, Outcome(model, scored, recipe.data.path))
    assert "nearest point" in page
    assert "no surface" not in page
    assert "Not drawn" not in page
