"""Loss and scores of segmentation, against their definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from perceivers.modalities import ElementClassesConfig, PointsConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig
from perceivers.training.summaries import baseline, by_label, summary
from perceivers.training.targets import targets_of

NAMES = ("a", "b", "c")


def targets():
    config = PerceiverIOConfig(
        input=PointsConfig(num_points=9, num_bands=2), num_latents=4, latent_dim=16,
        num_layers_per_block=1, num_self_heads=2, output=ElementClassesConfig(num_classes=3),
    )  # fmt: skip
    return targets_of(build(config, NAMES))


def test_scores_count_labelled_elements_alone():
    """In batches of several lengths, the scores are those of all labelled elements together."""
    made = targets()
    rng = np.random.default_rng(0)
    collection, said, right, losses = made.collection(), [], [], []
    for size in (9, 5):
        outputs = torch.randn(2, size, 3)
        labels = torch.from_numpy(rng.integers(-1, 2, (2, size)))  # nothing is c
        truth = made.truth(None, F.pad(labels, (0, 3), value=-1))
        loss = made.loss(outputs, truth)
        made.update(collection, outputs, truth, loss)
        known = labels >= 0
        losses.append(F.cross_entropy(outputs[known], labels[known], reduction="none"))
        said.append(outputs.argmax(-1)[known].numpy())
        right.append(labels[known].numpy())
        torch.testing.assert_close(loss, losses[-1].mean())
    said, right = np.concatenate(said), np.concatenate(right)
    iou, f1 = [], []
    for k in range(3):
        both, either = ((said == k) & (right == k)).sum(), ((said == k) | (right == k)).sum()
        iou.append(both / either)
        f1.append(2 * both / ((said == k).sum() + (right == k).sum()))
    scores = summary(collection)
    assert scores["loss"] == pytest.approx(torch.cat(losses).mean().item(), rel=1e-5)
    assert scores["miou"] == pytest.approx(np.mean(iou))
    assert scores["macro_f1"] == pytest.approx(np.mean(f1))
    assert scores["accuracy"] == pytest.approx((said == right).mean())
    each = by_label(collection, NAMES)
    assert [each[name]["iou"] for name in NAMES] == pytest.approx(iou)
    assert [each[name]["elements"] for name in NAMES] == np.bincount(right, minlength=3).tolist()
    most = np.bincount(right).max() / len(right)
    assert baseline(collection, NAMES)["accuracy"] == pytest.approx(most)
    assert baseline(collection, NAMES)["miou"] == pytest.approx(most / 2)


def test_a_batch_without_labels_changes_nothing():
    made = targets()
    outputs = torch.randn(1, 4, 3, requires_grad=True)
    loss = made.loss(outputs, torch.full((1, 4), -1))
    loss.backward()
    assert loss == 0
    assert not outputs.grad.any()
