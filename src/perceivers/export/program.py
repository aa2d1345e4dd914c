"""A model as one program of tensors, with a batch and lengths that vary."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..exported import LOGITS, NUMBERS, PART, PROBABILITIES, first_line
from ..modalities import build_reader, modality_of
from ..modalities.clips import without_clips
from ..modalities.config import InputConfig
from ..modalities.fusion.adapter import FusionAdapter
from ..modalities.fusion.config import RowsConfig
from ..modalities.fusion.presence import PRESENT
from ..modalities.fusion.rows import RowReader
from ..modalities.reader import ArrayReader, collate
from ..modalities.table.reader import CellReader
from ..modalities.text.reader import TextReader
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from ..models.config import EncoderConfig, PerceiverARConfig
from ..models.outputs import values_of
from ..models.perceiver_io import PerceiverIOModel

log = logging.getLogger(__name__)

TRACED_EXAMPLES = 2  # of the batch that is traced: torch takes a length of 1 for a constant
TRACED_BYTES = 16  # length of its texts


@dataclass(frozen=True)
class Input:
    """An input of an exported model."""

    name: str
    """Name of the input: the modality, or the part of a mix; "<part>.present" for the mask of a
    part."""
    example: Tensor
    """The batch that is traced, (2, …)."""
    varying: dict[int, str]
    """Axes besides the first whose length may vary, with their names."""
    preparation: str
    """How the input is made from a file, in words."""

    @property
    def shape(self) -> list[int | str]:
        """Shape of the input, with the names of the axes that vary: ["batch", 32, 32, 3]."""
        fixed = list(self.example.shape[1:])
        return ["batch", *(self.varying.get(axis, n) for axis, n in enumerate(fixed, 1))]

    def describe(self) -> dict[str, Any]:
        """Return the description that is saved beside the exported model."""
        return {
            "name": self.name,
            "dtype": str(self.example.dtype).removeprefix("torch."),
            "shape": self.shape,
            "example_shape": list(self.example.shape[1:]),
            "preparation": self.preparation,
        }


@dataclass(frozen=True)
class Output:
    """An output of an exported model."""

    name: str
    """Name of the output; "<part>.output" if the model gives a dictionary of outputs."""
    meaning: str
    """What the numbers are, in words."""


class Program(nn.Module):
    """A model that takes one tensor for each of its inputs and returns all of its outputs.

    Args:
        model: the model.
        inputs: its inputs; a model of one modality has one.
    """

    def __init__(self, model: PerceiverModel, inputs: list[Input]) -> None:
        super().__init__()
        self.model = model
        self.names = [given.name for given in inputs]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run a batch (B, …) of each input to each output (B, …)."""
        several = len(self.names) > 1
        outputs = self.model(dict(zip(self.names, tensors, strict=True)) if several else tensors[0])
        if isinstance(outputs, dict):
            return tuple(outputs.values())
        task = self.model.config.task if isinstance(self.model, PerceiverClassifier) else None
        if task in (None, "regression"):
            return (outputs,)
        return outputs, values_of(outputs, task)


def outputs_of(model: PerceiverModel) -> list[Output]:
    """Return the outputs of a model, in the order in which `Program` gives them.

    Raises:
        ValueError: the model has none.
    """
    if isinstance(model, PerceiverIOModel):
        if parts := model.output.by_part():
            return [Output(name + PART, part.meaning) for name, part in parts.items()]
        return [Output(model.output.name, model.output.meaning)]
    check_exportable(model.config)
    if not model.labels:
        raise ValueError(
            "the model has no outputs (num_classes=0); give it a head with "
            "perceivers.create(…, num_classes=N), and train it"
        )
    if model.config.task == "regression":
        return [Output(NUMBERS, "the number of each label in the units of the data")]
    return [
        Output(LOGITS, "a logit for each label"),
        Output(PROBABILITIES, "the probability of each label"),
    ]


def check_exportable(config: EncoderConfig) -> None:
    """Refuse a model that works with what it has read before.

    Raises:
        ValueError: it does.
    """
    if isinstance(config, PerceiverARConfig):
        raise ValueError(
            "a Perceiver AR keeps what it has read to go on from there, which an exported program "
            "cannot; use perceivers generate RUN_DIR for texts, and perceivers predict for series"
        )


