"""Write models as ONNX, and quantise them."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.separable import grids_as_operators
from ..errors import missing_extra
from ..exported import FORMAT, weights_file
from ..files import write_atomically, write_json
from ..models.base import PerceiverModel
from ..models.classifier import TargetScale
from ..models.config import to_dict
from ..reading import Limits
from .program import Program, export_errors, inputs_of, outputs_of, trace

OPSET = 20  # version of ONNX's operators
MAX_WEIGHTS = 2**31 - 2**24  # bytes; a file of ONNX holds at most 2 GiB with its graph


def export_onnx(
    model: PerceiverModel, path: Path, *, example: Any = None, limits: Limits | None = None
) -> None:
    """Write a model as `path` in ONNX, and the description of its inputs and outputs beside it.

    The batch varies, and so do sizes and lengths that the model does not fix. Normalising constants
    are part of the graph. Weights of more than 2 GiB are written to a third file, as ONNX has it,
    whose name is that of `path` with ".data" behind it.

    Args:
        model: the model, in eval mode, on the CPU.
        path: the `.onnx` file to write. The description has the suffix `.json`.
        example: raw batch of at least two examples that fixes the shapes of the inputs; needed if
            the model's examples are not read from files, such as those of an adapter of your own.
        limits: the most that a `Predictor` of the file reads of one example; None: the defaults.

    Raises:
        ValueError: the model cannot be exported, or its weights are not float32.
        ImportError: onnx or onnxscript is not installed.
        OSError: a file cannot be written.
    """
    require("onnx")
    if other := {str(x.dtype) for x in model.parameters()} - {"torch.float32"}:
        raise ValueError(
            f"the weights of the model are {', '.join(sorted(other))}; onnxruntime runs float32 "
            "alone: export model.float()"
        )
    inputs, outputs = inputs_of(model, example), outputs_of(model)
    program = Program(model, inputs)
    names = [given.name for given in inputs]
    with export_errors(), _quiet():
        with grids_as_operators():
            traced = trace(program, inputs)
        exported = _to_onnx(traced, names, [output.name for output in outputs])
        _name_axes(exported, inputs)
    _write(exported, path)
    description = {
        "format": FORMAT,
        "perceivers": __version__,
        "opset": OPSET,
        "task": model.config.task,
        "labels": list(model.labels),
        "inputs": [given.describe() for given in inputs],
        "outputs": [
            {**vars(output), "dtype": "float32", "shape": _shape(value)}
            for output, value in zip(outputs, exported.model.graph.outputs, strict=True)
        ],
        "model": to_dict(model.config),
        "limits": to_dict(limits or Limits()),
    }
    scale = getattr(model, "target_scale", None)
    if isinstance(scale, TargetScale):
        description["scales"] = scale.std.tolist()  # of the training labels
    write_json(path.with_suffix(".json"), description)


def _write(exported: Any, path: Path) -> None:
    """Write a model as one file, and its weights as another if they are too large for one."""
    onnx_ir = require("onnx_ir")
    weights = [value.const_value for value in exported.model.graph.initializers.values()]
    beside = None
    if sum(weight.nbytes for weight in weights) > MAX_WEIGHTS:
        beside = weights_file(path).name
    with _quiet():
        write_atomically(
            path, lambda part: onnx_ir.save(exported.model, part, external_data=beside)
        )


def quantise(source: Path, path: Path) -> None:
    """Quantise the weights of an ONNX model to 8-bit integers, and activations as they come.

    Args:
        source: the `.onnx` file of a model.
        path: the `.onnx` file to write; the description beside `source` is copied beside it.

    Raises:
        ImportError: onnxruntime is not installed.
        OSError: a file cannot be written.
    """
    onnx = require("onnx")
    quantization = require("onnxruntime.quantization")
    preparation = require("onnxruntime.quantization.shape_inference")
    weights = quantization.QuantType.QInt8

    def write(part: Path) -> None:
        # Products of weights alone are computed first, so that they are quantised as one.
        with tempfile.TemporaryDirectory() as folder:
            folded = Path(folder) / source.name
            preparation.quant_pre_process(source, folded, skip_symbolic_shape=True)
            quantization.quantize_dynamic(
                folded,
                part,
                per_channel=True,
                weight_type=weights,
                nodes_to_exclude=_products_of_many_matrices(onnx.load(folded).graph),
            )

    with _quiet():
        write_atomically(path, write)
    if path != source:
        description = source.with_suffix(".json").read_text()
        write_atomically(path.with_suffix(".json"), lambda part: part.write_text(description))


def _products_of_many_matrices(graph: Any) -> list[str]:
    """Return the names of products with several matrices at once, one for each head.

    They are few and small, and onnxruntime has no quantised form of them.
    """
    ranks = {weight.name: len(weight.dims) for weight in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul" and ranks.get(node.input[1], 2) > 2
    ]


def require(package: str) -> Any:
    """Import a package of the extra "export".

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise missing_extra(package.split(".")[0], "export") from None


def _to_onnx(traced: Any, names: list[str], outputs: list[str]) -> Any:
    import torch

    require("onnxscript")
    from .grid import read_grid

    return torch.onnx.export(
        traced,
        custom_translation_table={torch.ops.perceivers.read_grid.default: read_grid},
        dynamo=True,
        input_names=names,
        output_names=outputs,
        opset_version=OPSET,
        verbose=False,
    )


def _name_axes(exported: Any, inputs: list[Any]) -> None:
    """Give the axes that vary their names in place of torch's numbered symbols."""
    renamed: dict[str, str] = {}
    for value, given in zip(exported.model.graph.inputs, inputs, strict=True):
        for axis, name in {0: "batch", **given.varying}.items():
            own = name if len(inputs) == 1 or axis == 0 else f"{given.name}.{name}"
            renamed.setdefault(str(value.shape[axis]), own)
    for value in (*exported.model.graph.inputs, *exported.model.graph.outputs):
        for axis, dim in enumerate(value.shape):
            if str(dim) in renamed and not isinstance(dim, int):
                value.shape[axis] = renamed[str(dim)]


def _shape(value: Any) -> list[int | str]:
    """Return the shape of an input or output of a graph, with the names of axes that vary."""
    return [size if isinstance(size, int) else str(size) for size in value.shape]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress messages of torch's exporter and of onnxruntime's quantiser."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export", "root")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
