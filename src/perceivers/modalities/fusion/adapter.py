"""Several modalities in one input array, told apart by learned embeddings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core import Inputs
from ...core.init import trunc_normal
from ...errors import unknown
from ..adapter import CHUNK_ELEMENTS, Adapter
from .presence import PRESENT

# B batch · M elements · W common width

EMBEDDING_STD = 0.02  # as the latents; the paper does not give it


def is_part_name(name: str) -> bool:
    """Whether a part can have that name: a word, and no method of what holds parts by name."""
    holders = nn.ModuleDict(), nn.ParameterDict()
    return name.isidentifier() and not any(hasattr(holder, name) for holder in holders)


class FusionAdapter(Adapter):
    """A batch {"audio": …, "video": …} → `Inputs` of the elements of all parts, one after another.

    As published (arXiv 2103.03206v2, §4.2): an element of a part is its content, its position and a
    learned embedding of its modality, side by side. The embedding fills up to a common width W:
    `min_embedding_dim` channels for the widest part (paper: 4, video), more for narrower ones.

    The elements come as content and position to be added, each in columns of its own, so that the
    embedding counts as position and the sum is that concatenation. Positions are shared by the
    batch if those of all parts are.

    A part that is missing from the batch, or None, is masked out; its elements are as many as an
    example of the configured size has. Where only some examples lack it, the batch says so under
    the part's name and ".present", boolean (B,): {"audio": …, "audio.present": …}. What "audio"
    holds for the others is masked: zeros, or any other finite numbers.

    Args:
        parts: the adapter of each modality, in the order of their elements.
        min_embedding_dim: learned channels of the widest part, at least.
        dropout: by modality, the probability at which an example's is masked in training (paper:
            the whole video at 0.3, or the mel spectrogram at 0.1). Each is drawn for itself; an
            example that would lose all it has keeps all it has.

    Raises:
        ValueError: no parts, a name that cannot be one, or a probability that is none; in
            `elements`, a modality that is not among the parts, none at all, or parts of unequal
            batch size.
    """

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
                f"min_embedding_dim={min_embedding_dim}; expected at least 1, or modalities could "
                "not be told apart"
            )
        for name in parts:
            if not is_part_name(name):
                raise ValueError(
                    f"a modality cannot be called {name!r}; use another word of letters and digits"
                )
        self.width = max(part.dim for part in parts.values()) + min_embedding_dim
        self.parts = nn.ModuleDict(parts)
        self.embeddings = nn.ParameterDict(
            {name: torch.empty(self.width - part.dim) for name, part in parts.items()}
        )
        for embedding in self.embeddings.values():
            trunc_normal(embedding, EMBEDDING_STD)
        self.dropout = dict(dropout or {})
        for name, share in self.dropout.items():
            self._known(name)
            if not 0 <= share < 1:
                raise ValueError(f"dropout of {name}={share}; expected 0 or more, and less than 1")

    @property
    def dim(self) -> int:
        """W."""
        return self.width

    @property
    def num_inputs(self) -> int:
        """M, elements of all parts together."""
        return sum(part.num_inputs for part in self._parts().values())

    def set_normalisation(self, mean: Mapping[str, Tensor], std: Mapping[str, Tensor]) -> None:
        """The constants of each part, by name; a part that is not named keeps its own."""
        parts = self._parts()
        for name in mean:
            self._known(name)
            parts[name].set_normalisation(mean[name], std[name])

    def values_to_normalise(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """See `Adapter`: by name, of the examples that have the part."""
        measured = {}
        for name, part in self._parts().items():
            x, there = batch.get(name), batch.get(f"{name}{PRESENT}")
            if x is not None and (there is None or bool(there.any())):
                found = part.values_to_normalise(x if there is None else _those(x, there))
                if isinstance(found, Tensor):
                    measured[name] = found
        return measured

    def elements(self, batch: Mapping[str, Any]) -> Inputs:
        """Raw batches by modality, each as its own adapter takes it → M = Σ elements of the parts.

        A modality that is None or not there is masked out, as are examples that lack it. One whose
        examples are of different sizes is a list of them.
        """
        if not isinstance(batch, Mapping):
            raise ValueError(
                f"got a {type(batch).__name__}; expected a dictionary of raw batches, one for each "
                f"of {', '.join(self.parts)}"
            )
        for name in batch:
            self._known(name.removesuffix(PRESENT))
        parts = self._parts()
        given = {name: parts[name](batch[name]) for name in parts if batch.get(name) is not None}
        if not given:
            raise ValueError(
                f"the batch has no modality; expected one or more of {', '.join(self.parts)}"
            )
        sizes = {name: len(part.content) for name, part in given.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"batch sizes disagree: {sizes}; expected equally many examples of each modality"
            )
        like = next(iter(given.values())).content
        there = self._there(given, batch)
        columns = [
            _only(self._columns(name, given[name]), there.get(name))
            if name in given
            else self._absent(name, like)
            for name in self.parts
        ]
        return _joined(columns)

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """See `Adapter`: one part after another, without those that are missing."""
        streams = {
            name: part.stream(example[name], elements=elements)
            for name, part in self._parts().items()
            if example.get(name) is not None and bool(example.get(f"{name}{PRESENT}", True))
        }
        return _Streams(self, streams)

    def elements_of_each(self, examples: Any) -> Inputs:
        """ValueError: the modalities of a batch are told by name, each may be a list."""
        return self.elements(examples)

    def _there(self, given: Mapping[str, Inputs], batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """By name of a part that not all examples have, or are to keep: which do, (B,)."""
        like = next(iter(given.values())).content
        there: dict[str, Tensor] = {}
        for name in given:
            flags = batch.get(f"{name}{PRESENT}")
            if flags is None:
                continue
            if flags.shape != like.shape[:1] or flags.dtype != torch.bool:
                raise ValueError(
                    f"{name}{PRESENT} is {flags.dtype} of shape {tuple(flags.shape)}; expected "
                    f"torch.bool of shape ({len(like)},), True for examples that have {name}"
                )
            there[name] = flags
        dropped = {name: p for name, p in self.dropout.items() if name in given and p}
        if not (self.training and dropped):
            return there
        everywhere = torch.ones(len(like), dtype=torch.bool, device=like.device)
        had = {name: there.get(name, everywhere) for name in given}
        kept = {
            name: flags & (torch.rand(len(like), device=like.device) >= dropped.get(name, 0.0))
            for name, flags in had.items()
        }
        something = torch.stack(list(kept.values())).any(dim=0)
        return {name: torch.where(something, kept[name], flags) for name, flags in had.items()}

    def _parts(self) -> dict[str, Adapter]:
        """The adapters, typed."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Adapter)}

    def _known(self, name: str) -> None:
        if name not in self.parts:
            raise unknown("modality", name, self.parts)

    def _columns(self, name: str, part: Inputs) -> Inputs:
        """A part's content, and its position and embedding, in their columns of the width W."""
        embedding: Tensor = self.embeddings[name]
        content = F.pad(part.content, (0, self.width - part.content.shape[-1]))
        elements = part.content.shape[1]
        learned = embedding.expand(1, elements, -1)
        position = part.dense_position
        if position is None:
            before = learned.new_zeros(1, elements, part.dim)
        else:
            # To be added, a position lies over the content; otherwise it follows it.
            before = F.pad(position, (part.dim - position.shape[-1], 0))
            learned = learned.expand(len(before), -1, -1)
        position = torch.cat([before, learned], dim=-1)
        return Inputs(content, position, part.mask, fusion="add")

    def _absent(self, name: str, like: Tensor) -> Inputs:
        """The masked elements of a part that is missing from a batch of `like`'s examples."""
        elements = self._parts()[name].num_inputs
        return Inputs(
            like.new_zeros(len(like), elements, self.width),
            like.new_zeros(1, elements, self.width),
            torch.zeros(len(like), elements, dtype=torch.bool, device=like.device),
            fusion="add",
        )


