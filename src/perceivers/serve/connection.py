"""Connections that end if the head of a request is too slow or too large."""

import asyncio
from typing import Any

from ..errors import missing_extra

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    raise missing_extra("httptools", "serve") from None

HEAD_SECONDS = 10.0  # for the head of a request, from the beginning of the connection or request
MAX_UNREAD = 64 * 1024  # bytes of the head of a request that has not ended


def connection_class(timeout: float) -> "type[Connection]":
    """Return the class of connections whose heads arrive within `timeout`, or sooner."""
    return type("Connection", (Connection,), {"head_seconds": min(timeout, HEAD_SECONDS)})


class Connection(HttpToolsProtocol):  # type: ignore[misc, unused-ignore]
    """An HTTP connection of uvicorn whose requests have to begin in time.

    uvicorn itself waits for the end of the headers without a limit of time or size.
    """

    head_seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        self._unread += len(data)
        try:
            super().data_received(data)
        except Exception:  # such as an address that is not ASCII
            self._refuse(400)
        if self._timer is not None and self._unread > MAX_UNREAD:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._stop()
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._timer is None:
            self._unread = 0
            self._timer = self.loop.call_later(self.head_seconds, self._refuse, 408)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int) -> None:
        """Answer with an error without a body and close the connection."""
        self._stop()
        if self.transport is not None and not self.transport.is_closing():
            if self._unread:
                self.transport.write(
                    b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    % status
                )
            self.transport.close()
