"""Counters of the service, for Prometheus."""

from typing import Any

from ..errors import missing_extra

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Requests, their durations, batches and the queue.

    Raises:
        ImportError: prometheus_client is not installed.
    """

    def __init__(self) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise missing_extra("prometheus_client", "serve") from None
        self._client = prometheus_client
        self.registry: Any = prometheus_client.CollectorRegistry()
        self.requests = prometheus_client.Counter(
            "perceivers_requests", "Requests", ["path", "status"], registry=self.registry
        )
        self.seconds = prometheus_client.Histogram(
            "perceivers_request_seconds", "Duration of requests", ["path"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.batches = prometheus_client.Histogram(
            "perceivers_batch_size", "Examples that went through the model together",
            buckets=SIZES, registry=self.registry,
        )  # fmt: skip
        self.waiting = prometheus_client.Gauge(
            "perceivers_queue_size", "Examples that wait for the model", registry=self.registry
        )

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        content: bytes = self._client.generate_latest(self.registry)
        return content