@dataclass(frozen=True)
class _Streams:
    """The streams of all parts of an example."""

    adapter: FusionAdapter
    streams: Mapping[str, Iterable[Inputs]]

    def __iter__(self) -> Iterator[Inputs]:
        for name, stream in self.streams.items():
            for part in stream:
                yield self.adapter._columns(name, part)


def _those(x: Any, there: Tensor) -> Any:
    """Of a batch or a list, the examples that have it."""
    if isinstance(x, Tensor):
        return x[there]
    return [example for example, has in zip(x, there.tolist(), strict=True) if has]


def _only(part: Inputs, there: Tensor | None) -> Inputs:
    """A part, masked where an example lacks it; what lies there may be anything."""
    if there is None:
        return part
    seen = there[:, None].expand(part.content.shape[:2])
    seen = seen if part.mask is None else seen & part.mask
    return replace(part, content=part.content.masked_fill(~seen[..., None], 0.0), mask=seen)


def _joined(parts: list[Inputs]) -> Inputs:
    """The elements of all parts, one part after another."""
    batch = len(parts[0].content)
    positions = [part.dense_position for part in parts if part.dense_position is not None]
    shared = max(len(position) for position in positions)  # 1, or the batch size
    mask = None
    if any(part.mask is not None for part in parts):
        mask = torch.cat(
            [
                part.content.new_ones(batch, part.content.shape[1], dtype=torch.bool)
                if part.mask is None
                else part.mask
                for part in parts
            ],
            dim=1,
        )
    return Inputs(
        torch.cat([part.content for part in parts], dim=1),
        torch.cat([position.expand(shared, -1, -1) for position in positions], dim=1),
        mask,
        fusion="add",
    )
