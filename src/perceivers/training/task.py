"""What one step of training or evaluation does."""

import logging
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from ..core import Inputs
from ..data.examples import Batch
from ..data.mixing import mix
from ..modalities import modality_of
from ..models.classifier import PerceiverClassifier
from ..models.clips import average_clips
from .optim import build_optimizer, build_schedule
from .recipe import Recipe
from .targets import summary, targets_of

log = logging.getLogger(__name__)


class Learner(pl.LightningModule):
    """The loss of the model's task on augmented batches; loss and scores of every split.

    Args:
        model: what is trained.
        recipe: augmentation, optimiser, label smoothing and seed.
    """

    def __init__(self, model: PerceiverClassifier, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.classify: Callable[[Inputs], Tensor] = model.classify
        model.perceiver.activation_checkpointing = recipe.trainer.activation_checkpointing
        self.targets = targets_of(model)
        self.train_scores = self.targets.collection()
        self.val_scores = self.targets.collection()
        self.test_scores = self.targets.collection()

    def on_fit_start(self) -> None:
        """Compile, now that the model is on its device. Evaluation alone is not worth the wait."""
        smoothing = self.recipe.trainer.label_smoothing
        if smoothing and not self.targets.smoothed:
            log.info(
                "trainer.label_smoothing=%g is for classification; %s goes without",
                smoothing,
                self.model.config.task,
            )
        asked = self.recipe.trainer.compile
        if asked == "on" or (asked == "auto" and self.device.type == "cuda"):
            self.classify = compiled(self.model.classify)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch, its augmentation drawn from (seed, step, rank) alone: a resumed run
        draws it again the same.
        """
        seed = 1_000_003 * self.recipe.trainer.seed + self.global_step
        torch.manual_seed(64 * seed + self.global_rank)
        examples, labels = batch
        data = self.recipe.data
        targets = self.targets.as_floats(labels)
        inputs = self.model.config.input
        examples = modality_of(inputs).augment(examples, inputs, data)
        examples, targets = mix(examples, targets, mixup=data.mixup, cutmix=data.cutmix)
        outputs = self._outputs(examples, seed)
        loss = self.targets.loss(outputs, targets, self.recipe.trainer.label_smoothing)
        self.targets.update(self.train_scores, outputs, labels, loss)
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

    def _outputs(self, examples: Any, seed: int) -> Tensor:
        """(B, num_classes) in float32; the elements come in a permuted order if asked for."""
        inputs = self.model.adapter(examples)
        kind = self.recipe.data.permute
        if kind != "none":
            batch, elements = inputs.content.shape[:2]
            order = permutation(kind, batch=batch, elements=elements, seed=seed)
            inputs = inputs.permuted(order.to(inputs.content.device))
        return self.classify(inputs).float()

    def _evaluate(self, scores: MetricCollection, batch: Batch, batch_index: int) -> None:
        examples, labels = batch
        outputs = self._outputs(examples, batch_index)
        clips = len(outputs) // len(labels)
        if clips > 1:
            outputs = average_clips(outputs.unflatten(0, (-1, clips)), self.model.config.task)
        loss = self.targets.loss(outputs, labels)
        if not loss.isfinite():
            raise ValueError(
                f"the loss on held-out examples is {loss.item()} after epoch "
                f"{self.current_epoch + 1}: training diverged; lower --optimizer.lr"
            )
        self.targets.update(scores, outputs, labels, loss)


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


def permutation(kind: str, *, batch: int, elements: int, seed: int) -> Tensor:
    """An order of elements for the permuted-image experiment (arXiv 2103.03206, Table 2).

    Args:
        kind: "fixed", the same for all images of all runs; or "random", a new one for each image
            (v1 of the paper).
        batch: B.
        elements: M.
        seed: of the random ones.

    Returns:
        (M,) if fixed, (B, M) if random; entry i is the element that comes i-th.
    """
    if kind == "fixed":
        return torch.randperm(elements, generator=torch.Generator().manual_seed(0))
    if kind == "random":
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(batch, elements, generator=generator).argsort(dim=-1)
    raise ValueError(f"unknown permutation {kind!r}; expected 'fixed' or 'random'")
