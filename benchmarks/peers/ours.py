"""Steps of our own models, and helpers for every contender that runs on torch."""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import perceivers.interop.keras
import perceivers.interop.perceiver_pytorch  # noqa: F401  counts as an import for every contender
from perceivers import Inputs, Perceiver, PerceiverAR, Resampler
from perceivers.core import FourierPosition, resampler_layer
from perceivers.models.base import PerceiverModel
from perceivers.models.build import build as build_model
from perceivers.models.build import build_on_meta

from ..case import ARConfig, Case, Contender, ResamplerConfig
from ..report import SIDE

Step = Callable[[], dict[str, np.ndarray]]
CHUNK = 65_536  # elements of a sequence generated at a time
SLOW = 10**7  # smallest number of elements for which a stream prints its progress


def seeded(case: Case) -> PerceiverModel:
    """Return the case's model in eval mode with random weights, equal in every process."""
    torch.manual_seed(0)
    model = build_model(case.config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # heads, biases and norms are initialised to 0 or 1
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def batch(case: Case) -> tuple[Tensor, Tensor]:
    """Return arrays in [0, 1] with channels last, and their class indices (B,)."""
    adapter = build_on_meta(case.config).adapter
    shape = (*adapter.shape, adapter.channels)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(case.batch, *shape, generator=generator)
    return x, torch.randint(case.config.num_classes, (case.batch,), generator=generator)


def build(case: Case) -> Step:
    """Return a step of our model."""
    model = seeded(case)
    x, _ = batch(case)
    forward: Callable[[Tensor], Tensor] = model
    if case.mode == "latents":
        forward = lambda x: model.perceiver(model.adapter(x))  # noqa: E731
    return torch_step(case, forward, x, model.perceiver.latents, list(model.parameters()))


def torch_step(
    case: Case,
    forward: Callable[[Tensor], Tensor],
    x: Tensor,
    latents: Tensor,
    parameters: Iterable[Tensor],
) -> Step:
    """Return the step to time: inference, or forward, cross-entropy and backward.

    Args:
        case: its mode chooses between training and inference.
        forward: maps the batch to logits or latents.
        x: the batch.
        latents: the parameter whose gradient the step returns.
        parameters: all parameters; the step resets their gradients.

    Returns:
        A function that runs one step and returns the arrays to compare.
    """
    _, labels = batch(case)
    parameters = list(parameters)

    def infer() -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {case.mode: forward(x).numpy()}

    def train() -> dict[str, np.ndarray]:
        for parameter in parameters:
            parameter.grad = None
        loss = F.cross_entropy(forward(x), labels)
        loss.backward()
        assert latents.grad is not None
        return {"loss": loss.detach().numpy(), "gradient of the latents": latents.grad.numpy()}

    return train if case.mode == "train" else infer


def build_image(case: Case, elements: int) -> Step:
    """Return a step that streams a square image, which is generated while the model reads it.

    First checks on a small image that the stream gives the latents of the plain forward pass.
    """
    whole = seeded(case)
    model, adapter = whole.perceiver, whole.adapter
    small = Picture(30)
    with torch.inference_mode():
        torch.testing.assert_close(
            model.encode_stream(adapter.stream(small, elements=200)),
            model(adapter(small[0:30][None])),
            rtol=1e-4,
            atol=1e-4,
        )
    return partial(_encode, model, adapter.stream(Picture(round(elements**0.5))))


class Picture:
    """A square image of 3 channels that is generated when it is sliced, equal each time."""

    def __init__(self, side: int) -> None:
        self.shape = (side, side, 3)

    def __getitem__(self, rows: slice) -> Tensor:
        side = self.shape[0]
        start, stop, _ = rows.indices(side)
        if side**2 >= SLOW and start * 10 // side < stop * 10 // side:
            done = stop * 100 // side
            print(f"  {side**2:.0e} elements: {done}%", file=sys.stderr, flush=True)
        y, x = torch.arange(start, stop).view(-1, 1, 1), torch.arange(side).view(1, -1, 1)
        return ((y * 7919 + x * 104_729 + torch.arange(3) * 31) % 256).to(torch.uint8)


def build_sequence(case: Case, elements: int) -> Step:
    """Return a step that streams a sequence, which is generated while the model reads it.

    First checks on a short sequence that the stream gives the latents of the plain forward pass.
    """
    whole = seeded(case)
    model, position = whole.perceiver, whole.adapter.position
    short = Stream(300, position, chunk=128)
    parts = [(part.content, part.position) for part in short]
    together = Inputs(*(torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True)))
    with torch.inference_mode():
        torch.testing.assert_close(
            model.encode_stream(short), model(together), rtol=1e-4, atol=1e-4
        )
    return partial(_encode, model, Stream(elements, position, chunk=CHUNK))


