"""Prediction of files, texts, rows and arrays with a trained model."""

from .formatting import Prediction
from .predictor import Predictor, check_top_k
from .prepare import Prepared

__all__ = ["Prediction", "Predictor", "Prepared", "check_top_k"]
