"""Loss and scores of optical flow."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..core.inputs import take
from ..modalities import FramePairConfig
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from .metrics import EndPointErrors
from .targets_base import Targets

# B pairs of frames · H, W height and width · O = H·W pixels

At = dict[str, Tensor]  # the pixels that are decoded, under the name of the only set of queries


class FlowTargets(Targets):
    """Optical flow, with labels float32 (B, H, W, 2) in pixels; NaN where it is not known.

    The loss and the first score are the mean end-point error: how far the end of the predicted
    motion of a pixel is from the end of its true motion, in pixels, over all pixels whose motion is
    known. The baseline is that nothing moves.
    """

    labels_move = True

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        assert isinstance(model, PerceiverIOModel)
        assert isinstance(model.config.input, FramePairConfig)
        self.pixels = model.config.input.height * model.config.input.width
        self.count = model.config.train_queries

    @override
    def truth(self, examples: Any, labels: Tensor) -> Tensor:
        """Return the motion of each pixel, (B, O, 2)."""
        return labels.flatten(1, 2)

    @override
    def draw(self, truth: Any) -> At | None:
        """Draw `train_queries` pixels, the same for all examples."""
        if not self.count:
            return None
        device = self.model.perceiver.latents.device
        return {"": torch.randperm(self.pixels, device=device)[: self.count]}

    @override
    def at(self, truth: Tensor, at: At | None) -> Tensor:
        return truth if at is None else take(truth, at[""])

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        known = ~targets.isnan().any(-1)
        if not known.any():
            return 0.0 * outputs.sum()  # the mean of nothing would be NaN
        return (outputs - targets)[known].norm(dim=-1).mean()

    @override
    def metrics(self) -> dict[str, Metric]:
        return {"errors": EndPointErrors()}

    @override
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        return outputs, truth

    @override
    def weight(self, truth: Tensor) -> int:
        return int((~truth.isnan().any(-1)).sum())

    @override
    def kept(self, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean end-point error of each pair, (B,), and its error if nothing moved."""
        said, still = (outputs - truth).norm(dim=-1), truth.norm(dim=-1)
        return said.nanmean(1).cpu(), still.nanmean(1).cpu()
