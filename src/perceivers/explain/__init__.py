"""Looking into a model: what its cross-attends attend to, and why."""

from .record import AttentionMap, record_attention

__all__ = ["AttentionMap", "record_attention"]
