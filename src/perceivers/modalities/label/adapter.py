"""Adapter of class labels, which are one element each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core import Inputs
from ...core.init import trunc_normal
from ..adapter import Adapter

UNKNOWN = -1  # the label of an example whose class is not known
UNKNOWN_STD = 0.02  # same as the latents


class LabelAdapter(Adapter):
    """Turns a raw batch of labels (B,) into `Inputs` of one element without position.

    A label is one-hot; in place of an unknown one, `UNKNOWN`, there is a learned vector. A model
    that is always given unknown labels, as DeepMind's multimodal autoencoder is (arXiv 2107.14795,
    §4.3), has to tell the class from the other modalities.

    Args:
        num_classes: number of classes.

    Raises:
        ValueError: `num_classes` is below 1; in `elements`, the batch has another shape or labels
            out of range.
    """

    def __init__(self, *, num_classes: int = 700) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes}; expected at least 1")
        self.unknown = nn.Parameter(torch.empty(num_classes))
        trunc_normal(self.unknown, UNKNOWN_STD)

    @property
    @override
    def dim(self) -> int:
        return len(self.unknown)

    @property
    @override
    def num_inputs(self) -> int:
        return 1

    @override
    def when_missing(self, batch: int) -> Tensor:
        return torch.full((batch,), UNKNOWN, device=self.unknown.device)

    @override
    def elements(self, labels: Tensor) -> Inputs:
        """Turn labels into elements.

        Args:
            labels: integers (B,), `UNKNOWN` where the class is not known.
        """
        if labels.ndim != 1 or labels.is_floating_point():
            raise ValueError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected integers "
                f"(batch,), {UNKNOWN} for an unknown class"
            )
        compiling = torch.compiler.is_compiling()  # values are not known then
        if labels.device.type == "cpu" and not compiling and labels.numel():
            low, high = (int(x) for x in torch.aminmax(labels))
            if low < UNKNOWN or high >= self.dim:
                raise ValueError(
                    f"labels from {low} to {high}; expected 0 to {self.dim - 1}, or {UNKNOWN}"
                )
        known = F.one_hot(labels.clamp(min=0).long(), self.dim).to(self.unknown.dtype)
        content = torch.where((labels == UNKNOWN)[:, None], self.unknown, known)
        return Inputs(content[:, None])
