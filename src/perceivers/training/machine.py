"""What a number was measured on."""

import functools
import os
import platform
import time
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> str:
    """One line: processor, cores or GPU, torch version."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{_processor()}, {torch.get_num_threads()} cores"
    return f"{name}, torch {torch.__version__}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def training_device(asked: str = "auto") -> torch.device:
    """Where `trainer.device` puts the model: CUDA if it is there and not declined."""
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def memory() -> int:
    """Bytes of the machine's memory; 4 GB where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, macOS of old
        return 4 * 10**9


@functools.cache
def matmul_speed(device: torch.device, seconds: float = 0.1) -> float:
    """Floating-point operations a second of a matrix product in float32, measured once.

    Args:
        device: where.
        seconds: how long to measure.
    """
    side = 512 if device.type == "cpu" else 4096
    a, b = torch.rand(2, side, side, device=device)
    float((a @ b)[0, 0])  # threads and libraries start
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds or not count:
        float((a @ b)[0, 0])  # which waits for the GPU
        count += 1
    return 2 * side**3 * count / passed
