"""A linear model of the cells of a row, fitted to the labels of the training rows."""

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal
from .config import LinearModel

log = logging.getLogger(__name__)

# B rows · n numbers · k categorical columns · F = n + all categories · K outputs · W channels

FOLDS = 5
PENALTIES = (0.1, 1.0, 10.0, 100.0)  # of half the squared weights; the loss is a sum over rows
MAX_ROWS = 5_000  # rows that the model is fitted to, evenly spaced
MAX_DEVIATIONS = 10.0  # numbers are limited to so many standard deviations
ITERATIONS = 200
LOSSES: dict[str, Callable[..., Tensor]] = {
    "logistic": F.binary_cross_entropy_with_logits,
    "squares": lambda outputs, targets, reduction: F.mse_loss(
        outputs, targets, reduction=reduction
    ).div(2),
}


class RowRegression(nn.Module):
    """Map the outputs of a linear model of a row to the channels of an element.

    The linear model is a logistic regression of each class or label, or a linear regression of each
    number, on the standardised numbers and on a 0 or 1 for each category; missing cells are 0. It
    is fitted to the training rows with a penalty of the squared weights, the one of `PENALTIES`
    with the smallest loss on rows that were left out, and its weights are buffers. Outputs are
    divided by their standard deviation over the training rows.

    In training the outputs must not tell the label of the row that they are computed from. The rows
    are divided into `FOLDS` folds by a hash of their cells, and the outputs of a row are those of a
    model that was fitted without its fold. These models are not saved: without them, as in a model
    that was loaded, training uses the model of all rows.

    Args:
        kind: "logistic" or "squares", the loss that is minimised.
        num_numeric: n, number of numeric columns.
        num_categories: number of categories of all columns.
        num_outputs: K, number of classes, labels or numbers.
        dim: W, number of channels.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        kind: LinearModel,
        *,
        num_numeric: int,
        num_categories: int,
        num_outputs: int,
        dim: int,
    ) -> None:
        super().__init__()
        self.kind, self.num_numeric = kind, num_numeric
        zeros = torch.zeros(num_numeric + num_categories + 1, num_outputs, dtype=torch.float64)
        self.register_buffer("weight", zeros[1:].clone())
        self.register_buffer("bias", zeros[0].clone())
        self.projection = nn.Linear(num_outputs, dim, bias=False)
        trunc_normal(self.projection.weight, dim**-0.5)
        self._folds: tuple[Tensor, Tensor] | None = None  # weights (folds, F, K), biases (folds, K)
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def start_counting(self) -> None:
        """Forget the rows of a fit before."""
        self._folds, self._seen = None, []

    def count(self, numbers: Tensor, rows: Tensor, known: Tensor, targets: Tensor) -> None:
        """Collect training rows.

        Args:
            numbers: standardised numbers (B, n), 0 where missing.
            rows: index of each category among those of all columns, (B, k).
            known: whether a category is known, (B, k).
            targets: 1 for the class, or for each label, of a row, else 0; or numbers; (B, K).
        """
        features = numbers.new_zeros(len(numbers), len(self.weight), dtype=torch.float64)
        features[:, : self.num_numeric] = _limited(numbers)
        features.scatter_(1, rows + self.num_numeric, known.double())
        self._seen.append((features, _hash(numbers, rows, known) % FOLDS, targets.double()))

    def finish_counting(self) -> None:
        """Fit the linear model, and those without a fold each, to the rows that were collected."""
        if not self._seen:
            return
        features, folds, targets = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        step = -(-len(features) // MAX_ROWS)
        features, folds, targets = features[::step], folds[::step], targets[::step]
        if self.kind == "squares":
            targets = (targets - targets.mean(0)) / targets.std(0, correction=0).clamp(min=1e-12)
        fits = [self._fit_folds(features, folds, targets, penalty) for penalty in PENALTIES]
        weights, biases, _ = min(fits, key=lambda fit: fit[2])
        outputs = _outside(features, folds, weights, biases)
        log.info(
            "a linear model of the cells alone %s of rows that it was not fitted to",
            _judge(outputs, targets, self.kind),
        )
        scale = outputs.std(0, correction=0).clamp(min=1e-12)
        self._folds = weights[:-1] / scale, biases[:-1] / scale
        self.weight.copy_(weights[-1] / scale)
        self.bias.copy_(biases[-1] / scale)

    def _fit_folds(
        self, features: Tensor, folds: Tensor, targets: Tensor, penalty: float
    ) -> tuple[Tensor, Tensor, float]:
        """Return the weights and biases without each fold and of all rows, and the loss outside."""
        start = features.new_zeros(features.shape[1] + 1, targets.shape[1])
        everything = _fit(features, targets, penalty, LOSSES[self.kind], start)
        fits = []
        for fold in range(FOLDS):
            rest = folds != fold
            fits.append(_fit(features[rest], targets[rest], penalty, LOSSES[self.kind], everything))
        stacked = torch.stack([*fits, everything])
        weights, biases = stacked[:, 1:], stacked[:, 0]
        outputs = _outside(features, folds, weights, biases)
        return weights, biases, float(LOSSES[self.kind](outputs, targets, reduction="sum"))

    @override
    def forward(self, numbers: Tensor, rows: Tensor, known: Tensor) -> Tensor:
        """Return the element (B, 1, W) of each row; the arguments are those of `count`."""
        n = self.num_numeric
        numbers = _limited(numbers)
        if self.training and self._folds is not None:
            weights, biases = (part.to(numbers.device) for part in self._folds)
            fold = _hash(numbers, rows, known) % FOLDS
            of_numbers = torch.einsum("bn,bnk->bk", numbers.double(), weights[fold, :n])
            of_categories = weights[fold[:, None], rows + n]
            bias = biases[fold]
        else:
            of_numbers = numbers.double() @ self.weight[:n]
            of_categories, bias = self.weight[rows + n], self.bias
        total = of_numbers + (of_categories * known[..., None]).sum(1) + bias
        return self.projection(total.to(self.projection.weight.dtype))[:, None]


def _limited(numbers: Tensor) -> Tensor:
    return numbers.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)


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


def _outside(features: Tensor, folds: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    """Return the outputs of each row by the model that was fitted without its fold, (B, K)."""
    outputs = torch.einsum("bf,pfk->bpk", features, weights) + biases
    return outputs[torch.arange(len(folds)), folds]


def _judge(outputs: Tensor, targets: Tensor, kind: LinearModel) -> str:
    """Describe how good outputs are: "finds the class of 97.6%"."""
    if kind == "squares":
        explained = 1 - (outputs - targets).square().mean() / targets.square().mean()
        return f"explains {explained:.1%} of the variance"
    if (targets.sum(1) == 1).all():
        return f"finds the class of {(outputs.argmax(1) == targets.argmax(1)).double().mean():.1%}"
    return f"is right about {((outputs > 0) == (targets > 0)).double().mean():.1%} of the labels"


def _hash(numbers: Tensor, rows: Tensor, known: Tensor) -> Tensor:
    """Return a number of at least 0 for each row (B,) that depends on its cells alone."""
    cells = torch.cat([_limited(numbers).float().view(torch.int32).long(), rows * known], dim=1)
    places = torch.arange(1, cells.shape[1] + 1, device=cells.device) * 7_919 % 10_007
    mixed = (cells % 1_000_003 * places).sum(1)
    return mixed % 10_007
