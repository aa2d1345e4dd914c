"""Choice of device and precision, and a description of the machine."""

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """Where a model runs and in which precision."""

    device: torch.device
    """The device that holds the parameters and the inputs."""
    dtype: torch.dtype
    """The type of matrix products; parameters stay in float32."""

    def autocast(self) -> torch.autocast:
        """Return a context in which matrix products have type `dtype`; no effect for float32."""
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if enabled else None, enabled=enabled)


def placement(device: str = "auto", precision: str = "auto") -> Placement:
    """Choose the device and the precision of a model.

    Args:
        device: "auto" (CUDA if torch finds a CUDA device, else the CPU), "cpu", "cuda", or any
            other device string of torch, such as "cuda:1".
        precision: "auto" (bfloat16 on CUDA, float32 elsewhere), "float32" or "bfloat16".

    Returns:
        The device and the type of matrix products.

    Raises:
        ValueError: a CUDA device is asked for that torch does not find, or one of the two strings
            is unknown.
    """
    chosen = _device(device)
    if precision == "auto":
        precision = "bfloat16" if chosen.type == "cuda" else "float32"
    if precision not in DTYPES:
        raise ValueError(f"unknown precision {precision!r}; expected auto, {', '.join(DTYPES)}")
    return Placement(chosen, DTYPES[precision])


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(
            f"unknown device {name!r}; expected auto, cpu, cuda or a device of torch such as cuda:1"
        ) from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(f"device={name}, but torch finds no CUDA device; use auto or cpu")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise ValueError(f"device={name}, but torch finds {count} CUDA device(s), from cuda:0")
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products of bfloat16 matrices.

    CPUs without them are many times slower in bfloat16 than in float32. GPUs are taken to have
    them; of CPUs, those of which torch reports AVX512-BF16 or AMX.
    """
    if device.type != "cpu":
        return True
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # unknown to older torch
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def keep_freed_memory() -> None:
    """Let the process keep the memory of freed tensors for the next ones, on Linux with glibc.

    glibc returns blocks of more than 32 MB to the system at once, and the system clears the pages
    of each new block. A training step that makes many such tensors takes up to 2.2 times as long
    (docs/log.md, 2026-11-28). The peak of the memory grows by a fifth to a quarter. Environment
    variables that set the same (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_) are kept.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for number, name, value in ((-3, "MMAP", 2**31 - 1), (-1, "TRIM", -1)):
        if f"MALLOC_{name}_THRESHOLD_" not in os.environ:
            mallopt(number, value)


def describe_machine(device: torch.device) -> str:
    """Return the processor and its core count, or the GPU, and torch's version, on one line."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        cores = torch.get_num_threads()
        name = f"{_processor()}, {cores} core{'s' * (cores != 1)}"
    return f"{name}, torch {torch.__version__}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
