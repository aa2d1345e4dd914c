"""What every request passes: token, size, time, counters and log."""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .config import ServeConfig
from .metrics import Metrics

log = logging.getLogger("perceivers.requests")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN = frozenset({"/", "/app.js", "/style.css", "/healthz", "/readyz"})
"""Paths that need no token: the page asks for it."""
KNOWN = OPEN | {"/v1/predict", "/v1/explain", "/v1/model", "/metrics", "/report", "/openapi.json"}
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    b"base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
# The report is one file: its style and pictures are inside. It has no script.
REPORT_POLICY = (
    b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; object-src 'none'; "
    b"base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


class TooLarge(Exception):
    """The body of a request is larger than allowed."""


class Gate:
    """ASGI middleware around the service.

    Args:
        app: the application.
        config: token, size and time.
        metrics: counters.
    """

    def __init__(self, app: Any, config: ServeConfig, metrics: Metrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics
        self.token = None if config.token is None else f"Bearer {config.token}".encode()
        self.size = int(config.max_request_mb * 1e6)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here if it is refused."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        answer = _Answer(send, scope["path"])
        received = [0]
        try:
            refusal = self._refusal(scope)
            if refusal:
                await answer.error(*refusal)
            else:
                async with asyncio.timeout(self.config.timeout):
                    await self.app(scope, self._limited(receive, received), answer.send)
        except TooLarge:
            await answer.error(413, f"the request is larger than {self.size:,} bytes")
        except TimeoutError:
            await answer.error(503, "the request took too long; try again", retry=True)
        seconds = time.perf_counter() - began
        self._record(scope, answer.status, seconds, received[0])

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        """Return the status and the message of a request that is refused by its headers."""
        headers = dict(scope["headers"])
        if self.token is not None and scope["path"] not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self.token):
                return 401, "missing or wrong token; expected the header Authorization: Bearer …"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, "the header Content-Length is not a number"
        if int(length) > self.size:
            return 413, f"the request is larger than {self.size:,} bytes"
        return None

    def _limited(self, receive: Receive, received: list[int]) -> Receive:
        async def limited() -> Message:
            message = await receive()
            received[0] += len(message.get("body", b""))
            if received[0] > self.size:
                raise TooLarge
            return message

        return limited

    def _record(self, scope: Any, status: int, seconds: float, size: int) -> None:
        """Count the request and log it, without its content."""
        path = scope["path"] if scope["path"] in KNOWN else "other"
        self.metrics.requests.labels(path, str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        entry = {"method": scope["method"], "path": path, "status": status, "bytes": size}
        log.info(json.dumps({**entry, "ms": round(1000 * seconds, 1)}))


class _Answer:
    """The answer to a request, with the headers of all answers."""

    def __init__(self, send: Send, path: str) -> None:
        self._send, self._path = send, path
        self.status = 0  # not begun

    async def send(self, message: Message) -> None:
        """Send a part of an answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            policy = REPORT_POLICY if self._path == "/report" else POLICY
            own = [*HEADERS, (b"content-security-policy", policy)]
            message["headers"] = [*message.get("headers", []), *own]
        await self._send(message)

    async def error(self, status: int, message: str, *, retry: bool = False) -> None:
        """Answer with an error, unless an answer has begun."""
        if self.status:
            return
        headers = [(b"content-type", b"application/json")]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if retry:
            headers.append((b"retry-after", b"1"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        body = json.dumps({"error": message}).encode()
        await self.send({"type": "http.response.body", "body": body})
