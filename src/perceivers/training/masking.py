"""The task of finding hidden bytes of texts: its loss, its scores, and what it is compared with."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import MeanMetric, Metric
from typing_extensions import override

from ..data.examples import ExampleSet
from ..modalities.text.decode import NUM_IDS, PAD
from ..modalities.text.masking import hide_bytes
from ..modalities.text.output import TextOutput
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from .targets_base import Targets

# B texts · L bytes


class MaskingTargets(Targets):
    """Masked text, for outputs (B, L, 262): bytes that were hidden are to be found.

    The truth is int64 (B, L, 2): the id of each byte, and 1 where it is hidden. The loss is the
    mean cross-entropy of the hidden bytes. The scores are the same in bits, and the share of the
    hidden bytes whose likeliest id is right.
    """

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        assert isinstance(model, PerceiverIOModel)
        assert isinstance(model.output, TextOutput)
        self.share = model.output.hidden_share

    @override
    def hide(self, examples: Any, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        if isinstance(examples, list):
            examples = pad_sequence(examples, batch_first=True, padding_value=PAD)
        ids = examples.long()
        shown, hidden = hide_bytes(ids, self.share, seed)
        return shown, torch.stack([ids, hidden.long()], dim=-1)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        logits, right = _hidden(outputs, targets)
        if not len(right):
            return 0.0 * outputs.sum()  # the mean of nothing would be NaN
        return F.cross_entropy(logits, right)

    @override
    def weight(self, truth: Tensor) -> int:
        return int(truth[..., 1].sum())

    @override
    def metrics(self) -> dict[str, Metric]:
        return {"bits_per_byte": MeanMetric(), "accuracy": MeanMetric()}

    @override
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        logits, right = _hidden(outputs, truth)
        if name == "accuracy":
            values = (logits.argmax(-1) == right).double()
        else:
            values = F.cross_entropy(logits, right, reduction="none").double() / math.log(2)
        return values, torch.ones_like(values)

    @override
    def kept(self, outputs: Tensor, truth: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the likeliest ids (L,), and ids and what is hidden (L, 2), of each text."""
        return list(outputs.argmax(-1).to("cpu", torch.int16)), list(truth.to("cpu", torch.int16))

    @override
    def rivals(self, examples: ExampleSet) -> dict[str, float]:
        return bits_of_counts(
            [np.asarray(examples.example(index)) for index in range(len(examples))]
        )


def _hidden(outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (n, 262) and ids (n,) of the hidden bytes."""
    hidden = truth[..., 1] == 1
    return outputs[hidden], truth[..., 0][hidden]


def bits_of_counts(texts: list[np.ndarray]) -> dict[str, float]:
    """Return the bits per byte that counts of bytes need for the very texts that were counted.

    No model of single bytes, or of bytes after each byte, needs fewer for them.

    Args:
        texts: ids of each text, (L,), at least one of them not empty.

    Returns:
        "unigram" and "bigram"; the first byte of a text follows padding.
    """
    counts = np.zeros((NUM_IDS, NUM_IDS))
    for ids in texts:
        ids = ids[ids != PAD].astype(np.int64)
        np.add.at(counts, (np.concatenate([[PAD], ids[:-1]]) if len(ids) else ids, ids), 1)
    return {"unigram": _entropy(counts.sum(0, keepdims=True)), "bigram": _entropy(counts)}


def _entropy(counts: np.ndarray) -> float:
    """Return the bits that tell the column of an entry whose row is known, on average."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return float(-(counts * logs).sum() / max(1.0, counts.sum()))
