"""Recording of attention: what the cross-attends of a model attend to, and why."""

from .record import AttentionMap, record_attention

__all__ = ["AttentionMap", "record_attention"]