@torch.inference_mode()
def _encode(model: Perceiver, stream: Iterable[Inputs]) -> dict[str, np.ndarray]:
    return {"latents": model.encode_stream(stream).numpy()}


class Stream:
    """A one-dimensional array of 3 channels that is generated when it is read, equal each time.

    Args:
        elements: number of elements M.
        position: maps coordinates in [-1, 1] to position features.
        chunk: number of elements generated at a time.
    """

    def __init__(self, elements: int, position: FourierPosition, *, chunk: int) -> None:
        self.elements, self.position, self.chunk = elements, position, chunk

    def __iter__(self) -> Iterator[Inputs]:
        generator = torch.Generator().manual_seed(2)
        tenth = -(-self.elements // 10)
        for start in range(0, self.elements, self.chunk):
            size = min(self.chunk, self.elements - start)
            if self.elements >= SLOW and start // tenth < (start + size) // tenth:
                share = (start + size) // tenth * 10
                print(f"  {self.elements:.0e} elements: {share}%", file=sys.stderr, flush=True)
            index = torch.arange(start, start + size, dtype=torch.float64)
            coordinates = (index / max(1, self.elements - 1) * 2 - 1).float()[None, :, None]
            content = torch.rand(1, size, 3, generator=generator)
            yield Inputs(content, self.position(coordinates))


def build_peak(case: Case) -> Step:
    """Return a step that multiplies two float32 matrices, to measure the machine's peak speed."""
    a, b = (torch.rand(SIDE, SIDE) for _ in range(2))
    out = torch.empty(SIDE, SIDE)

    def step() -> dict[str, np.ndarray]:
        torch.mm(a, b, out=out)
        return {}

    return step


def flops(case: Case, contender: Contender) -> int:
    """Return the FLOPs of one step of our model; training counts as three forward passes.

    A multiply and an add count as two. Keys and values of a shared cross-attend count once.
    """
    if isinstance(case.config, ResamplerConfig):
        return case.batch * _resampler_flops(case.config)
    if isinstance(case.config, ARConfig):
        return case.batch * _ar_flops(case.config)
    model = build_on_meta(case.config)
    size = contender.options.get("elements", model.adapter.num_inputs)

    def forward(elements: int) -> int:
        inputs = Inputs(torch.empty(1, elements, model.adapter.dim, device="meta"))
        with FlopCounterMode(display=False) as counter:
            (model.perceiver if case.mode == "latents" else model.respond)(inputs)
        return counter.get_total_flops()

    per_element = forward(2) - forward(1)  # the same for every element
    per_example = forward(1) + per_element * (size - 1)
    return per_example * case.batch * (3 if case.mode == "train" else 1)


def _ar_flops(config: ARConfig) -> int:
    """Return the FLOPs of generation from a cache, as if each latent attended to all others."""
    with torch.device("meta"):
        model = PerceiverAR(**config.options)
        tokens = torch.zeros(1, config.prefix + config.length, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(tokens, config.prefix)
    return counter.get_total_flops()


def _resampler_flops(config: ResamplerConfig) -> int:
    """Return the FLOPs of a resampler for one example, with keys and values of all features."""
    with torch.device("meta"):
        model = Resampler(**config.options)
        x = torch.empty(1, config.features, config.options["input_dim"])
    limit = resampler_layer.FEWER
    try:
        resampler_layer.FEWER = float("inf")
        with FlopCounterMode(display=False) as counter:
            model(x)
    finally:
        resampler_layer.FEWER = limit
    return counter.get_total_flops()
