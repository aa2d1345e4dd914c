"""Optimisers (LAMB, Muon with AdamW), parameter groups and learning-rate schedules."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau
from typing_extensions import override

from ..core import Perceiver
from .muon import Muon
from .recipe import OptimizerConfig


class Lamb(torch.optim.Optimizer):
    """LAMB (arXiv 1904.00962, Algorithm 2): Adam's update, rescaled for each parameter tensor.

    m ← β₁m + (1-β₁)g and v ← β₂v + (1-β₂)g², both bias-corrected to m̂ and v̂;
    u = m̂ / (√v̂ + ε) + λw; w ← w - lr · ‖w‖/‖u‖ · u. The ratio is 1 if either norm is 0.

    Args:
        params: parameters or parameter groups.
        lr: learning rate.
        betas: β₁ and β₂, decay of the first and the second moment.
        eps: ε, added to the denominator.
        weight_decay: λ, decoupled from the gradient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state = self.state[w]
        if not state:
            state["step"] = 0
            state["m"], state["v"] = torch.zeros_like(w), torch.zeros_like(w)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        m = state["m"].lerp_(g, 1 - beta1)
        v = state["v"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        m_hat = m / (1 - beta1 ** state["step"])
        v_hat = v / (1 - beta2 ** state["step"])
        u = m_hat / (v_hat.sqrt() + group["eps"]) + group["weight_decay"] * w
        w_norm, u_norm = w.norm(), u.norm()
        ratio = torch.where((w_norm > 0) & (u_norm > 0), w_norm / u_norm, torch.ones_like(w_norm))
        w.sub_(group["lr"] * ratio * u)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the matrices of hidden layers and AdamW for all other parameters, as one optimiser.

    The step of `Muon` is scaled to the size of AdamW's, so that one learning rate serves both.

    Args:
        hidden: groups of matrices for Muon.
        others: parameter groups for AdamW, each with its own weight decay.
        lr: learning rate of both.
        weight_decay: weight decay of the matrices.
        momentum: momentum of Muon.
        betas: decay of AdamW's first and second moment.
    """

    def __init__(
        self,
        hidden: list[dict[str, Any]],
        others: list[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        muon = Muon(hidden, lr=lr, weight_decay=weight_decay, momentum=momentum)
        self.parts = (muon, torch.optim.AdamW(others, lr=lr, betas=betas, fused=True))
        super().__init__([group for part in self.parts for group in part.param_groups], {"lr": lr})
        self._share_state()

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share_state()

    def _share_state(self) -> None:
        """Make Muon and AdamW use this optimiser's own parameter groups and state.

        Schedules and checkpoints then see a single optimiser.
        """
        muon, adamw = self.parts
        count = len(muon.param_groups)
        muon.param_groups, adamw.param_groups = self.param_groups[:count], self.param_groups[count:]
        muon.state = adamw.state = self.state


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the configured optimiser of a model's parameters, as far as they are trained.

    Parameters with a single axis (biases and norms) have no weight decay unless `decay_all`. Muon
    takes the weights of all linear layers outside the head. With `layer_decay`, the parameters of
    each layer are groups of their own.

    Args:
        model: model to optimise.
        config: name and options of the optimiser.

    Raises:
        ValueError: unknown optimiser.
    """
    matrices = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[0] != "head" and config.name == "muon"
    }
    hidden = _groups(model, config, lambda name: name in matrices)
    groups = _groups(model, config, lambda name: name not in matrices)
    betas = (config.beta1, config.beta2)
    if config.name == "lamb":
        return Lamb(groups, lr=config.lr, betas=betas)
    if config.name == "adamw" or (config.name == "muon" and not hidden):
        return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=True)
    if config.name == "adam":
        return torch.optim.Adam(groups, lr=config.lr, betas=betas, fused=True)
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    if config.name == "muon":
        return MuonAdamW(
            hidden,
            groups,
            lr=config.lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            betas=betas,
        )
    raise ValueError(f"unknown optimizer {config.name!r}; expected adamw, lamb, adam, sgd or muon")


