"""What one step of training or evaluation does."""

import logging
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from ..core import Inputs
from ..data.augment import augment, mix, permutation
from ..models.classifier import PerceiverClassifier
from .optim import build_optimizer, build_schedule
from .recipe import Recipe

log = logging.getLogger(__name__)

Batch = tuple[Tensor, Tensor]
METRICS = ("loss", "top1", "top5")


class Classification(pl.LightningModule):
    """Cross-entropy on augmented batches; loss, top-1 and top-5 of every split.

    Args:
        model: the classifier.
        recipe: augmentation, optimiser, label smoothing and seed.
    """

    def __init__(self, model: PerceiverClassifier, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.classify: Callable[[Inputs], Tensor] = model.classify
        model.perceiver.activation_checkpointing = recipe.trainer.activation_checkpointing
        self.train_scores = _scores(model.config.num_classes)
        self.val_scores = _scores(model.config.num_classes)
        self.test_scores = _scores(model.config.num_classes)

    def on_fit_start(self) -> None:
        """Compile, now that the model is on its device. Evaluation alone is not worth the wait."""
        asked = self.recipe.trainer.compile
        if asked == "on" or (asked == "auto" and self.device.type == "cuda"):
            self.classify = compiled(self.model.classify)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch, its augmentation drawn from (seed, step, rank) alone: a resumed run
        draws it again the same."""
        seed = 1_000_003 * self.recipe.trainer.seed + self.global_step
        torch.manual_seed(64 * seed + self.global_rank)
        images, labels = batch
        data = self.recipe.data
        targets = F.one_hot(labels, self.model.config.num_classes).float()
        images, targets = mix(augment(images, data), targets, mixup=data.mixup, cutmix=data.cutmix)
        logits = self._logits(images, seed)
        loss = F.cross_entropy(logits, targets, label_smoothing=self.recipe.trainer.label_smoothing)
        self._score(self.train_scores, logits, labels, loss)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip gradients. (Lightning's own clipping refuses fused optimisers in bfloat16.)"""
        if self.recipe.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip_norm)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score one batch, as it is."""
        self._evaluate(self.val_scores, batch, batch_index)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score one batch, as it is."""
        self._evaluate(self.test_scores, batch, batch_index)

    def on_validation_epoch_end(self) -> None:
        """Make the scores known to early stopping, the plateau schedule and the progress bar."""
        scores = summary(self.val_scores)
        self.log_dict({f"val_{name}": value for name, value in scores.items()}, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and schedule."""
        config = self.recipe.optimizer
        optimizer = build_optimizer(self.model, config)
        epochs = self.recipe.trainer.max_epochs
        steps = int(self.trainer.estimated_stepping_batches) // max(1, epochs)
        schedule = build_schedule(optimizer, config, epochs=epochs, steps=steps)
        plateau = config.schedule == "plateau"
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule,
                "interval": "epoch" if plateau else "step",
                "monitor": "val_loss",
            },
        }

    def _logits(self, images: Tensor, seed: int) -> Tensor:
        """(B, classes) in float32; the elements come in a permuted order if that is asked for."""
        inputs = self.model.adapter(images)
        kind = self.recipe.data.permute
        if kind != "none":
            batch, elements = inputs.content.shape[:2]
            order = permutation(kind, batch=batch, elements=elements, seed=seed)
            inputs = inputs.permuted(order.to(inputs.content.device))
        return self.classify(inputs).float()

    def _evaluate(self, scores: MetricCollection, batch: Batch, batch_index: int) -> None:
        images, labels = batch
        logits = self._logits(images, batch_index)
        loss = F.cross_entropy(logits, labels)
        if not loss.isfinite():
            raise ValueError(
                f"the loss on held-out examples is {loss.item()} after epoch "
                f"{self.current_epoch + 1}: training diverged; lower --optimizer.lr"
            )
        self._score(scores, logits, labels, loss)

    def _score(
        self, scores: MetricCollection, logits: Tensor, labels: Tensor, loss: Tensor
    ) -> None:
        scores["loss"].update(loss.detach(), weight=len(labels))
        for name in ("top1", "top5"):
            scores[name].update(logits.detach(), labels)


def compiled(
    function: Callable[[Inputs], Tensor], backend: str = "inductor"
) -> Callable[[Inputs], Tensor]:
    """The same function by torch.compile; itself, with a word of why, where that cannot be done."""
    from torch._dynamo.exc import TorchDynamoException  # a second of imports

    fast: Callable[[Inputs], Tensor] | None = torch.compile(function, backend=backend)

    def call(inputs: Inputs) -> Tensor:
        nonlocal fast
        if fast is not None:
            try:
                return fast(inputs)
            except TorchDynamoException as error:
                why = " ".join(str(error).strip().splitlines()[:2])
                log.warning("going on without torch.compile (--trainer.compile off): %s", why)
                fast = None
        return function(inputs)

    return call


def summary(scores: MetricCollection) -> dict[str, float]:
    """Loss, top-1 and top-5 gathered since the last reset."""
    return {name: float(value) for name, value in scores.compute().items()}


def _scores(classes: int) -> MetricCollection:
    return MetricCollection(
        {
            "loss": MeanMetric(nan_strategy="ignore"),
            "top1": MulticlassAccuracy(classes, top_k=1, average="micro"),
            "top5": MulticlassAccuracy(classes, top_k=min(5, classes), average="micro"),
        },
        compute_groups=False,
    )
