"""The resampler: a few learned latents that read a long sequence of features."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from .init import init_linear, trunc_normal
from .inputs import Inputs
from .linear import Linear
from .options import Activation, LayerOptions
from .resampler_layer import Norm, Reads, ResamplerLayer, build_norm
from .sources import ExtensibleSource

# B batch · M features · C input_dim · N latents · D latent_dim · E output_dim

SelfAttention = Literal["joint", "separate", "none"]
LATENT_STD = 0.02


class Resampler(nn.Module):
    """Resampler: N learned latents read M features, (B, M, C) → (B, N, E).

    This is the Perceiver inside of vision-language models (Flamingo, Idefics, MiniCPM-V), image
    adapters (IP-Adapter Plus) and text-to-speech (XTTS, Chatterbox). Each layer computes
    z + attention(norm z, norm x) and then z + feed-forward(norm z). The defaults are Flamingo's
    (arXiv 2204.14198), with biases on all linear maps.

    Args:
        input_dim: C, channels of the features.
        num_latents: N, rows of the output.
        latent_dim: D, channels of the latents. None: C.
        output_dim: E, channels of the output; a linear map makes them. None: D, without the map.
        depth: number of layers, at least one.
        num_heads: attention heads.
        head_dim: channels of a head.
        num_kv_heads: heads of keys and values, each shared by equally many heads of queries; it
            must divide `num_heads`. None: `num_heads`.
        project_inputs: whether a linear map C → D comes before the layers.
        self_attention: how the latents attend to themselves. "joint": beside the features, under
            the same softmax (Flamingo); "separate": in a layer of its own after each layer that
            reads the features; "none": not at all.
        residual: whether the attention is added to the latents, or replaces them.
        norm: norm of latents and feed-forward: "layer", "rms" or "none".
        input_norm: norm of the features. None: `norm`.
        output_norm: norm of the output, of the same kinds.
        norm_before_output: whether the norm of the output comes before the linear map to E
            channels, not after it.
        eps: added to the variance in all norms.
        activation: activation of the feed-forward: "gelu", "relu", "geglu" or "swiglu". None: there
            is no feed-forward.
        hidden_dim: hidden channels of the feed-forward. None: 4·D.
        num_positions: rows of a learned table (P, C) that is added to the features; see `forward`.
            None: there is no table.

    Raises:
        ValueError: an option is invalid.
    """

    def __init__(
        self,
        input_dim: int,
        *,
        num_latents: int = 64,
        latent_dim: int | None = None,
        output_dim: int | None = None,
        depth: int = 6,
        num_heads: int = 8,
        head_dim: int = 64,
        num_kv_heads: int | None = None,
        project_inputs: bool = False,
        self_attention: SelfAttention = "joint",
        residual: bool = True,
        norm: Norm = "layer",
        input_norm: Norm | None = None,
        output_norm: Norm = "layer",
        norm_before_output: bool = False,
        eps: float = 1e-5,
        activation: Activation | None = "gelu",
        hidden_dim: int | None = None,
        num_positions: int | None = None,
    ) -> None:
        arguments = locals()
        super().__init__()
        names = [name for name in Resampler.__init__.__annotations__ if name != "return"]
        self.options = {name: arguments[name] for name in names}
        """The arguments by name: `Resampler(**options)` has the same architecture."""
        _check(self.options)
        dim = input_dim if latent_dim is None else latent_dim
        features = dim if project_inputs else input_dim
        if self_attention == "joint" and features != dim:
            raise ValueError(
                f"the features have {input_dim} channels and the latents {dim}; expected equally "
                "many with self_attention='joint': use project_inputs=True"
            )

        def layer(reads: Reads, width: int) -> ResamplerLayer:
            return ResamplerLayer(
                dim,
                width,
                LayerOptions(
                    num_heads=num_heads,
                    qk_dim=num_heads * head_dim,
                    activation=activation or "gelu",
                ),
                reads,
                num_kv_heads=num_kv_heads,
                norm=norm,
                input_norm=norm if input_norm is None else input_norm,
                eps=eps,
                hidden_dim=0 if activation is None else hidden_dim or 4 * dim,
                residual=residual,
            )

        self.latents = nn.Parameter(torch.empty(num_latents, dim))
        self.positions = (
            None if num_positions is None else nn.Parameter(torch.empty(num_positions, input_dim))
        )
        self.project_in = Linear(input_dim, dim) if project_inputs else nn.Identity()
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(layer("both" if self_attention == "joint" else "features", features))
            if self_attention == "separate":
                self.layers.append(layer("latents", dim))
        self.project_out = nn.Identity() if output_dim is None else Linear(dim, output_dim)
        normed = dim if norm_before_output or output_dim is None else output_dim
        self.output_norm = build_norm(output_norm, normed, eps)
        self.init_weights()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        position: Tensor | None = None,
        key_position: Tensor | None = None,
    ) -> Tensor:
        """Resample features, (B, M, C) → (B, N, E).

        Several inputs of different lengths are one batch: pad them to M features and mask the
        padding. The attention of an example without any unmasked feature is zero, beside that to
        its latents; so it is if M is 0.

        Args:
            x: the features, (B, M, C).
            mask: boolean (B, M), True where a feature is attended to. None: everywhere.
            position: row of the learned table that is added to each feature, whole numbers
                (1 or B, M), or (1 or B, 1) for the same row for all features. None: the first row
                is the first feature's, and so on; the table must have M rows.
            key_position: positions (1 or B, M, D) that are added to the normalised features for the
                keys and not for the values, as in MiniCPM-V. None: there are none.

        Raises:
            ValueError: the shapes do not fit each other or the model.
        """
        inputs = self._prepare(x, mask, position, key_position)
        layers = self._layers
        spread, number = layers[0].spread(inputs.content), len(self.latents)
        z = self._read(lambda layer: layer.source(inputs, spread, number))
        return z.expand(x.shape[0], -1, -1)

    @torch.no_grad()
    def encode_stream(self, chunks: Iterable[tuple[Tensor, Tensor | None] | Tensor]) -> Tensor:
        """Resample features that arrive in chunks, for inference; the same as `forward` gives.

        Args:
            chunks: features (B, m, C), or pairs of features and mask (B, m), in order. Each layer
                iterates over all of them; with several layers they need to be a list or another
                object that starts anew.

        Raises:
            ValueError: there is no chunk, an iterator is given to a model of several layers, or
                the chunks do not fit each other or the model.
        """
        depth = self.options["depth"]
        if isinstance(chunks, Iterator) and depth > 1:
            raise ValueError(
                f"this model reads its input {depth} times, but an iterator can be read only once; "
                "give a list, or an object whose __iter__ starts again"
            )

        def prepared() -> Iterator[Inputs]:
            start, batch = 0, None
            for chunk in chunks:
                x, mask = (chunk, None) if isinstance(chunk, Tensor) else chunk
                rows = torch.arange(start, start + x.shape[1], device=x.device)[None]
                yield self._prepare(x, mask, None if self.positions is None else rows, None)
                batch = batch or len(x)
                if len(x) != batch:
                    raise ValueError(
                        f"a chunk has {len(x)} examples, the first had {batch}; all chunks are "
                        "parts of the same examples"
                    )
                start += x.shape[1]
            if batch is None:
                raise ValueError("the stream is empty; expected at least one chunk of features")

        return self._read(lambda layer: layer.streamed_source(prepared))

    @property
    def _layers(self) -> Sequence[ResamplerLayer]:
        return cast(Sequence[ResamplerLayer], self.layers)

    def _read(self, source: Callable[[ResamplerLayer], ExtensibleSource]) -> Tensor:
        z = self.latents[None]
        for layer in self._layers:
            z = layer(z, None if layer.reads == "latents" else source(layer))
        if self.options["norm_before_output"]:
            return self.project_out(self.output_norm(z))
        return self.output_norm(self.project_out(z))

    def _prepare(
        self,
        x: Tensor,
        mask: Tensor | None,
        position: Tensor | None,
        key_position: Tensor | None,
    ) -> Inputs:
        """Check features and map them to what the layers read."""
        channels = self.options["input_dim"]
        if x.ndim != 3 or x.shape[2] != channels:
            raise ValueError(
                f"features have shape {tuple(x.shape)}; expected (batch, features, {channels})"
            )
        if not x.shape[0]:
            raise ValueError("the batch has no examples; expected at least one")
        if self.positions is not None:
            x = x + self._table(self.positions, position, x.shape[1])
        elif position is not None:
            raise ValueError("this model has no table of positions; leave position out")
        dim = self._layers[0].input_dim
        if key_position is not None and key_position.shape[-1] != dim:
            raise ValueError(
                f"key_position has shape {tuple(key_position.shape)}; expected (1 or batch, "
                f"features, {dim})"
            )
        return Inputs(self.project_in(x), key_position, mask)

    @staticmethod
    def _table(table: Tensor, position: Tensor | None, features: int) -> Tensor:
        """Return the rows of the table for the features, (1 or B, M or 1, C)."""
        if position is None:
            if len(table) != features:
                raise ValueError(
                    f"{features} features, but the table has {len(table)} positions; give the row "
                    "of each feature as position, such as torch.zeros(1, 1, dtype=torch.long)"
                )
            return table[None]
        if position.ndim != 2 or position.is_floating_point():
            raise ValueError(
                f"position is {position.dtype} of shape {tuple(position.shape)}; expected whole "
                "numbers of shape (1 or batch, features or 1)"
            )
        exporting = torch.compiler.is_compiling() or torch.compiler.is_exporting()
        if not exporting and position.numel():
            low, high = position.min().item(), position.max().item()
            if low < 0 or high >= len(table):
                raise ValueError(
                    f"position has rows from {low} to {high}; the table has rows from 0 to "
                    f"{len(table) - 1}"
                )
        return table[position]

    def init_weights(self) -> None:
        """Initialise all weights: latents of standard deviation 0.02, linear maps on fan-in."""
        trunc_normal(self.latents, LATENT_STD)
        if self.positions is not None:
            trunc_normal(self.positions, LATENT_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                init_linear(module)


def _check(options: dict[str, Any]) -> None:
    """Raise a ValueError that names the first option that is out of range or unknown."""
    for name, value in options.items():
        if name in NUMBERS and value is not None and value < 1:
            raise ValueError(f"{name}={value}; expected at least 1")
    if options["self_attention"] not in get_args(SelfAttention):
        raise ValueError(
            f"unknown self_attention {options['self_attention']!r}; expected 'joint', 'separate' "
            "or 'none'"
        )
    if not options["eps"] >= 0:
        raise ValueError(f"eps={options['eps']}; expected at least 0")


NUMBERS = (
    "input_dim", "num_latents", "latent_dim", "output_dim", "depth", "num_heads", "head_dim",
    "num_kv_heads", "hidden_dim", "num_positions",
)  # fmt: skip
