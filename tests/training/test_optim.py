"""Optimisers and schedules, compared with their formulas."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from perceivers.training.muon import Muon, orthogonalised
from perceivers.training.optim import Lamb, build_optimizer, build_schedule
from perceivers.training.recipe import OptimizerConfig


def published_lamb(w, gradients, lr, beta1, beta2, eps, decay):
    """Apply arXiv 1904.00962, Algorithm 2, in float64 with NumPy."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        r = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
        u = r + decay * w
        ratio = np.linalg.norm(w) / np.linalg.norm(u)
        w = w - lr * ratio * u
    return w


def test_lamb_equals_the_published_algorithm_over_ten_steps():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(6, 5)), rng.normal(size=(10, 6, 5))
    w = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = Lamb([w], lr=0.01, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1)
    for g in gradients:
        w.grad = torch.from_numpy(g)
        optimizer.step()
    expected = published_lamb(start, gradients, 0.01, 0.9, 0.99, 1e-6, 0.1)
    np.testing.assert_allclose(w.detach(), expected, atol=1e-6, rtol=0)


def test_lamb_moves_weights_that_start_at_zero():
    w = nn.Parameter(torch.zeros(3))
    w.grad = torch.ones(3)
    Lamb([w], lr=0.1).step()
    torch.testing.assert_close(w.detach(), torch.full((3,), -0.1))


def test_lamb_state_can_be_saved_and_restored():
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    first, second = Lamb([a]), Lamb([b])
    a.grad = torch.tensor([1.0, 2.0, 3.0])
    first.step()
    second.load_state_dict(first.state_dict())
    b.data, b.grad = a.data.clone(), a.grad.clone()
    first.step()
    second.step()
    assert torch.equal(a, b)


def test_lamb_evaluates_a_closure():
    w = nn.Parameter(torch.ones(2))

    def closure():
        loss = w.square().sum()
        loss.backward()
        return loss

    assert Lamb([w]).step(closure).item() == 2.0


def two_optimizers(model, lr):
    """Return Muon and AdamW as two optimisers."""
    weights = [model[0].weight, model[2].weight]
    muon = Muon(weights, lr=lr, weight_decay=0.1, momentum=0.95)
    rest = [model[0].bias, *model[1].parameters(), model[2].bias]
    return muon, torch.optim.AdamW(rest, lr=lr, weight_decay=0.0, betas=(0.9, 0.98))


def test_muon_with_adamw_equals_two_optimizers_also_after_restoring():
    def make():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 6))

    config = OptimizerConfig(name="muon", lr=0.01, weight_decay=0.1, momentum=0.95, beta2=0.98)
    one, two = make(), make()
    combined, separate = build_optimizer(one, config), two_optimizers(two, lr=0.01)
    x = torch.randn(9, 6)
    for step in range(4):
        for optimizer in (combined, *separate):
            optimizer.zero_grad()
        for model in (one, two):
            model(x).square().sum().backward()
        for optimizer in (combined, *separate):
            optimizer.step()
        if step == 1:
            state = combined.state_dict()
            combined = build_optimizer(one, config)
            combined.load_state_dict(state)
        for group in (*combined.param_groups, *(g for part in separate for g in part.param_groups)):
            group["lr"] *= 0.5  # as a schedule does
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_muon_is_torchs_up_to_the_digits_of_bfloat16():
    torch.manual_seed(0)
    shapes = [(6, 5), (6, 5), (5, 9), (8, 3)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    options = {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9}
    one = Muon(ours, **options)
    two = torch.optim.Muon(theirs, **options, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        one.step()
        two.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=4e-3, rtol=0)  # a step changes them by 0.1
    ours[0].grad = None
    before = ours[0].detach().clone()
    one.step()
    assert torch.equal(ours[0], before)


@pytest.mark.parametrize("shape", [(5, 5), (2, 7, 3), (3, 8)])
def test_orthogonalised_matrices_keep_their_singular_vectors(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.square().sum(-1, keepdim=True).sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    torch.testing.assert_close(orthogonalised(matrices), u * s[..., None, :] @ v)
    assert (s - 1).abs().max() < 0.4


@pytest.mark.parametrize(
    ("has_it", "dtype", "atol"), [(True, torch.bfloat16, 0.1), (False, torch.float32, 1e-4)]
)
def test_matrices_are_multiplied_in_bfloat16_where_the_processor_has_it(
    monkeypatch, has_it, dtype, atol
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_it})
    torch.manual_seed(0)
    matrices = torch.randn(2, 4, 6)
    got, exact = orthogonalised(matrices), orthogonalised(matrices.double())
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), exact, atol=atol, rtol=0)


