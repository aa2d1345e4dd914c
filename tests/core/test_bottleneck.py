"""The bottleneck against torch.distributions, its noise and its gradients."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from perceivers.core import KLBottleneck
from perceivers.core import bottleneck as module


def made(training=True, log_variance=-1.0):
    torch.manual_seed(0)
    bottleneck = KLBottleneck(6, 3).train(training)
    torch.nn.init.normal_(bottleneck.log_variance.weight, std=0.3)
    torch.nn.init.constant_(bottleneck.log_variance.bias, log_variance)
    return bottleneck, torch.randn(4, 5, 6)


def test_the_divergence_is_that_of_normal_distributions():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    normals = Normal(mean, (0.5 * log_variance).exp())
    standard = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(normals, standard).mean((1, 2))
    torch.testing.assert_close(module.kl_divergence(mean, log_variance), expected)
    assert (module.kl_divergence(0 * mean, 0 * mean) == 0).all()


def test_codes_in_training_are_drawn_from_the_distributions():
    bottleneck, latents = made()
    mean, log_variance = bottleneck.moments(latents)
    draws = torch.stack([bottleneck(latents)[0] for _ in range(4000)])
    torch.testing.assert_close(draws.mean(0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(draws.var(0), log_variance.exp(), atol=0.03, rtol=0.12)


def test_codes_follow_from_the_seed():
    bottleneck, latents = made()
    torch.manual_seed(3)
    first = bottleneck(latents)[0]
    assert not torch.equal(first, bottleneck(latents)[0])
    torch.manual_seed(3)
    assert torch.equal(first, bottleneck(latents)[0])


def test_in_eval_mode_codes_are_the_means():
    bottleneck, latents = made(training=False)
    codes, divergence = bottleneck(latents)
    mean, log_variance = bottleneck.moments(latents)
    assert torch.equal(codes, mean)
    assert torch.equal(divergence, module.kl_divergence(mean, log_variance))


def test_gradients_are_those_of_the_formula():
    bottleneck, latents = made()
    bottleneck, latents = bottleneck.double(), latents.double()
    # Moments are rounded to float32, so that the formula is compared and not differences.
    torch.manual_seed(1)
    codes, divergence = bottleneck(latents)
    (codes.sum() + divergence.sum()).backward()
    torch.manual_seed(1)
    noise = torch.randn(4, 5, 3)
    z = bottleneck.norm(latents).detach()
    mean, log_variance = (f(z).float() for f in (bottleneck.mean, bottleneck.log_variance))
    by_mean = 1 + mean / 15
    by_log_variance = 0.5 * noise * (0.5 * log_variance).exp() + (log_variance.exp() - 1) / 30
    for linear, each in ((bottleneck.mean, by_mean), (bottleneck.log_variance, by_log_variance)):
        expected = torch.einsum("bnl,bnd->ld", each.detach().double(), z)
        torch.testing.assert_close(linear.weight.grad, expected, atol=1e-5, rtol=1e-5)


def test_extreme_log_variances_give_finite_numbers():
    for log_variance in (-1e6, 1e6):
        bottleneck, latents = made(log_variance=log_variance)
        codes, divergence = bottleneck(latents)
        assert codes.isfinite().all()
        assert divergence.isfinite().all()


def test_a_code_without_channels_is_refused():
    with pytest.raises(ValueError, match="bottleneck_dim=0; expected at least 1"):
        KLBottleneck(4, 0)
