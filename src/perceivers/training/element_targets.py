"""Loss and scores of segmentation: a class for each element."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..modalities.elements.output import ElementClasses
from ..modalities.labelled import IGNORED
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from .metrics import ElementCounts
from .targets_base import Targets

# B examples · E places with a label (points, bytes, pixels) · K classes


class ElementTargets(Targets):
    """Segmentation, with labels int64 (B, …) whose entries of -1 are places without a label.

    The loss is the mean cross-entropy of all places that have a label. The scores count such places
    alone: the mean over classes of the intersection over union (mIoU) and of the F1 score (macro
    F1), and the share of places whose class is right (accuracy).
    """

    uses_label_smoothing = True

    labels_move = True

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        assert isinstance(model, PerceiverIOModel)
        assert isinstance(model.output, ElementClasses)
        self.output = model.output

    @override
    def truth(self, examples: Any, labels: Tensor) -> Tensor:
        """Return the class of each place in the order of the outputs, (B, E)."""
        return self.output.ordered(labels)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        logits, targets = self._aligned(outputs, targets)
        if not self.weight(targets):
            return 0.0 * logits.sum()  # the mean of nothing would be NaN
        return F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, label_smoothing=smoothing
        )

    @override
    def metrics(self) -> dict[str, Metric]:
        return {"counts": ElementCounts(self.num_outputs)}

    @override
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        logits, truth = self._aligned(outputs, truth)
        return logits.flatten(0, 1).argmax(-1), truth.flatten()

    @override
    def weight(self, truth: Tensor) -> int:
        return int((truth != IGNORED).sum())

    @override
    def kept(self, outputs: Tensor, truth: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the classes that were said and that are right, int16 (E) of each example."""
        logits, truth = self._aligned(outputs, truth)
        said, right = (list(x.to("cpu", torch.int16)) for x in (logits.argmax(-1), truth))
        return said, right

    def _aligned(self, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, E, K) and the truth (B, E), without padding that no output has."""
        logits = self.output.logits(outputs)
        return logits, truth[:, : logits.shape[1]]
