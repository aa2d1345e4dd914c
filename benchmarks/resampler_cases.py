"""Benchmark cases of resamplers of vision-language models, against the libraries they are from.

Sizes are arguments, so that tests can use small ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .case import OURS, PEERS, PRODUCTS, Case, Contender, ResamplerConfig


def ip_adapter(
    features: int = 4096, dim: int = 768, heads: int = 12, input_dim: int = 1280, depth: int = 4
) -> Case:
    """Return a case that runs the projection of IP-Adapter Plus, at the size for SD 1.5."""
    options = {
        "input_dim": input_dim,
        "latent_dim": dim,
        "output_dim": dim,
        "num_latents": 16,
        "depth": depth,
        "num_heads": heads,
        "head_dim": 64,
        "project_inputs": True,
    }
    peer = Contender("diffusers", f"{PEERS}.resamplers:build_diffusers", ("diffusers",))
    return _resampler_case("ip-adapter", "projection of IP-Adapter Plus", options, features, peer)


def idefics2(features: int = 4096, dim: int = 4096, heads: int = 16, depth: int = 3) -> Case:
    """Return a case that runs the resampler of Idefics 2, at its published size."""
    options = {
        "input_dim": dim,
        "latent_dim": dim,
        "num_latents": 64,
        "depth": depth,
        "num_heads": heads,
        "head_dim": 96,
        "num_kv_heads": heads // 4,
        "norm": "rms",
        "output_norm": "rms",
        "eps": 1e-6,
        "activation": "swiglu",
    }
    peer = Contender("transformers", f"{PEERS}.resamplers:build_transformers", ("transformers",))
    return _resampler_case("idefics2", "resampler of Idefics 2", options, features, peer)


def _resampler_case(
    name: str, title: str, options: Mapping[str, Any], features: int, peer: Contender
) -> Case:
    return Case(
        name,
        f"{title}, M={features}, N={options['num_latents']}, D={options['latent_dim']}, "
        f"{options['depth']} layers, batch 1, inference",
        ResamplerConfig(options, features),
        "latents",
        1,
        (replace(OURS, build=f"{PEERS}.resamplers:build"), peer, PRODUCTS),
        "Memory includes the weights.",
    )


CASES: dict[str, Callable[..., Case]] = {
    "ip-adapter": ip_adapter,
    "idefics2": idefics2,
}
