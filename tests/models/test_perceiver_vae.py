"""The variational autoencoder: codes, sampled latents, and what it refuses."""

import dataclasses

import pytest
import torch
from tests.solids import tiny_shape_model, tiny_shape_recipe

import perceivers
from perceivers.core import farthest_points
from perceivers.modalities import ImageConfig, OccupancyConfig, PixelsOutputConfig, PointsConfig
from perceivers.models.build import build
from perceivers.models.config import EncoderConfig, PerceiverIOConfig, from_dict, to_dict
from perceivers.models.cost import cost

POINTS = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0)) / 3


def test_everything_is_decoded_from_the_codes():
    model = tiny_shape_model()
    codes = model.encode(POINTS)
    assert codes.shape == (2, 4, 3)
    places = torch.rand(2, 7, 3)
    with torch.no_grad():
        said = model.decode(codes, model.output.queries_at(None, places))
        responded = model.respond(model.elements(POINTS), places)
    torch.testing.assert_close(said, responded["values"])
    _, divergence = model.bottleneck(model._encoded(model.elements(POINTS)))
    assert torch.equal(responded["kl"], divergence)


def test_the_grid_is_that_of_its_places():
    model = tiny_shape_model()
    with torch.no_grad():
        grid = model(POINTS)
        axis = torch.linspace(-1, 1, 4)
        places = torch.cartesian_prod(axis, axis, axis)[None]
        said = model.decode(model.encode(POINTS), model.output.queries_at(None, places))
    assert grid.shape == (2, 4, 4, 4)
    torch.testing.assert_close(grid.flatten(1), said[..., 0], atol=1e-5, rtol=1e-5)
    chunked = model(POINTS, chunk_size=5)
    torch.testing.assert_close(chunked, grid, atol=1e-5, rtol=1e-5)


def test_codes_are_drawn_in_training_alone():
    model = tiny_shape_model()
    assert torch.equal(model.latents(model.elements(POINTS)), model.encode(POINTS))
    model.train()
    drawn = [model.latents(model.elements(POINTS)) for _ in range(2)]
    assert not torch.equal(*drawn)
    assert torch.equal(model.encode(POINTS), model.eval().encode(POINTS))


def test_sampled_latents_do_not_depend_on_the_order_of_points():
    model = tiny_shape_model()
    order = torch.randperm(64)
    torch.testing.assert_close(
        model.encode(POINTS[:, order]), model.encode(POINTS), atol=1e-5, rtol=1e-5
    )


def test_sampled_latents_are_maps_of_far_points():
    model = tiny_shape_model(cross_order=(None,), block_order=(None,))
    inputs = model.elements(POINTS)
    chosen = farthest_points(POINTS, 4)
    elements = torch.stack([x[i] for x, i in zip(inputs.joined(), chosen, strict=True)])
    expected = model.sampled(elements) + model.perceiver.latents
    torch.testing.assert_close(model._encoded(inputs), expected)


def test_learned_latents_are_the_perceivers():
    model = tiny_shape_model(latents="learned")
    assert model.sampled is None
    inputs = model.elements(POINTS)
    assert torch.equal(model._encoded(inputs), model.perceiver(inputs))


def test_all_weights_are_saved_and_loaded(tmp_path):
    model = tiny_shape_model()
    perceivers.save(model, tmp_path)
    again = perceivers.load(tmp_path)
    assert torch.equal(again.encode(POINTS), model.encode(POINTS))
    assert from_dict(EncoderConfig, to_dict(model.config), "model") == model.config


def test_every_weight_gets_a_gradient():
    model = tiny_shape_model().train()
    outputs = model.respond(model.elements(POINTS), torch.rand(2, 9, 3))
    (outputs["values"].square().mean() + outputs["kl"].mean()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_costs_are_counted():
    counted = cost(tiny_shape_recipe().model)
    assert counted.num_inputs == 64
    assert counted.num_parameters == sum(p.numel() for p in tiny_shape_model().parameters())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            PerceiverIOConfig(
                input=ImageConfig(image_size=4),
                output=OccupancyConfig(),
                num_latents=2,
                latent_dim=8,
                num_layers_per_block=1,
            ),
            "solid around points; the inputs are others",
        ),
        (
            dataclasses.replace(
                tiny_shape_recipe().model,
                input=ImageConfig(image_size=4, position="learned"),
                output=PixelsOutputConfig(image_size=4),
            ),
            "latents='sampled' needs inputs with Fourier positions",
        ),
    ],
)
def test_what_does_not_fit_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        build(model)


def test_a_plain_perceiver_io_tells_the_inside_too():
    torch.manual_seed(0)
    config = PerceiverIOConfig(
        input=PointsConfig(num_points=64, num_bands=2), output=OccupancyConfig(resolution=2),
        num_latents=4, latent_dim=16, num_layers_per_block=1, num_self_heads=2,
    )  # fmt: skip
    model = build(config).eval()
    assert model(POINTS).shape == (2, 2, 2, 2)
    assert model.respond(model.elements(POINTS), torch.rand(2, 5, 3)).shape == (2, 5, 1)


PLACES = torch.rand(2, 7, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (PLACES.mT, r"places are torch.float32 of shape \(2, 3, 7\); expected floats of shape"),
        (PLACES[0], r"of shape \(7, 3\); expected floats"),
        ((PLACES * 9).int(), "places are torch.int32"),
        (PLACES > 0, "places are torch.bool"),
        (PLACES.numpy(), "places are a ndarray; expected floats of shape"),
        (PLACES * torch.nan, "coordinates of up to nan; expected about"),
        (PLACES * 100, r"coordinates of up to \d+.\d+; expected about \[-1, 1\]"),
    ],
)
def test_places_that_cannot_be_asked_about(places, message):
    """Attention answered NaN with a number, and whole numbers were taken for coordinates."""
    with pytest.raises(ValueError, match=message):
        tiny_shape_model().queries(None, places)


def test_codes_and_queries_of_any_float_type_and_no_other_shape():
    model = tiny_shape_model()
    codes, queries = model.encode(POINTS), model.queries(None, PLACES)
    said = model.decode(codes, queries)
    torch.testing.assert_close(model.decode(codes.double(), queries), said)
    torch.testing.assert_close(
        model.decode(codes, model.queries(None, PLACES.double())), said, atol=1e-5, rtol=1e-5
    )
    assert model.decode(codes, model.queries(None, PLACES[:, :0])).shape == (2, 0, 1)
    for wrong in (codes.mT, codes[0]):
        with pytest.raises(ValueError, match=r"codes have shape .* expected \(batch, codes, 3\)"):
            model.decode(wrong, queries)
    with pytest.raises(ValueError, match=r"queries are a Tensor; expected those of model.queries"):
        model.decode(codes, PLACES)
