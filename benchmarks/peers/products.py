"""The matrix products of our model alone: the least time that its arithmetic takes on a machine."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from ..case import Case
from .ours import Step

aten = torch.ops.aten
PRODUCTS = {
    aten.linear, aten.mm, aten.addmm, aten.addmm_, aten.bmm, aten.baddbmm, aten.baddbmm_,
    aten.matmul, aten.scaled_dot_product_attention,
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention_for_cpu_backward,
    torch.ops.mkldnn._linear_pointwise,
}  # fmt: skip


class Recorder(TorchDispatchMode):
    """Records the matrix products and fused attentions that are computed, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], object]] = []

    @override
    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket in PRODUCTS:
            self.calls.append(lambda: func(*args, **kwargs))
        else:
            with self:  # an operator that is made of others, such as the product of three tensors
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return func(*args, **kwargs)


def build(case: Case, **options: Any) -> Step:
    """Return a step that computes the products of our step again, on the same numbers.

    Args:
        case: the case, whose first contender is ours.
        options: options of our step.
    """
    module, _, name = case.contenders[0].build.partition(":")
    ours: Step = getattr(importlib.import_module(module), name)(case, **options)
    recorder = Recorder()
    with recorder:
        ours()
    calls = recorder.calls

    def step() -> dict[str, np.ndarray]:
        with torch.inference_mode():
            for call in calls:
                call()
        return {}

    return step
