"""Classes of elements: their queries, their order, and their shape."""

import pytest
import torch

from perceivers.modalities import ElementClassesConfig, ImageConfig, PointsConfig, TextConfig
from perceivers.modalities.array.patches import cut_patches, join_patches
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig


def model_of(inputs, count=3):
    torch.manual_seed(0)
    config = PerceiverIOConfig(
        input=inputs, num_latents=4, latent_dim=16, num_layers_per_block=1, num_self_heads=2,
        output=ElementClassesConfig(num_classes=count),
    )  # fmt: skip
    return build(config, tuple("abcdef"[:count])).eval()


def test_points_of_different_sizes_get_the_logits_that_they_get_alone():
    model = model_of(PointsConfig(num_points=9, num_bands=2))
    clouds = [torch.rand(size, 3) for size in (5, 9)]
    together = model(clouds)
    assert [logits.shape for logits in together] == [(5, 3), (9, 3)]
    for cloud, logits in zip(clouds, together, strict=True):
        torch.testing.assert_close(model(cloud[None])[0], logits, atol=1e-5, rtol=1e-5)


def test_bytes_of_texts():
    model = model_of(TextConfig(max_length=8))
    assert model(torch.randint(6, 262, (2, 5))).shape == (2, 5, 3)


@pytest.mark.parametrize("patch", [1, 2])
def test_pixels_have_the_logits_of_their_patch_in_its_order(patch):
    """The logits of a pixel are those that the query of its patch gives for its place."""
    model = model_of(ImageConfig(image_size=4, patch_size=patch, channels=1, num_bands=2))
    images = torch.rand(2, 4, 4, 1)
    logits = model(images)
    assert logits.shape == (2, 4, 4, 3)
    values = model.respond(model.elements(images))
    grid = 4 // patch
    patches = values.unflatten(1, (grid, grid)).unflatten(-1, (patch * patch, 3))
    for row in range(4):
        for column in range(4):
            place = (row % patch) * patch + column % patch
            expected = patches[:, row // patch, column // patch, place]
            assert torch.equal(logits[:, row, column], expected)
    labels = torch.arange(32).view(2, 4, 4)
    ordered = model.output.ordered(labels)
    assert torch.equal(model.adapter.arrange_places(ordered[..., None], images)[..., 0], labels)


def test_joined_patches_are_the_array():
    x = torch.rand(2, 4, 6, 3)
    patches = cut_patches(x, (2, 3), (2, 3))
    assert torch.equal(join_patches(patches.unflatten(-1, (6, 3)).flatten(1, 2), (2, 3), (4, 6)), x)


def test_impossible_outputs():
    with pytest.raises(ValueError, match="num_classes=1; expected at least 2"):
        model_of(PointsConfig(num_points=4, num_bands=2), count=1)
    with pytest.raises(ValueError, match="a cell of several patches has no output of its own"):
        model_of(ImageConfig(image_size=4, patch_size=4, patch_stride=2, channels=1))
    model = model_of(PointsConfig(num_points=4, num_bands=2))
    with pytest.raises(ValueError, match="the queries are the inputs"):
        model.output.queries(None)
