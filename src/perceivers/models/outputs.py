"""What the outputs of a classifier or regressor mean, and their average over clips."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.config import Task


def values_of(outputs: Tensor, task: Task) -> Tensor:
    """Return the values of a prediction for outputs (…, K): probabilities, or the numbers."""
    if task == "regression":
        return outputs
    return outputs.softmax(-1) if task == "classification" else outputs.sigmoid()


def average_clips(outputs: Tensor, task: Task) -> Tensor:
    """Average the outputs of several clips of each example into one output.

    Probabilities are averaged (arXiv 2103.03206v2, §4.2) and returned as logits. Numbers of a
    regression are averaged as they are.

    Args:
        outputs: (B, clips, K), logits of K classes or labels, or K numbers.
        task: task of the model that the outputs come from.

    Returns:
        (B, K), logits or numbers as in `outputs`.
    """
    if task == "regression":
        return outputs.mean(dim=1)
    if task == "classification":
        return _log_mean(outputs.log_softmax(dim=-1))
    return _log_mean(F.logsigmoid(outputs)) - _log_mean(F.logsigmoid(-outputs))


def _log_mean(logs: Tensor) -> Tensor:
    """Return the logarithm of the mean over clips, from the logarithms of probabilities."""
    return torch.logsumexp(logs, dim=1) - math.log(logs.shape[1])
