"""Export of trained models: ONNX, archives of `torch.export`, and the check of both."""

from .archive import export_torch
from .check import Difference, largest_difference
from .onnx import export_onnx, quantise

__all__ = ["Difference", "export_onnx", "export_torch", "largest_difference", "quantise"]
