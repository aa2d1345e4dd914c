"""The command `perceivers serve` as a process: begin, limits of time, and end."""

import gc
import socket
import time
from pathlib import Path

import pytest
from tests.commands import run as command
from tests.serve.running import answer_of, form, running
from tests.serve.test_app import IMAGE, png
from tests.tiny import tiny_classifier

from perceivers import save
from perceivers.serve.run import _without_long_pauses

HEADERS = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "saved"
    save(tiny_classifier(IMAGE), path)
    return path


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def service(saved):
    """Return a service at ::1, where the machine has IPv6; the one that is ended has IPv4."""
    host = "::1" if has_ipv6() else "127.0.0.1"
    with running(saved, "--timeout", "2", "--host", host) as service:
        yield service


def test_port_zero_names_the_port_and_answers(service):
    status, answer = service.ask(form((b"file", b"x.png", png())))
    assert status == 200, answer
    assert b'"label"' in answer


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_what_draws_is_loaded_before_the_first_explanation(service):
    """Its import in a request would stop all others for as long."""
    assert "/matplotlib/" in Path(f"/proc/{service.process.pid}/maps").read_text()


def test_sigterm_lets_requests_end_and_refuses_new_connections(saved):
    with running(saved) as service:
        idle = service.connect()
        slow = service.connect()
        whole = form((b"file", b"x.png", png()))
        slow.sendall(whole[:-20])
        time.sleep(0.3)
        service.process.terminate()
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            service.connect(1).close()
        slow.sendall(whole[-20:])
        assert answer_of(slow)[0] == 200
        assert service.process.wait(20) == 0
        idle.close()
        slow.close()


def test_a_request_that_does_not_arrive_is_given_up(service):
    began = time.monotonic()
    status, answer = service.ask(HEADERS + b"Content-Type: application/json\r\n"
                                 b"Content-Length: 1000\r\n\r\n{")  # fmt: skip
    assert status == 408
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("sent", [b"", b"POST / HT", b"\r\n", HEADERS + b"X: 1\r\n"])
def test_heads_that_do_not_end_are_closed(service, sent):
    with service.connect(8) as open_:
        open_.sendall(sent)
        began = time.monotonic()
        status, _ = answer_of(open_)
    assert status in {0, 408}
    assert time.monotonic() - began < 7


def test_heads_that_never_end_are_closed_by_their_size(service):
    status, _ = service.ask(HEADERS + b"X: " + b"a" * 10_000_000)
    assert status in {0, 431}
    status, _ = service.ask(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")
    assert status == 431


def test_answers_arrive_although_the_body_is_refused(service):
    status, answer = service.ask(form((b"file", b"x.png", b"0" * 21_000_000)))
    assert status == 413
    assert b"larger than" in answer


def test_expect_continue(service):
    whole = form((b"file", b"x.png", png()), head=b"Expect: 100-continue\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    with service.connect() as open_:
        open_.sendall(head + b"\r\n\r\n")
        assert b"100" in open_.recv(100)
        open_.sendall(body)
        assert answer_of(open_)[0] == 200


def test_garbage_collections_leave_out_what_exists_before_the_first_request():
    kept = len(gc.get_objects())
    with _without_long_pauses():
        assert len(gc.get_objects()) < kept / 100  # a collection walks these alone
    assert len(gc.get_objects()) > kept / 2


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(service):
    assert service.host == "::1"
    assert service.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


def test_what_cannot_be_served_is_one_line(capsys, saved, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, error = command(capsys, "serve", saved, "--port", port)
    assert status != 0
    assert "cannot listen" in error
    assert "--port" in error
    assert error.strip().count("\n") == 0
    for bad in (tmp_path / "nothing", tmp_path):
        status, _, error = command(capsys, "serve", bad, "--port", "0")
        assert status != 0
        assert error.strip().count("\n") == 0, error
    status, _, error = command(capsys, "serve", saved, "--host", "no.such.host.invalid")
    assert status != 0
    assert error.strip().count("\n") == 0, error


def test_model_that_reads_no_files_is_one_line(capsys, tmp_path):
    from perceivers.modalities.array.config import ArrayConfig

    save(tiny_classifier(ArrayConfig(channels=2, shape=(4,))), tmp_path / "arrays")
    status, _, error = command(capsys, "serve", tmp_path / "arrays", "--port", "0")
    assert status != 0
    assert error.strip().count("\n") == 0, error
