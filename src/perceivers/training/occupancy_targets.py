"""Loss and scores of occupancy: which places lie inside a solid."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric, Metric
from typing_extensions import override

from ..data.examples import ExampleSet
from ..modalities import AugmentationConfig, modality_of
from ..modalities.points.output import OccupancyOutput
from ..modalities.points.rivals import said_by_nearest
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from ..models.perceiver_vae import DIVERGENCE, VALUES, PerceiverVAE
from .scores import NEAREST
from .targets_base import BASELINE, Targets

log = logging.getLogger(__name__)

# B solids · Q places, the first half uniform in the cube and the others near the surface


class OccupancyTargets(Targets):
    """Occupancy, with labels float32 (B, Q, 4): places, and 1 if they lie inside, else 0.

    The loss is the mean binary cross-entropy of all places; with a bottleneck, the divergence of
    the codes is added, times its weight. The scores are means over solids: the intersection over
    union with the true solid at the uniform places (IoU), the share of places near the surface that
    are told right (accuracy), and the divergence, which is 0 without a bottleneck. The baseline
    takes every place for inside.
    """

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        if not isinstance(model, PerceiverIOModel) or not isinstance(model.output, OccupancyOutput):
            raise ValueError(
                f"a model of kind {model.config.kind!r} does not tell what is inside; choose the "
                "recipe shape-vae"
            )
        self.io = model
        self.kl_weight = model.config.kl_weight if isinstance(model, PerceiverVAE) else 0.0

    @override
    def augment(
        self, examples: Any, labels: Tensor, augmentation: AugmentationConfig
    ) -> tuple[Any, Tensor]:
        inputs = self.model.config.input
        moved: tuple[Any, Tensor] = modality_of(inputs).augment_solids(
            examples, labels, inputs, augmentation
        )
        return moved

    @override
    def draw(self, truth: Tensor) -> Tensor | None:
        """Draw `train_queries` places, as many uniform ones as near ones, int64 (K,)."""
        count, half = self.io.config.train_queries // 2, truth.shape[1] // 2
        if not count or count >= half:
            return None
        uniform, near = (torch.randperm(half, device=truth.device)[:count] for _ in range(2))
        return torch.cat([uniform, half + near])

    @override
    def at(self, truth: Tensor, at: Tensor | None) -> Tensor:
        return truth if at is None else truth[:, at]

    @override
    def asked(self, truth: Tensor, at: Tensor | None) -> Tensor:
        """Return the places that are decoded, (B, K, 3)."""
        return truth[..., :-1]

    @override
    def loss(self, outputs: Any, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        logits, divergence = _parts(outputs)
        error = F.binary_cross_entropy_with_logits(logits, targets[..., -1])
        return error + self.kl_weight * divergence.mean()

    @override
    def metrics(self) -> dict[str, Metric]:
        baseline = {f"{BASELINE}{name}": MeanMetric() for name in ("iou", "accuracy")}
        return {"iou": MeanMetric(), "accuracy": MeanMetric(), "kl": MeanMetric(), **baseline}

    @override
    def metric_inputs(self, name: str, outputs: Any, truth: Tensor) -> tuple[Tensor, Tensor]:
        logits, divergence = _parts(outputs)
        if name.startswith(BASELINE):
            logits = torch.ones_like(logits)
        values = {**scores_of_solids(logits > 0, truth), "kl": divergence}
        found = values[name.removeprefix(BASELINE)].double()
        return found, torch.ones_like(found)

    @override
    def kept(self, outputs: Any, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Return IoU, accuracy and divergence of each solid, (B, 3), and zeros."""
        logits, divergence = _parts(outputs)
        scores = scores_of_solids(logits > 0, truth)
        kept = torch.stack([scores["iou"], scores["accuracy"], divergence], dim=1).cpu()
        return kept, torch.zeros_like(kept)

    @override
    def rivals(self, examples: ExampleSet) -> dict[str, float]:
        """Return the scores of `said_by_nearest`, which knows the points alone."""
        found = []
        for index in range(len(examples)):
            points, places = examples.__getitems__([index])
            if points is None:
                continue
            try:
                said = said_by_nearest(points[0, :, :3].numpy(), places[0, :, :3].numpy())
            except ImportError as error:
                log.info("not compared with the nearest points: %s", error)
                return {}
            found.append(scores_of_solids(torch.from_numpy(said)[None], places))
        names = ("iou", "accuracy") if found else ()
        return {f"{NEAREST}{n}": float(torch.cat([x[n] for x in found]).mean()) for n in names}


def scores_of_solids(said: Tensor, truth: Tensor) -> Mapping[str, Tensor]:
    """Return IoU ("iou") at the uniform places and accuracy at the near ones, (B,) each.

    Args:
        said: which places are said to lie inside, boolean (B, Q).
        truth: (B, Q, 4).
    """
    inside, half = truth[..., -1] > 0.5, truth.shape[1] // 2
    both = (said & inside)[:, :half].sum(1)
    either = (said | inside)[:, :half].sum(1)
    iou = torch.where(either > 0, both / either.clamp(min=1), 1.0)
    return {"iou": iou, "accuracy": (said == inside)[:, half:].float().mean(1)}


def _parts(outputs: Any) -> tuple[Tensor, Tensor]:
    """Return logits (B, Q) and divergences (B,)."""
    if isinstance(outputs, dict):
        return outputs[VALUES][..., 0], outputs[DIVERGENCE]
    return outputs[..., 0], outputs.new_zeros(len(outputs))
