"""Benchmark cases of models of images and of sequences, and of our self-attends alone.

Sizes are arguments, so that tests can use small ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from perceivers.modalities import ArrayConfig, ImageConfig, InputConfig
from perceivers.models.config import KerasExampleConfig, ModelConfig

from .case import OURS, PEERS, Case, Contender


def large_input_train(
    image_size: int = 224, num_latents: int = 128, dim: int = 256, depth: int = 4, batch: int = 2
) -> Case:
    """Return a case with few latents and many pixels, where cross-attends take most time."""
    return tied_train("large-input-train", image_size, num_latents, dim, depth, batch)


def paper_like_train(
    image_size: int = 224, num_latents: int = 512, dim: int = 512, depth: int = 8, batch: int = 1
) -> Case:
    """Return a case with the paper's numbers of latents and cross-attends at half its width."""
    return tied_train("paper-like-train", image_size, num_latents, dim, depth, batch)


def tied_train(
    name: str, image_size: int, num_latents: int, dim: int, depth: int, batch: int
) -> Case:
    """Return a case that trains perceiver-pytorch's model with tied layers."""
    return Case(
        name,
        f"{image_size}² pixels, N={num_latents}, D={dim}, {depth} cross-attends × 1 self-attend, "
        f"batch {batch}, one training step",
        perceiver_pytorch_config(image_size, num_latents, dim, depth),
        "train",
        batch,
        (OURS, perceiver_pytorch()),
        TIED,
    )


TIED = (
    "perceiver-pytorch runs with `weight_tie_layers=True`: the first layer has its own weights, "
    "the other layers share theirs. It computes keys and values again at every cross-attend; the "
    "FLOPs here count them once."
)


def perceiver_pytorch(**changes: Any) -> Contender:
    """Return the contender that runs lucidrains' library."""
    return Contender(
        "perceiver-pytorch",
        f"{PEERS}.perceiver_pytorch:build",
        ("perceiver-pytorch",),
        **changes,
    )


def perceiver_pytorch_config(
    image_size: int, num_latents: int, dim: int, depth: int, num_classes: int = 1000
) -> ModelConfig:
    """Return the configuration of perceiver-pytorch's model with tied layers.

    It has one cross head of width 64 and eight latent heads with a total width of `dim`.
    """
    order = (0, *(1,) * (depth - 1))
    return ModelConfig(
        num_classes=num_classes,
        input=ImageConfig(image_size=image_size, max_resolution=float(image_size)),
        num_latents=num_latents,
        latent_dim=dim,
        cross_order=order,
        block_order=order,
        num_layers_per_block=1,
        qk_dim=64,
        self_qk_dim=dim,
        qkv_bias=False,
        widening_factor=4,
        activation="geglu",
        latent_std=1.0,
        pooled_norm=True,
    )


def keras_train(config: KerasExampleConfig | None = None, batch: int = 8) -> Case:
    """Return a case that trains the Keras example, for Keras on two of its backends."""
    config = config or KerasExampleConfig()
    build = f"{PEERS}.keras_example:build"
    torch_only = {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "cpu"}
    jax_only = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    return Case(
        "keras-train",
        f"preset keras-cifar100, N={config.num_latents}, D={config.latent_dim}, batch {batch}, one "
        "training step, dropouts off",
        config,
        "train",
        batch,
        (
            OURS,
            Contender("Keras on JAX", build, ("keras", "h5py", "jax"), env=jax_only),
            Contender("Keras on torch", build, ("keras", "h5py"), env=torch_only),
        ),
        "On JAX, `value_and_grad` of the whole step is compiled. The first run, which includes "
        "the compilation, is not timed.",
    )


def deepmind_inference(image_size: int = 224, config: ModelConfig | None = None) -> Case:
    """Return a case that runs the encoder of DeepMind's Fourier classifier."""
    config = config or ModelConfig(cross_order=(0, *(None,) * 7))
    config_input = ImageConfig(image_size=image_size)
    config = ModelConfig(**{**vars(config), "input": config_input})
    return Case(
        "deepmind-inference",
        f"encoder of DeepMind's Fourier classifier, {image_size}² pixels, N={config.num_latents}, "
        f"D={config.latent_dim}, batch 1, inference",
        config,
        "latents",
        1,
        (
            OURS,
            Contender(
                "transformers",
                f"{PEERS}.transformers_encoder:build",
                ("transformers",),
                env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
            ),
        ),
        "Both models have the same random weights. The decoder (one query, about 0.5% of the "
        "FLOPs) is left out of both; the latents are compared.",
    )


