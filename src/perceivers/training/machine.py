"""What a number was measured on."""

import platform
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
