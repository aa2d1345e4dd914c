"""A linear model of the cells of a row, fitted to the labels of the training rows."""

import logging

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal
from ..config import LinearModel
from ..regression import FOLDS, cross_fit, judge

log = logging.getLogger(__name__)

# B rows · n numbers · k categorical columns · F = n + all categories · K outputs · W channels

PENALTIES = (0.1, 1.0, 10.0, 100.0)  # of half the squared weights; the loss is a sum over rows
MAX_ROWS = 5_000  # rows that the model is fitted to, evenly spaced
MAX_DEVIATIONS = 10.0  # numbers are limited to so many standard deviations


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
        fit = cross_fit(features, folds, targets, PENALTIES, self.kind)
        log.info(
            "a linear model of the cells alone %s of rows that it was not fitted to",
            judge(fit.outputs, targets, self.kind),
        )
        weights, biases = fit.scaled()
        self._folds = weights[:-1], biases[:-1]
        self.weight.copy_(weights[-1])
        self.bias.copy_(biases[-1])

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

    def evidence(self, numbers: Tensor, rows: Tensor, known: Tensor) -> Tensor:
        """Return what each cell adds to the outputs, (B, n + k, K); the arguments as in `count`."""
        n = self.num_numeric
        of_numbers = _limited(numbers).double()[..., None] * self.weight[:n]
        of_categories = self.weight[rows + n] * known[..., None]
        return torch.cat([of_numbers, of_categories], dim=1)


def _limited(numbers: Tensor) -> Tensor:
    return numbers.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)


def _hash(numbers: Tensor, rows: Tensor, known: Tensor) -> Tensor:
    """Return a number of at least 0 for each row (B,) that depends on its cells alone."""
    cells = torch.cat([_limited(numbers).float().view(torch.int32).long(), rows * known], dim=1)
    places = torch.arange(1, cells.shape[1] + 1, device=cells.device) * 7_919 % 10_007
    mixed = (cells % 1_000_003 * places).sum(1)
    return mixed % 10_007
