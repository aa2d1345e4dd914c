"""A service as a process of its own, and raw requests to it."""

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

COMMAND = "import sys; from perceivers.cli import main; sys.exit(main())"


class Running:
    """A running service: its process, its port, and the lines that it printed."""

    def __init__(self, run, arguments, **options):
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", str(run), "--port", "0", *arguments],
            stderr=subprocess.PIPE, text=True, errors="replace", **options,
        )  # fmt: skip
        self.lines, self.port = [], None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"http://(\S+):(\d+)", line):
                self.host, self.port = found[1].strip("[]"), int(found[2])
                break
        self.reader = threading.Thread(target=self.lines.extend, args=(self.process.stderr,))
        self.reader.start()

    @property
    def memory(self):
        """Largest resident memory so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def connect(self, timeout=30):
        return socket.create_connection((self.host, self.port), timeout)

    def ask(self, request, timeout=30):
        """Send bytes on a connection of its own; return the status and all that came."""
        with self.connect(timeout) as connection:
            with suppress(OSError):  # refused before its end
                connection.sendall(request)
            return answer_of(connection)

    def end(self):
        self.process.terminate()
        status = self.process.wait(30)
        self.reader.join(10)
        self.process.stderr.close()
        return status


def answer_of(connection):
    """Return the status of the next answer on a connection, and the bytes; 0: there is none."""
    received = b""
    while True:
        try:
            data = connection.recv(65536)
        except (ConnectionResetError, TimeoutError):
            data = b""
        received += data
        head, end, body = received.partition(b"\r\n\r\n")
        if not data or (end and len(body) >= length_of(head)):
            break
    found = re.match(rb"HTTP/1.1 (\d+)", received)
    return (int(found[1]) if found else 0), received


def length_of(head):
    found = re.search(rb"content-length: *(\d+)", head, re.I)
    return int(found[1]) if found else 0


@contextmanager
def running(run, *arguments, temporary=None, token=None):
    environment = dict(os.environ)
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    if token is not None:
        environment["PERCEIVERS_TOKEN"] = token
    service = Running(run, arguments, env=environment)
    try:
        assert service.port, service.lines
        yield service
    finally:
        service.end()


def form(*parts, path="/v1/predict", head=b""):
    """Return a request with parts (name, file name or None, content)."""
    body = b""
    for name, filename, content in parts:
        body += b'--edge\r\nContent-Disposition: form-data; name="%s"' % name
        if filename is not None:
            body += b'; filename="%s"' % filename
        body += b"\r\n\r\n" + content + b"\r\n"
    return request(body + b"--edge--\r\n", path=path, head=head)


def request(body, path="/v1/predict", kind=b"multipart/form-data; boundary=edge", head=b""):
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        path.encode(),
        kind,
        len(body),
        head,
        body,
    )
