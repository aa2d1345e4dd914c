"""Loss and scores of forecasts that are the median of drawn continuations."""

import logging
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from ..data.examples import ExampleSet
from ..modalities.series.tokens import SeriesTokens
from ..models.base import PerceiverModel
from ..models.perceiver_ar_forecast import PerceiverARForecaster, interval_of
from .forecast_targets import ForecastTargets, MeanErrors
from .scores import COVERAGE
from .targets_base import BASELINE

# B windows · H horizon · C channels · K forecast channels · P paths · n tokens · V tokens


log = logging.getLogger(__name__)

MANY_BEYOND = 0.005  # share of the values


class PathTargets(ForecastTargets):
    """Forecasts by continuations, and the probabilities of tokens that they are drawn from.

    The loss is the cross-entropy in nats of each predicted token of a window and its horizon, where
    a value is shared among neighbouring bins (`SeriesTokens.shares`). The scores are those of
    `ForecastTargets` for the median of the continuations, and the coverage: the share of values in
    the interval from the 10th to the 90th percentile of the continuations. While training, when
    nothing is drawn, they are of the expected value one step ahead, and there is no coverage.

    The truth is a dictionary of the windows ("windows") and of what `ForecastTargets.truth` returns
    ("values").
    """

    model: PerceiverARForecaster

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        self.scores = (*self.scores, COVERAGE)

    @override
    def measure(self, examples: ExampleSet) -> None:
        """Say it, too, if many values of the training windows are beyond the outermost bins."""
        super().measure(examples)
        beyond = present = 0
        for windows in self._windows(examples):
            levels = self.adapter.levels(windows)
            beyond += int((levels.abs() > self.adapter.limit).sum())
            present += int((~levels.isnan()).sum())
        if beyond > MANY_BEYOND * present:
            log.warning(
                "%.1f%% of the values of the training windows are beyond %g standard deviations "
                "and become the outermost tokens; a larger --model.input.limit keeps them apart",
                100 * beyond / present,
                self.adapter.limit,
            )

    @property
    def adapter(self) -> SeriesTokens:
        """The adapter, which knows what tokens stand for."""
        return self.model.adapter

    @override
    def truth(self, examples: Tensor, labels: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"windows": examples, "values": super().truth(examples, labels)}

    @override
    def weight(self, truth: Any) -> int:
        return len(truth["windows"])

    @override
    def loss(self, outputs: Any, targets: Any, smoothing: float = 0.0) -> Tensor:
        logits = outputs["logits"]
        levels = self.adapter.levels(targets["windows"]).flatten(1)[:, -logits.shape[1] :]
        shares = self.adapter.shares(levels).to(logits.dtype)
        present = ~levels.isnan()
        return -(shares * logits.log_softmax(-1)).sum() / present.sum().clamp(min=1)

    @override
    def metrics(self) -> dict[str, Metric]:
        return {**super().metrics(), COVERAGE.name: MeanErrors(self.num_outputs, squared=False)}

    @override
    def metric_inputs(self, name: str, outputs: Any, truth: Any) -> tuple[Tensor, Tensor]:
        values = truth["values"]
        if name == COVERAGE.name:
            return self._covered(outputs, truth), torch.zeros_like(values[..., 0])
        if name.startswith(BASELINE):
            return super().metric_inputs(name, values[..., 0], values)
        return super().metric_inputs(name, self._departures(outputs, truth), values)

    @override
    def kept(self, outputs: Any, truth: Any) -> tuple[Tensor, Tensor]:
        """Return the departures of the median from the naive forecast, and the truth of it."""
        return self._departures(outputs, truth).cpu(), truth["values"].cpu()

    def _departures(self, outputs: Any, truth: Any) -> Tensor:
        """Return the forecasts as the outputs of `ForecastTargets`, (B, H, K)."""
        value, naive, scale, _ = truth["values"].unbind(-1)
        if "paths" in outputs:
            said = self._values(outputs["paths"], truth["windows"]).quantile(0.5, dim=1)
        else:
            said = value + scale * self._errors(outputs["logits"], truth["windows"])
        return (said - naive) / scale

    def _values(self, paths: Tensor, windows: Tensor) -> Tensor:
        """Return continuations in the units of the data, (B, P, H, K)."""
        return self.adapter.future(paths, windows)[..., : self.num_outputs]

    def _errors(self, logits: Tensor, windows: Tensor) -> Tensor:
        """Return expected less true levels of the horizon, each after true values, (B, H, K)."""
        adapter = self.adapter
        count = adapter.horizon * adapter.channels
        shares = logits[:, -count:, : adapter.bins].double().softmax(-1)
        places = torch.arange(adapter.bins, device=logits.device) + 0.5
        expected = (shares @ (places * adapter.width - adapter.limit).double()).view(
            len(logits), adapter.horizon, adapter.channels
        )
        errors = expected - adapter.levels(windows)[:, -adapter.horizon :]
        return errors[..., : self.num_outputs]

    def _covered(self, outputs: Any, truth: Any) -> Tensor:
        """Return 1 where a value is in the interval, 0 elsewhere, NaN where nothing is known."""
        value = truth["values"][..., 0]
        if "paths" not in outputs:
            return torch.full_like(value, torch.nan)
        values = self._values(outputs["paths"], truth["windows"])
        low, high = interval_of(values, dim=1)
        return (
            ((low <= value) & (value <= high)).to(value.dtype).masked_fill(value.isnan(), torch.nan)
        )
