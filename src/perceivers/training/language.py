"""The task of continuing texts: its loss in bits per byte, and what it is compared with."""

import gzip
import lzma
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric, Metric
from typing_extensions import override

from ..data.documents import Windows
from ..data.examples import ExampleSet
from ..modalities.text.decode import OFFSET, PAD
from .targets_base import Targets

# B windows · S bytes · N latents

IGNORED = -100  # of bytes that are not predicted: they are context, or padding


class LanguageTargets(Targets):
    """The next byte of a text, for outputs (B, N, 256) about the byte after each of the last N.

    The label of a window is the number of its last bytes that are predicted, at most N - 1. The
    loss is the mean cross-entropy of these bytes; the score is the same in bits per byte.
    """

    @override
    def truth(self, examples: Any, labels: Tensor) -> Tensor:
        """Return the bytes to predict, int64 (B, S - 1), with `IGNORED` elsewhere."""
        following = examples[:, 1:].long()
        length = following.shape[1]
        late = torch.arange(length, device=labels.device) >= length - labels[:, None]
        return torch.where(late & (following != PAD), following - OFFSET, IGNORED)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(*_predicted(outputs, targets), ignore_index=IGNORED)

    @override
    def weight(self, truth: Tensor) -> int:
        return int((truth != IGNORED).sum())

    @override
    def metrics(self) -> dict[str, Metric]:
        return {"bits_per_byte": MeanMetric()}

    @override
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        loss = self.loss(outputs, truth).double() / math.log(2)
        return loss, torch.tensor(float(self.weight(truth)), device=loss.device)

    @override
    def kept(self, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy in bits of each predicted byte, (B, N - 1), and the bytes."""
        logits, targets = _predicted(outputs, truth)
        shape = (len(truth), -1)
        bits = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
        return (bits / math.log(2)).view(shape).cpu(), targets.view(shape).cpu()

    @override
    def rivals(self, examples: ExampleSet) -> dict[str, float]:
        assert isinstance(examples, Windows)
        return bits_of_rivals(examples.trained_on, examples.text)


def _predicted(outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (n, 256) and targets (n,) of the bytes that both know of."""
    count = min(outputs.shape[1] - 1, truth.shape[1])
    logits = outputs[:, outputs.shape[1] - 1 - count : outputs.shape[1] - 1]
    return logits.flatten(0, 1), truth[:, truth.shape[1] - count :].flatten()


def bits_of_rivals(train: bytes, text: bytes) -> dict[str, float]:
    """Return the bits per byte that models of counts and compressors need for a text.

    Args:
        train: text that they may learn from; empty: those that learn are left out.
        text: the text.

    Returns:
        "unigram" and "bigram": counts of bytes, and of bytes after each byte, in `train`, with
        Witten-Bell smoothing of the bigrams by the unigrams, and of those by equal shares. "gzip"
        and "xz": the compressed text alone. "xz_after_training": what xz needs for the text behind
        `train` more than for `train` alone.
    """
    size, preset = len(text), 9 | lzma.PRESET_EXTREME
    found = {
        "gzip": 8 * len(gzip.compress(text, 9)) / size,
        "xz": 8 * len(lzma.compress(text, preset=preset)) / size,
    }
    if not train:
        return found
    learned, seen = (np.frombuffer(b"\n" + x, np.uint8) for x in (train, text))
    counts = np.zeros((256, 256))
    np.add.at(counts, (learned[:-1], learned[1:]), 1)
    unigram = _smoothed(counts.sum(0), np.full(256, 1 / 256))
    bigram = np.stack([_smoothed(row, unigram) for row in counts])
    before, both = (len(lzma.compress(x, preset=preset)) for x in (train, train + text))
    return {
        "unigram": float(-np.log2(unigram[seen[1:]]).mean()),
        "bigram": float(-np.log2(bigram[seen[:-1], seen[1:]]).mean()),
        **found,
        "xz_after_training": 8 * (both - before) / size,
    }


def _smoothed(counts: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Return probabilities: counts mixed with others by the number of different values seen."""
    kinds = (counts > 0).sum()
    total = counts.sum() + kinds
    return (counts + kinds * fallback) / total if total else fallback
