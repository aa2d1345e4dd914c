"""Loss and scores of reconstruction: the inputs themselves are the targets."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..core.inputs import take
from ..modalities.array.output import GridOutput
from ..modalities.fusion.adapter import FusionAdapter
from ..modalities.fusion.output import FusionOutput
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from .metrics import SquaredErrors
from .targets_base import Targets

# B examples · O queries · K values of a query

Parts = Mapping[str, Tensor]  # by name of the part; "" if there is one without a name


class ValueTargets(Targets):
    """Reconstruction: the targets are the values of the inputs, after augmentation.

    The loss is the mean squared error; that of several parts is the mean of their errors, each
    divided by the variance of its inputs, which the model has as its normalising constants. The
    score is the peak signal-to-noise ratio in dB, with a peak of 1: white, or full scale. The
    baseline is the mean of the scored examples.
    """

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        assert isinstance(model, PerceiverIOModel)
        self.io = model
        self.outputs = rebuilt_parts(model)

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.outputs if name)

    @override
    def truth(self, examples: Any, labels: Tensor) -> Parts:
        """Return the values of each part, (B, O, K)."""
        values = self.io.output.values(examples)
        return values if isinstance(values, dict) else {"": values}

    @override
    def draw(self, truth: Parts) -> Parts | None:
        """Draw `train_queries` queries of each part, the same for all examples."""
        count = self.io.config.train_queries
        if not count:
            return None
        device = self.io.perceiver.latents.device
        return {
            name: torch.randperm(part.num_outputs, device=device)[:count]
            for name, part in self.outputs.items()
        }

    @override
    def at(self, truth: Parts, at: Parts | None) -> Parts:
        return truth if at is None else {n: take(x, at[n]) for n, x in truth.items()}

    @override
    def loss(self, outputs: Any, targets: Parts, smoothing: float = 0.0) -> Tensor:
        given = _by_part(outputs)
        errors = [
            (given[name] - x).square().mean() / self._variance(name) for name, x in targets.items()
        ]
        return torch.stack(errors).mean()

    @override
    def metrics(self) -> dict[str, Metric]:
        shapes = {n: (part.num_outputs, part.num_channels) for n, part in self.outputs.items()}
        return {"errors": SquaredErrors(shapes)}

    @override
    def metric_inputs(self, name: str, outputs: Any, truth: Parts) -> tuple[Any, Any]:
        return _by_part(outputs), truth

    @override
    def weight(self, truth: Parts) -> int:
        return len(next(iter(truth.values())))

    @override
    def kept(self, outputs: Any, truth: Parts) -> tuple[Tensor, Tensor]:
        """Return the mean squared error of each part of each example, (B, parts), and zeros."""
        given = _by_part(outputs)
        errors = [(given[n] - x).square().mean((1, 2)) for n, x in truth.items()]
        kept = torch.stack(errors, dim=1).cpu()
        return kept, torch.zeros_like(kept)

    def _variance(self, name: str) -> Tensor | float:
        """Return the variance of the inputs of a part; 1 if it was not measured."""
        adapter = self.model.adapter
        if isinstance(adapter, FusionAdapter):
            adapter = adapter.adapter_of(name)
        std = getattr(adapter, "std", None)
        return 1.0 if std is None else std.float().square().mean()


def rebuilt_parts(model: PerceiverIOModel) -> dict[str, GridOutput]:
    """Return the outputs that rebuild inputs, by the name of their part."""
    output = model.output
    parts = output.parts.items() if isinstance(output, FusionOutput) else [("", output)]
    return {name: part for name, part in parts if isinstance(part, GridOutput)}


def _by_part(outputs: Any) -> Parts:
    return outputs if isinstance(outputs, dict) else {"": outputs}
