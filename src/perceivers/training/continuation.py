"""Continue a run with changed options: each is applied to the rest of the run, or refused."""

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from typing_extensions import override

from ..modalities.augmentation import AugmentationConfig
from ..models.config import to_dict
from .optim import build_optimizer, learning_rate
from .recipe import Recipe
from .scores import LAST
from .task import Learner

log = logging.getLogger(__name__)

# Options that say where the data is and how it is read and computed; they do not need an epoch.
SURROUNDINGS = frozenset(
    {
        "data.path", "data.strict", "data.hold_gb", "data.workers", "trainer.precision",
        "trainer.compile", "trainer.activation_checkpointing", "trainer.device",
    }
)  # fmt: skip
# Options that change the epochs that are left.
APPLIED = frozenset(
    {
        "data.mixup", "data.cutmix", "data.permute",
        *(f"data.{field.name}" for field in dataclasses.fields(AugmentationConfig)),
        "optimizer.lr", "optimizer.weight_decay", "optimizer.momentum", "optimizer.beta1",
        "optimizer.beta2", "optimizer.schedule", "optimizer.warmup_epochs", "optimizer.milestones",
        "optimizer.gamma", "optimizer.plateau_factor", "optimizer.plateau_patience",
        "optimizer.clip_norm", "trainer.max_epochs", "trainer.label_smoothing", "trainer.patience",
    }
)  # fmt: skip
# Why options that are in neither are refused, where it is not plain.
REASONS = {
    "data.batch_size": "the schedule of the learning rate counts batches",
    "data.validation": "the run keeps its splits",
    "data.test": "the run keeps its splits",
    "optimizer.name": "the state of the optimiser belongs to it",
    "optimizer.layer_decay": "the state of the optimiser is stored by groups of parameters",
    "optimizer.decay_all": "the state of the optimiser is stored by groups of parameters",
    "trainer.monitor": "the best weights so far were chosen by it",
    "trainer.ema_decay": "the average so far was taken with it",
    "trainer.freeze": "the state of the optimiser is that of the parameters that it trains",
    "trainer.init": "its training has begun",
    "trainer.seed": "the initial weights depend on it",
}
MIN_JUMP = 0.01  # relative change of the learning rate that is said


def changed_options(run: Recipe, wanted: Recipe) -> list[str]:
    """Return the paths of the options in which two recipes differ.

    Args:
        run: the recipe of a run, with the task of its data.
        wanted: the recipe that it is to be continued with; its task "auto" is that of the run.
    """
    before, after = (_flat(to_dict(recipe)) for recipe in (run, wanted))
    if after.get("data.task") == "auto":
        after["data.task"] = before.get("data.task")
    paths = dict.fromkeys((*before, *after))
    return [p for p in paths if p != "name" and before.get(p) != after.get(p)]


def check_changes(run: Recipe, wanted: Recipe, epochs_done: int) -> None:
    """Check that a run can be continued with a recipe, before anything is written.

    Args:
        run: the recipe of the run.
        wanted: the recipe to continue with.
        epochs_done: number of epochs that the run has completed.

    Raises:
        ValueError: an option differs that cannot be applied to the rest of the run, or no epoch is
            left to apply it to.
    """
    changes = changed_options(run, wanted)
    for path in changes:
        if path.startswith("model."):
            raise ValueError(
                f"--{path} differs from the option that the run was started with, and a resumed "
                "run cannot change its model; leave it out, or start a new run"
            )
        if path not in APPLIED | SURROUNDINGS:
            because = f", because {REASONS[path]}" if path in REASONS else ""
            raise ValueError(
                f"--{path} is {_value(run, path)} in the run, and a resumed run cannot change it"
                f"{because}; leave it out, or start a new run"
            )
    schedules = {run.optimizer.schedule, wanted.optimizer.schedule}
    if len(schedules) == 2 and "plateau" in schedules:
        raise ValueError(
            f"optimizer.schedule is {run.optimizer.schedule} in the run, and a resumed run cannot "
            "change from or to plateau, whose state is of another kind; leave it out, or start a "
            "new run"
        )
    if wanted.trainer.patience and wanted.trainer.monitor == LAST:
        raise ValueError(
            f"trainer.patience={wanted.trainer.patience}, but the run keeps the weights of its "
            "last epoch and does not stop early; leave it out"
        )
    epochs = wanted.trainer.max_epochs
    if epochs < epochs_done:
        raise ValueError(
            f"the run has done {epochs_done} epochs, more than trainer.max_epochs={epochs}; give "
            f"more than {epochs_done} to continue it"
        )
    if epochs == epochs_done and (idle := [path for path in changes if path in APPLIED]):
        raise ValueError(
            f"the run has done all of its {epochs} epochs, so {', '.join(idle)} would change "
            "nothing; give more epochs too: --trainer.max_epochs"
        )


