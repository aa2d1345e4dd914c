"""The recipe of a training run, as plain data. Imports no torch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..data.config import DataConfig
from ..modalities.config import Count, Part, Range
from ..models.config import EncoderConfig, ModelConfig
from ..reading import Limits

Decay = Annotated[float, Range(0, 0.999999)]  # a factor below 1


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Configuration of the optimiser and its learning-rate schedule."""

    name: Literal["adamw", "lamb", "adam", "sgd", "muon"] = "adamw"
    """Optimiser; sgd has momentum, muon is used with adamw for all but the matrices of hidden
    layers."""
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.05
    """Weight decay; part of the gradient for adam and sgd, decoupled for adamw, lamb and muon."""
    decay_all: bool = False
    """Apply weight decay to biases and norms too."""
    momentum: Decay = 0.9
    """Momentum of sgd and muon."""
    beta1: Decay = 0.9
    """Decay of the first moment; for adamw, lamb, adam, and the adamw of muon."""
    beta2: Decay = 0.999
    """Decay of the second moment; for adamw, lamb, adam, and the adamw of muon."""
    schedule: Literal["constant", "cosine", "multistep", "plateau"] = "cosine"
    """Learning-rate schedule after the warm-up."""
    warmup_epochs: float = 0.0
    """Epochs over which the learning rate first rises linearly from 0 to its peak; 0: no warm-up,
    as plateau requires."""
    milestones: tuple[int, ...] = ()
    """Epochs after which multistep multiplies the learning rate by gamma."""
    gamma: float = 0.1
    """Factor by which multistep multiplies the learning rate at each milestone."""
    plateau_factor: Decay = 0.2
    """Factor by which plateau lowers the learning rate when the validation loss stops falling."""
    plateau_patience: int = 3
    """Number of epochs without a lower validation loss that plateau tolerates."""
    clip_norm: float = 0.0
    """Norm to which the gradient of all parameters is clipped; 0: no clipping."""
    layer_decay: Annotated[float, Range(0.01, 1)] = 1.0
    """Factor of the learning rate from each layer to the one before it, from the head to the
    inputs; 1: the same for all. Less than 1 keeps more of what a model has learned before."""


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Configuration of the training loop."""

    max_epochs: Count = 30
    """Passes over the training examples."""
    init: str | None = None
    """Model whose weights the training starts from: a run, a saved model or hf://owner/name; its
    architecture is used too. None: random weights."""
    freeze: Literal["none", "encoder"] = "none"
    """Which weights stay as they are: none, or those of the encoder (the inputs and the Perceiver),
    so that what follows the latents alone is trained, the head or the decoder."""
    label_smoothing: Part = 0.0
    """Share of each target that is spread evenly over all classes; for classification only."""
    patience: int = 15
    """Epochs without a better score `monitor` or a lower validation loss after which training
    stops; 0: never stop early."""
    monitor: Literal[
        "auto",
        "last",
        "val_loss",
        "val_top1",
        "val_top5",
        "val_macro_f1",
        "val_balanced_accuracy",
        "val_map",
        "val_f1",
        "val_mae",
        "val_rmse",
        "val_r2",
        "val_bits_per_byte",
        "val_miou",
        "val_accuracy",
        "val_psnr",
        "val_mase",
        "val_epe",
        "val_over_1px",
        "val_iou",
        "val_kl",
    ] = "val_loss"
    """Validation score that decides which weights are best and when to stop early; of equal scores
    the one with the lower loss is better. It must be a score of the task; last: none, the weights
    of the last epoch are kept; auto: val_macro_f1 for classification, val_miou for segmentation,
    val_iou for occupancy, else val_loss, and last if there are no validation examples."""
    ema_decay: Decay = 0.0
    """Decay per step of a running average of the weights, which is then scored and saved instead
    of them; 0: no average."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; auto: bfloat16 on CUDA, float32 on CPU."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Train with torch.compile; auto: on CUDA only. If it fails, training continues without it."""
    activation_checkpointing: bool = False
    """Save memory at the cost of time: keep only the latents between layers for the backward
    pass."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on; auto: CUDA if there is a CUDA device, else the CPU."""
    seed: Annotated[int, Range(-(2**63), 2**63 - 1)] = 0
    """Random seed of the initial weights, the order of examples and the augmentation."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Configuration of a training run: model, data, optimiser and loop."""

    name: str
    """Name of the recipe for `perceivers train`."""
    model: EncoderConfig = field(default_factory=ModelConfig)
    """The model; the number of its outputs is set by the data, and the task of a classifier."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data and its augmentation."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser and its schedule."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """The training loop."""
    limits: Limits = field(default_factory=Limits)
    """The most that is read of one file."""
