"""Targets, losses and units of each task; digits learnt as each task."""

import csv
import dataclasses
import json
import logging

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import perceivers
from perceivers import cli
from perceivers.data import splits
from perceivers.data.examples import InMemoryExamples
from perceivers.data.mixing import mix
from perceivers.data.splits import read_digits
from perceivers.modalities import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.recipe_data import read_recipe
from perceivers.training.scores import scores_of
from perceivers.training.targets import targets_of

LABELS = ("even", "loop", "above 4")
DIGIT = ("digit [units]",)


def model_of(task, labels):
    config = ModelConfig(
        num_classes=len(labels), task=task, num_latents=16, latent_dim=32, qk_dim=32,
        cross_order=(0, 0), block_order=(0, 0), num_layers_per_block=1, num_cross_heads=2,
        num_self_heads=4, input=ImageConfig(image_size=8, channels=1, num_bands=4),
    )  # fmt: skip
    return build(config, labels)


def labelled(values):
    """Return a split with these labels."""
    labels = torch.tensor(values)
    return InMemoryExamples(torch.zeros(len(labels), 1), labels)


def digits_as(task):
    """Return the labels of the packaged digits for a task, and their names."""
    _, digits = read_digits()
    if task == "multilabel":
        even, above = digits % 2 == 0, digits > 4
        loop = torch.isin(digits, torch.tensor([0, 6, 8, 9]))
        return torch.stack([even, loop, above], dim=1).float(), LABELS
    return (digits.float(), DIGIT) if task == "regression" else (digits, tuple("0123456789"))


def recipe_of(task, epochs, **trainer):
    recipe = get_recipe("digits")
    config = model_of(task, digits_as(task)[1]).config
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(config, num_classes=1000, task="classification"),
        data=dataclasses.replace(recipe.data, test=0.3, batch_size=32, crop_padding=0, zoom=0.0),
        optimizer=dataclasses.replace(recipe.optimizer, lr=1e-2, warmup_epochs=0.5),
        trainer=dataclasses.replace(
            recipe.trainer, max_epochs=epochs, ema_decay=0.0, **{"monitor": "val_loss", **trainer}
        ),
    )


@pytest.fixture
def relabelled(monkeypatch):
    """Return a function that makes the digits recipe read digits labelled for a task."""

    def relabel(task):
        labels, names = digits_as(task)
        examples = InMemoryExamples(read_digits()[0], labels)
        monkeypatch.setattr(
            splits,
            "_find",
            lambda *_: ({"train": examples}, names),
        )

    return relabel


@pytest.mark.parametrize(
    ("task", "epochs", "score", "least"),
    [("multilabel", 3, "map", 0.9), ("regression", 3, "r2", 0.6)],
)
def test_digits_are_learnt(
    tmp_path, relabelled, drawn_curves, task, epochs, score, least, capsys, caplog
):
    """Chance is a mAP of about ½ and an R² of 0."""
    caplog.set_level(logging.INFO)
    relabelled(task)
    run = tmp_path / "run"
    result = engine.train(recipe_of(task, epochs), run)
    assert result["task"] == task
    assert result["test"][score] > least
    names = [s.name for s in scores_of(task, ())]
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert {f"{split}_{name}" for split in ("train", "val") for name in ["loss", *names]} | {
        "epoch", "lr", "seconds",
    } == set(rows[0])  # fmt: skip
    assert float(rows[-1]["val_loss"]) < 0.7 * float(rows[0]["val_loss"])
    assert json.loads((run / "metrics.json").read_text()) == result
    assert (run / "curves.png").stat().st_size > 5_000
    assert f": {task} (from the labels" in caplog.text
    assert (
        f"label_smoothing=0.1 is ignored: it is for classification, the task is {task}"
        in caplog.text
    )

    cli.train.report(result, run)
    printed = capsys.readouterr().out
    log_text = (run / "log.txt").read_text()
    titles = ("mAP", "micro F1") if task == "multilabel" else ("MAE", "R²")
    for text in (printed, log_text):
        assert all(f"{title} " in text for title in titles)
    assert ("units" in printed) is (task == "regression")

    assert evaluate(run)[score] == pytest.approx(result["test"][score], rel=1e-5)
    relabelled("classification")
    with pytest.raises(ValueError, match=f"the task is {task} .* labels are for classification"):
        evaluate(run)
    _predict_real_files(perceivers.Predictor(run), task, tmp_path)


def _predict_real_files(predictor, task, folder):
    """Predict forty png files: most labels are right, and numbers are right to about 1."""
    images, _ = read_digits()
    files = [folder / f"{index}.png" for index in range(40)]
    for image, file in zip(images, files, strict=False):
        Image.fromarray(image[..., 0].numpy()).save(file)
    truth, names = digits_as(task)
    predictions = [dict(pairs) for pairs in predictor(files)]
    values = torch.tensor([[pairs[name] for name in names] for pairs in predictions])
    truth = truth[:40].view(40, -1)
    if task == "multilabel":
        assert ((values > 0.5) == truth.bool()).float().mean() > 0.8
    else:
        assert (values - truth).abs().mean() < 1.5


