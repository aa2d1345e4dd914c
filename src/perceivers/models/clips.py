"""One answer from several clips of an example."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.config import Task


def average_clips(outputs: Tensor, task: Task) -> Tensor:
    """Outputs of the clips of each example → outputs of the example.

    Probabilities are averaged (arXiv 2103.03206v2, §4.2) and given as logits again; so are numbers.

    Args:
        outputs: (B, clips, K), logits or numbers of the task.
        task: what they are.

    Returns:
        (B, K).
    """
    if task == "regression":
        return outputs.mean(dim=1)
    if task == "classification":
        return _log_mean(outputs.log_softmax(dim=-1))
    return _log_mean(F.logsigmoid(outputs)) - _log_mean(F.logsigmoid(-outputs))


def _log_mean(logs: Tensor) -> Tensor:
    """Of probabilities over the clips, by their logarithms."""
    return torch.logsumexp(logs, dim=1) - math.log(logs.shape[1])
