"""perceiver-pytorch, filled by our own exporter."""

import perceiver_pytorch  # noqa: F401  counts as import

from perceivers.interop import to_perceiver_pytorch

from ..cases import Case
from .ours import Step, batch, seeded, torch_step


def build(case: Case) -> Step:
    """Its module with our weights."""
    module = to_perceiver_pytorch(seeded(case))
    return torch_step(case, module, batch(case)[0], module.latents, module.parameters())