def test_resumed_regression_keeps_its_target_scale(tmp_path, relabelled):
    """Averaging of the weights must not change the scale either."""
    relabelled("regression")
    run = tmp_path / "run"
    recipe = recipe_of("regression", 1)
    recipe = dataclasses.replace(recipe, trainer=dataclasses.replace(recipe.trainer, ema_decay=0.9))
    engine.train(recipe, run)
    before = load_file(run / "model.safetensors")
    again = read_recipe(run)
    more = dataclasses.replace(again, trainer=dataclasses.replace(again.trainer, max_epochs=2))
    assert engine.resume(run, more)["epochs"] == 2
    after = load_file(run / "model.safetensors")
    for name, about in (("mean", 4.49), ("std", 2.87)):
        torch.testing.assert_close(
            after[f"target_scale.{name}"], before[f"target_scale.{name}"], rtol=1e-6, atol=0
        )
        assert before[f"target_scale.{name}"].item() == pytest.approx(about, abs=0.15)
    relabelled("multilabel")
    with pytest.raises(ValueError, match="the run was trained on regression labels"):
        engine.resume(run, more)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (
            "regression",
            {"trainer.monitor": "val_top1"},
            "val_top1 is not a score of regression; expected last, val_loss, val_mae, val_rmse",
        ),
        ("multilabel", {"model.task": "regression"}, "but the labels are for multilabel; omit"),
        ("multilabel", {"data.task": "classification"}, "but the labels are for multilabel"),
    ],
)
def test_contradictory_options_are_refused_before_anything_is_written(
    tmp_path, relabelled, task, changes, message
):
    relabelled(task)
    recipe = perceivers.cli.options.apply(recipe_of(task, 1), changes)
    with pytest.raises(ValueError, match=message):
        engine.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_regression_of_zeros_and_ones(tmp_path, relabelled):
    relabelled("multilabel")
    recipe = perceivers.cli.options.apply(
        recipe_of("multilabel", 1, monitor="val_mae"), {"data.task": "regression"}
    )
    result = engine.train(recipe, tmp_path / "run")
    assert result["task"] == "regression"
    assert set(result["test"]["by_label"]) == set(LABELS)
    assert set(result["test"]["by_label"]["loop"]) == {
        "mae", "rmse", "r2", "baseline_mae", "baseline_rmse",
    }  # fmt: skip
    assert evaluate(tmp_path / "run")["mae"] == pytest.approx(result["test"]["mae"])


def test_outputs_are_in_the_units_of_the_data():
    """A new head predicts the mean; an output z of the head becomes mean + std · z."""
    model = model_of("regression", ("a", "b"))
    targets_of(model).measure(labelled([[0.0, 10.0], [4.0, 30.0]]))
    images = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    assert torch.equal(model(images), torch.tensor([[2.0, 20.0]]).expand(3, 2))
    with torch.no_grad():
        model.head.bias += 1
    assert torch.equal(model(images), torch.tensor([[4.0, 30.0]]).expand(3, 2))
    inputs = model.adapter(images)
    torch.testing.assert_close(model.classify_stream([inputs]), model.classify(inputs))


def test_constant_number():
    with pytest.raises(
        ValueError, match="'b' is 7 for every training example, so there is nothing"
    ):
        targets_of(model_of("regression", ("a", "b"))).measure(labelled([[0.0, 7.0], [1.0, 7.0]]))


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_mixed_targets(task):
    """Mixup's targets are weighted sums, and the loss is that of the mixed targets."""
    labels, names = digits_as(task)
    labels = labels[:6]
    made = targets_of(model_of(task, names))
    torch.manual_seed(0)
    x = torch.rand(6, 5)
    mixed, targets = mix(x, made.as_floats(labels), mixup=1.0, cutmix=0.0)
    kept = ((mixed - x.flip(0)) / (x - x.flip(0)))[0, 0]
    assert 0.01 < kept < 0.99
    whole = made.as_floats(labels)
    assert whole.shape == (6, len(names))
    torch.testing.assert_close(
        targets, kept * whole + (1 - kept) * whole.flip(0), rtol=1e-5, atol=1e-5
    )
    outputs = torch.randn(6, len(names))
    assert not torch.isclose(made.loss(outputs, targets), made.loss(outputs, labels))
    torch.testing.assert_close(made.loss(outputs, whole), made.loss(outputs, labels))
    if task == "multilabel":
        share = outputs.sigmoid()
        expected = -(targets * share.log() + (1 - targets) * (1 - share).log()).mean()
        torch.testing.assert_close(made.loss(outputs, targets), expected)


def test_label_smoothing_is_for_classification_only():
    for task, smoothed in (("classification", True), ("multilabel", False), ("regression", False)):
        labels, names = digits_as(task)
        made = targets_of(model_of(task, names))
        outputs = torch.randn(4, len(names))
        plain, smooth = (made.loss(outputs, labels[:4], s) for s in (0.0, 0.3))
        assert made.uses_label_smoothing is smoothed is not bool(torch.equal(plain, smooth))
