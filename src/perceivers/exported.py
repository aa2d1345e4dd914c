"""A model that was exported to ONNX, run by onnxruntime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import missing_extra
from .files import read_json
from .modalities.fusion.presence import PRESENT
from .models.classifier import TargetScale
from .models.config import EncoderConfig, ModelConfig, from_dict
from .reading import Limits

SUFFIX = ".onnx"
FORMAT = 1
# Output that predictions are made of: logits, or numbers in the units of the data.
LOGITS, NUMBERS, PROBABILITIES = "logits", "numbers", "probabilities"
PART = ".output"  # end of the name of an output that is one part of a dictionary


class ExportedModel(nn.Module):
    """An ONNX model that `perceivers export` wrote, used like the model it was made from.

    It has no parameters: onnxruntime holds the weights, on the CPU.

    Args:
        path: the `.onnx` file. The `.json` file beside it describes its inputs and labels.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: a file is damaged, or the description is of another version.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        path = Path(path)
        description = read_description(path)
        self.config: Any = _config(description, path)
        self.limits = from_dict(Limits, description.get("limits", {}), f"{path.stem}.json: limits")
        self.labels: tuple[str, ...] = tuple(description["labels"])
        self.inputs: list[dict[str, Any]] = description["inputs"]
        self.described_outputs: list[dict[str, Any]] = description["outputs"]
        self.target_scale: nn.Module = nn.Identity()
        # The probabilities of a classifier follow from its logits.
        self.outputs: list[str] = [
            output["name"] for output in self.described_outputs if output["name"] != PROBABILITIES
        ]
        if self.config.task == "regression":
            self.target_scale = TargetScale(len(self.labels))
            self.target_scale.std.copy_(torch.tensor(description["scales"]))
        self.session = _session(path)

    def forward(self, batch: Any) -> Any:
        """Run a raw batch, as the exported model took it, to what it returned.

        Examples of different lengths, which are a list, are run one after another.
        """
        parts = batch if isinstance(batch, dict) else {self.inputs[0]["name"]: batch}
        if any(isinstance(x, list) for x in parts.values()):
            count = len(next(iter(parts.values())))
            each = [self._run(_one(parts, index)) for index in range(count)]
            if isinstance(self.config, ModelConfig):
                return torch.cat(each)
            return [outputs[0] for outputs in each]
        return self._run(parts)

    def _run(self, parts: Mapping[str, Tensor]) -> Any:
        tensors = complete(self.inputs, parts)
        feed = {
            given["name"]: x.to(getattr(torch, given["dtype"])).numpy()
            for given, x in zip(self.inputs, tensors, strict=True)
        }
        outputs = self.session.run(self.outputs, feed)
        return arranged(self.outputs, [torch.from_numpy(output) for output in outputs])


def arranged(names: Sequence[str], outputs: Sequence[Tensor]) -> Any:
    """Return the outputs of an exported model as the model it was made from does.

    Args:
        names: names of the outputs.
        outputs: the outputs in the same order; of a classifier, probabilities may follow.
    """
    if names[0].endswith(PART):
        return {
            name.removesuffix(PART): output for name, output in zip(names, outputs, strict=True)
        }
    return outputs[0]


def weights_file(path: Path) -> Path:
    """Return where the weights of an exported model are that are too large for one file."""
    return path.with_name(f"{path.name}.data")


def gives_other_outputs(path: Path) -> bool:
    """Return whether an exported model gives neither classes nor numbers.

    Args:
        path: the `.onnx` file.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: the description is damaged or of another version.
    """
    return not isinstance(_config(read_description(path), path), ModelConfig)


def device_of(model: nn.Module) -> torch.device:
    """Return the device that a model takes batches on; exported models run on the CPU."""
    weight = next(model.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def complete(inputs: Sequence[Mapping[str, Any]], parts: Mapping[str, Tensor]) -> list[Tensor]:
    """Return one tensor for each input of an exported model, also for those that a batch lacks.

    Args:
        inputs: descriptions of the inputs.
        parts: the raw batch, by the names of the inputs. Where the mask of a part is absent, all
            examples have the part, or none has it if the part is absent too.
    """
    size = next(iter(parts.values())).shape[0]

    def absent(given: Mapping[str, Any]) -> Tensor:
        name = given["name"]
        if name.endswith(PRESENT):
            return torch.full((size,), name.removesuffix(PRESENT) in parts)
        return torch.zeros(size, *given["example_shape"])

    return [parts[x["name"]] if x["name"] in parts else absent(x) for x in inputs]


def read_description(path: Path) -> dict[str, Any]:
    """Read the `.json` file beside an exported model.

    Args:
        path: the `.onnx` file.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: the description is damaged or of another version.
    """
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise FileNotFoundError(
                f"no file {file}; an exported model is two files, {path.name} and {beside.name}"
            )
    description = read_json(beside)
    if description.get("format") != FORMAT:
        raise ValueError(
            f"{beside}: format {description.get('format')!r}; expected {FORMAT}: export the model "
            "again with this version of perceivers"
        )
    if missing := [
        key for key in ("model", "labels", "inputs", "outputs") if key not in description
    ]:
        raise ValueError(f"{beside}: no {', '.join(missing)}; export the model again")
    return description


def _config(description: Mapping[str, Any], path: Path) -> EncoderConfig:
    return from_dict(EncoderConfig, description["model"], f"{path.stem}.json: model")


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise missing_extra("onnxruntime", "export") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone: they are raised too
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base of their own
        raise ValueError(f"{path}: damaged, or no ONNX model ({first_line(error)})") from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, at most 200 characters of it."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def _one(parts: Mapping[str, Tensor | Sequence[Tensor]], index: int) -> dict[str, Tensor]:
    """Return one example of a batch as a batch of its own."""
    return {name: x[index][None] for name, x in parts.items()}
