"""Settings of the service, as plain data."""

from dataclasses import dataclass, replace

from ..reading import STRANGERS, Limits, limits_of


def service_limits(run: Limits) -> Limits:
    """Return what a service reads of one file.

    Args:
        run: the limits of the run. Where they differ from the defaults, they were chosen for its
            files and take the place of the service's own; and so do those that were typed.
    """
    default = vars(Limits())
    chosen = {name: value for name, value in vars(run).items() if value != default[name]}
    return limits_of(replace(STRANGERS, **chosen))


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Settings of the service."""

    host: str = "127.0.0.1"
    """Address to listen on; the default is reachable from this machine alone, 0.0.0.0 from all."""
    port: int = 8000
    """Port to listen on; 0: a free one."""
    token: str | None = None
    """Token that requests to /v1, /metrics and /report must carry, Authorization: Bearer TOKEN;
    none: anybody may ask. The page asks for it."""
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
    limits: Limits | None = None
    """The most that is read of one file; none: `LIMITS`, changed as the run's were."""

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
