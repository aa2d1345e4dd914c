"""Steps of DeepMind's published models: ours, and those of transformers with the same weights."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from perceivers.interop import to_transformers
from perceivers.modalities.flow.adapter import FramePairAdapter
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.models.base import PerceiverModel
from perceivers.models.perceiver_io import CHUNK_SIZE

from ..case import Case
from .ours import Step, seeded

Outputs = dict[str, Tensor]


def build(
    case: Case, library: bool, *, chunk_size: int = CHUNK_SIZE, chunks: int | None = None
) -> Step:
    """Return a step of our model, or of the library's.

    Args:
        case: the case.
        library: whether the step is that of transformers.
        chunk_size: queries of film and sound that our model decodes at a time.
        chunks: number of calls in which the library decodes film and sound.
    """
    ours = seeded(case)
    x = batch(case, ours)
    if isinstance(x, dict):
        return _film_in_calls(ours, x, chunks) if chunks else _film(ours, x, chunk_size)
    model: Any = to_transformers(ours) if library else ours
    inputs = {"inputs": _theirs(ours, x)} if library else {"x": x}
    latents = model.perceiver.embeddings.latents if library else model.perceiver.latents
    if library:
        del ours

    def forward() -> Tensor:
        result = model(**inputs)
        out: Tensor = result.logits if library else result
        return out

    def infer() -> dict[str, Any]:
        with torch.inference_mode():
            return {"logits": forward().numpy()}

    def train() -> dict[str, Any]:
        model.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward().flatten(0, -2), x.flatten())
        loss.backward()
        return {"loss": loss.detach().numpy(), "gradient of the latents": latents.grad.numpy()}

    return train if case.mode == "train" else infer


def _film(model: Any, x: Outputs, chunk_size: int) -> Step:
    def infer() -> dict[str, Any]:
        with torch.inference_mode():
            outputs: Outputs = model(x, chunk_size=chunk_size)
        return {name: out.flatten(1).numpy() for name, out in outputs.items()}

    return infer


def _film_in_calls(ours: Any, x: Outputs, chunks: int) -> Step:
    """Return a step that calls the library's class once for each chunk of pixels and samples."""
    classes = ours.output.parts["label"].num_channels
    outputs = (ours.output.parts["video"].num_outputs, ours.output.parts["audio"].num_outputs)
    model: Any = to_transformers(ours)
    inputs = {
        "audio": x["audio"][..., None],
        "image": x["video"].movedim(-1, 2).contiguous(),
        "label": torch.zeros(len(x["audio"]), classes),
    }

    def infer() -> dict[str, Any]:
        parts: list[Outputs] = []
        with torch.inference_mode():
            for film, sound in zip(*(torch.arange(n).chunk(chunks) for n in outputs), strict=True):
                points = {"image": film, "audio": sound, "label": None}
                parts.append(model(inputs, subsampled_output_points=points).logits)
        film, sound = (torch.cat([p[n] for p in parts], dim=1) for n in ("image", "audio"))
        label = parts[-1]["label"].numpy()
        return {"audio": sound.flatten(1).numpy(), "video": film.flatten(1).numpy(), "label": label}

    return infer


def batch(case: Case, model: PerceiverModel) -> Tensor | Outputs:
    """Return a raw batch for our model."""
    adapter, generator = model.adapter, torch.Generator().manual_seed(1)
    if isinstance(adapter, FusionAdapter):
        film, sound = (model.config.input.parts[n] for n in ("video", "audio"))
        side = film.image_size
        return {
            "audio": torch.randn(case.batch, sound.num_samples, generator=generator),
            "video": torch.rand(case.batch, film.num_frames, side, side, 3, generator=generator),
        }
    if isinstance(adapter, TextAdapter):
        return torch.randint(6, 262, (case.batch, adapter.max_length), generator=generator)
    if isinstance(adapter, FramePairAdapter):
        return torch.rand(case.batch, 2, *adapter.size, adapter.channels, generator=generator)
    side = getattr(model.config.input, "image_size", 0)
    return torch.rand(case.batch, side, side, 3, generator=generator)


def _theirs(model: PerceiverModel, x: Tensor) -> Tensor:
    """Return a raw batch as the library's class takes it."""
    adapter: Any = model.adapter
    if isinstance(adapter, TextAdapter):
        return x
    if isinstance(adapter, FramePairAdapter):
        return adapter.patches(x).movedim(-1, 2).contiguous()
    normalised: Tensor = adapter.normalise(x)
    return normalised.permute(0, 3, 1, 2).contiguous()
