"""The adapter of images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from perceivers.core import fourier_features, grid
from perceivers.modalities.image.adapter import ImageAdapter


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1))
def test_patches_equal_unfold(batch, stride, channels, overlap):
    size = stride + 2 * overlap
    adapter = ImageAdapter(
        image_size=4 * stride, channels=channels, patch_size=size, patch_stride=stride, num_bands=2
    )
    images = torch.rand(batch, 4 * stride, 4 * stride, channels)
    columns = F.unfold(images.permute(0, 3, 1, 2), size, stride=stride, padding=overlap)
    expected = columns.unflatten(1, (channels, size * size)).permute(0, 3, 2, 1).flatten(2)
    got = adapter(images)
    torch.testing.assert_close(got.content, expected)
    assert got.dim == adapter.dim
    assert got.content.shape[1] == adapter.num_inputs == 16


def test_pixels_have_the_papers_positions():
    adapter = ImageAdapter(image_size=6, num_bands=3)
    got = adapter(torch.rand(2, 6, 6, 3))
    assert got.content.shape == (2, 36, 3)
    expected = fourier_features(grid(6, 6), num_bands=3, max_resolution=(6, 6))
    torch.testing.assert_close(got.dense_position[0], expected)


def test_uint8_is_scaled_and_floats_are_unchanged():
    adapter = ImageAdapter(image_size=4, num_bands=1)
    pixels = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    torch.testing.assert_close(adapter(pixels).content, adapter(pixels / 255).content)
    assert adapter(torch.full((1, 4, 4, 3), 7.0)).content.unique().tolist() == [7.0]


def test_normalisation_is_part_of_the_model():
    adapter = ImageAdapter(image_size=4, num_bands=1)
    adapter.set_normalisation(torch.tensor([0.5, 0.2, 0.1]), torch.tensor([0.5, 2.0, 1.0]))
    got = adapter(torch.ones(1, 4, 4, 3)).content[0, 0]
    torch.testing.assert_close(got, torch.tensor([1.0, 0.4, 0.9]))
    assert {"mean", "std"} <= set(adapter.state_dict())


def test_only_fourier_positions_adapt_to_the_image_size():
    assert ImageAdapter(image_size=8, num_bands=1)(torch.zeros(1, 4, 6, 3)).content.shape[1] == 24
    learned = ImageAdapter(image_size=8, position="learned", position_dim=5)
    assert learned(torch.zeros(1, 8, 8, 3)).position.shape == (1, 64, 5)
    with pytest.raises(ValueError, match="image of 4×6; this model learned positions for 8×8 only"):
        learned(torch.zeros(1, 4, 6, 3))


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({}, (1, 3, 8, 8), "channels last"),
        ({}, (8, 8, 3), "channels last"),
        ({"patch_size": 4}, (1, 8, 6, 3), "does not divide into steps of 4×4; resize it to 8×4"),
    ],
)
def test_images_that_do_not_fit(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        ImageAdapter(image_size=8, num_bands=1, **arguments)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 4, "patch_stride": 3}, "differs from it by an even number"),
        ({"patch_size": 2, "patch_stride": 4}, "from 1 to the patch size"),
        ({"position": "sine"}, "expected 'fourier', 'learned'"),
        ({"patch_size": 3}, "does not divide into steps of 3×3"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageAdapter(image_size=8, **arguments)