def inputs_of(model: PerceiverModel, example: Any = None) -> list[Input]:
    """Return the inputs of a model, each with a batch to trace.

    Args:
        model: the model.
        example: raw batch of at least two examples; None: random ones of the size that the model
            reads files to.

    Raises:
        ValueError: `example` is needed, because the model takes tensors that are not read from
            files; or it has fewer than two examples.
    """
    config = model.config.input
    if example is not None:
        return [_given(name, x) for name, x in parts_of(config, example).items()]
    generator = np.random.default_rng(0)
    if not isinstance(model.adapter, FusionAdapter):
        modality = modality_of(config)
        name = getattr(modality, "name", config.kind)
        batch = _random_batch(config, None, generator)
        return [Input(name, batch, modality.varying_axes(config), modality.preparation(config))]
    inputs = []
    configs: Any = config
    columns = without_clips(build_reader(config)) if isinstance(config, RowsConfig) else None
    for name, part in configs.parts.items():
        if model.adapter.adapter_of(name).when_missing(1) is not None:
            continue  # such as the class, which is what is to be known
        modality = modality_of(part)
        source = {**getattr(config, "files", {}), **getattr(config, "texts", {})}.get(name)
        column = f"column {source}: " if source else ""
        words = column + modality.preparation(part)
        reader = columns.parts[name] if isinstance(columns, RowReader) else None
        batch = _random_batch(part, reader, generator)
        inputs.append(Input(name, batch, modality.varying_axes(part), words))
        present = torch.ones(TRACED_EXAMPLES, dtype=torch.bool)
        words = f"whether the example has {name}; where it has not, {name} is ignored"
        inputs.append(Input(name + PRESENT, present, {}, words))
    return inputs


def parts_of(config: InputConfig, batch: Any) -> dict[str, Tensor]:
    """Return a raw batch by the names of the model's inputs."""
    if isinstance(batch, dict):
        return batch
    return {getattr(modality_of(config), "name", config.kind): batch}


def _given(name: str, x: Tensor) -> Input:
    if len(x) < TRACED_EXAMPLES:
        raise ValueError(f"example has {len(x)} example of {name}; expected a batch of at least 2")
    return Input(name, x, {}, f"as given to export: {tuple(x.shape[1:])}")


def trace(program: Program, inputs: list[Input]) -> torch.export.ExportedProgram:
    """Export a program with `torch.export`; the batch and the axes that may vary do.

    Raises:
        ValueError: the model cannot be exported; the message names the operator if torch does. Or
            the model fixes the number of examples.
    """
    auto = torch.export.Dim.AUTO
    shapes = [{0: auto, **dict.fromkeys(given.varying, auto)} for given in inputs]
    with export_errors():
        traced = torch.export.export(
            program,
            tuple(given.example for given in inputs),
            dynamic_shapes={"tensors": tuple(shapes)},
            strict=False,
        )
    _check_axes(traced, inputs)
    return traced


def _check_axes(traced: torch.export.ExportedProgram, inputs: list[Input]) -> None:
    """Refuse a fixed batch, which torch does not report, and remove axes that became fixed."""
    shapes = {
        node.name: node.meta["val"].shape
        for node in traced.graph.nodes
        if node.op == "placeholder" and isinstance(node.meta.get("val"), Tensor)
    }
    for given, name in zip(inputs, traced.graph_signature.user_inputs, strict=True):
        shape = shapes[str(name)]
        if _fixed(shape[0]):
            raise ValueError(
                f"the model cannot be exported: an operation of it fixes the number of examples of "
                f"{given.name} at {shape[0]}, that of the batch that was traced"
            )
        for axis in [axis for axis in given.varying if _fixed(shape[axis])]:
            name = given.varying.pop(axis)
            log.warning("the exported model takes a %s of %d alone", name, shape[axis])


def _fixed(size: Any) -> bool:
    """Return whether the size of an axis of a traced tensor is one number."""
    return isinstance(size, int) or size.node.maybe_as_int() is not None


@contextmanager
def export_errors() -> Iterator[None]:
    """Turn torch's errors about a model that cannot be exported into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, OSError, ImportError):
        raise
    except Exception as error:
        operators = re.findall(r"aten[.:]{1,2}\w+(?:\.\w+)?", str(error))
        what = f"{operators[0]} has no equivalent" if operators else first_line(error)
        raise ValueError(f"the model cannot be exported: {what}") from error


def _random_batch(
    config: InputConfig, reader: ArrayReader | CellReader | None, generator: np.random.Generator
) -> Tensor:
    """Return a raw batch of random examples of the largest size that a model is configured for.

    Args:
        config: configuration of the input.
        reader: reader of the examples; None: that of the configuration, if it has one.
        generator: generator of random numbers.
    """
    if modality_of(config).random_example(config, generator) is not None:
        modality = modality_of(config)
        examples = [modality.random_example(config, generator) for _ in range(TRACED_EXAMPLES)]
        return torch.from_numpy(np.stack(examples))
    if reader is None:
        found = without_clips(build_reader(config))
        assert isinstance(found, ArrayReader)
        reader = found
    decoded: Any = collate([_random_example(reader, generator) for _ in range(TRACED_EXAMPLES)])
    batch: Tensor = reader.batch(decoded)
    return batch


def _random_example(reader: Any, generator: np.random.Generator) -> np.ndarray:
    if isinstance(reader, CellReader):
        return np.concatenate(
            [generator.normal(size=len(reader.numeric)), np.zeros(len(reader.categorical))]
        )
    if isinstance(reader, TextReader):
        length = min(TRACED_BYTES, reader.max_length)
        ids: np.ndarray = np.zeros(reader.max_length, reader.dtype)
        ids[:length] = generator.integers(40, 120, length)
        return ids
    if reader.dtype == np.uint8:
        return generator.integers(0, 256, reader.shape, np.uint8)
    return generator.uniform(-1, 1, reader.shape).astype(reader.dtype)
