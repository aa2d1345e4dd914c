"""Loss and scores of optical flow, against their definitions."""

import numpy as np
import pytest
import torch

from perceivers.modalities import FlowOutputConfig, FramePairConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig
from perceivers.training.summaries import baseline, by_label, summary
from perceivers.training.targets import targets_of

HEIGHT, WIDTH = 3, 4


def model(**options):
    torch.manual_seed(0)
    config = PerceiverIOConfig(
        input=FramePairConfig(height=HEIGHT, width=WIDTH, projection_dim=5, num_bands=2),
        output=FlowOutputConfig(rescale_factor=1.0),
        num_latents=4, latent_dim=16, num_layers_per_block=1, num_self_heads=2, **options,
    )  # fmt: skip
    return build(config)


def test_scores_are_of_the_pixels_whose_motion_is_known():
    made = targets_of(model())
    rng = np.random.default_rng(0)
    collection, errors, still, losses, weights = made.collection(), [], [], [], []
    for count in (2, 1):
        flow = rng.normal(size=(count, HEIGHT, WIDTH, 2)).astype(np.float32)
        flow[0, 1, 2] = np.nan
        said = rng.normal(size=flow.shape).astype(np.float32)
        truth = made.truth(None, torch.from_numpy(flow))
        outputs = torch.from_numpy(said).flatten(1, 2)
        loss = made.loss(outputs, truth)
        made.update(collection, outputs, truth, loss)
        known = np.isfinite(flow).all(-1)
        errors.append(np.sqrt(((said - flow) ** 2).sum(-1))[known])
        still.append(np.sqrt((flow**2).sum(-1))[known])
        losses.append(float(loss))
        weights.append(known.sum())
        kept = made.kept(outputs, truth)
        first = np.sqrt(((said[0] - flow[0]) ** 2).sum(-1))
        assert float(kept[0][0]) == pytest.approx(np.nanmean(first), rel=1e-5)
    errors, still = np.concatenate(errors), np.concatenate(still)
    scores = summary(collection)
    assert scores["epe"] == pytest.approx(errors.mean(), rel=1e-5)
    assert scores["loss"] == pytest.approx(errors.mean(), rel=1e-5)
    assert scores["over_1px"] == pytest.approx((errors > 1).mean())
    assert np.average(losses, weights=weights) == pytest.approx(errors.mean(), rel=1e-5)
    base = baseline(collection, ())
    assert base["epe"] == pytest.approx(still.mean(), rel=1e-5)
    assert base["over_1px"] == pytest.approx((still > 1).mean())
    assert by_label(collection, ()) == {}


def test_a_batch_without_known_motion_changes_nothing():
    made = targets_of(model())
    outputs = torch.randn(1, 12, 2, requires_grad=True)
    loss = made.loss(outputs, torch.full((1, 12, 2), torch.nan))
    loss.backward()
    assert loss == 0
    assert not outputs.grad.any()


def test_some_pixels_give_the_outputs_that_they_give_among_all():
    net = model(train_queries=5).eval()
    made = targets_of(net)
    at = made.draw(None)
    assert len(at[""].unique()) == 5
    frames = torch.randint(0, 256, (2, 2, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    inputs = net.elements(frames)
    whole, some = net.respond(inputs), net.respond(inputs, at)
    torch.testing.assert_close(some, whole[:, at[""]], atol=1e-5, rtol=1e-5)
    truth = torch.randn(2, 12, 2)
    assert torch.equal(made.at(truth, at), truth[:, at[""]])
    assert targets_of(model()).draw(None) is None
    arranged = net.output.arrange(truth, frames)
    assert torch.equal(made.truth(frames, arranged), truth)
