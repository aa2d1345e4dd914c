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
from ..exported import FORMAT
from ..files import write_atomically, write_json
from ..models.classifier import PerceiverClassifier, TargetScale
from ..models.config import to_dict
from ..reading import Limits
from .program import Program, export_errors, inputs_of, trace

OPSET = 20  # version of ONNX's operators


def export_onnx(
    model: PerceiverClassifier, path: Path, *, example: Any = None, limits: Limits | None = None
) -> None:
    """Write a model as `path` in ONNX, and the description of its inputs and labels beside it.

    The batch varies, and so do sizes and lengths that the model does not fix. Normalising constants
    are part of the graph.

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
    onnx = require("onnx")
    if other := {str(x.dtype) for x in model.parameters()} - {"torch.float32"}:
        raise ValueError(
            f"the weights of the model are {', '.join(sorted(other))}; onnxruntime runs float32 "
            "alone: export model.float()"
        )
    inputs = inputs_of(model, example)
    program = Program(model, inputs)
    names = [given.name for given in inputs]
    with export_errors(), _quiet():
        with grids_as_operators():
            traced = trace(program, inputs)
        exported = _to_onnx(traced, names, program.outputs)
        _name_axes(exported, inputs)
        proto = exported.model_proto
    write_atomically(path, lambda part: onnx.save(proto, part))
    description = {
        "format": FORMAT,
        "perceivers": __version__,
        "opset": OPSET,
        "labels": list(model.labels),
        "inputs": [given.describe() for given in inputs],
        "outputs": [
            {"name": name, "dtype": "float32", "shape": ["batch", len(model.labels)]}
            for name in program.outputs
        ],
        "model": to_dict(model.config),
        "limits": to_dict(limits or Limits()),
    }
    if isinstance(model.target_scale, TargetScale):
        description["scales"] = model.target_scale.std.tolist()  # of the training labels
    write_json(path.with_suffix(".json"), description)


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
