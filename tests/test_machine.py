"""Choice of device and precision."""

import platform
import re
import subprocess
import sys

import pytest
import torch

from perceivers import machine
from perceivers.machine import Placement, describe_machine, placement

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_cuda_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("auto", "auto", Placement(torch.device("cpu"), torch.float32)),
        ("cpu", "bfloat16", Placement(torch.device("cpu"), torch.bfloat16)),
    ],
)
def test_without_cuda(no_cuda, device, precision, expected):
    assert placement(device, precision) == expected


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("auto", "auto", Placement(torch.device("cuda"), torch.bfloat16)),
        ("cpu", "auto", Placement(torch.device("cpu"), torch.float32)),
        ("cuda", "float32", Placement(torch.device("cuda"), torch.float32)),
        ("cuda:1", "auto", Placement(torch.device("cuda:1"), torch.bfloat16)),
    ],
)
def test_with_cuda(two_cuda_devices, device, precision, expected):
    assert placement(device, precision) == expected


def test_missing_device(no_cuda):
    for name in ("cuda", "cuda:1"):
        with pytest.raises(ValueError, match=f"device={name}, but torch finds no CUDA device"):
            placement(name)


def test_unknown_names(two_cuda_devices):
    with pytest.raises(ValueError, match=r"device=cuda:2, but torch finds 2 CUDA device\(s\)"):
        placement("cuda:2")
    with pytest.raises(ValueError, match="unknown device 'tpus'; expected auto, cpu, cuda"):
        placement("tpus")
    with pytest.raises(ValueError, match="unknown precision 'half'; expected auto, float32"):
        placement("cpu", "half")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast(dtype):
    x = torch.rand(2, 2)
    with Placement(torch.device("cpu"), dtype).autocast():
        assert (x @ x).dtype == dtype


@needs_cuda
def test_autocast_on_cuda():
    place = placement("cuda")
    x = torch.rand(2, 2, device=place.device)
    with place.autocast():
        assert (x @ x).dtype == torch.bfloat16
    assert describe_machine(place.device).startswith(torch.cuda.get_device_name())


def test_describe_machine():
    text = describe_machine(torch.device("cpu"))
    assert re.search(rf", (1 core|\d+ cores), torch {re.escape(torch.__version__)}$", text)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], [(-3, 2**31 - 1), (-1, -1)]),  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: never trim
        (["MALLOC_MMAP_THRESHOLD_"], [(-1, -1)]),
        (["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"], []),
    ],
)
def test_glibc_is_told_to_keep_freed_memory_unless_the_user_set_it(monkeypatch, own, expected):
    calls = []

    class Libc:
        @staticmethod
        def mallopt(*arguments):
            calls.append(arguments)

    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    for name in own:
        monkeypatch.setenv(name, "1000000")
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: Libc)
    monkeypatch.setattr(machine.platform, "libc_ver", lambda: ("glibc", "2.36"))
    machine.keep_freed_memory()
    assert calls == expected
    monkeypatch.setattr(machine.platform, "libc_ver", lambda: ("", ""))
    machine.keep_freed_memory()
    assert calls == expected  # another C library has no such function


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_accepts_what_it_is_told():
    script = (
        "import ctypes; l = ctypes.CDLL(None); print(l.mallopt(-3, 2**31 - 1), l.mallopt(-1, -1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]
