"""What every request passes: token, size, time, counters and log."""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from .config import ServeConfig
from .metrics import Metrics

log = logging.getLogger("perceivers.requests")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FILES = {"/app.js", "/outputs.js", "/style.css"}
OPEN = frozenset({"/", *FILES, "/docs", "/openapi.json", "/healthz", "/readyz"})
"""Paths that need no token: the page asks for it, and they tell nothing about the model."""
KNOWN = OPEN | {"/v1/predict", "/v1/explain", "/v1/model", "/metrics", "/report"}
MAX_HEAD = 32 * 1024  # bytes of the names and values of all headers and of the address
LINGER = 2.0  # seconds that the rest of a refused body is read for, so that the answer arrives
HELD_REQUESTS = 5  # bodies of the largest size that are held at the same time
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    b"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
# The report is one file: its style and pictures are inside. It has no script.
REPORT_POLICY = (
    b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; object-src 'none'; "
    b"base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


class Gate:
    """ASGI middleware around the service.

    Args:
        app: the application.
        config: token, size and time.
        metrics: counters.
    """

    def __init__(self, app: Any, config: ServeConfig, metrics: Metrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics
        self.token = None if config.token is None else _bytes(config.token)
        self.size = int(config.max_request_mb * 1e6)
        self.held = 0  # bytes of the bodies of all running requests

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here if it is refused."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        body = _Body(receive, headers, self)
        answer = _Answer(send, scope["path"], body)
        try:
            async with asyncio.timeout(self.config.timeout):
                self._check(scope, headers)
                await self.app(scope, body.receive, answer.send)
        except _Refusal as refusal:
            await answer.error(refusal.status, str(refusal))
        except TimeoutError:
            if body.complete:
                await answer.error(503, "the request took too long; try again")
            else:
                await answer.error(408, f"the request did not arrive in {self.config.timeout:g} s")
        except Exception:
            log.exception("a request failed; please report this error")
            await answer.error(500, "internal error; it is in the log of the service")
        finally:
            self.held -= body.received
            self._record(scope, answer.status, time.perf_counter() - began, body.received)

    def _check(self, scope: Any, headers: dict[bytes, bytes]) -> None:
        """Raise a _Refusal if a request is refused by its headers."""
        length = sum(len(name) + len(value) for name, value in scope["headers"])
        if length + len(scope["raw_path"] or b"") + len(scope["query_string"]) > MAX_HEAD:
            raise _Refusal(431, f"the headers are larger than {MAX_HEAD:,} bytes")
        if self.token is not None and scope["path"] not in OPEN:
            kind, _, given = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(given.strip(), self.token) or kind.lower() != b"bearer":
                raise _Refusal(
                    401, "missing or wrong token; expected the header Authorization: Bearer …"
                )
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit():
            raise _Refusal(400, "the header Content-Length is not a number")
        if len(stated) > 18 or int(stated) > self.size:
            raise _Refusal(413, f"the request is larger than {self.size:,} bytes")

    def _record(self, scope: Any, status: int, seconds: float, size: int) -> None:
        """Count the request and log it, without its content."""
        path = scope["path"] if scope["path"] in KNOWN else "other"
        self.metrics.requests.labels(path, str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        entry = {"method": scope["method"], "path": path, "status": status, "bytes": size}
        log.info(json.dumps({**entry, "ms": round(1000 * seconds, 1)}))


class _Refusal(Exception):
    """A request that is not passed on.

    Args:
        status: the HTTP status of the answer.
        message: why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Body:
    """The body of a request, whose bytes are counted and bounded."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], gate: Gate) -> None:
        self._receive, self._gate = receive, gate
        self._waits = b"expect" in headers  # the client sends it when it is asked for
        self.received = 0
        self.complete = (
            headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
        )

    async def receive(self) -> Message:
        """Receive a part."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        size = len(message.get("body", b""))
        self.received += size
        self._gate.held += size
        self.complete = not message.get("more_body", False)
        if self.received > self._gate.size:
            raise _Refusal(413, f"the request is larger than {self._gate.size:,} bytes")
        if self._gate.held > HELD_REQUESTS * self._gate.size:
            raise _Refusal(503, "too many large requests at once; try again")
        return message

    async def discard(self) -> None:
        """Read the rest for a moment: a client that still sends would not see the answer."""
        left = self._gate.size
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while not self.complete and not self._waits and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.complete = not message.get("more_body", False)


class _Answer:
    """The answer to a request, with the headers of all answers."""

    def __init__(self, send: Send, path: str, body: _Body) -> None:
        self._send, self._path, self._body = send, path, body
        self.status = 0  # not begun

    async def send(self, message: Message) -> None:
        """Send a part of an answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            policy = REPORT_POLICY if self._path == "/report" else POLICY
            own = [*HEADERS, (b"content-security-policy", policy)]
            if not self._body.complete:
                await self._body.discard()
            if not self._body.complete:
                own.append((b"connection", b"close"))
            message["headers"] = [*message.get("headers", []), *own]
        await self._send(message)

    async def error(self, status: int, message: str) -> None:
        """Answer with an error, unless an answer has begun."""
        if self.status:
            return
        body = json.dumps({"error": message}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _bytes(token: str) -> bytes:
    return token.strip().encode(errors="surrogateescape")
