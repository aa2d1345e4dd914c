"""A linear model of the n-grams of a text, fitted to the labels of the training texts."""

import logging
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal
from ..regression import FOLDS, cross_fit, judge
from .hashing import ngrams, spread, text_folds

log = logging.getLogger(__name__)

# B batch · L bytes · G kinds of n-grams · R rows of a kind · K classes · C channels

ROWS = 2**17  # of each kind
MAX_WEIGHTS = 2**22  # of all kinds and classes
MAX_TEXTS = 3_000  # that the model is fitted to; of more, every second one is left out
MAX_NGRAMS = 2**23  # of these texts, likewise
JITTER = 1e-9  # relative to the squared norms, so that equal texts can be factored
PENALTIES = (0.1, 0.3, 1.0)  # of half the squared weights; the loss is a sum over texts


class _Text(NamedTuple):
    """What is kept of a training text until the model is fitted."""

    rows: Tensor
    """Row of each of its n-grams, below G·R."""
    fold: Tensor
    """Its fold, ()."""
    targets: Tensor
    """Its targets, (K,)."""


class NgramRegression(nn.Module):
    """Map the outputs of a linear model of a text to channels, which all of its bytes get.

    The linear model is a logistic regression of each class or label on the n-grams of a text. An
    n-gram counts the more, the fewer of the training texts contain it (its inverse document
    frequency); those of bytes and those of words are each divided by their norm. The model is
    fitted to the training texts with a penalty of the squared weights, the one of `PENALTIES` with
    the smallest loss on texts that were left out, and its weights are buffers. Outputs are divided
    by their standard deviation over the training texts.

    In training the outputs must not tell the label of the text that they are computed from. The
    texts are divided into `FOLDS` folds by a hash of their bytes, and the outputs of a text are
    those of a model that was fitted without its fold. These models are not saved: without them, as
    in a model that was loaded, training uses the model of all texts.

    Each byte tells the outputs for the whole text, so that maps of attention and saliency say less
    about which words decide; `evidence` says which of them the linear model counts.

    Args:
        sizes: sizes of the n-grams of bytes, see `byte_ngrams`.
        words: sizes of the n-grams of words, see `word_ngrams`.
        num_classes: K, number of classes or labels.
        dim: C, number of channels.
    """

    frequencies: Tensor
    """Inverse document frequency of each row of each kind, (G·R,)."""
    weight: Tensor
    """(G·R, K)."""
    bias: Tensor
    """(K,)."""

    def __init__(
        self, sizes: Sequence[int], words: Sequence[int], *, num_classes: int, dim: int
    ) -> None:
        super().__init__()
        self.sizes, self.words = tuple(sizes), tuple(words)
        kinds = len(self.sizes) + len(self.words)
        self.rows = max(1, min(ROWS, MAX_WEIGHTS // (kinds * num_classes)))
        self.register_buffer("frequencies", torch.zeros(kinds * self.rows))
        self.register_buffer("weight", torch.zeros(kinds * self.rows, num_classes))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.projection = nn.Linear(num_classes, dim, bias=False)
        trunc_normal(self.projection.weight, 1.0)
        self.start_counting()

    def start_counting(self) -> None:
        """Forget the texts of a fit before."""
        self._folds: tuple[Tensor, Tensor] | None = None  # weights (folds, G·R, K), biases
        self._seen: list[_Text] = []
        self._step, self._count = 1, 0

    def count(self, ids: Tensor, targets: Tensor) -> None:
        """Collect training texts.

        Args:
            ids: ids of bytes (B, L), integers.
            targets: 1 for the class, or for each label, of a text, else 0; (B, K).
        """
        rows, present = self._rows(ids)
        folds = text_folds(ids, FOLDS)
        for i in range(len(ids)):
            if self._count % self._step == 0:
                self._seen.append(_Text(rows[i][present[i]], folds[i], targets[i]))
                self._thin()
            self._count += 1

    def _thin(self) -> None:
        """Leave out every second text while there are too many."""
        while len(self._seen) > MAX_TEXTS or (
            len(self._seen) > 1 and sum(len(text.rows) for text in self._seen) > MAX_NGRAMS
        ):
            self._seen = self._seen[::2]
            self._step *= 2

    def finish_counting(self) -> None:
        """Fit the linear model, and those without a fold each, to the texts that were collected."""
        if not self._seen:
            return
        rows = torch.cat([text.rows for text in self._seen])
        folds, targets = (
            torch.stack([getattr(text, name) for text in self._seen])
            for name in ("fold", "targets")
        )
        lengths = torch.tensor([len(text.rows) for text in self._seen])
        text = torch.arange(len(lengths)).repeat_interleave(lengths)
        self._seen = []
        self._set_frequencies(text, rows, len(lengths))
        used, column = rows.unique(return_inverse=True)
        by_ngram = torch.sparse_coo_tensor(
            torch.stack([column, text]),
            self._amounts(text, rows, len(lengths)),
            (len(used), len(lengths)),
            check_invariants=True,
        )
        # Texts as points of the space that they span: the same model, with fewer weights.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            products = (by_ngram.t() @ by_ngram).to_dense()
        points = torch.linalg.cholesky(products + JITTER * torch.eye(len(lengths)))
        fit = cross_fit(points, folds, targets.double(), PENALTIES, "logistic")
        log.info(
            "a linear model of the n-grams alone %s of texts that it was not fitted to",
            judge(fit.outputs, targets, "logistic"),
        )
        of_points, biases = fit.scaled()
        of_texts = torch.linalg.solve_triangular(points.mT, of_points, upper=True)
        weights = torch.zeros(FOLDS + 1, *self.weight.shape)
        weights[:, used] = torch.stack([by_ngram @ part for part in of_texts]).float()
        self._folds = weights[:-1], biases[:-1].float()
        self.weight.copy_(weights[-1])
        self.bias.copy_(biases[-1])

    def _set_frequencies(self, text: Tensor, rows: Tensor, count: int) -> None:
        """Set the inverse document frequency of each row, also of those in no text.

        A new text has as many n-grams of its own as a training text. If they did not count in its
        norm, the others would weigh more than in training.
        """
        pairs = (text * len(self.frequencies) + rows).unique() % len(self.frequencies)
        texts = pairs.bincount(minlength=len(self.frequencies)).double()
        self.frequencies.copy_(((1 + count) / (1 + texts)).log() + 1)

    def _amounts(self, text: Tensor, rows: Tensor, count: int) -> Tensor:
        """Return the amount of each n-gram of `count` texts, float64, divided by the norms."""
        amounts = self.frequencies[rows].double()
        group = 2 * text + (rows >= len(self.sizes) * self.rows)  # n-grams of bytes, or of words
        squares = torch.zeros(2 * count, dtype=torch.float64).index_add_(0, group, amounts.square())
        return amounts / squares[group].sqrt().clamp(min=1e-12)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return the mapped outputs (B, 1, C) for ids of bytes (B, L)."""
        rows, amounts = self._rows_and_amounts(ids)
        if self.training and self._folds is not None:
            weights, biases = self._folds = (
                self._folds[0].to(ids.device),
                self._folds[1].to(ids.device),
            )
            folds = text_folds(ids, FOLDS)
            weight, bias = weights[folds[:, None, None], rows], biases[folds]
        else:
            weight, bias = self.weight[rows], self.bias
        outputs = (amounts[..., None] * weight).sum((1, 2)) + bias
        return self.projection(outputs)[:, None]

    def evidence(self, ids: Tensor) -> Tensor:
        """Return what each byte adds to the outputs of the model of all texts, (B, L, K).

        The term of an n-gram is divided evenly among its bytes, or among those of its words. The
        sum over a text and the bias are its outputs.
        """
        rows, amounts = self._rows_and_amounts(ids)
        return spread(amounts[..., None] * self.weight[rows], ids, self.sizes, self.words)

    def _rows_and_amounts(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row of the n-gram of each kind that ends at a byte, and its amount or 0."""
        rows, present = self._rows(ids)
        amounts = self.frequencies[rows] * present
        groups = amounts.split([len(self.sizes), len(self.words)], dim=-1)
        norms = [group.square().sum((1, 2), keepdim=True).clamp(min=1e-24) for group in groups]
        shares = [group / norm.sqrt() for group, norm in zip(groups, norms, strict=True)]
        return rows, torch.cat(shares, dim=-1)

    def _rows(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row of the n-gram of each kind that ends at a byte, and whether one does."""
        hashes = ngrams(ids, self.sizes, self.words)
        codes, present = (torch.stack(parts, dim=-1) for parts in zip(*hashes, strict=True))
        return codes % self.rows + self.rows * torch.arange(len(hashes), device=ids.device), present
