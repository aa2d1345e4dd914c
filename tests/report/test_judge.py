"""Calibration, worst mistakes and doubtful labels, against values found by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from tests.tiny import tiny_classifier

from perceivers.modalities import ImageConfig
from perceivers.report.judge import Judged, calibration, confused, doubtful_labels, judge
from perceivers.report.page import Safe
from perceivers.report.sections import Subject, doubtful


def classes(probabilities, truth):
    values = torch.tensor(probabilities, dtype=torch.float64)
    truth = torch.tensor(truth)
    loss = -values.gather(1, truth[:, None])[:, 0].log()
    names = tuple("abc"[: values.shape[1]])
    return Judged("classification", names, truth, values, loss, values.argmax(1) != truth)


def test_outputs_are_judged():
    model = tiny_classifier(ImageConfig(image_size=8, num_bands=2))
    logits = torch.tensor([[2.0, 0, 0], [0, 3, 0], [0, 0, 1]])
    judged = judge(model, logits, torch.tensor([0, 2, 2]))
    assert judged.wrong.tolist() == [False, True, False]
    assert judged.predicted.tolist() == [0, 1, 2]
    assert judged.values.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert judged.worst(24) == [1]
    assert judged.samples(2) == [0, 2]


def test_the_calibration_error_of_known_predictions():
    """Ten predictions of 0.9, of which six are right: the error is 0.3."""
    judged = classes([[0.9, 0.1]] * 10, [0] * 6 + [1] * 4)
    found = calibration(judged)
    assert found.error == pytest.approx(0.3)
    assert found.counts.sum() == 10
    assert sum(not math.isnan(x) for x in found.share.tolist()) == 1


def test_perfect_predictions_have_no_calibration_error():
    judged = classes([[1.0, 0.0]] * 3, [0] * 3)
    assert calibration(judged).error == 0


def test_the_most_confused_pair_comes_first():
    judged = classes([[0.8, 0.1, 0.1]] * 5, [1, 1, 1, 2, 0])
    first, second = confused(judged, 5)
    assert (first.truth, first.said, first.count) == (1, 0, 3)
    assert (second.truth, second.said, second.count) == (2, 0, 1)


def test_a_swapped_label_is_found():
    """Sure predictions make high thresholds: the one swapped label is found, an unsure one not."""
    sure = [[0.95, 0.05]] * 5 + [[0.05, 0.95]] * 5
    judged = classes([*sure, [0.97, 0.03], [0.55, 0.45]], [0] * 5 + [1] * 5 + [1, 1])
    [doubt] = doubtful_labels(judged)
    assert (doubt.index, doubt.output) == (10, 0)
    assert doubt.margin == pytest.approx(0.94)


def test_a_less_probable_class_is_not_suggested():
    """The third class reaches its low threshold, the predicted one does not reach its high one."""
    sure = [[0.9, 0.1, 0.0]] * 3 + [[0.3, 0.5, 0.2]] * 3 + [[0.4, 0.3, 0.3]] * 3
    judged = classes([*sure, [0.35, 0.33, 0.32]], [0] * 3 + [1] * 3 + [2] * 3 + [1])
    assert doubtful_labels(judged) == []


def test_a_missing_label_is_found():
    values = torch.tensor([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4 + [[0.95, 0.9]], dtype=torch.float64)
    truth = torch.tensor([[1, 0]] * 4 + [[0, 1]] * 4 + [[0, 1]])
    wrong = torch.tensor([False] * 8 + [True])
    judged = Judged("multilabel", ("a", "b"), truth, values, torch.zeros(9), wrong)
    [doubt] = doubtful_labels(judged)
    assert (doubt.index, doubt.output) == (8, 0)


def test_a_class_without_examples_raises_no_doubt():
    judged = classes([[0.1, 0.9, 0.0]] * 3, [0, 0, 0])
    assert doubtful_labels(judged) == []


@pytest.mark.parametrize(("top1", "shown"), [(0.5, False), (0.75, True)])
def test_a_model_that_is_no_better_than_the_baseline_doubts_no_label(top1, shown):
    """What such a model takes for probable is chance, and its list of labels was noise."""
    values = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.95, 0.05], [0.1, 0.9]], dtype=torch.float64)
    truth = torch.tensor([0, 1, 1, 1])
    judged = Judged("classification", ("a", "b"), truth, values, truth.double(), truth != truth)
    pictures = SimpleNamespace(show=lambda index, name: Safe(""), grid=lambda cards: Safe("grid"))
    scores = {"top1": top1, "baseline": {"label": "b", "top1": 0.5}}
    page = doubtful(Subject(judged, list("wxyz"), [0, 1, 2, 3], scores, pictures))
    assert ("of 4 examples" in page) == shown
    assert ("no better than the baseline (top-1 50.00% against 50.00%)" in page) != shown
