"""Adapter of arrays on a regular grid, whose elements are cells or patches with positions."""

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from ...core import AxialPosition, FourierPosition, Inputs, LearnedPosition
from ...core.positions import Spacing, resize_positions
from ..adapter import CHUNK_ELEMENTS, Adapter
from ..channels_last import ChannelsLastAdapter, channels_hint
from .chunks import GridChunks
from .patches import (
    build_projection,
    check_patches,
    cut_patches,
    grid_size,
    join_patches,
    shape_text,
)

log = logging.getLogger(__name__)

CHUNK_NUMBERS = 2**23  # content values per chunk of a stream; one large patch holds many of them

# B batch · A axes · S_a cells along an axis · C channels · M elements · P position channels


class ArrayOptions(TypedDict, total=False):
    """Options of `ArrayAdapter` that have the same meaning for every modality on a grid."""

    projection_dim: int | None
    projection_activation: Literal["none", "gelu"]
    position: Literal["fourier", "learned", "none"]
    num_bands: int
    spacing: Spacing
    position_dim: int
    position_projection_dim: int | None
    fusion: Literal["concatenate", "add"]


class ArrayAdapter(ChannelsLastAdapter):
    """Turns a raw batch (B, S_1, …, S_A, C) into `Inputs` with one element per cell or patch.

    A patch is flattened cell by cell; the channels run fastest, then the last axis. Positions span
    the grid of patches of the given array: of a crop, not of the image it was cut from (paper
    §3.2).

    Args:
        shape: S_1 … S_A, the array shape that the model is configured for.
        channels: C.
        patch_size: cells of a patch along each axis; None: 1, so that every cell is an element.
        patch_stride: cells from one patch to the next along each axis; None: `patch_size`. With a
            smaller stride patches overlap, and the border is padded with the mean,
            (patch_size - patch_stride) / 2 cells wide.
        projection_dim: channels to which the content of a patch is linearly projected; None: no
            projection.
        projection_activation: "gelu" applies GELU to the projected patches. A cross-attend averages
            patches: the output of a linear filter averages to about 0 over a texture or a tone, its
            positive part does not.
        position: "fourier" accepts arrays of any shape, "learned" only of `shape`; "none" adds no
            positions.
        num_bands: Fourier bands per axis.
        max_resolution: resolution of each axis, see `core.fourier_features`; None: the number of
            patches along the axis (Nyquist).
        spacing: spacing of the Fourier bands.
        position_dim: channels of a learned position.
        position_projection_dim: channels to which learned positions are linearly projected (256 in
            Perceiver IO's model with learned positions); None: no projection.
        fusion: how content and position are combined; "add" needs equally many channels of both.

    Raises:
        ValueError: the sizes do not fit each other, or an activation is unknown or lacks a
            projection; in `elements`, the batch does not fit.
    """

    noun = "array"

    def __init__(
        self,
        shape: Sequence[int],
        *,
        channels: int,
        patch_size: Sequence[int] | None = None,
        patch_stride: Sequence[int] | None = None,
        projection_dim: int | None = None,
        projection_activation: Literal["none", "gelu"] = "none",
        position: Literal["fourier", "learned", "none"] = "fourier",
        num_bands: int = 64,
        max_resolution: Sequence[float] | None = None,
        spacing: Spacing = "linear",
        position_dim: int = 128,
        position_projection_dim: int | None = None,
        fusion: Literal["concatenate", "add"] = "concatenate",
    ) -> None:
        super().__init__(channels)
        self.shape, self.fusion = tuple(shape), fusion
        # The smallest first size and the sizes of the training, until another size was said.
        self._trained_sizes: tuple[int, tuple[int, ...]] | None = None
        self.patch_size = tuple(patch_size or (1,) * len(self.shape))
        self.stride = tuple(patch_stride or self.patch_size)
        check_patches(self.patch_size, self.stride, self.shape)
        self.grid_size(*self.shape)  # raises an error if the stride does not divide the shape
        if position_projection_dim is not None and position != "learned":
            raise ValueError(
                f"position_projection_dim={position_projection_dim} with position={position!r}; "
                "only learned positions are projected: leave it out"
            )
        self.position: FourierPosition | LearnedPosition | None = None
        if position == "fourier":
            self.position = self._fourier_position(max_resolution, num_bands, spacing)
        elif position == "learned":
            self.position = LearnedPosition(
                self.num_inputs, position_dim, projection_dim=position_projection_dim
            )
        elif position != "none":
            raise ValueError(
                f"unknown position {position!r}; expected 'fourier', 'learned' or 'none'"
            )
        content_dim = math.prod(self.patch_size) * channels
        self.projection = build_projection(content_dim, projection_dim, projection_activation)
        self.projection_activation = projection_activation
        self.content_dim = projection_dim or content_dim
        if fusion == "add" and self.position is not None and self.position.dim != self.content_dim:
            raise ValueError(
                f"fusion='add' cannot add positions of {self.position.dim} channels to content of "
                f"{self.content_dim}; set projection_dim={self.position.dim} or change the position"
            )

    @property
    @override
    def dim(self) -> int:
        if self.position is None or self.fusion == "add":
            return self.content_dim
        return self.content_dim + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return 0 if self.position is None else self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        return math.prod(self.grid_size(*self.shape))

    @override
    def weights_from(self, other: Adapter) -> dict[str, Tensor]:
        """Return those of an adapter of the same class; positions of another grid are resized."""
        weights = super().weights_from(other)
        if type(other) is not type(self):
            return weights
        before, after = other.position, self.position
        if isinstance(before, LearnedPosition) and isinstance(after, LearnedPosition):
            weights.pop("position.weight", None)
            if before.dim == after.dim:
                weights["position.weight"] = resize_positions(
                    before.weight.detach(),
                    other.grid_size(*other.shape),
                    self.grid_size(*self.shape),
                )
        return weights

    @override
    def expect_sizes(self, config: Any) -> None:
        own_length = getattr(config, "own_length", False)
        shortest = 0 if own_length else self.shape[0]
        self._trained_sizes = None if config is None else (shortest, self.shape)

    def _compare_sizes(self, sizes: tuple[int, ...]) -> None:
        """Say it, and only once, if a batch has other sizes than the arrays of the training."""
        assert self._trained_sizes is not None
        shortest, trained = self._trained_sizes
        if self.training:  # it is trained on whatever comes
            self._trained_sizes = None
        elif not (shortest <= sizes[0] <= trained[0] and sizes[1:] == trained[1:]):
            self._trained_sizes = None
            log.warning(
                "%s of %s, but this model was trained on %s; outputs for other sizes may be worse: "
                "resize it, or use perceivers.Predictor, which does so with files (said once)",
                self.noun,
                shape_text(sizes),
                shape_text(trained),
            )

    def grid_size(self, *shape: int) -> tuple[int, ...]:
        """Return the number of patches along each axis of an array of this shape.

        Args:
            *shape: S_1 … S_A.

        Raises:
            ValueError: the shape is not a multiple of the stride.
        """
        return grid_size(shape, self.stride, self.noun)

    @override
    def elements(self, arrays: Tensor) -> Inputs:
        """Turn arrays of one shape into elements.

        Args:
            arrays: (B, S_1, …, S_A, C), uint8 or float.

        Returns:
            M = Π S_a / stride_a elements for each array.

        Raises:
            ValueError: the shape does not fit this adapter.
        """
        axes = len(self.shape)
        if arrays.ndim != axes + 2 or arrays.shape[-1] != self.channels:
            raise ValueError(
                f"{self.noun} batch has shape {tuple(arrays.shape)}; expected (batch, {axes} "
                f"{'axes' if axes > 1 else 'axis'}, {self.channels}), channels last"
                f"{channels_hint(arrays, self.channels)}"
            )
        sizes = tuple(arrays.shape[1:-1])
        self.grid_size(*sizes)  # raises an error if the stride does not divide the shape
        if self._trained_sizes is not None and not torch.compiler.is_compiling():
            self._compare_sizes(sizes)
        position = self.positions(sizes, arrays.device)
        return Inputs(self.content(arrays), position, fusion=self.fusion)

    def content(self, arrays: Tensor) -> Tensor:
        """Return the content of the elements.

        Args:
            arrays: (B, S_1, …, S_A, C).

        Returns:
            (B, M, `content_dim`): normalised patches, projected if `projection_dim` is set.
        """
        content = self.patches(self.normalise(arrays))
        if self.projection is not None:
            content = self.projection(content)
        return F.gelu(content) if self.projection_activation == "gelu" else content

    @property
    @override
    def places(self) -> int:
        if self.patch_size != self.stride:
            raise ValueError(
                f"patch_size={self.patch_size}, patch_stride={self.stride}: a cell of several "
                "patches has no output of its own; expected patches that do not overlap"
            )
        return math.prod(self.patch_size)

    @override
    def order_places(self, labels: Tensor) -> Tensor:
        return cut_patches(labels[..., None], self.patch_size, self.stride).flatten(1)

    @override
    def arrange_places(self, values: Tensor, batch: Any) -> Any:
        if isinstance(batch, list | tuple):
            return [
                self.arrange_places(row[None, : math.prod(x.shape[:-1])], x[None])[0]
                for row, x in zip(values, batch, strict=True)
            ]
        return join_patches(values, self.patch_size, tuple(batch.shape[1 : 1 + len(self.shape)]))

    @override
    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """Turn an array into chunks of elements, cut along its first axis.

        Args:
            example: (S_1, …, S_A, C), of any shape with Fourier positions or none.
            elements: approximate number of elements per chunk.

        Returns:
            The chunks, which can be iterated any number of times.

        Raises:
            ValueError: patches overlap, or the shape does not fit this adapter.
        """
        sizes = tuple(example.shape[:-1])
        if self.patch_size != self.stride:
            raise ValueError(
                f"{self.noun} of {shape_text(sizes)} is too large for memory, and overlapping "
                f"patches cannot be computed in chunks; resize it to {shape_text(self.shape)}"
            )
        if isinstance(self.position, LearnedPosition):
            self.positions(sizes, self.mean.device)  # raises an error unless `sizes` is `shape`
        limit = max(1, CHUNK_NUMBERS // math.prod(self.patch_size) // self.channels)
        return GridChunks(
            example,
            self.content,
            self.position,
            self.fusion,
            self.stride[0],
            self.mean.device,
            self.grid_size(*sizes),
            min(elements, limit),
        )

    def positions(
        self, sizes: tuple[int, ...], device: torch.device
    ) -> Tensor | AxialPosition | None:
        """Return the positions of the patches of an array; see `Inputs.position`.

        Args:
            sizes: S_1 … S_A of the array.
            device: device of the positions.

        Raises:
            ValueError: positions are learned and `sizes` is not the configured shape.
        """
        if isinstance(self.position, FourierPosition):
            return self.position.on_grid(*self.grid_size(*sizes), device=device)
        if isinstance(self.position, LearnedPosition):
            if sizes != self.shape:
                raise ValueError(
                    f"{self.noun} of {shape_text(sizes)}; this model learned positions for "
                    f"{shape_text(self.shape)} only: resize it"
                )
            return self.position()
        return None

    def patches(self, x: Tensor) -> Tensor:
        """Cut arrays into patches.

        Args:
            x: (B, S_1, …, S_A, C).

        Returns:
            (B, M, Π patch_size · C).
        """
        return cut_patches(x, self.patch_size, self.stride)

    def _fourier_position(
        self, max_resolution: Sequence[float] | None, num_bands: int, spacing: Spacing
    ) -> FourierPosition:
        resolution = tuple(max_resolution or map(float, self.grid_size(*self.shape)))
        if len(resolution) != len(self.shape):
            raise ValueError(
                f"max_resolution={resolution}; expected one entry per axis of {self.shape}"
            )
        return FourierPosition(resolution, num_bands=num_bands, spacing=spacing)
