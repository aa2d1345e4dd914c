"""Settings of the service, as plain data."""

from dataclasses import dataclass, field

from ..reading import Limits


def _service_limits() -> Limits:
    """Return limits for files of strangers: 25 megapixels, 5 minutes, a million points."""
    return Limits(
        pixels=25_000_000,
        frame_pixels=9_000_000,
        seconds=300.0,
        points=1_000_000,
        cells=1_000_000,
        file_bytes=20_000_000,
        decoded_bytes=100_000_000,
    )


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Settings of the service."""

    host: str = "127.0.0.1"
    """Address to listen on; the default is reachable from this machine alone, 0.0.0.0 from all."""
    port: int = 8000
    """Port to listen on; 0: a free one."""
    token: str | None = None
    """Token that requests must carry, Authorization: Bearer TOKEN; none: anybody may ask. The page
    asks for it."""
    max_batch: int = 32
    """Largest number of examples that go through the model together."""
    max_wait_ms: float = 2.0
    """Milliseconds that an example waits for others to share its batch; 0: none."""
    max_queue: int = 256
    """Examples that may wait; a request beyond them is answered 503 with Retry-After."""
    max_decoding: int = 2
    """Files that are decoded at the same time."""
    max_files: int = 64
    """Largest number of examples of a request."""
    max_request_mb: float = 20.0
    """Largest size of a request, in megabytes."""
    timeout: float = 30.0
    """Seconds after which a request is given up, and answered 503."""
    drain: float = 10.0
    """Seconds that running requests have to end after SIGTERM."""
    limits: Limits = field(default_factory=_service_limits)
    """The most that is read of one file."""

    def __post_init__(self) -> None:
        counts = ("max_batch", "max_queue", "max_decoding", "max_files")
        for name in (*counts, "max_request_mb", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}; expected more than 0")
        for name in ("max_wait_ms", "drain"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)}; expected 0 or more")
        if not 0 <= self.port < 2**16:
            raise ValueError(f"port={self.port}; expected 0 to 65535")
        if self.token is not None and not self.token.strip():
            raise ValueError("the token is empty; give one, or leave it out")
