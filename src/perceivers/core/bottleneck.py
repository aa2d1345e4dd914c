"""The bottleneck of a variational autoencoder: a few normal distributions for each latent."""

import torch
from torch import Tensor, nn

from .init import init_linear

# B batch · N latents · D latent_dim · L bottleneck_dim

# Log-variances are kept in these limits, so that neither a deviation nor its logarithm overflows.
MIN_LOG_VARIANCE, MAX_LOG_VARIANCE = -30.0, 20.0
INITIAL_LOG_VARIANCE = -6.0  # a deviation of 0.05


class KLBottleneck(nn.Module):
    """Map each latent to L independent normal distributions, and draw a code from them.

    Codes are drawn as mean + deviation · noise (arXiv 1312.6114, §2.4), so that gradients reach
    both; in eval mode a code is the mean. A LayerNorm comes first, as before every other map of
    latents: without it the divergence of an untrained model is so large that it swamps the loss.
    Means, log-variances and codes are float32, whatever the
    precision of the latents.

    Args:
        latent_dim: D, channels of a latent.
        bottleneck_dim: L, channels of its code.

    Raises:
        ValueError: `bottleneck_dim` is below 1.
    """

    def __init__(self, latent_dim: int, bottleneck_dim: int) -> None:
        super().__init__()
        if bottleneck_dim < 1:
            raise ValueError(f"bottleneck_dim={bottleneck_dim}; expected at least 1")
        self.norm = nn.LayerNorm(latent_dim)
        self.mean = nn.Linear(latent_dim, bottleneck_dim)
        self.log_variance = nn.Linear(latent_dim, bottleneck_dim)
        self.init_weights()

    def moments(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log-variances of the codes of latents (B, N, D), (B, N, L) each."""
        latents = self.norm(latents)
        log_variance = self.log_variance(latents).float()
        return self.mean(latents).float(), log_variance.clamp(MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Draw codes, in eval mode the means.

        Noise comes from torch's global generator.

        Args:
            latents: (B, N, D).

        Returns:
            Codes (B, N, L), and `kl_divergence` of their distributions, (B,).
        """
        mean, log_variance = self.moments(latents)
        divergence = kl_divergence(mean, log_variance)
        if not self.training:
            return mean, divergence
        return mean + (0.5 * log_variance).exp() * torch.randn_like(mean), divergence

    def init_weights(self) -> None:
        """Initialise means by variance scaling on fan-in, and all deviations to a small one.

        Noise as large as the means would teach the decoder to ignore the codes (docs/log.md).
        """
        init_linear(self.mean)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, INITIAL_LOG_VARIANCE)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of normal distributions from the standard one.

    That is ½ (mean² + variance - log variance - 1), in nats, averaged over latents and channels as
    in the code of 3DShape2VecSet (arXiv 2301.11445), so that its weight in a loss does not depend
    on their number.

    Args:
        mean: (B, N, L).
        log_variance: natural logarithms of the variances, (B, N, L).

    Returns:
        (B,).
    """
    each = mean.square() + log_variance.exp() - log_variance - 1
    return 0.5 * each.mean((1, 2))
