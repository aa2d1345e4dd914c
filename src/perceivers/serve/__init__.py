"""An HTTP service around a trained model."""

from .app import create_app
from .config import ServeConfig

__all__ = ["ServeConfig", "create_app"]
