"""Loss and scores of forecasts."""

import logging
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..data.examples import ExampleSet
from ..modalities.series.output import ForecastOutput, ForecastUnits
from ..models.base import PerceiverModel
from .targets_base import BASELINE, Targets

# B windows · T length · H horizon · K forecast channels

log = logging.getLogger(__name__)

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

    The outputs (B, H, K) are the departures from the base of the forecasts (`ForecastOutput`), in
    standard deviations of the window. The truth (B, H, K, 4) is the value, the base, that deviation
    and the seasonal-naive forecast, made from the windows themselves. The loss is the mean absolute
    error in standard deviations of the window. The scores are MASE (Hyndman and Koehler, 2006,
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
        """Set what MASE divides by, the mean change over a season; and fit a linear base."""
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
        if isinstance(self.output, ForecastOutput) and self.output.base == "linear":
            self._fit_base(self.output, examples)

    def _fit_base(self, output: ForecastOutput, examples: ExampleSet) -> None:
        fitted = output.fit_base(torch.cat(list(self._windows(examples))))
        if fitted.penalty == math.inf:
            log.info(
                "base: a linear regression of the window is no better than the naive forecast, "
                "which is taken"
            )
            return
        log.info(
            "base: a linear regression of the window, penalty %.3g towards the %s; fitted to the "
            "first 70%% of the training windows, its error on the others is %.3f standard "
            "deviations of the window, that of the naive forecast %.3f",
            fitted.penalty,
            "naive forecast" if fitted.towards == "naive" else "mean of the window",
            fitted.error,
            fitted.error_of_none,
        )

    def _windows(self, examples: ExampleSet) -> Iterator[Tensor]:
        """Yield windows with what follows them, float64 (B, T + H, 1 + C)."""
        for start in range(0, len(examples), WINDOWS_AT_ONCE):
            chosen = range(start, min(start + WINDOWS_AT_ONCE, len(examples)))
            batch, _ = examples.__getitems__(chosen)
            if batch is not None:
                yield batch.double()

    @override
    def truth(self, examples: Tensor, labels: Tensor) -> Tensor:
        naive, _ = self.output.naive_and_scale(examples)
        base, scale = self.output.base_and_scale(examples)
        parts = [self.output.future(examples), base, scale.expand_as(base), naive]
        return torch.stack(parts, dim=-1)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        value, base, scale, _ = targets.unbind(-1)
        errors = outputs - (value - base) / scale
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
        value, _, _, naive = truth.unbind(-1)
        said = naive if name.startswith(BASELINE) else forecasts(outputs, truth)
        unit = self.output.mase_scale if name.endswith("mase") else 1.0
        return said / unit, value / unit


def forecasts(outputs: Tensor, truth: Tensor) -> Tensor:
    """Return forecasts in the units of the data, (B, H, K).

    Args:
        outputs: outputs of the model, (B, H, K).
        truth: what `ForecastTargets.truth` returned, (B, H, K, 4).
    """
    _, base, scale, _ = truth.unbind(-1)
    return base + scale * outputs
