"""Steps of DeepMind's published models: ours, and those of transformers with the same weights."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from perceivers.interop import to_transformers
from perceivers.modalities.flow.adapter import FramePairAdapter
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.models.base import PerceiverModel

from ..cases import Case
from .ours import Step, seeded


def build(case: Case, library: bool) -> Step:
    """Return a step of our model, or of the library's.

    Args:
        case: the case.
        library: whether the step is that of transformers.
    """
    ours = seeded(case)
    x = batch(case, ours)
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


def batch(case: Case, model: PerceiverModel) -> Tensor:
    """Return a raw batch for our model."""
    adapter, generator = model.adapter, torch.Generator().manual_seed(1)
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
