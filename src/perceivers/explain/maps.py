"""What a model looked at in one example: attention, roll-out and saliency of each element."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..core import CrossAttend, Inputs, Perceiver
from ..core.layers import SelfAttend
from ..models.classifier import PerceiverClassifier
from .record import AttentionMap, record_attention

# N latents · M elements

NUM_CLUSTERS = 3  # groups of latents that attend alike
CLUSTER_COLUMNS = 1024  # columns to which long rows of attention are averaged before clustering
MIN_LATENTS = 2 * NUM_CLUSTERS  # fewer are not clustered


@dataclass(frozen=True)
class ElementMap:
    """One number for each element of an example."""

    title: str
    """What the numbers are, such as "cross-attend 1"."""
    values: Tensor
    """(M,), not negative, with sum 1; zero where an element is masked."""


@dataclass(frozen=True)
class Attention:
    """The attention of one application of a cross-attend, averaged over heads and latents."""

    step: int
    """Index of the application, from 0."""
    mean: ElementMap
    """The attention weights."""
    content: ElementMap
    """The weights of the content term of the logits alone."""
    position: ElementMap
    """The weights of the position term of the logits alone."""


@dataclass(frozen=True)
class Maps:
    """All maps of one example."""

    inputs: Inputs
    """The elements of the example, (1, M, …)."""
    outputs: Tensor
    """Logits, or numbers in their units, (num_classes,)."""
    attention: tuple[Attention, ...]
    """The first, the second and the last application of a cross-attend, as far as there are."""
    clusters: tuple[ElementMap, ...]
    """The last cross-attend, averaged over groups of latents that attend alike, the largest group
    first; empty if there are too few latents."""
    rollout: ElementMap
    """Attention followed through all cross-attends and self-attends (arXiv 2005.00928), averaged
    over the latents."""
    saliency: ElementMap
    """Length of the gradient of the predicted output with respect to the content of an element
    (arXiv 1312.6034)."""
    evidence: ElementMap | None
    """What a linear model in the adapter finds in an element for the class or label; for a number,
    how much the element changes it. None: the adapter has no linear model."""


def explain_maps(model: PerceiverClassifier, batch: Any, output: int | None = None) -> Maps:
    """Compute the maps of one example.

    Other threads may use the model at the same time.

    Args:
        model: the model, in eval mode.
        batch: raw batch of one example.
        output: index of the output that saliency and evidence are of; None: the largest one.

    Raises:
        ValueError: the batch holds several examples.
    """
    model = _view(model)
    with torch.no_grad():
        inputs = model.elements(batch)
    count = inputs.content.shape[0]
    if count != 1:
        raise ValueError(f"the batch has {count} examples; expected one")
    inputs = replace(inputs, position=inputs.dense_position)
    with (
        torch.no_grad(),
        record_attention(model) as maps,
        _record_layers(model.perceiver) as layers,
    ):
        outputs = model.classify(inputs)[0]
        rollout = _rollout(maps, layers)
    index = int(outputs.argmax()) if output is None else output
    chosen = dict.fromkeys([0, 1, len(maps) - 1])
    return Maps(
        inputs=inputs,
        outputs=outputs,
        attention=tuple(_attention(maps[i], i) for i in chosen if 0 <= i < len(maps)),
        clusters=_clusters(maps[-1], len(maps)),
        rollout=_element_map("roll-out", rollout.mean(0)),
        saliency=_saliency(model, inputs, index),
        evidence=_evidence(model, batch, inputs.mask, index),
    )


def _view(model: PerceiverClassifier) -> PerceiverClassifier:
    """Return a model with the same weights and hooks, of which new hooks are its own.

    Attention is recorded by hooks. On the model itself they would see the passes of other threads.
    """
    views: dict[nn.Module, nn.Module] = {}

    def view(module: nn.Module) -> nn.Module:
        if module not in views:
            views[module] = twin = module.__new__(type(module))
            twin.__dict__ = {
                name: value.copy() if isinstance(value, dict) else value
                for name, value in module.__dict__.items()
                if name != "_compiled_call_impl"
            }
            for name, child in module._modules.items():
                twin._modules[name] = None if child is None else view(child)
        return views[module]

    twin: Any = view(getattr(model, "_orig_mod", model))  # without torch.compile
    return twin


def _attention(recorded: AttentionMap, step: int) -> Attention:
    def part(logits: Tensor, title: str) -> ElementMap:
        if recorded.mask is not None:
            logits = logits.masked_fill(~recorded.mask[:, None, None, :], -torch.inf)
        return _element_map(title, logits.softmax(-1).nan_to_num()[0].mean((0, 1)))

    name = f"cross-attend {step + 1}"
    return Attention(
        step,
        _element_map(name, recorded.weights[0].mean((0, 1))),
        part(recorded.content, f"{name}, content"),
        part(recorded.position, f"{name}, position"),
    )


def _element_map(title: str, values: Tensor) -> ElementMap:
    values = values.detach().float()
    total = values.sum()
    return ElementMap(title, values / total if total > 0 else values)


def _clusters(recorded: AttentionMap, step: int) -> tuple[ElementMap, ...]:
    """Group the latents by k-means of their attention, and average each group."""
    rows = recorded.weights[0].mean(0)  # (N, M)
    if len(rows) < MIN_LATENTS:
        return ()
    pooled = rows
    if rows.shape[1] > CLUSTER_COLUMNS:
        pooled = torch.nn.functional.adaptive_avg_pool1d(rows[None], CLUSTER_COLUMNS)[0]
    groups = k_means(pooled.sqrt(), NUM_CLUSTERS)
    counts = torch.bincount(groups, minlength=NUM_CLUSTERS)
    return tuple(
        _element_map(
            f"cross-attend {step}, {int(counts[group])} of {len(rows)} latents",
            rows[groups == group].mean(0),
        )
        for group in counts.argsort(descending=True).tolist()
        if counts[group]
    )


def k_means(rows: Tensor, count: int, iterations: int = 20) -> Tensor:
    """Assign rows to groups by Lloyd's algorithm, from rows that are far from each other.

    Args:
        rows: (N, C).
        count: number of groups.
        iterations: number of times that the means are moved.

    Returns:
        Group of each row, int64 (N,).
    """
    centres = rows[:1]
    for _ in range(count - 1):
        distances = torch.cdist(rows, centres).amin(1)
        centres = torch.cat([centres, rows[distances.argmax()][None]])
    groups = torch.cdist(rows, centres).argmin(1)
    for _ in range(iterations):
        filled = [group for group in range(count) if bool((groups == group).any())]
        centres = torch.stack([rows[groups == group].mean(0) for group in filled])
        groups = groups.new_tensor(filled)[torch.cdist(rows, centres).argmin(1)]
    return groups


def _saliency(model: PerceiverClassifier, inputs: Inputs, output: int) -> ElementMap:
    content = inputs.content.detach().requires_grad_()
    with torch.enable_grad():
        outputs = model.classify(replace(inputs, content=content))
        (gradient,) = torch.autograd.grad(outputs[0, output], content)
    values = gradient[0].norm(dim=-1)
    if inputs.mask is not None:
        values = values * inputs.mask[0]
    return _element_map("saliency", values)


@torch.no_grad()
def _evidence(
    model: PerceiverClassifier, batch: Any, mask: Tensor | None, output: int
) -> ElementMap | None:
    evidence = model.adapter.evidence(batch)
    if evidence is None:
        return None
    values = evidence[0, :, output]
    values = values.abs() if model.config.task == "regression" else values.clamp(min=0)
    return _element_map("linear model", values if mask is None else values * mask[0])


@contextmanager
def _record_layers(perceiver: Perceiver) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Record the layers of a forward pass in their order, each with the latents it was given."""
    layers: list[tuple[nn.Module, Tensor]] = []

    def hook(layer: nn.Module, args: Any, _: Any) -> None:
        layers.append((layer, args[0]))

    with ExitStack() as stack:
        for layer in perceiver.modules():
            if isinstance(layer, CrossAttend | SelfAttend):
                stack.callback(layer.register_forward_hook(hook).remove)
        yield layers


