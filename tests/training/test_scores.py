"""The scores of each task, against their definitions."""

import math
import typing

import pytest
import torch
import torch.nn.functional as F

from perceivers.data.examples import InMemoryExamples
from perceivers.modalities import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.training.recipe import TrainerConfig
from perceivers.training.scores import (
    ALL_SCORES,
    COVERAGE,
    check_monitor,
    monitor_mode,
    resolve_monitor,
    scores_of,
)
from perceivers.training.summaries import baseline, by_label, summary
from perceivers.training.targets import targets_of

LABELS = ("even", "loop", "above 4")


DIGIT = ("digit [units]",)


def test_each_score_can_be_monitored_and_stands_once():
    choices = typing.get_args(typing.get_type_hints(TrainerConfig)["monitor"])
    aims = [f"val_{name}" for name in ALL_SCORES if name != COVERAGE.name]  # more is not better
    assert sorted(choices) == sorted(["auto", "last", *aims])


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


def test_monitor_modes():
    lower, higher = ("loss", "mae", "rmse"), ("top1", "top5", "macro_f1", "balanced_accuracy", "r2")
    assert {monitor_mode(f"val_{name}") for name in lower} == {"min"}
    assert {monitor_mode(f"val_{name}") for name in (*higher, "map", "f1")} == {"max"}
    six = tuple("abcdef")
    for task, names in (
        ("classification", ("loss", "top1", "top5", "macro_f1", "balanced_accuracy")),
        ("multilabel", ("loss", "map", "macro_f1", "f1")),
        ("regression", ("loss", "mae", "rmse", "r2")),
    ):
        for name in names:
            check_monitor(f"val_{name}", task, six)


def test_the_score_to_monitor_follows_the_task():
    tasks = ("classification", "multilabel", "regression")
    names = [resolve_monitor("auto", task) for task in tasks]
    assert names == ["val_macro_f1", "val_loss", "val_loss"]
    assert resolve_monitor("val_top1", "classification") == "val_top1"


def test_no_top5_of_five_classes_or_fewer():
    """It would be 100% whatever the model does."""
    for count, there in ((2, False), (5, False), (6, True)):
        labels = tuple("abcdef"[:count])
        assert ("top5" in {s.name for s in scores_of("classification", labels)}) is there
        made = targets_of(model_of("classification", labels))
        assert ("top5" in made.collection()) is there
    with pytest.raises(ValueError, match="val_top5 is not a score of classification of 5 classes"):
        check_monitor("val_top5", "classification", tuple("abcde"))


def scored(task, labels, outputs, targets):
    """Return the scores of batches of two: averaged, by label, and of the baseline."""
    made = targets_of(model_of(task, labels))
    if task == "regression":
        made.measure(labelled([[0.0, 10.0][: len(labels)], [4.0, 30.0][: len(labels)]]))
    collection = made.collection()
    for x, y in zip(outputs.split(2), targets.split(2), strict=True):
        made.update(collection, x, y, made.loss(x, y))
    return summary(collection), by_label(collection, labels), baseline(collection, labels)


def test_classification_scores():
    """Values of f1_score, balanced_accuracy_score and classification_report of scikit-learn.

    Classes c and d have no example. Class c is predicted once and counts in macro F1 as 0; d is
    never predicted and counts nowhere.
    """
    truth, guess = torch.tensor([0, 0, 0, 0, 0, 1, 1]), torch.tensor([0, 0, 0, 1, 2, 1, 0])
    outputs = 3.0 * F.one_hot(guess, 4)
    scores, each, base = scored("classification", ("a", "b", "c", "d"), outputs, truth)
    f1_of_a, f1_of_b = 2 * 3 / (4 + 5), 2 * 1 / (2 + 2)
    assert scores == {
        "loss": pytest.approx(F.cross_entropy(outputs, truth).item()),
        "top1": pytest.approx(4 / 7),
        "macro_f1": pytest.approx((f1_of_a + f1_of_b + 0) / 3),
        "balanced_accuracy": pytest.approx((3 / 5 + 1 / 2) / 2),
    }
    assert each == {
        "a": {
            "precision": pytest.approx(3 / 4), "recall": pytest.approx(3 / 5),
            "f1": pytest.approx(f1_of_a), "support": 5,
        },
        "b": {
            "precision": pytest.approx(1 / 2), "recall": pytest.approx(1 / 2),
            "f1": pytest.approx(f1_of_b), "support": 2,
        },
        "c": {"precision": 0, "f1": 0, "support": 0},
        "d": {"support": 0},
    }  # fmt: skip
    always_a = 2 * (5 / 7) / (1 + 5 / 7)
    assert base == {
        "label": "a", "top1": pytest.approx(5 / 7), "macro_f1": pytest.approx(always_a / 2),
        "balanced_accuracy": pytest.approx(1 / 2),
    }  # fmt: skip


