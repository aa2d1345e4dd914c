"""The adapter of several modalities in one input, identified by learned embeddings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core import Inputs
from ...core.init import trunc_normal
from ...errors import unknown
from ..adapter import CHUNK_ELEMENTS, Adapter
from .joining import concatenate, masked, widen
from .presence import PRESENT, drop_parts, mask_missing, present_masks, select_present

# B batch · M elements · W common width

EMBEDDING_STD = 0.02  # same as the latents; the paper does not give it


def is_part_name(name: str) -> bool:
    """Return whether a name is allowed for a part of a fusion.

    Args:
        name: the name. It must be an identifier, and no attribute of PyTorch's `ModuleDict` or
            `ParameterDict`, which hold the parts.
    """
    holders = nn.ModuleDict(), nn.ParameterDict()
    return name.isidentifier() and not any(hasattr(holder, name) for holder in holders)


class FusionAdapter(Adapter):
    """Embed the raw batches of several modalities as one `Inputs`.

    A raw batch is a dictionary with one entry per part, such as {"audio": …, "video": …}. The
    elements of one part follow those of another.

    As in the paper (arXiv 2103.03206v2, §4.2), an element is the concatenation of its content, its
    position and a learned embedding of its modality. The embedding fills elements up to a common
    width W: it has `min_embedding_dim` channels in the widest part (paper: 4, for video), and more
    in narrower parts.

    Content and position are padded to W channels each and have `fusion="add"`, so that their sum is
    that concatenation; the embedding is a part of the position. Positions are shared by the batch
    if those of all parts are.

    A part that is absent from the batch or None is masked; it has as many elements as an example of
    the configured size. If only some examples lack a part, the batch tells which have it in a
    boolean tensor (B,) under the name of the part and ".present": {"audio": …, "audio.present": …}.
    The elements of the others are masked, whatever "audio" holds for them: zeros or any other
    finite numbers.

    Args:
        parts: the adapter of each modality by its name, in the order of their elements.
        min_embedding_dim: number of channels of the embedding of the widest part.
        dropout: for each modality, the probability that it is masked in a training example (paper:
            the whole video at 0.3, or the mel spectrogram at 0.1). Modalities are drawn
            independently; an example that would lose all its modalities keeps all of them.

    Raises:
        ValueError: no parts, an impossible name, a `min_embedding_dim` below 1, or a probability
            that is not in [0, 1) or names no part.
    """

    fusion = "add"

    def __init__(
        self,
        parts: Mapping[str, Adapter],
        *,
        min_embedding_dim: int = 4,
        dropout: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if not parts:
            raise ValueError("no parts; expected at least one modality and its adapter")
        if min_embedding_dim < 1:
            raise ValueError(
                f"min_embedding_dim={min_embedding_dim}; expected at least 1: the embedding is "
                "what distinguishes the modalities"
            )
        for name in parts:
            if not is_part_name(name):
                raise ValueError(
                    f"a modality cannot be called {name!r}; expected an identifier that is no "
                    "attribute of torch.nn.ModuleDict or torch.nn.ParameterDict"
                )
        self.width = max(part.dim for part in parts.values()) + min_embedding_dim
        self.parts = nn.ModuleDict(parts)
        self.embeddings = nn.ParameterDict(
            {name: torch.empty(self.width - part.dim) for name, part in parts.items()}
        )
        for embedding in self.embeddings.values():
            trunc_normal(embedding, EMBEDDING_STD)
        self.dropout = dict(dropout or {})
        for name, probability in self.dropout.items():
            self._check_name(name)
            if not 0 <= probability < 1:
                raise ValueError(
                    f"dropout of {name} is {probability}; expected at least 0 and less than 1"
                )

    @property
    @override
    def dim(self) -> int:
        """Number of channels of an element: W."""
        return self.width

    @property
    @override
    def position_dim(self) -> int:
        return self.width

    @property
    @override
    def num_inputs(self) -> int:
        """Number of elements M of all parts together."""
        return sum(part.num_inputs for part in self._adapters().values())

    def adapter_of(self, name: str) -> Adapter:
        """Return the adapter of a part."""
        return self._adapters()[name]

    @override
    def weights_from(self, other: Adapter) -> dict[str, Tensor]:
        """Return those of each part from the part of the same name, and its embedding."""
        if not isinstance(other, FusionAdapter):
            return {}
        ours, theirs = self._adapters(), other._adapters()
        both = [name for name in ours if name in theirs]
        weights = {
            f"parts.{name}.{key}": weight
            for name in both
            for key, weight in ours[name].weights_from(theirs[name]).items()
        }
        for name in both:
            if other.embeddings[name].shape == self.embeddings[name].shape:
                weights[f"embeddings.{name}"] = other.embeddings[name].detach()
        return weights

    @override
    def expect_sizes(self, config: Any) -> None:
        for name, adapter in self._adapters().items():
            adapter.expect_sizes(None if config is None else config.parts[name])

    @override
    def set_normalisation(self, mean: Mapping[str, Tensor], std: Mapping[str, Tensor]) -> None:
        """Set the normalising constants of parts by name; parts that are not named keep theirs."""
        adapters = self._adapters()
        for name in mean:
            self._check_name(name)
            adapters[name].set_normalisation(mean[name], std[name])

    @override
    def values_to_normalise(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the values of each part that has any, from the examples that have the part."""
        values_of_part = {}
        for name, adapter in self._adapters().items():
            x, present = batch.get(name), batch.get(f"{name}{PRESENT}")
            if x is not None and (present is None or bool(present.any())):
                values = adapter.values_to_normalise(
                    x if present is None else select_present(x, present)
                )
                if isinstance(values, Tensor):
                    values_of_part[name] = values
        return values_of_part

    @override
    def count(self, batch: Mapping[str, Any], targets: Tensor) -> None:
        for name, part in self._adapters().items():
            x, present = batch.get(name), batch.get(f"{name}{PRESENT}")
            if x is None:
                continue
            if present is not None:
                x = select_present(x, present)
            part.count(x, targets if present is None else targets[present])

    @override
    def elements(self, batch: Mapping[str, Any]) -> Inputs:
        """Embed the parts of a batch one after another.

        Args:
            batch: the raw batch of each part as its own adapter takes it, a list if its examples
                are of different sizes. None and absent parts are masked. An entry with the name of
                a part and ".present", boolean (B,), tells which examples have the part.

        Returns:
            `Inputs` of M elements, the sum of those of all parts.

        Raises:
            ValueError: not a dictionary, an unknown name, no part at all, parts of different batch
                sizes, or a mask of another shape or dtype.
        """
        if not isinstance(batch, Mapping):
            raise ValueError(
                f"got a {type(batch).__name__}; expected a dictionary of raw batches, one for each "
                f"of {', '.join(self.parts)}"
            )
        for name in batch:
            self._check_name(name.removesuffix(PRESENT))
        inputs = {
            name: adapter(batch[name])
            for name, adapter in self._adapters().items()
            if batch.get(name) is not None
        }
        if not inputs:
            raise ValueError(
                "the batch has none of the modalities; expected one or more of "
                f"{', '.join(self.parts)}"
            )
        sizes = {name: part.content.shape[0] for name, part in inputs.items()}
        first = next(iter(sizes.values()))
        if any(size != first for size in sizes.values()):
            raise ValueError(f"batch sizes disagree: {sizes}; expected the same number of each")
        present = present_masks(inputs, batch)
        if self.training:
            present = drop_parts(inputs, present, self.dropout)
        return self._join({n: mask_missing(part, present.get(n)) for n, part in inputs.items()})

    @override
    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """Stream one part after another, without the parts that the example lacks."""
        streams = {
            name: adapter.stream(example[name], elements=elements)
            for name, adapter in self._adapters().items()
            if example.get(name) is not None and bool(example.get(f"{name}{PRESENT}", True))
        }
        return _Streams(self, streams)

    @override
    def elements_of_each(self, examples: Any) -> Inputs:
        """Raise a `ValueError`: a batch is a dictionary, only the batches of parts may be lists."""
        return self.elements(examples)

    def by_part(self, values: Tensor, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Separate values of the elements (…, M) of a raw batch by the parts that they belong to.

        Args:
            values: one value for each element that `elements` returns.
            batch: the raw batch.
        """
        sizes = list(self._sizes(batch).values())
        return dict(zip(self.parts, values.split(sizes, dim=-1), strict=True))

    def _sizes(self, batch: Mapping[str, Any]) -> dict[str, int]:
        """Return the number of elements of each part of a raw batch."""
        return {
            name: adapter(batch[name]).content.shape[1]
            if batch.get(name) is not None
            else adapter.num_inputs
            for name, adapter in self._adapters().items()
        }

    @override
    def evidence(self, batch: Mapping[str, Any]) -> Tensor | None:
        """Return that of the parts with a linear model; the elements of others add nothing."""
        found = {
            name: evidence
            for name, adapter in self._adapters().items()
            if batch.get(name) is not None
            and (evidence := adapter.evidence(batch[name])) is not None
        }
        if not found:
            return None
        some = next(iter(found.values()))
        sizes = self._sizes(batch).items()
        nothing = {n: some.new_zeros(len(some), size, some.shape[2]) for n, size in sizes}
        return torch.cat(list({**nothing, **found}.values()), dim=1)

    @override
    def mask_elements(self, batch: Mapping[str, Any], masks: Tensor) -> Inputs:
        """Return copies of one example, with the elements of each part masked as the part does."""
        inputs = {
            name: self._adapters()[name].mask_elements(batch[name], part_masks)
            for name, part_masks in self.by_part(masks, batch).items()
            if batch.get(name) is not None
        }
        joined = self._join(inputs)
        return replace(joined, mask=masks if joined.mask is None else masks & joined.mask)

    def _adapters(self) -> dict[str, Adapter]:
        """Return the parts, typed as adapters."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Adapter)}

    def _check_name(self, name: str) -> None:
        if name not in self.parts:
            raise unknown("modality", name, self.parts)

    def _join(self, inputs: Mapping[str, Inputs]) -> Inputs:
        """Return the elements of all parts one after another."""
        content = next(iter(inputs.values())).content
        return concatenate(
            [
                self._widen(name, inputs[name]) if name in inputs else self._absent(name, content)
                for name in self.parts
            ]
        )

    def _absent(self, name: str, like: Tensor) -> Inputs:
        """Return the elements of a part that no example has: masked, unless it says otherwise.

        Args:
            name: name of the part.
            like: contents of another part, with the batch size, dtype and device to use.
        """
        adapter = self._adapters()[name]
        if (batch := adapter.when_missing(like.shape[0])) is not None:
            return self._widen(name, adapter(batch))
        return masked(adapter.num_inputs, like, self.width)

    def _widen(self, name: str, part: Inputs) -> Inputs:
        return widen(part, self.embeddings[name])


@dataclass(frozen=True)
class _Streams:
    """The streams of all parts of an example, one after another."""

    adapter: FusionAdapter
    streams: Mapping[str, Iterable[Inputs]]

    def __iter__(self) -> Iterator[Inputs]:
        for name, stream in self.streams.items():
            for part in stream:
                yield self.adapter._widen(name, part)
