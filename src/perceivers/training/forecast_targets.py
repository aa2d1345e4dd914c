"""Loss and scores of forecasts."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..data.examples import ExampleSet
from ..modalities.series.output import ForecastUnits
from ..models.base import PerceiverModel
from .targets_base import BASELINE, Targets

# B windows · T length · H horizon · K forecast channels

WINDOWS_AT_ONCE = 256


class MeanErrors(Metric):
    """The mean absolute error, or the root of the mean squared error, of each of K numbers.

    Pairs whose target is NaN are not counted. A number without any pair has the error NaN.

    Args:
        count: K.
        squared: whether errors are squared.
    """

    total: Tensor
    pairs: Tensor

    def __init__(self, count: int, *, squared: bool) -> None:
        super().__init__()
        self.squared = squared
        zeros = torch.zeros(count, dtype=torch.float64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("pairs", zeros.clone(), dist_reduce_fx="sum")

    @override
    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add predictions and targets, (…, K) each."""
        errors = (predictions - targets).double().flatten(0, -2)
        present = ~errors.isnan()
        sizes = errors.square() if self.squared else errors.abs()
        self.total += sizes.masked_fill(~present, 0.0).sum(0)
        self.pairs += present.sum(0)

    @override
    def compute(self) -> Tensor:
        mean = self.total / self.pairs
        return mean.sqrt() if self.squared else mean


class ForecastTargets(Targets):
    """Forecasts of the H values of each of K channels that follow a window.

    The outputs (B, H, K) are the departures from the seasonal-naive forecast, in standard
    deviations of the window. The truth (B, H, K, 3) is the value, the naive forecast and that
    deviation, made from the windows themselves. The loss is the mean absolute error in standard
    deviations of the window. The scores are MASE (Hyndman and Koehler, 2006,
    doi:10.1016/j.ijforecast.2006.03.001): the mean absolute error divided by that of the naive
    forecast one season ahead inside the training part; and MAE and RMSE in the units of the data.
    The baseline is the seasonal-naive forecast. Values that are missing do not count.
    """

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        output = getattr(model, "output", None)
        if not isinstance(output, ForecastUnits):
            raise ValueError(
                f"a model of kind {model.config.kind!r} gives no forecasts; choose a recipe that "
                "does, such as co2"
            )
        self.output: ForecastUnits = output

    @override
    def measure(self, examples: ExampleSet) -> None:
        """Set what MASE divides by: the mean change over a season inside the training windows."""
        total = torch.zeros(self.num_outputs, dtype=torch.float64)
        pairs = total.clone()
        low, high = total + math.inf, total - math.inf
        for windows in self._windows(examples):
            values = windows[..., 1 : 1 + self.num_outputs]
            changes = (values[:, self.output.season :] - values[:, : -self.output.season]).abs()
            present = ~changes.isnan()
            total += changes.masked_fill(~present, 0.0).sum((0, 1))
            pairs += present.sum((0, 1))
            low = torch.minimum(low, values.nan_to_num(math.inf).amin((0, 1)))
            high = torch.maximum(high, values.nan_to_num(-math.inf).amax((0, 1)))
        scale = total / pairs.clamp(min=1)
        constant = (low >= high).tolist()
        for index, name in enumerate(self.model.labels):
            if constant[index] or not scale[index] > 0:
                again = f"repeats itself every {self.output.season} steps"
                what = "is constant" if constant[index] else again
                raise ValueError(
                    f"column {name!r} {what} in the training part, so there is nothing to learn; "
                    f"leave it out: --data.ignore {name}"
                )
        self.output.mase_scale.copy_(scale)

    def _windows(self, examples: ExampleSet) -> Iterator[Tensor]:
        """Yield windows with what follows them, float64 (B, T + H, 1 + C)."""
        for start in range(0, len(examples), WINDOWS_AT_ONCE):
            chosen = range(start, min(start + WINDOWS_AT_ONCE, len(examples)))
            batch, _ = examples.__getitems__(chosen)
            if batch is not None:
                yield batch.double()

    @override
    def truth(self, examples: Tensor, labels: Tensor) -> Tensor:
        naive, scale = self.output.naive_and_scale(examples)
        return torch.stack([self.output.future(examples), naive, scale.expand_as(naive)], dim=-1)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        value, naive, scale = targets.unbind(-1)
        errors = outputs - (value - naive) / scale
        present = ~errors.isnan()
        return errors.masked_fill(~present, 0.0).abs().sum() / present.sum().clamp(min=1)

    @override
    def metrics(self) -> dict[str, Metric]:
        return {
            f"{prefix}{name}": MeanErrors(self.num_outputs, squared=name == "rmse")
            for prefix in ("", BASELINE)
            for name in ("mase", "mae", "rmse")
        }

    @override
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        value, naive, _ = truth.unbind(-1)
        said = naive if name.startswith(BASELINE) else forecasts(outputs, truth)
        unit = self.output.mase_scale if name.endswith("mase") else 1.0
        return said / unit, value / unit


def forecasts(outputs: Tensor, truth: Tensor) -> Tensor:
    """Return forecasts in the units of the data, (B, H, K).

    Args:
        outputs: outputs of the model, (B, H, K).
        truth: what `ForecastTargets.truth` returned, (B, H, K, 3).
    """
    _, naive, scale = truth.unbind(-1)
    return naive + scale * outputs
