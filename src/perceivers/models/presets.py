"""Published configurations by name, each with its citation. Imports no torch."""

from collections.abc import Callable
from dataclasses import replace

from .config import ModelConfig
from .inputs import ImageConfig


def perceiver_imagenet() -> ModelConfig:
    """ImageNet Perceiver: 224² pixels, 8 cross-attends, shared as published; 44.91M, 707 GFLOPs.

    arXiv 2103.03206v2, §4.1 and Table 7 ("shared"): the first cross-attend has weights of its own,
    the other seven share theirs, and all eight latent transformers are one. Top-1 78.0 there.
    """
    return ModelConfig()


def perceiver_imagenet_1x() -> ModelConfig:
    """ImageNet Perceiver reading its input once: 42.1M parameters, 404 GFLOPs.

    arXiv 2103.03206v2, Table 6 (one cross-attend at the start; top-1 76.7 there).
    """
    return replace(perceiver_imagenet(), cross_order=(0, *(None,) * 7))


def perceiver_imagenet_unshared() -> ModelConfig:
    """ImageNet Perceiver without any weight sharing: 326.2M parameters, which overfit.

    arXiv 2103.03206v2, Table 7 (top-1 72.9 validation, 87.7 training there).
    """
    return replace(perceiver_imagenet(), cross_order=tuple(range(8)), block_order=tuple(range(8)))


def perceiver_pytorch_cifar10() -> ModelConfig:
    """The small model of a guide to perceiver-pytorch on CIFAR-10: 2.45M parameters, 32 latents.

    "Guide to Perceiver: A Scalable Transformer-based Model" (Analytics India Magazine): depth 6,
    nothing shared, 32 latents of 128 channels, 6 bands up to max_freq 10, one cross head and two
    latent heads of 8. The library's architecture: `perceivers.interop.from_perceiver_pytorch`.
    """
    order = tuple(range(6))
    return ModelConfig(
        num_classes=10,
        input=ImageConfig(image_size=32, num_bands=6, max_resolution=10.0),
        num_latents=32,
        latent_dim=128,
        cross_order=order,
        block_order=order,
        num_layers_per_block=1,
        num_self_heads=2,
        qk_dim=8,
        self_qk_dim=16,
        qkv_bias=False,
        widening_factor=4,
        activation="geglu",
        latent_std=1.0,
        pooled_norm=True,
    )


PRESETS: dict[str, Callable[[], ModelConfig]] = {
    "perceiver-imagenet": perceiver_imagenet,
    "perceiver-imagenet-1x": perceiver_imagenet_1x,
    "perceiver-imagenet-unshared": perceiver_imagenet_unshared,
    "perceiver-pytorch-cifar10": perceiver_pytorch_cifar10,
}


def list_presets() -> list[str]:
    """Names of the published configurations that `create` builds."""
    return list(PRESETS)
