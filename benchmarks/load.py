"""Requests to a local HTTP server over several connections that are kept open."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

TIMEOUT = 60.0  # seconds for one answer


@dataclass
class Load:
    """What a server answered.

    Args:
        statuses: number of answers by status; 0: the connection was closed without one.
        seconds: time of each request.
        wall: seconds of all of them together.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.seconds) / self.wall

    def percentile(self, percent: float) -> float:
        """Return a percentile of the times of requests, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Connection(asyncio.Protocol):
    """A connection that sends one request at a time and reads its answer to the end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
        if len(self._received) >= end + 4 + length:
            del self._received[: end + 4 + length]
            if b"connection: close" in head and self.transport is not None:
                self.transport.close()
                self.transport = None
            self._answer.set_result(int(head.split(b" ")[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status of its answer."""
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await asyncio.wait_for(self._answer, TIMEOUT)


async def send(port: int, requests: Iterator[bytes], connections: int) -> Load:
    """Send requests to a port of this machine, one at a time on each connection."""
    load = Load()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        for request in requests:
            if connection.transport is None:  # the server closed it after a bad request
                _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            began = time.perf_counter()
            status = await connection.ask(request)
            load.seconds.append(time.perf_counter() - began)
            load.statuses[status] += 1
        if connection.transport is not None:
            connection.transport.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    load.wall = time.perf_counter() - began
    return load


def post(path: str, name: str, content: bytes) -> bytes:
    """Return a request that uploads one file."""
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
        % name.encode()
    )
    body += content + b"\r\n--edge--\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