def _groups(
    model: nn.Module, config: OptimizerConfig, chosen: Callable[[str], bool]
) -> list[dict[str, Any]]:
    """Return the groups of parameters with the same weight decay and learning rate.

    Args:
        model: model to optimise.
        config: options of the optimiser.
        chosen: whether a parameter belongs to one of these groups, by its name.
    """
    depths = layer_depths(model) if config.layer_decay != 1 else {}
    last = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and chosen(name):
            decayed = parameter.ndim > 1 or config.decay_all
            groups.setdefault((last - depths.get(name, last), not decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": 0.0 if free else config.weight_decay,
            **({"lr": config.lr * config.layer_decay**distance} if depths else {}),
        }
        for (distance, free), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """Return the learning rate of an optimiser, the largest of its groups."""
    return max(float(group["lr"]) for group in optimizer.param_groups)


def layer_depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter of a classifier: 0 for the inputs, largest for the head.

    Each cross-attend and each self-attend of a block is a layer, in the order in which they are
    applied first. The adapter of the inputs and the latents are below all layers.

    Args:
        model: model with an adapter, a Perceiver and a head.
    """
    perceiver = model.get_submodule("perceiver")
    if not isinstance(perceiver, Perceiver):
        raise ValueError(
            "optimizer.layer_decay is not supported for a model that continues texts; set it to 1"
        )
    layers: dict[str, int] = {}  # by the prefix of their parameters
    for cross, block in zip(perceiver.cross_order, perceiver.block_order, strict=True):
        names = [] if cross is None else [f"perceiver.cross_attends.{cross}."]
        if block is not None:
            count = len(perceiver.get_submodule(f"blocks.{block}"))  # type: ignore[arg-type]
            names += [f"perceiver.blocks.{block}.{layer}." for layer in range(count)]
        for name in names:
            layers.setdefault(name, len(layers) + 1)
    inputs = ("adapter.", "perceiver.latents")
    return {
        name: 0
        if name.startswith(inputs)
        else next((n for layer, n in layers.items() if name.startswith(layer)), len(layers) + 1)
        for name, _ in model.named_parameters()
    }


def check_schedule(config: OptimizerConfig, epochs: int) -> None:
    """Check that a schedule fits a run.

    Args:
        config: schedule and warm-up.
        epochs: number of epochs of the run.

    Raises:
        ValueError: a warm-up together with plateau, or one that takes the whole run.
    """
    if config.schedule == "plateau" and config.warmup_epochs:
        raise ValueError(
            f"optimizer.warmup_epochs={config.warmup_epochs} cannot be combined with "
            "optimizer.schedule=plateau; set it to 0"
        )
    if config.schedule == "cosine" and config.warmup_epochs >= epochs:
        raise ValueError(
            f"optimizer.warmup_epochs={config.warmup_epochs} is not less than "
            f"trainer.max_epochs={epochs}; lower it"
        )


def build_schedule(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, *, epochs: int, steps: int
) -> LRScheduler | ReduceLROnPlateau:
    """Return the configured learning-rate schedule.

    Plateau is to be stepped after each epoch with the validation loss, all other schedules after
    each optimiser step.

    Args:
        optimizer: optimiser whose learning rate is scheduled.
        config: schedule and its options.
        epochs: number of epochs of the run.
        steps: number of optimiser steps in an epoch.

    Raises:
        ValueError: as in `check_schedule`.
    """
    check_schedule(config, epochs)
    warmup = round(config.warmup_epochs * steps)
    if config.schedule == "plateau":
        return ReduceLROnPlateau(
            optimizer, factor=config.plateau_factor, patience=config.plateau_patience
        )
    total = max(1, epochs * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if config.schedule == "cosine":
            done = (step - warmup) / max(1, total - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        if config.schedule == "multistep":
            return config.gamma ** sum(step >= epoch * steps for epoch in config.milestones)
        return 1.0

    return LambdaLR(optimizer, factor)
