"""How much the n-grams that end at a byte speak for each class, counted in the training texts."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal
from .hashing import ngrams, text_folds

# B batch · L bytes · G kinds of n-grams · R rows · K classes · F folds · C channels

ROWS = 2**18  # of each kind, unless given
MAX_COUNTS = 2**23  # numbers of all counts, unless the rows are given
FOLDS = 10
SMOOTHING = 1.0  # added to each count, as in the paper
MIN_TEXTS = 2  # n-grams in fewer texts have ratios of 0
COUNT_SCALE = 0.25  # of the logarithm of a count; logarithms of thousands become about 2
PROJECTION_STD = 0.3


class LogCountRatios(nn.Module):
    """Map the log-count ratios of the n-grams that end at each byte to channels.

    The log-count ratio of an n-gram and a class is log(p / q), where p and q are the shares of the
    training texts with the class, and of those without it, that contain the n-gram (Wang and
    Manning, Baselines and Bigrams, ACL 2012, https://aclanthology.org/P12-2018, eq. 1, there for
    two classes and normalised over all n-grams). A linear map takes to `dim` channels, for all
    kinds of n-grams together, the ratios above 0 and the logarithm of the number of texts. The
    counts are buffers; `count` fills them before training.

    In training a ratio must not tell the label of the text that it is read in. The training texts
    are divided into `FOLDS` folds by a hash of their bytes, and the counts of a text's own fold are
    subtracted before its ratios are computed. The counts of the folds are not saved: without them,
    as in a model that was loaded, training uses all counts.

    Args:
        sizes: sizes of the n-grams of bytes, see `byte_ngrams`.
        words: sizes of the n-grams of words, see `word_ngrams`.
        rows: R, number of rows of the counts of each kind; a hash assigns n-grams to rows. None:
            `ROWS`, or fewer if there were more than `MAX_COUNTS` numbers otherwise.
        num_classes: K, number of classes or labels.
        dim: C, number of channels.

    Raises:
        ValueError: sizes below 1 or repeated ones, no sizes at all, or no rows or classes.
    """

    counts: Tensor
    texts: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        words: Sequence[int],
        *,
        rows: int | None,
        num_classes: int,
        dim: int,
    ) -> None:
        super().__init__()
        self.kinds = self.sizes, self.words = tuple(sizes), tuple(words)
        kinds = len(self.sizes) + len(self.words)
        distinct = len(set(self.sizes)) + len(set(self.words)) == kinds
        if not kinds or min(self.sizes + self.words) < 1 or not distinct:
            raise ValueError(
                f"ratio_ngrams={self.sizes}, ratio_words={self.words}; expected distinct sizes of "
                "at least 1"
            )
        if num_classes < 1 or (rows is not None and rows < 1):
            raise ValueError(
                f"ratio_rows={rows}, ratio_classes={num_classes}; expected at least 1 of each"
            )
        if rows is None:
            rows = max(1, min(ROWS, MAX_COUNTS // (kinds * (num_classes + 1))))
        self.rows, self.num_classes = rows, num_classes
        # The last column counts all texts.
        self.register_buffer("counts", torch.zeros(kinds, rows, num_classes + 1))
        self.register_buffer("texts", torch.zeros(num_classes + 1))
        self.projection = nn.Linear(kinds * (num_classes + 1), dim, bias=False)
        trunc_normal(self.projection.weight, PROJECTION_STD)
        self._fold_counts: Tensor | None = None  # (F, G, R, K + 1); int16 to save memory
        self._fold_texts = torch.zeros(FOLDS, num_classes + 1)

    def start_counting(self) -> None:
        """Set all counts to 0."""
        self.counts.zero_()
        self.texts.zero_()
        self._fold_counts = torch.zeros(FOLDS, *self.counts.shape, dtype=torch.int16)
        self._fold_texts = torch.zeros(FOLDS, *self.texts.shape)

    def finish_counting(self) -> None:
        """Do nothing: the counts are complete after the last text."""

    def count(self, ids: Tensor, targets: Tensor) -> None:
        """Count the n-grams of training texts, each once per text.

        Args:
            ids: ids of bytes (B, L), integers.
            targets: 1 for the class, or for each label, of a text, else 0; (B, K).
        """
        assert self._fold_counts is not None, "start_counting comes first"
        targets = torch.cat([targets, targets.new_ones(len(ids), 1)], dim=1)
        folds = text_folds(ids, FOLDS)
        self._fold_texts.index_add_(0, folds, targets)
        if self._fold_texts.max() > torch.iinfo(self._fold_counts.dtype).max:
            self._fold_counts = self._fold_counts.int()
        self.texts += targets.sum(0)
        for kind, (code, present) in enumerate(ngrams(ids, self.sizes, self.words)):
            rows = torch.where(present, code % self.rows, self.rows)  # the last row is left out
            of_text = torch.arange(len(ids))[:, None] * (self.rows + 1) + rows
            text_row = of_text.unique()
            text, row = text_row // (self.rows + 1), text_row % (self.rows + 1)
            text, row = text[row < self.rows], row[row < self.rows]
            self.counts[kind].index_add_(0, row, targets[text])
            self._fold_counts[:, kind].index_put_(
                (folds[text], row), targets[text].to(self._fold_counts.dtype), accumulate=True
            )

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return the mapped ratios (B, L, C) for ids of bytes (B, L)."""
        hashes = ngrams(ids, self.sizes, self.words)
        rows = torch.stack([code % self.rows for code, _ in hashes], dim=-1)  # B L G
        present = torch.stack([present for _, present in hashes], dim=-1)
        kinds = torch.arange(len(hashes), device=ids.device)
        counts, texts = self.counts[kinds, rows], self.texts
        if self.training and self._fold_counts is not None:
            folds = text_folds(ids, FOLDS)
            own = self._fold_counts = self._fold_counts.to(ids.device)
            counts = counts - own[folds[:, None, None], kinds, rows]
            texts = (texts - self._fold_texts.to(ids.device)[folds])[:, None, None]
        ratios = log_count_ratios(counts, texts).clamp(min=0)
        amounts = COUNT_SCALE * counts[..., -1:].log1p()
        features = torch.cat([ratios, amounts], dim=-1) * present[..., None]
        return self.projection(features.flatten(2))


def log_count_ratios(counts: Tensor, texts: Tensor) -> Tensor:
    """Return the log-count ratios of n-grams, 0 for those in fewer than `MIN_TEXTS` texts.

    Args:
        counts: number of texts of each class, and in the last place of all texts, that contain an
            n-gram; (…, K + 1).
        texts: the same numbers for all texts, whatever they contain; (…, K + 1).

    Returns:
        log(((c + 1) / (t + 2)) / ((C - c + 1) / (T - t + 2))) for counts c of C and t of T texts,
        (…, K).
    """
    inside, all_inside = counts[..., :-1], counts[..., -1:]
    of_class, all_texts = texts[..., :-1], texts[..., -1:]
    with_class = (inside + SMOOTHING) / (of_class + 2 * SMOOTHING)
    without = (all_inside - inside + SMOOTHING) / (all_texts - of_class + 2 * SMOOTHING)
    return (with_class / without).log() * (all_inside >= MIN_TEXTS)