def test_top5_of_more_than_five_classes():
    outputs = torch.tensor([[6.0, 5, 4, 3, 2, 1]]).expand(3, 6)
    scores, *_ = scored("classification", tuple("abcdef"), outputs, torch.tensor([0, 4, 5]))
    assert scores["top1"] == pytest.approx(1 / 3)
    assert scores["top5"] == pytest.approx(2 / 3)


def test_multilabel_scores():
    """Average precision by its definition; a label that no example has is left out of mAP."""
    outputs = torch.tensor([[0.4, 0.1, 9.0], [0.3, 0.9, -9], [0.2, 0.8, -9], [0.1, 0.2, -9]])
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
    scores, each, base = scored("multilabel", ("a", "b", "c"), outputs, labels)
    # At a probability of ½, a and b are predicted for all examples and c for the first one.
    both = {"precision": pytest.approx(1 / 2), "recall": 1, "f1": pytest.approx(2 / 3)}
    precision = pytest.approx((1 + 2 / 3) / 2)
    assert each["a"] == each["b"] == {**both, "map": precision, "support": 2}
    assert each["c"] == {"precision": 0, "f1": 0, "support": 0}
    assert scores["map"] == precision
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    # 4 true positives, 5 false positives, 0 false negatives.
    assert scores["f1"] == pytest.approx(2 * 4 / (2 * 4 + 5))
    assert scores["loss"] == pytest.approx(
        -(labels * outputs.sigmoid().log() + (1 - labels) * (-outputs).sigmoid().log())
        .mean()
        .item(),
        rel=1e-5,
    )
    # a and b for all four examples: 4 true positives and 4 false positives.
    assert base == {
        "map": pytest.approx(1 / 2), "macro_f1": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3),
    }  # fmt: skip


def test_regression_scores():
    outputs = torch.tensor([[1.0, 20.0], [2.0, 20.0], [3.0, 40.0]])
    labels = torch.tensor([[1.0, 10.0], [3.0, 20.0], [3.0, 30.0]])
    scores, each, base = scored("regression", ("x [m]", "y"), outputs, labels)
    # The baseline predicts the means of the training split, 2 and 20.
    assert each["x [m]"] == {
        "mae": pytest.approx(1 / 3), "rmse": pytest.approx((1 / 3) ** 0.5),
        "r2": pytest.approx(1 - 1 / (8 / 3)), "baseline_mae": 1, "baseline_rmse": 1,
    }  # fmt: skip
    assert each["y"] == {
        "mae": pytest.approx(20 / 3), "rmse": pytest.approx((200 / 3) ** 0.5),
        "r2": pytest.approx(1 - 200 / 200), "baseline_mae": pytest.approx(20 / 3),
        "baseline_rmse": pytest.approx((200 / 3) ** 0.5),
    }  # fmt: skip
    assert scores["mae"] == pytest.approx((1 / 3 + 20 / 3) / 2)
    assert scores["rmse"] == pytest.approx(((1 / 3) ** 0.5 + (200 / 3) ** 0.5) / 2)
    assert base["mae"] == pytest.approx((1 + 20 / 3) / 2)
    # The standard deviations are 2 and 10, so that the errors are ½, 1 and 1 of them.
    assert scores["loss"] == pytest.approx((0.25 + 1 + 1) / 6)


def test_r2_far_from_zero():
    """In float32 the sums of squares of numbers such as years would lose all digits."""
    made = targets_of(model_of("regression", ("year",)))
    years = 2e6 + torch.arange(100.0)
    made.measure(labelled(years.tolist()))
    collection = made.collection()
    guess = years.flip(0)[:, None].clone()
    made.update(collection, guess, years, made.loss(guess, years))
    exact = 1 - (guess[:, 0] - years).double().square().sum() / (
        (years - years.double().mean()).square().sum()
    )
    assert summary(collection)["r2"] == pytest.approx(exact.item(), rel=1e-4)


def test_map_is_finite_if_a_label_is_absent():
    made = targets_of(model_of("multilabel", ("a", "b")))
    collection = made.collection()
    outputs, labels = torch.randn(3, 2), torch.tensor([[0.0, 1], [0, 1], [0, 0]])
    made.update(collection, outputs, labels, made.loss(outputs, labels))
    assert math.isfinite(summary(collection)["map"])