MODEL = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))


@pytest.mark.parametrize("name", ["adamw", "lamb", "adam", "sgd"])
def test_biases_and_norms_are_not_decayed(name):
    groups = build_optimizer(MODEL, OptimizerConfig(name=name, weight_decay=0.3)).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.3), (3, 0.0)]
    decay_all = OptimizerConfig(name=name, weight_decay=0.3, decay_all=True)
    groups = build_optimizer(MODEL, decay_all).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(4, 0.3)]


def test_optimizer_arguments():
    adam = build_optimizer(MODEL, OptimizerConfig(name="adam", beta1=0.5, beta2=0.6, lr=0.2))
    assert (adam.defaults["betas"], adam.defaults["lr"]) == ((0.5, 0.6), 0.2)
    sgd = build_optimizer(MODEL, OptimizerConfig(name="sgd", momentum=0.7))
    assert sgd.defaults["momentum"] == 0.7
    with pytest.raises(ValueError, match="unknown optimizer 'rmsprop'"):
        build_optimizer(MODEL, OptimizerConfig(name="rmsprop"))


def learning_rates(epochs=4, steps=5, **config):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = build_schedule(optimizer, OptimizerConfig(**config), epochs=epochs, steps=steps)
    values = []
    for _ in range(epochs * steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_cosine_with_warm_up():
    values = learning_rates(schedule="cosine", warmup_epochs=1)
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    expected = [0.5 * (1 + math.cos(math.pi * k / 15)) for k in range(15)]
    assert values[5:] == pytest.approx(expected)


def test_constant_and_multistep():
    assert learning_rates(schedule="constant") == [1.0] * 20
    values = learning_rates(schedule="multistep", milestones=(1, 3), gamma=0.5)
    assert values == [1.0] * 5 + [0.5] * 10 + [0.25] * 5


def test_plateau_waits_then_lowers():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    config = OptimizerConfig(schedule="plateau", plateau_factor=0.2, plateau_patience=3)
    schedule = build_schedule(optimizer, config, epochs=9, steps=1)
    values = []
    for _ in range(6):
        schedule.step(1.0)
        values.append(optimizer.param_groups[0]["lr"])
    assert values == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.2, 0.2])


def test_warmup_of_nearly_the_whole_run():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    config = OptimizerConfig(schedule="cosine", warmup_epochs=0.9)
    schedule = build_schedule(optimizer, config, epochs=1, steps=1)
    for _ in range(2):
        optimizer.step()
        schedule.step()
    assert math.isfinite(optimizer.param_groups[0]["lr"])


def test_impossible_schedules():
    with pytest.raises(ValueError, match="warmup_epochs=4 is not less than trainer.max_epochs=4"):
        learning_rates(schedule="cosine", warmup_epochs=4)
    with pytest.raises(
        ValueError, match="warmup_epochs=1 cannot be combined with optimizer.schedule=plateau"
    ):
        learning_rates(schedule="plateau", warmup_epochs=1)


def test_muon_leaves_a_head_of_several_layers_to_adamw():
    model = nn.Sequential()
    model.add_module("body", nn.Linear(3, 4))
    model.add_module("head", nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))
    optimizer = build_optimizer(model, OptimizerConfig(name="muon"))
    assert [p is model.body.weight for p in optimizer.param_groups[0]["params"]] == [True]
