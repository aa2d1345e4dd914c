"""Inputs: shapes, the combination of content and position, order and padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers import Inputs, Perceiver
from perceivers.core.inputs import padded


def test_added_positions_are_a_sum():
    content, position = torch.rand(2, 3, 4), torch.rand(1, 3, 4)
    inputs = Inputs(content, position, fusion="add")
    assert inputs.dim == 4
    assert torch.equal(inputs.joined(), content + position)


def test_added_positions_need_equally_many_channels():
    with pytest.raises(
        ValueError, match="position has 5 channels and content 4; expected equally many"
    ):
        Inputs(torch.rand(2, 3, 4), torch.rand(1, 3, 5), fusion="add")


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["concatenate", "add"]),
    st.integers(0, 999),
)
def test_the_order_of_elements_does_not_matter(batch, elements, masked, per_example, fusion, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = Inputs(
        torch.randn(batch, elements, 4, generator=generator).double(),
        torch.randn(1, elements, 4, generator=generator).double(),
        torch.rand(batch, elements, generator=generator) < 0.7 if masked else None,
        fusion,
    )
    leading = (batch, elements) if per_example else (elements,)
    order = torch.rand(leading, generator=generator).argsort(-1)
    shuffled = inputs.permuted(order)
    assert shuffled.fusion == fusion
    row = order[0] if per_example else order
    assert torch.equal(shuffled.content[0], inputs.content[0, row])
    assert torch.equal(shuffled.position[0], inputs.position[0, row])
    if masked:
        assert torch.equal(shuffled.mask[0], inputs.mask[0, row])
    model = Perceiver(
        inputs.dim,
        num_latents=2,
        latent_dim=8,
        cross_order=(0,),
        block_order=(0,),
        num_layers_per_block=1,
        num_self_heads=2,
        latent_std=1.0,
    ).double()
    torch.testing.assert_close(model(shuffled), model(inputs), rtol=0, atol=1e-10)


def test_batches_of_different_sizes_are_padded_and_ordered():
    first = Inputs(torch.rand(2, 3, 4), torch.rand(1, 3, 2))
    second = Inputs(torch.rand(1, 1, 4), torch.rand(1, 1, 2), torch.tensor([[True]]))
    got = padded([first, second], torch.tensor([2, 0, 1]))
    assert got.content.shape == (3, 3, 4)
    assert got.mask.tolist() == [[True, False, False], [True] * 3, [True] * 3]
    assert torch.equal(got.content[0, :1], second.content[0])
    assert torch.equal(got.content[1:], first.content)
    assert torch.equal(got.position[0, :1], second.position[0])
    assert torch.equal(got.position[1:], first.position.expand(2, -1, -1))
    assert not got.content[0, 1:].any()
    assert not got.position[0, 1:].any()
    unordered = padded([first, second])
    assert torch.equal(unordered.content, got.content[[1, 2, 0]])
    assert padded([first]) is first


def test_nothing_is_masked_where_nothing_is_padded():
    position = torch.rand(1, 3, 2)
    parts = [Inputs(torch.rand(n, 3, 4), position) for n in (1, 2)]
    got = padded(parts)
    assert got.mask is None
    assert got.position is position
    assert torch.equal(got.content, torch.cat([part.content for part in parts]))
    no_position = padded([Inputs(torch.rand(1, n, 4)) for n in (1, 2)])
    assert no_position.position is None
    assert no_position.mask.tolist() == [[True, False], [True, True]]


def test_batches_of_different_channels_cannot_be_padded():
    first = Inputs(torch.rand(1, 2, 4), torch.rand(1, 2, 3))
    for other in (Inputs(torch.rand(1, 2, 4)), Inputs(torch.rand(1, 2, 5), torch.rand(1, 2, 3))):
        with pytest.raises(ValueError, match="expected at least one part, and all parts alike"):
            padded([first, other])
    with pytest.raises(ValueError, match="at least one part"):
        padded([])
