"""One step of training and validation, as a Lightning module."""

import logging
import random
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from ..data.examples import Batch
from ..data.mixing import mix
from ..models.base import PerceiverModel
from .fine_tuning import freeze
from .optim import build_optimizer, build_schedule
from .recipe import Recipe
from .summaries import summary
from .targets import targets_of

log = logging.getLogger(__name__)


class Learner(pl.LightningModule):
    """Training of a model on augmented batches, and its scores on training and validation.

    - The augmentation of a batch depends on the seed, the step and the rank alone, so that a
      resumed run repeats it. So do the random transforms of a dataset given in Python, whichever
      of the generators of torch, NumPy and Python they draw from.
    - A batch without a readable file makes a step that changes nothing.
    - Batches for validation are not augmented. A loss that is not finite there raises a ValueError:
      the training has diverged.
    - The validation scores are logged for early stopping, the plateau schedule and the progress
      bar.
    - Gradients are clipped here, because Lightning's own clipping refuses fused optimisers in
      bfloat16.
    - The model is compiled only for training: for evaluation alone it takes longer than it saves.

    Args:
        model: model to train.
        recipe: augmentation, optimiser, label smoothing, compilation and seed.
    """

    def __init__(self, model: PerceiverModel, recipe: Recipe) -> None:
        super().__init__()
        freeze(model, recipe)
        self.model = model
        self.recipe = recipe
        self.respond: Callable[..., Any] = model.respond
        model.perceiver.activation_checkpointing = recipe.trainer.activation_checkpointing
        self.targets = targets_of(model)
        self.train_scores = self.targets.collection()
        self.val_scores = self.targets.collection()

    @override
    def on_fit_start(self) -> None:
        smoothing = self.recipe.trainer.label_smoothing
        if smoothing and not self.targets.uses_label_smoothing:
            log.info(
                "trainer.label_smoothing=%g is ignored: it is for classification, the task is %s",
                smoothing,
                self.targets.task,
            )
        data = self.recipe.data
        named = {
            "mixup": data.mixup,
            "CutMix": data.cutmix,
            "label smoothing": smoothing if self.targets.uses_label_smoothing else 0.0,
        }
        if words := [word for word, value in named.items() if value]:
            log.info("training scores include %s and look worse for it", " and ".join(words))
        option = self.recipe.trainer.compile
        if option == "on" or (option == "auto" and self.device.type == "cuda"):
            self.respond = compiled(self.model.respond)

    @override
    def on_train_epoch_start(self) -> None:
        # The first batch of an epoch is read before a step seeds the generators.
        seed = 1_000_003 * self.recipe.trainer.seed + self.global_step
        seed_generators(64 * seed + self.global_rank)

    @override
    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        seed = 1_000_003 * self.recipe.trainer.seed + self.global_step
        seed_generators(64 * seed + self.global_rank)
        examples, labels = batch
        if not len(labels):
            return None
        data = self.recipe.data
        examples, labels = self.targets.augment(examples, labels, data)
        examples, labels = self.targets.hide(examples, labels, seed)
        truth = self.targets.truth(examples, labels)
        examples, targets = mix(
            examples, self.targets.as_floats(truth), mixup=data.mixup, cutmix=data.cutmix
        )
        at = self.targets.draw(truth)
        truth, targets = self.targets.at(truth, at), self.targets.at(targets, at)
        outputs = self._outputs(examples, seed, self.targets.asked(truth, at))
        loss = self.targets.loss(outputs, targets, self.recipe.trainer.label_smoothing)
        self.targets.update(self.train_scores, detached(outputs), truth, loss)
        return loss

    @override
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.recipe.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip_norm)

    @override
    def validation_step(self, batch: Batch, batch_index: int) -> None:
        examples, labels = batch
        if not len(labels):
            return
        outputs, truth, loss = self.evaluate(examples, labels, batch_index)
        if not loss.isfinite():
            raise ValueError(
                f"the loss on held-out examples is {loss.item()} after epoch "
                f"{self.current_epoch + 1}: the training diverged; lower --optimizer.lr"
            )
        self.targets.update(self.val_scores, outputs, truth, loss)

    @override
    def on_validation_epoch_end(self) -> None:
        scores = summary(self.val_scores)
        for score in self.targets.scores:
            shown = score in self.targets.scores[:2]
            self.log(f"val_{score.name}", scores[score.name], prog_bar=shown)

    @override
    def configure_optimizers(self) -> Any:
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
                # Lightning steps a plateau schedule of interval "epoch" only after the checkpoint
                # of the epoch is saved, which would then lack that step.
                "interval": "step",
                "frequency": max(1, steps) if plateau else 1,
                "monitor": "val_loss",
            },
        }

    def _outputs(self, examples: Any, seed: int, at: Any = None) -> Any:
        """Return the outputs of a batch, for permuted elements if configured.

        Logits are float32, whatever the precision of the run; numbers to predict are float64.
        """
        inputs = self.model.adapter(examples)
        kind = self.recipe.data.permute
        if kind != "none":
            batch, elements = inputs.content.shape[:2]
            order = permutation(kind, batch=batch, elements=elements, seed=seed)
            inputs = inputs.permuted(order.to(inputs.content.device))
        outputs = self.respond(inputs) if at is None else self.respond(inputs, at)
        return full_precision(outputs)

    def evaluate(self, examples: Any, labels: Tensor, batch_index: int) -> tuple[Any, Any, Tensor]:
        """Return the outputs of a batch, averaged over clips, the truth and the loss.

        Args:
            examples: raw batch, of B examples or of the clips of B examples.
            labels: labels as in the data, (B, …).
            batch_index: number of the batch, which seeds a random permutation.
        """
        examples, labels = self.targets.hide(examples, labels, 0)
        truth = self.targets.truth(examples, labels)
        outputs = self._outputs(examples, batch_index, self.targets.asked(truth, None))
        outputs = self.targets.over_clips(outputs, len(labels))
        return outputs, truth, self.targets.loss(outputs, truth)


