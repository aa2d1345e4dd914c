"""One step: the permuted-image experiment."""

import dataclasses

import pytest
import torch

from perceivers.data.augment import permutation
from perceivers.models.build import build
from perceivers.recipes import get_recipe
from perceivers.training.task import Classification


def seen(kind: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(content, position) that the Perceiver is given for four images that tell their pixels."""
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, permute=kind))
    model = build(recipe.model)
    given = []
    model.perceiver.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    images = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1).expand(4, 8, 8, 1)
    Classification(model, recipe)._logits(images, seed)
    [inputs] = given
    return (inputs.content[..., 0] * 255).round().long(), inputs.dense_position


def test_without_permutation_pixels_come_row_by_row():
    content, _ = seen("none")
    assert torch.equal(content, torch.arange(64).expand(4, 64))


def test_fixed_is_one_order_for_all_images_and_steps():
    content, position = seen("fixed")
    assert torch.equal(content, content[:1].expand(4, 64))
    assert not torch.equal(content[0], torch.arange(64))
    assert torch.equal(content, seen("fixed", seed=7)[0])
    assert torch.equal(position, seen("none")[1][:, content[0]])


def test_random_is_an_order_for_each_image_and_step():
    content, position = seen("random")
    assert not torch.equal(content[0], content[1])
    assert torch.equal(content.sort().values, torch.arange(64).expand(4, 64))
    assert torch.equal(content, seen("random")[0])
    assert not torch.equal(content, seen("random", seed=7)[0])
    assert torch.equal(position, seen("none")[1][0][content])


def test_unknown_permutation():
    with pytest.raises(ValueError, match="unknown permutation 'shuffled'"):
        permutation("shuffled", batch=1, elements=2, seed=0)
