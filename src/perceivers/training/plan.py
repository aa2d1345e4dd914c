"""The plan of a run before it begins: data, model, steps and time."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data.contradictions import log_contradictions
from ..data.counts import SPLIT_ORDER
from ..data.examples import ExampleSet
from ..data.file_examples import FileExamples
from ..data.identity import relative
from ..data.labels import describe_labels
from ..data.mixing import check_mixing
from ..data.saved_splits import SavedSplits
from ..data.splits import Splits
from ..machine import Placement, describe_machine, placement
from ..modalities.reader import to_device
from ..models.base import PerceiverModel
from ..models.config import check, task_of
from ..models.cost import cost
from .fine_tuning import build_model, check_freeze, describe_copies, freeze
from .optim import build_optimizer, build_schedule
from .recipe import Recipe
from .recipe_data import fit_to_data, measure_files, read_recipe_splits
from .recorder import format_duration
from .targets import targets_of

log = logging.getLogger(__name__)

MAX_TIMED_CALLS = 3  # besides a first call that is not timed
MAX_TIMING_SECONDS = 2.0  # no further call is timed after this time


@dataclass(frozen=True)
class Plan:
    """The size and the expected duration of a run that has not begun."""

    recipe: Recipe
    """The recipe as it would be saved, with the task and the number of classes of the data."""
    labels: tuple[str, ...]
    """Names of the classes, labels or numbers, in the order of the model's outputs."""
    examples: dict[str, int]
    """Number of examples of each split, including files that turn out to be unreadable."""
    num_inputs: int
    """M, the number of input elements of an example."""
    num_parameters: int
    """Number of learned parameters."""
    flops: int
    """Floating-point operations of a forward pass over one example."""
    steps: int
    """Optimiser steps in an epoch."""
    decode_seconds: float
    """Estimated seconds to decode the files: once if `in_memory`, else in every epoch."""
    in_memory: bool
    """Whether all decoded examples are kept in memory."""
    seconds: float
    """Estimated seconds of an epoch with its validation; without decoding if `in_memory`."""
    machine: str
    """The machine that the times were measured on."""
    epochs_done: int = 0
    """Number of epochs that the run has completed already."""

    classes: tuple[str, ...] = ()
    """Description of the labels of each split."""
    started: tuple[str, ...] = ()
    """Description of the weights that are taken from another model."""

    def lines(self, *, classes: bool = True) -> list[str]:
        """Return the plan as lines of text for the user.

        Args:
            classes: include what a run logs itself: the number of examples of each class in each
                split, and the weights that it starts from.
        """
        recipe, all_epochs = self.recipe, self.recipe.trainer.max_epochs
        done = self.epochs_done
        epochs = all_epochs - done
        counts = ", ".join(f"{count:,} {split}" for split, count in self.examples.items())
        total = epochs * self.seconds + (self.decode_seconds if self.in_memory else 0)
        size = f"{self.num_parameters:,}; M = {self.num_inputs:,} elements"
        whole = "that are left" if done else "in total"
        times = f"{format_duration(self.seconds)} an epoch, {format_duration(total)} {whole}"
        lines = [
            f"data: {counts}; {describe_labels(task_of(recipe.model), self.labels)}",
            *(self.classes if classes else ()),
            *(self.started if classes else ()),
            f"parameters: {size}, {self.flops / 1e6:,.0f} MFLOPs an example",
            *([f"epochs: {done} of {all_epochs} are done, {epochs} left"] if done else []),
            f"steps: {epochs} × {self.steps:,} of {recipe.data.batch_size} examples",
            f"time: about {times}, estimated from a few steps on {self.machine}",
        ]
        if self.decode_seconds >= 1:
            often = "once" if self.in_memory else "every epoch"
            seconds = format_duration(self.decode_seconds)
            lines.append(f"decoding: about {seconds} of this time, {often}")
        return lines