def check_stopped(run: Recipe, wanted: Recipe, reason: str, epochs_done: int) -> int:
    """Check that a run that has stopped early can be continued with a recipe.

    Args:
        run: the recipe of the run.
        wanted: the recipe to continue with.
        reason: why the run stopped.
        epochs_done: number of epochs that the run has completed.

    Returns:
        The number of epochs after which the run goes on: all, if the patience is unchanged.

    Raises:
        ValueError: an option differs that would need more epochs, but the patience does not.
    """
    changes = [path for path in changed_options(run, wanted) if path in APPLIED]
    if "trainer.patience" in changes:
        return epochs_done
    if changes:
        raise ValueError(
            f"the run has {reason}, so {', '.join(changes)} would change nothing; give a larger "
            "--trainer.patience too, or 0"
        )
    return wanted.trainer.max_epochs


class Continuation(pl.Callback):
    """Callback that applies changed options once the state of a run is restored.

    The optimiser and the schedule restore the values of their options too; this replaces them by
    those of the new recipe. A jump of the learning rate is logged.

    Args:
        run: the recipe of the run.
        wanted: the recipe that it is continued with.
        when_started: called once the state is restored and the options are applied.
    """

    def __init__(self, run: Recipe, wanted: Recipe, when_started: Callable[[], None]) -> None:
        self.run, self.wanted, self.when_started = run, wanted, when_started

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epochs = (self.run.trainer.max_epochs, self.wanted.trainer.max_epochs)
        if self.run.optimizer != self.wanted.optimizer or len(set(epochs)) == 2:
            optimizer = trainer.optimizers[0]
            before = learning_rate(optimizer)
            assert isinstance(pl_module, Learner)
            self._update(optimizer, build_optimizer(pl_module.model, self.wanted.optimizer))
            self._reschedule(trainer.lr_scheduler_configs[0].scheduler, optimizer)
            after = learning_rate(optimizer)
            if not math.isclose(before, after, rel_tol=MIN_JUMP):
                log.warning(
                    "the learning rate jumps from %.3g to %.3g: %s over %d epochs now, %s over %d "
                    "before%s",
                    *(before, after, self.wanted.optimizer.schedule, epochs[1]),
                    *(self.run.optimizer.schedule, epochs[0]),
                    "; scores may be worse for some epochs" if after > before else "",
                )
        self.when_started()

    @staticmethod
    def _update(optimizer: Any, fresh: Any) -> None:
        """Give all groups of parameters the options of a new optimiser, except its weights."""
        for group, new in zip(optimizer.param_groups, fresh.param_groups, strict=True):
            group.update({k: v for k, v in new.items() if k not in ("params", "lr")})
            group["initial_lr"] = new["lr"]

    def _reschedule(self, schedule: Any, optimizer: Any) -> None:
        """Set the options of a schedule, and the learning rate that it gives for the next step."""
        config = self.wanted.optimizer
        if isinstance(schedule, ReduceLROnPlateau):
            schedule.factor, schedule.patience = config.plateau_factor, config.plateau_patience
            if config.lr != self.run.optimizer.lr:
                for group in optimizer.param_groups:
                    group["lr"] = group["initial_lr"]
        elif isinstance(schedule, LambdaLR):
            schedule.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
            rates: list[float | Tensor] = [
                lr * factor(schedule.last_epoch)
                for lr, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
            ]
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            schedule._last_lr = rates


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, with paths as its names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _value(recipe: Recipe, path: str) -> Any:
    return _flat(to_dict(recipe)).get(path)