def full_precision(outputs: Any) -> Any:
    """Return outputs, or a dictionary of them, in float32; those in float64 stay so."""
    if isinstance(outputs, dict):
        return {name: full_precision(part) for name, part in outputs.items()}
    return outputs if outputs.dtype == torch.float64 else outputs.float()


def detached(outputs: Any) -> Any:
    """Return outputs, or a dictionary of them, without their gradients."""
    if isinstance(outputs, dict):
        return {name: detached(part) for name, part in outputs.items()}
    return outputs.detach()


def seed_generators(seed: int) -> None:
    """Seed the global random generators of torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the generator of others)
    random.seed(seed)


def compiled(function: Callable[..., Any], backend: str = "inductor") -> Callable[..., Any]:
    """Return a function compiled with torch.compile, which falls back to the original.

    If compilation fails during a call, the reason is logged as a warning, and that call and all
    later ones use the original function.

    Args:
        function: function to compile.
        backend: backend of torch.compile.
    """
    from torch._dynamo.exc import TorchDynamoException  # this import takes a second

    compiled_function: Callable[..., Any] | None = torch.compile(function, backend=backend)

    def call(*arguments: Any) -> Any:
        nonlocal compiled_function
        if compiled_function is not None:
            try:
                return compiled_function(*arguments)
            except TorchDynamoException as error:
                reason = " ".join(str(error).strip().splitlines()[:2])
                log.warning(
                    "torch.compile failed, continuing without it (to avoid this warning: "
                    "--trainer.compile off): %s",
                    reason,
                )
                compiled_function = None
        return function(*arguments)

    return call


def permutation(kind: str, *, batch: int, elements: int, seed: int) -> Tensor:
    """Return an order of elements for the permuted-image experiment (arXiv 2103.03206, Table 2).

    Args:
        kind: "fixed" for one order for all images of all runs, or "random" for a new order for each
            image (v1 of the paper).
        batch: B, number of images.
        elements: M, number of elements of an image.
        seed: seed of a random order; a fixed order does not depend on it.

    Returns:
        The order (M,) if fixed, or (B, M) if random; entry i is the index of the element that comes
        i-th.

    Raises:
        ValueError: unknown kind.
    """
    if kind == "fixed":
        return torch.randperm(elements, generator=torch.Generator().manual_seed(0))
    if kind == "random":
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(batch, elements, generator=generator).argsort(dim=-1)
    raise ValueError(f"unknown permutation {kind!r}; expected 'fixed' or 'random'")
