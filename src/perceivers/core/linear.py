"""Linear maps that take the faster of torch's two libraries of products on CPU."""

import functools
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

ENOUGH = 2**25  # multiplications of a product that outweigh oneDNN's 20 µs of preparation
LARGE = 3 * 2**16  # elements of a weight whose reading outweighs it too: one row is enough
CPUS = "/proc/cpuinfo"
# oneDNN's linear map, which torch.compile calls too; None: this torch has none.
OPERATOR: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class Linear(nn.Linear):
    """A `torch.nn.Linear` whose large products are faster on some CPUs; see `linear`.

    Its arguments, weights and results are those of `torch.nn.Linear`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the map, (…, C) → (…, O)."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a linear map: (…, C), (O, C), (O,) → (…, O).

    torch multiplies float32 matrices on x86 CPUs with MKL, which is made for Intel's. On AMD's,
    torch's other library, oneDNN, takes 0.4 to 0.9 of the time of large products, and of small
    ones with a large weight (docs/log.md, 2026-11-28). `torch.backends.mkldnn.enabled = False`
    keeps all of them with MKL.
    """
    if not _pays(x, weight):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        # As rows, whose product is no view of another array: it may be changed in place.
        product = cast(Tensor, _Product.apply(x.flatten(0, -2), weight, bias))
        return product.unflatten(0, x.shape[:-1])
    return _product(x, weight, bias)


class _Product(torch.autograd.Function):
    """A linear map of rows (R, C) by oneDNN; the gradient of the weight is faster by MKL.

    The backward pass consists of differentiable operators, so that second derivatives are right.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _product(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        return (
            linear(grad, weight.mT) if for_x else None,
            grad.mT @ x if for_weight else None,
            grad.sum(0) if for_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = _onednn()(x, weight, bias, "none", [], "")
    return product


def _pays(x: Tensor, weight: Tensor) -> bool:
    """Return whether oneDNN can compute a product, and is faster."""
    return (
        not torch.compiler.is_compiling()  # first: what follows would become a part of the program
        and (weight.numel() >= LARGE or x.numel() * weight.shape[0] >= ENOUGH)
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and type(x) is Tensor
        and x.ndim > 1
        and not torch._C._are_functorch_transforms_active()
        and not torch.is_autocast_enabled("cpu")
        and bool(torch.backends.mkldnn.enabled)
        and _onednn() is not None
    )


@functools.cache
def _onednn() -> Any:
    """Return the operator of oneDNN if it is there and the processor is AMD's; else None."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()):
        return None
    try:
        with open(CPUS) as file:
            amd = "AuthenticAMD" in file.read()
    except OSError:
        amd = False
    return OPERATOR.default if amd and OPERATOR is not None else None


def _flops(x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * int(torch.Size(x).numel()) * int(weight[0])


if OPERATOR is not None and OPERATOR not in flop_registry:
    register_flop_formula(OPERATOR)(_flops)