def krasserm(
    image_size: int = 224, num_latents: int = 128, dim: int = 256, depth: int = 4, batch: int = 2
) -> Case:
    """Return a case with perceiver-io at the sizes of `large_input_train`, in the paper's form."""
    return Case(
        "krasserm",
        f"{image_size}² pixels, N={num_latents}, D={dim}, {depth} cross-attends × 1 self-attend "
        f"in the paper's form, batch {batch}, one training step",
        ModelConfig(
            input=ImageConfig(image_size=image_size),
            num_latents=num_latents,
            latent_dim=dim,
            cross_order=(0, *(1,) * (depth - 1)),
            block_order=(0,) * depth,
            num_layers_per_block=1,
        ),
        "train",
        batch,
        (
            OURS,
            Contender(
                "perceiver-io",
                f"{PEERS}.perceiver_io:build",
                ("perceiver-io", "fairscale"),
                "`make bench` cannot install it because its newest release requires Python < 3.11 "
                "and older packages; install it with `.venv/bin/pip install --no-deps "
                "--ignore-requires-python perceiver-io==0.11.0 fairscale`",
                env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
            ),
        ),
        "The image encoder of perceiver-io. In both models the latents are averaged and go through "
        "one linear layer, as in the paper; perceiver-io itself has a decoder instead.",
    )


ELEMENTS = (10**4, 10**5, 10**6, 10**7)


def scaling(
    elements: Sequence[int] = ELEMENTS, num_latents: int = 256, dim: int = 256, layers: int = 2
) -> Case:
    """Return a case with our model alone on images of growing size that are never held whole."""
    case = _scaling_case(
        "scaling", ImageConfig(), "build_image", elements, num_latents, dim, layers
    )
    remark = (
        "Our model alone, with `encode_stream`, on the square image whose size is nearest to M. "
        "Bands of pixels are generated while the model reads them, and the time includes that. On "
        "a small image the latents were found to be equal to those of the plain forward pass."
    )
    return replace(case, title=f"Images of M pixels, {case.title}", remark=remark)


def scaling_sequence(
    elements: Sequence[int] = ELEMENTS, num_latents: int = 256, dim: int = 256, layers: int = 2
) -> Case:
    """Return the case `scaling` for sequences, where each element has a position of its own."""
    config = ArrayConfig(shape=(1024,), channels=3, max_resolution=(1024.0,))
    case = _scaling_case(
        "scaling-sequence", config, "build_sequence", elements, num_latents, dim, layers
    )
    remark = (
        "Our model alone, with `Perceiver.encode_stream`. Content and positions are generated in "
        "chunks of 65,536 while the model reads them, and the time includes that. On a short "
        "stream the latents were found to be equal to those of the plain forward pass."
    )
    return replace(case, title=f"Sequences of M elements, {case.title}", remark=remark)


def _scaling_case(
    name: str,
    config_input: InputConfig,
    build: str,
    elements: Sequence[int],
    num_latents: int,
    dim: int,
    layers: int,
) -> Case:
    return Case(
        name,
        f"3 channels and 64 Fourier bands per axis, N={num_latents}, D={dim}, 1 cross-attend and "
        f"{layers} self-attends, batch 1, inference",
        ModelConfig(
            input=config_input,
            num_latents=num_latents,
            latent_dim=dim,
            cross_order=(0,),
            block_order=(0,),
            num_layers_per_block=layers,
        ),
        "latents",
        1,
        tuple(
            Contender(f"M = {count:,}", f"{PEERS}.ours:{build}", options={"elements": count})
            for count in elements
        ),
        compare=False,
        warm_ups=0,
        max_repeats=3,
    )


SCALING: dict[str, Callable[..., Case]] = {
    "scaling": scaling,
    "scaling-sequence": scaling_sequence,
}


def latent(num_latents: int = 512, dim: int = 1024, layers: int = 6) -> Case:
    """Return a case with our self-attends alone, where torch's kernels take most time."""
    return Case(
        "latent",
        f"self-attends alone, N={num_latents}, D={dim}, {layers} layers of 8 heads, batch 1, "
        "one training step",
        ModelConfig(
            input=ArrayConfig(shape=(1,), position="none"),
            num_latents=num_latents,
            latent_dim=dim,
            cross_order=(None,),
            block_order=(0,),
            num_layers_per_block=layers,
        ),
        "train",
        # Without a cross-attend the latents are the same for all examples and are computed once.
        1,
        (OURS,),
        "Our model alone, compared with the speed of the matrix product.",
    )


CASES: dict[str, Callable[..., Case]] = {
    "large-input-train": large_input_train,
    "paper-like-train": paper_like_train,
    "keras-train": keras_train,
    "deepmind-inference": deepmind_inference,
    "krasserm": krasserm,
    **SCALING,
    "latent": latent,
}
