"""A recipe: everything that defines a training run, as plain data. Imports no torch."""

from dataclasses import dataclass, field
from typing import Literal

from ..data.config import DataConfig
from ..models.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimiser and its learning-rate schedule."""

    name: Literal["adamw", "lamb", "adam", "sgd", "muon"] = "adamw"
    """The update rule; sgd has momentum, muon leaves all but hidden matrices to adamw."""
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    """Decoupled for adamw, lamb and muon, added to the gradient for adam and sgd."""
    decay_all: bool = False
    """Also decay biases and norms."""
    momentum: float = 0.9
    """Of sgd and muon."""
    beta1: float = 0.9
    """First-moment decay of the others."""
    beta2: float = 0.999
    """Second-moment decay of the others."""
    schedule: Literal["constant", "cosine", "multistep", "plateau"] = "cosine"
    """Shape of the learning rate over the run, after the warm-up."""
    warmup_epochs: float = 0.0
    """Linear rise from 0, in epochs."""
    milestones: tuple[int, ...] = ()
    """Epochs at which multistep multiplies the rate by gamma."""
    gamma: float = 0.1
    """Factor of multistep."""
    plateau_factor: float = 0.2
    """Factor of plateau, applied when the validation loss has stopped falling."""
    plateau_patience: int = 3
    """Epochs that plateau waits."""
    clip_norm: float = 0.0
    """Gradients are scaled down to this norm; 0: not."""


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The loop around it."""

    max_epochs: int = 30
    """Passes over the training examples."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes; other tasks than classification go
    without."""
    patience: int = 15
    """Epochs without a better validation score before stopping early; 0: never stop early."""
    monitor: Literal[
        "val_loss", "val_top1", "val_top5", "val_map", "val_f1", "val_mae", "val_r2"
    ] = "val_loss"
    """The score that decides which weights are best, and when to stop; one of the task's."""
    ema_decay: float = 0.0
    """Decay of the running average of weights that is evaluated and saved; 0: no average."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; auto: bfloat16 on CUDA, float32 on CPU."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the model with torch.compile; auto: on CUDA. Without a compiler it goes on as is."""
    activation_checkpointing: bool = False
    """Keep only the latents between layers for the backward pass: less memory, more time."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: CUDA if there."""
    seed: int = 0
    """Of the initial weights, the order of examples and the augmentation."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Model, data, optimiser and loop of one run."""

    name: str
    """What `perceivers train` calls it."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model; num_classes and task follow the data."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """The loop."""
