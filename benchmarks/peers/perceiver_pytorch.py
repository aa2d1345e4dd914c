"""perceiver-pytorch's model with weights from our exporter."""

import perceiver_pytorch  # noqa: F401  its memory counts as memory of the imports

from perceivers.interop import to_perceiver_pytorch

from ..case import Case
from .ours import Step, batch, seeded, torch_step


def build(case: Case) -> Step:
    """Return a step of perceiver-pytorch's module with our weights."""
    module = to_perceiver_pytorch(seeded(case))
    return torch_step(case, module, batch(case)[0], module.latents, module.parameters())
