"""What a run would be, told before it begins: data, model, steps and time."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from ..data.examples import FileExamples
from ..data.labels import describe_labels
from ..data.mixing import check_mixing
from ..data.splits import read_splits
from ..machine import Placement, describe_machine, placement
from ..modalities import build_reader, modality_of
from ..modalities.reader import to_device
from ..models.build import build
from ..models.classifier import PerceiverClassifier
from ..models.cost import cost
from .engine import fit_to_data
from .optim import build_optimizer, build_schedule
from .recipe import Recipe
from .recorder import duration

ORDER = ("train", "validation", "test")
STEPS = 3  # timed, after a first one that counts for nothing
ENOUGH = 2.0  # seconds of timing after which no other step is begun


@dataclass(frozen=True)
class Plan:
    """A run that has not begun."""

    recipe: Recipe
    """As it would be written down: labels and task as the data has them."""
    labels: tuple[str, ...]
    """In the order of the model's outputs."""
    examples: dict[str, int]
    """Of each split; those among them that cannot be read are not known yet."""
    num_inputs: int
    """M."""
    num_parameters: int
    flops: int
    """Of a forward pass over one example."""
    steps: int
    """Of an epoch."""
    decode_seconds: float
    """About how long all files take to decode: once, or every epoch where `held` is False."""
    held: bool
    """Decoded examples are kept in memory."""
    seconds: float
    """About how long an epoch takes, its validation included."""
    machine: str

    def lines(self) -> list[str]:
        """What is to be said."""
        recipe, epochs = self.recipe, self.recipe.trainer.max_epochs
        counts = ", ".join(f"{count:,} {split}" for split, count in self.examples.items())
        total = epochs * self.seconds + (self.decode_seconds if self.held else 0)
        size = f"{self.num_parameters:,}; M = {self.num_inputs:,} elements"
        times = f"{duration(self.seconds)} an epoch, {duration(total)} in all"
        lines = [
            f"data: {counts}; {describe_labels(recipe.model.task, self.labels)}",
            f"parameters: {size}, {self.flops / 1e6:,.0f} MFLOPs an example",
            f"steps: {epochs} × {self.steps:,} of {recipe.data.batch_size} examples",
            f"time: about {times}, by a few steps on {self.machine}",
        ]
        if self.decode_seconds >= 1:
            often = "once" if self.held else "every epoch"
            lines.append(f"decoding: about {duration(self.decode_seconds)} of it, {often}")
        return lines


def plan(recipe: Recipe) -> Plan:
    """What `train` would do with a recipe; nothing is written.

    Files are listed and one batch of them is decoded. A few steps are timed on that batch, as
    `train` does them but for compilation.

    Raises:
        ValueError, OSError: bad data or configuration, as `train` tells them.
    """
    check_mixing(recipe.data, recipe.model.input)
    splits = read_splits(recipe.data, build_reader(recipe.model.input), decode=False)
    recipe = fit_to_data(recipe, splits)
    counted = cost(recipe.model)
    table = splits.examples["train"]
    size = recipe.data.batch_size
    began = time.perf_counter()
    batch = table.__getitems__(range(0, len(table), max(1, len(table) // size))[:size])[0]
    each = (time.perf_counter() - began) / min(size, len(table))
    files = isinstance(table, FileExamples)
    held = not files or all(
        not isinstance(t, FileExamples) or t.decoded_bytes <= recipe.data.hold_gb * 1e9
        for t in splits.examples.values()
    )
    every = sum(len(t) for name, t in splits.examples.items() if held or name != "test")
    decode_seconds = each * every / max(1, torch.get_num_threads()) if files else 0.0
    place = placement(recipe.trainer.device, recipe.trainer.precision)
    model = build(recipe.model, splits.labels).to(place.device)
    steps = max(1, len(table) // size)
    optimizer = build_optimizer(model, recipe.optimizer)
    build_schedule(optimizer, recipe.optimizer, epochs=recipe.trainer.max_epochs, steps=steps)
    step, look = _timed(model, optimizer, recipe, to_device(batch, place.device), place)
    seconds = steps * step + len(splits.examples["validation"]) / size * look
    return Plan(
        recipe=recipe,
        labels=splits.labels,
        examples={n: len(splits.examples[n]) for n in ORDER if n in splits.examples},
        num_inputs=counted.num_inputs,
        num_parameters=counted.num_parameters,
        flops=counted.flops,
        steps=steps,
        decode_seconds=decode_seconds,
        held=held,
        seconds=seconds + (0 if held else decode_seconds),
        machine=describe_machine(place.device),
    )


def _timed(
    model: PerceiverClassifier,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    batch: Any,
    place: Placement,
) -> tuple[float, float]:
    """Seconds of a training step and of a look at a batch."""
    inputs = recipe.model.input
    modality = modality_of(inputs)

    def step() -> None:
        optimizer.zero_grad()
        with place.autocast():
            outputs = model(modality.augment(batch, inputs, recipe.data))
        outputs.float().logsumexp(-1).mean().backward()  # any loss: it is the model that takes time
        optimizer.step()

    @torch.inference_mode()
    def look() -> None:
        with place.autocast():
            model(batch)

    model.train()
    training = _seconds(step, place.device)
    model.eval()
    return training, _seconds(look, place.device)


def _seconds(function: Any, device: torch.device) -> float:
    """The shortest of a few calls."""
    function()
    times: list[float] = []
    while len(times) < STEPS and sum(times) < ENOUGH:
        _wait(device)
        began = time.perf_counter()
        function()
        _wait(device)
        times.append(time.perf_counter() - began)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