def plan(recipe: Recipe, *, saved: SavedSplits | None = None, epochs_done: int = 0) -> Plan:
    """Return what `train` would do with a recipe, without writing anything.

    The files are listed, and one batch of them is decoded. A few steps are timed on that batch, as
    `train` does them but without compilation.

    Args:
        recipe: recipe to be trained.
        saved: the splits of the run that is to be continued.
        epochs_done: number of epochs that this run has completed.

    Raises:
        ValueError: bad data or configuration, with the same message as from `train`.
        OSError: data that cannot be read, with the same message as from `train`.
    """
    recipe = check(recipe, "recipe")
    if saved is None:
        check_freeze(recipe, None)
    check_mixing(recipe.data, recipe.model.input)
    if saved is None:
        recipe, measured = measure_files(recipe)
        for line in measured:
            log.info(line)
    splits = read_recipe_splits(recipe, saved=saved, decode=False)
    recipe = fit_to_data(recipe, splits)
    counted = cost(recipe.model)
    batch_size, num_train = recipe.data.batch_size, len(splits.examples["train"])
    steps = max(1, num_train // batch_size)
    batch, labels, seconds_per_example = _sample_batch(splits.examples["train"], batch_size)
    in_memory = _fits_in_memory(splits, recipe.data.hold_gb)
    _log_copies(recipe, splits, saved, in_memory)
    decode_seconds = _decode_seconds(splits, seconds_per_example, in_memory)
    place = placement(recipe.trainer.device, recipe.trainer.precision)
    model, started = build_model(recipe, splits.labels)
    freeze(model.to(place.device), recipe)
    optimizer = build_optimizer(model, recipe.optimizer)
    build_schedule(optimizer, recipe.optimizer, epochs=recipe.trainer.max_epochs, steps=steps)
    batch, labels = (to_device(x, place.device) for x in (batch, labels))
    train_step, validation_step = _time_steps(model, optimizer, recipe, batch, labels, place)
    validation = len(splits.examples.get("validation", ()))
    seconds = steps * train_step + validation / batch_size * validation_step
    return Plan(
        recipe=recipe,
        labels=splits.labels,
        examples={n: len(splits.examples[n]) for n in SPLIT_ORDER if n in splits.examples},
        num_inputs=counted.num_inputs,
        num_parameters=counted.num_parameters,
        flops=counted.flops,
        steps=steps,
        decode_seconds=decode_seconds,
        in_memory=in_memory,
        seconds=seconds + (0 if in_memory else decode_seconds),
        machine=describe_machine(place.device),
        epochs_done=epochs_done,
        classes=tuple(splits.lines()),
        started=tuple(started),
    )


def _log_copies(recipe: Recipe, splits: Splits, saved: SavedSplits | None, in_memory: bool) -> None:
    """Log the copies of examples that the run would log, or that they are not counted.

    Args:
        recipe: recipe to be trained.
        splits: its data.
        saved: the splits of the run that is to be continued.
        in_memory: whether all examples are kept in memory; else, reading all files takes long.
    """
    if saved is not None:
        copies = saved.describe_copies()
    elif in_memory:
        used, path = splits.examples, recipe.data.path
        identities = {name: relative(x.identities(), path) for name, x in used.items()}
        log_contradictions(identities, {name: x.labels for name, x in used.items()})
        copies = describe_copies(SavedSplits.of(identities), recipe.trainer.init)
    else:
        line = (
            "not counted in a dry run of more than data.hold_gb=%g: exact copies in other splits "
        )
        log.info(line + "and classes; the run counts them", recipe.data.hold_gb)
        return
    for line in copies:
        log.info("%s", line)


def _sample_batch(examples: ExampleSet, batch_size: int) -> tuple[Any, Tensor, float]:
    """Return a batch of evenly spaced examples, and the seconds that each took to decode."""
    began = time.perf_counter()
    step = max(1, len(examples) // batch_size)
    batch, labels = examples.__getitems__(range(0, len(examples), step)[:batch_size])
    if batch is None:
        raise ValueError(
            f"none of {min(batch_size, len(examples))} training files can be read; the log lines "
            "above say why"
        )
    return batch, labels, (time.perf_counter() - began) / min(batch_size, len(examples))


def _fits_in_memory(splits: Splits, limit_gb: float) -> bool:
    """Return whether `train` keeps the decoded examples of every split in memory."""
    return not isinstance(splits.examples["train"], FileExamples) or all(
        not isinstance(examples, FileExamples) or examples.decoded_bytes <= limit_gb * 1e9
        for examples in splits.examples.values()
    )


def _decode_seconds(splits: Splits, seconds_per_example: float, in_memory: bool) -> float:
    """Estimate the time to decode all files, or those of an epoch if they are not kept."""
    if not isinstance(splits.examples["train"], FileExamples):
        return 0.0
    count = sum(
        len(examples) for name, examples in splits.examples.items() if in_memory or name != "test"
    )
    return seconds_per_example * count / max(1, torch.get_num_threads())


def _time_steps(
    model: PerceiverModel,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    batch: Any,
    labels: Tensor,
    place: Placement,
) -> tuple[float, float]:
    """Return the time of a training step and of a validation step, in seconds."""
    targets = targets_of(model)
    respond: Callable[..., Any] = model.respond

    def train_step() -> None:
        optimizer.zero_grad()
        examples, truth = targets.augment(batch, labels, recipe.data)
        truth = targets.truth(examples, truth)
        drawn = targets.draw(truth)
        at = targets.asked(targets.at(truth, drawn), drawn)
        with place.autocast():
            elements = model.elements(examples)
            outputs = respond(elements) if at is None else respond(elements, at)
        # Any loss will do: nearly all of the time goes to the model.
        parts = outputs.values() if isinstance(outputs, dict) else [outputs]
        sum(part.float().logsumexp(-1).mean() for part in parts).backward()
        optimizer.step()

    @torch.inference_mode()
    def validation_step() -> None:
        at = targets.asked(targets.truth(batch, labels), None)
        with place.autocast():
            elements = model.elements(batch)
            respond(elements) if at is None else respond(elements, at)

    model.train()
    train_seconds = _shortest_call(train_step, place.device)
    model.eval()
    return train_seconds, _shortest_call(validation_step, place.device)


def _shortest_call(function: Callable[[], None], device: torch.device) -> float:
    """Return the time of the fastest of a few calls, in seconds."""
    function()  # not timed: threads and libraries start
    times: list[float] = []
    while len(times) < MAX_TIMED_CALLS and sum(times) < MAX_TIMING_SECONDS:
        _synchronise(device)
        began = time.perf_counter()
        function()
        _synchronise(device)
        times.append(time.perf_counter() - began)
    return min(times)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
