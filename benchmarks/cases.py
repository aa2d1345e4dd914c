"""What is compared: for each case a model, a batch, what is done with it, and by whom.

Sizes are arguments, so that tests can make them small.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from perceivers.modalities import ArrayConfig, ImageConfig, InputConfig
from perceivers.models.config import KerasExampleConfig, ModelConfig

PEERS = "benchmarks.peers"


@dataclass(frozen=True)
class Contender:
    """Who takes part; each runs in a process of its own."""

    name: str
    build: str = f"{PEERS}.ours:build"
    """"module:function" that makes a step of a `Case`, its keywords `options`."""
    packages: tuple[str, ...] = ()
    """Distributions without which it is reported as not installed."""
    install: str = "make bench installs it"
    options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that its process starts with."""


OURS = Contender("perceivers")
PEAK = Contender("matrix product", f"{PEERS}.ours:build_peak")


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    title: str
    config: ModelConfig
    """Our model; all contenders get its weights."""
    mode: Literal["train", "logits", "latents"]
    """A training step without optimiser, or inference up to the logits or the latents."""
    batch: int
    contenders: tuple[Contender, ...]
    """The first is ours, which the others are measured against."""
    remark: str = ""
    compare: bool = True
    """Whether all must have the same results; else each is another problem."""
    warm_ups: int = 2
    """Steps before timing, the one compared among them."""
    max_repeats: int | None = None


def large_input_train(
    image_size: int = 224, num_latents: int = 128, dim: int = 256, depth: int = 4, batch: int = 2
) -> Case:
    """A small latent array over many pixels: reading dominates."""
    return tied_train("large-input-train", image_size, num_latents, dim, depth, batch)


def paper_like_train(
    image_size: int = 224, num_latents: int = 512, dim: int = 512, depth: int = 8, batch: int = 1
) -> Case:
    """The paper's number of latents and cross-attends, half as wide."""
    return tied_train("paper-like-train", image_size, num_latents, dim, depth, batch)


def tied_train(
    name: str, image_size: int, num_latents: int, dim: int, depth: int, batch: int
) -> Case:
    """Training of perceiver-pytorch's tied model."""
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
    "perceiver-pytorch with `weight_tie_layers=True`: the first layer has weights of its own, the "
    "others share theirs. It makes keys and values anew at every cross-attend; the FLOPs here "
    "count them once."
)


def perceiver_pytorch(**changes: Any) -> Contender:
    """lucidrains' library."""
    return Contender(
        "perceiver-pytorch",
        f"{PEERS}.perceiver_pytorch:build",
        ("perceiver-pytorch",),
        **changes,
    )


def perceiver_pytorch_config(
    image_size: int, num_latents: int, dim: int, depth: int, num_classes: int = 1000
) -> ModelConfig:
    """Its tied model with one cross head of 64 and eight latent heads that are `dim` together."""
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
    """The Keras example on two of its backends."""
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
        "On JAX `value_and_grad` of the whole step is compiled; the first run, in which that "
        "happens, is not timed.",
    )


def deepmind_inference(image_size: int = 224, config: ModelConfig | None = None) -> Case:
    """The encoder of DeepMind's Fourier classifier."""
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
        "Random weights, alike in both. The decoder (one query, about 0.5% of the FLOPs) is left "
        "out on both sides; the latents are compared.",
    )


def krasserm(
    image_size: int = 224, num_latents: int = 128, dim: int = 256, depth: int = 4, batch: int = 2
) -> Case:
    """perceiver-io at the sizes of `large_input_train`, in the paper's form."""
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
                "its newest release asks for Python < 3.11 and older packages, so that `make "
                "bench` cannot install it: `.venv/bin/pip install --no-deps "
                "--ignore-requires-python perceiver-io==0.11.0 fairscale`",
                env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
            ),
        ),
        "The library's encoder for images; on both sides its latents are averaged and go through "
        "one linear layer, as in the paper, where the library has a decoder.",
    )


ELEMENTS = (10**4, 10**5, 10**6, 10**7)


def scaling(
    elements: Sequence[int] = ELEMENTS, num_latents: int = 256, dim: int = 256, layers: int = 2
) -> Case:
    """Our model alone over ever larger images, none of them held."""
    case = _growing("scaling", ImageConfig(), "build_image", elements, num_latents, dim, layers)
    remark = (
        "Our model alone, by `encode_stream`: the square image nearest M, its pixels made in bands "
        "as they are read, which is part of the time. On a small image the latents were found to "
        "be those of the plain forward pass."
    )
    return replace(case, title=f"Images of M pixels, {case.title}", remark=remark)


def scaling_sequence(
    elements: Sequence[int] = ELEMENTS, num_latents: int = 256, dim: int = 256, layers: int = 2
) -> Case:
    """The same over a sequence, where each element has a position of its own."""
    config = ArrayConfig(shape=(1024,), channels=3, max_resolution=(1024.0,))
    case = _growing(
        "scaling-sequence", config, "build_sequence", elements, num_latents, dim, layers
    )
    remark = (
        "Our model alone, by `Perceiver.encode_stream`: content and positions are made in chunks "
        "of 65,536 as they are read, which is part of the time. On a short stream the latents were "
        "found to be those of the plain forward pass."
    )
    return replace(case, title=f"Sequences of M elements, {case.title}", remark=remark)


def _growing(
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
        f"3 channels and 64 Fourier bands an axis, N={num_latents}, D={dim}, 1 cross-attend and "
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
    """Our self-attends alone, where torch's kernels set the pace."""
    return Case(
        "latent",
        f"latent part alone, N={num_latents}, D={dim}, {layers} self-attends of 8 heads, batch 1, "
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
        1,  # before they have read, the latents are the same for all examples and go through once
        (OURS,),
        "Our model alone, to be seen against the matrix product's own speed.",
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
