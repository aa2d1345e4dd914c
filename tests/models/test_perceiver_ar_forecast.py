"""Perceiver AR on time series: training outputs, continuations, and what is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

import perceivers
from perceivers.checkpoint import save
from perceivers.export import export_onnx
from perceivers.modalities import ForecastConfig, SeriesTokensConfig, TextStreamConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverARForecastConfig
from perceivers.models.cost import cost
from perceivers.models.perceiver_ar_forecast import smooth_over_bins

TINY = PerceiverARForecastConfig(
    input=SeriesTokensConfig(length=5, horizon=2, bins=3, limit=1.5),
    num_latents=4,
    latent_dim=16,
    num_layers_per_block=1,
    num_self_heads=2,
    paths=4000,
)


def tiny(**changes):
    """Return a model with random weights that are large enough to matter."""
    torch.manual_seed(0)
    model = build(dataclasses.replace(TINY, **changes))
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5 if "positions" in name else 0.7)
    return model.eval()


def batch_of(model, count=3, seed=1):
    adapter = model.adapter
    generator = torch.Generator().manual_seed(seed)
    shape = (count, adapter.length + adapter.horizon, 1 + adapter.channels)
    batch = torch.randn(shape, generator=generator, dtype=torch.float64)
    batch[..., 0] = torch.arange(shape[1])
    return batch


def test_continuations_have_the_probabilities_of_the_model():
    """All pairs of tokens are counted, and compared with products of probabilities."""
    model = tiny()
    batch = batch_of(model, 1)
    inputs = model.adapter(batch)
    drawn = model.adapter.tokens(model.paths(inputs)[0, :, :, 0])
    for pair in itertools.product(range(3), repeat=2):
        known = torch.cat([inputs.content[:, :5, 0], torch.tensor([pair])], dim=1)
        with torch.no_grad():
            shares = model.perceiver(known[:, :-1], model.prefix)[0, -2:, :3].softmax(-1)
        expected = float(shares[0, pair[0]] * shares[1, pair[1]])
        got = float((drawn == torch.tensor(pair)).all(-1).float().mean())
        assert got == pytest.approx(expected, abs=4 * np.sqrt(expected / TINY.paths) + 0.002)


def test_a_forecast_depends_on_its_window_and_the_seed_alone():
    model = tiny(paths=10)
    batch = batch_of(model, 3)
    together = model(batch)
    apart = torch.cat([model(row[None]) for row in batch])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=0)
    later = batch.clone()
    later[:, 5:, 1:] = float("nan")
    torch.testing.assert_close(model(later), together, atol=1e-4, rtol=0)
    assert torch.equal(model(batch), together)
    other = tiny(paths=10, path_seed=1)
    assert not torch.allclose(other(batch), together)
    paths = model.sample(batch)
    assert paths.shape == (3, 10, 2, 1)
    torch.testing.assert_close(paths.quantile(0.5, dim=1), together)


def test_the_median_of_many_draws_is_that_of_the_distribution():
    """The first step of the horizon: inverting the distribution function by hand."""
    model = tiny(paths=2000)
    batch = batch_of(model, 1)
    inputs = model.adapter(batch)
    with torch.no_grad():
        shares = model.perceiver(inputs.content[:, :-1, 0], model.prefix)[0, -2, :3].softmax(-1)
    edges = np.concatenate([[0], np.cumsum(shares.double().numpy())])
    median = np.interp(0.5 * edges[-1], edges, np.linspace(-1.5, 1.5, 4))
    values = batch[0, :5, 1].numpy()
    expected = values.mean() + values.std() * median
    got = model.sample(batch)[0, :, 0, 0].median().item()
    assert got == pytest.approx(expected, abs=0.01)


def test_several_channels_of_which_some_are_forecast():
    model = tiny(
        input=dataclasses.replace(TINY.input, channels=2, difference=2),
        output=ForecastConfig(season=2, targets=1),
        num_latents=13,
        paths=5,
    )
    batch = batch_of(model, 2)
    assert model(batch).shape == (2, 2, 1)
    outputs = model.respond(model.adapter(batch))
    assert outputs["logits"].shape == (2, 13, 4)
    assert outputs["paths"].shape == (2, 5, 2, 2)
    assert model.train().respond(model.adapter(batch)).keys() == {"logits"}


def test_neighbouring_bins_begin_alike():
    weight = torch.randn(65, 200)
    missing = weight[64].clone()
    size = weight[:64].std()
    smooth_over_bins(weight, 64)
    assert torch.equal(weight[64], missing)
    torch.testing.assert_close(weight[:64].std(), size)
    alike = torch.corrcoef(weight[:64])
    assert alike.diagonal(1).min() > 0.9
    assert alike[0, 63].abs() < 0.3


def test_a_model_is_saved_and_loaded(tmp_path):
    model = tiny(paths=10)
    save(model, tmp_path)
    again = perceivers.load(tmp_path)
    batch = batch_of(model)
    assert again.config == model.config
    torch.testing.assert_close(again(batch), model(batch))
    assert cost(model.config).flops > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_latents": 1}, "num_latents=1; expected at least the 2 values to forecast"),
        ({"num_latents": 7}, "expected 2 to the tokens before the last=6"),
        ({"latent_dim": 15}, "latent_dim=15 is not divisible by num_self_heads=2"),
        ({"input": TextStreamConfig()}, "reads inputs of kind 'series-tokens', not of 'text-str"),
        ({"output": ForecastConfig(season=9)}, "season=9 with windows of 5 steps"),
        ({"output": ForecastConfig(base="linear")}, "continuations depart from no other forecast"),
        ({"paths": 1}, "paths is 1; expected a whole number of at least 2"),
        ({"input": SeriesTokensConfig(horizon=0)}, "horizon is 0; expected a whole number of at"),
    ],
)
def test_options_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        build(dataclasses.replace(TINY, **changes))


def test_what_cannot_be_done_is_refused(tmp_path):
    model = tiny(paths=10)
    with pytest.raises(ValueError, match="mask is not supported; missing values are NaN"):
        model(batch_of(model), mask=torch.ones(3, 7, dtype=torch.bool))
    save(model, tmp_path)
    with pytest.raises(ValueError, match="a Perceiver AR keeps what it has read"):
        export_onnx(model, tmp_path / "model.onnx")
