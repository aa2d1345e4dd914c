"""An input distributed over several processes gives the latents and gradients of one process."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.attention import SDPBackend, sdpa_kernel

from perceivers import Inputs, Perceiver

ELEMENTS = 17


def perceiver(input_dim: int) -> Perceiver:
    torch.manual_seed(0)
    model = Perceiver(
        input_dim,
        num_latents=5,
        latent_dim=8,
        cross_order=(0, 1, 1),
        block_order=(0, 1, 0),
        num_layers_per_block=1,
        num_cross_heads=2,
        num_self_heads=2,
        qk_dim=8,
        v_dim=4,
        latent_std=1.0,
    )
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return model


def whole(masked: bool, fusion: str = "concatenate") -> Inputs:
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(3, ELEMENTS, generator=generator) < 0.6 if masked else None
    if masked:
        mask[1] = False  # an example without unmasked elements on any rank
        mask[2, : ELEMENTS // 2] = False  # one without unmasked elements on some ranks
    draw = torch.randn(4, ELEMENTS, 4, generator=generator)
    return Inputs(draw[:3], draw[3:], mask, fusion)


def part(inputs: Inputs, start: int, stop: int) -> Inputs:
    at = slice(start, stop)
    mask = None if inputs.mask is None else inputs.mask[:, at]
    return Inputs(inputs.content[:, at], inputs.position[:, at], mask, inputs.fusion)


def latents_and_gradients(model, *arguments):
    z = model(*arguments)
    weights = torch.randn(z.shape, generator=torch.Generator().manual_seed(9))
    return z, torch.autograd.grad((z * weights).sum(), [*model.parameters()])


def check(rank: int, group: dist.ProcessGroup, bounds: list[int]) -> None:
    for masked in (False, True):
        for fusion in ("concatenate", "add"):
            inputs = whole(masked, fusion)
            model = perceiver(inputs.dim)
            expected, expected_gradients = latents_and_gradients(model, inputs)
            mine = part(inputs, bounds[rank], bounds[rank + 1])
            got, got_gradients = latents_and_gradients(model, mine, group)
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
            for a, b in zip(got_gradients, expected_gradients, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def penalty(model, *arguments):
    """Return the squared norm of the weights' gradients, and the gradient of this norm."""
    z = model(*arguments)
    weights = torch.randn(z.shape, generator=torch.Generator().manual_seed(9)).to(z)
    leaves = [*model.parameters()]
    gradients = torch.autograd.grad((z * weights).sum(), leaves, create_graph=True)
    squared = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    return squared, torch.autograd.grad(squared, leaves, materialize_grads=True)


def check_second_derivatives(rank: int, group: dist.ProcessGroup, bounds: list[int]) -> None:
    for masked in (False, True):
        inputs = whole(masked)
        inputs = Inputs(inputs.content.double(), inputs.position.double(), inputs.mask)
        model = perceiver(inputs.dim).double()
        with sdpa_kernel(SDPBackend.MATH):
            expected, expected_gradients = penalty(model, inputs)
            mine = part(inputs, bounds[rank], bounds[rank + 1])
            got, got_gradients = penalty(model, mine, group)
        torch.testing.assert_close(got, expected)
        for a, b in zip(got_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def check_disagreement(rank: int, group: dist.ProcessGroup) -> None:
    inputs = whole(False)
    model = perceiver(inputs.dim)
    wrong = Inputs(inputs.content[: 3 - rank], inputs.position)
    with pytest.raises(ValueError, match="the ranks hold 1 to 3 examples"):
        model(wrong, group)


def process(rank: int, port: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=3)
    check(rank, dist.group.WORLD, [0, 4, 5, ELEMENTS])
    check(rank, dist.group.WORLD, [0, 9, 9, ELEMENTS])  # one rank has no elements
    check_second_derivatives(rank, dist.group.WORLD, [0, 9, 9, ELEMENTS])
    check_disagreement(rank, dist.group.WORLD)
    pair = dist.new_group([0, 1])
    if rank < 2:
        check(rank, pair, [0, 6, ELEMENTS])
    dist.barrier()
    dist.destroy_process_group()


def test_three_processes_and_a_group_of_two_equal_one_process(free_port):
    # Forked, because importing torch three times takes longer than all the rest.
    mp.start_processes(process, args=(free_port,), nprocs=3, start_method="fork")