def _rollout(maps: list[AttentionMap], layers: list[tuple[nn.Module, Tensor]]) -> Tensor:
    """Return the share of each element in each latent, (N, M), after all layers.

    Half of the output of a layer is its residual connection. Latents hold nothing of the elements
    before the first cross-attend.
    """
    remaining = iter(maps)
    shares: Tensor | None = None
    for layer, latents in layers:
        if isinstance(layer, CrossAttend):
            weights = next(remaining).weights[0].mean(0)
            if shares is None or not layer.use_query_residual:
                shares = weights
            else:
                shares = (shares + weights) / 2
        elif isinstance(layer, SelfAttend) and shares is not None:
            shares = (shares + self_attention(layer, latents)[0].mean(0) @ shares) / 2
    assert shares is not None  # a Perceiver has a cross-attend
    return shares


def self_attention(layer: SelfAttend, latents: Tensor) -> Tensor:
    """Compute the attention weights of a self-attend.

    Args:
        layer: the layer.
        latents: its input, (B, N, D).

    Returns:
        (B, H, N, N).
    """
    x, attention = layer.norm(latents), layer.attention
    queries, keys = attention.queries(x), attention.split_heads(attention.to_k(x))
    return (queries @ keys.mT * queries.shape[-1] ** -0.5).softmax(dim=-1)
