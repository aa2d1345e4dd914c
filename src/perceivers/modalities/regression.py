"""Linear models that are fitted to the labels of the training examples before training."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# B examples · F features · K outputs

FOLDS = 5
ITERATIONS = 200
LOSSES: dict[str, Callable[..., Tensor]] = {
    "logistic": F.binary_cross_entropy_with_logits,
    "squares": lambda outputs, targets, reduction: F.mse_loss(
        outputs, targets, reduction=reduction
    ).div(2),
}


class LinearFit(NamedTuple):
    """A linear model, those without one fold each, and what these say of their fold."""

    weights: Tensor
    """(FOLDS + 1, F, K): without each fold, and of all examples in the last place."""
    biases: Tensor
    """(FOLDS + 1, K)."""
    outputs: Tensor
    """Outputs of each example by the model without its fold, (B, K)."""
    loss: float
    """Sum of the losses of these outputs."""

    def scaled(self) -> tuple[Tensor, Tensor]:
        """Return the weights and biases with which these outputs have standard deviation 1."""
        scale = self.outputs.std(0, correction=0).clamp(min=1e-12)
        return self.weights / scale, self.biases / scale


def cross_fit(
    features: Tensor, folds: Tensor, targets: Tensor, penalties: tuple[float, ...], kind: str
) -> LinearFit:
    """Fit linear models with and without each fold, with the penalty that is best outside.

    A logistic regression of each output, or a linear regression of each, minimises the sum of the
    losses of the examples and half the squared weights times the penalty.

    Args:
        features: (B, F) float64, dense or sparse (COO).
        folds: the fold of each example (B,), integers below `FOLDS`.
        targets: 0 or 1, or numbers, (B, K) float64.
        penalties: the penalties to choose from.
        kind: "logistic" or "squares", the loss that is minimised.
    """
    fits = [_fit_folds(features, folds, targets, penalty, kind) for penalty in penalties]
    return min(fits, key=lambda fit: fit.loss)


def _fit_folds(
    features: Tensor, folds: Tensor, targets: Tensor, penalty: float, kind: str
) -> LinearFit:
    loss = LOSSES[kind]
    start = torch.zeros(features.shape[1] + 1, targets.shape[1], dtype=torch.float64)
    everything = _fit(features, targets, penalty, loss, start)
    fits, outputs = [], torch.zeros_like(targets)
    for fold in range(FOLDS):
        own = (folds == fold).nonzero().flatten()
        rest = (folds != fold).nonzero().flatten()
        fit = _fit(features.index_select(0, rest), targets[rest], penalty, loss, everything)
        outputs[own] = features.index_select(0, own) @ fit[1:] + fit[0]
        fits.append(fit)
    stacked = torch.stack([*fits, everything])
    outside = float(loss(outputs, targets, reduction="sum"))
    return LinearFit(stacked[:, 1:], stacked[:, 0], outputs, outside)


def _fit(
    features: Tensor,
    targets: Tensor,
    penalty: float,
    loss: Callable[..., Tensor],
    start: Tensor,
) -> Tensor:
    """Minimise a convex loss and the penalty; return biases and weights, (1 + F, K)."""
    parameters = start.clone().requires_grad_()
    search = torch.optim.LBFGS(
        [parameters], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe"
    )

    def evaluate() -> Tensor:
        search.zero_grad()
        outputs = features @ parameters[1:] + parameters[0]
        total = loss(outputs, targets, reduction="sum")
        total = total + penalty / 2 * parameters[1:].square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        search.step(evaluate)
    return parameters.detach()


def judge(outputs: Tensor, targets: Tensor, kind: str) -> str:
    """Describe how good outputs (B, K) are: "finds the class of 97.6%"."""
    if kind == "squares":
        explained = 1 - (outputs - targets).square().mean() / targets.square().mean()
        return f"explains {explained:.1%} of the variance"
    if (targets.sum(1) == 1).all():
        return f"finds the class of {(outputs.argmax(1) == targets.argmax(1)).double().mean():.1%}"
    return f"is right about {((outputs > 0) == (targets > 0)).double().mean():.1%} of the labels"
