"""Names of weights in transformers' Perceiver classes for the names of weights here."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# Parts of a residual layer, ours → theirs. The order of channels is the same in both: content,
# coordinates, sines, cosines.
LAYER = {
    "norm": "attention.self.layernorm1",
    "norm_latents": "attention.self.layernorm1",
    "norm_inputs": "attention.self.layernorm2",
    "attention.to_q": "attention.self.query",
    "attention.to_k": "attention.self.key",
    "attention.to_v": "attention.self.value",
    "attention.to_out": "attention.output.dense",
    "feed_forward.norm": "layernorm",
    "feed_forward.expand": "mlp.dense1",
    "feed_forward.contract": "mlp.dense2",
}
ENCODER = {
    "perceiver.latents": "perceiver.embeddings.latents",
    "perceiver.cross_attends.0": "perceiver.encoder.cross_attention",
    "perceiver.blocks.0": "perceiver.encoder.self_attends",
}
INPUT = "perceiver.input_preprocessor"
TEXT_INPUT = {
    "adapter.embedding": f"{INPUT}.embeddings",
    "adapter.position.weight": f"{INPUT}.position_embeddings.weight",
}
CLASSIFIER = {
    "queries.position.weight": (
        "perceiver.decoder.decoder.output_position_encodings.position_embeddings"
    ),
    "decoder.cross_attend": "perceiver.decoder.decoder.decoding_cross_attention",
    "head": "perceiver.decoder.decoder.final_layer",
}
FLOW = {
    "adapter.projection": f"{INPUT}.conv_after_patches",
    "decoder.cross_attend": "perceiver.decoder.decoder.decoding_cross_attention",
    "decoder.output": "perceiver.decoder.decoder.final_layer",
}
# The name of a part there.
PARTS = {"audio": "audio", "video": "image", "label": "label"}
MULTIMODAL = {
    "adapter.embeddings.audio": f"{INPUT}.padding.audio",
    "adapter.embeddings.video": f"{INPUT}.padding.image",
    # Their vector for an unknown class, in two parts; see `split_state`.
    "adapter.parts.label.unknown": f"{INPUT}.mask.label.content",
    "adapter.embeddings.label": f"{INPUT}.mask.label.embedding",
    "output.parts.label.query.position.weight": (
        "perceiver.decoder.modalities.label.decoder.output_position_encodings.position_embeddings"
    ),
    "decoder.cross_attend": "perceiver.decoder.decoder.decoding_cross_attention",
    "decoder.output": "perceiver.decoder.decoder.final_layer",
    **{f"output.embeddings.{ours}": f"perceiver.decoder.padding.{n}" for ours, n in PARTS.items()},
    **{
        f"output.heads.{ours}": f"perceiver.output_postprocessor.modalities.{name}.classifier"
        for ours, name in PARTS.items()
    },
}
# Weights of that class that have no effect: the class of an example is always replaced by
# `mask.label`, and film and sound never are.
UNUSED = (f"{INPUT}.mask.audio", f"{INPUT}.mask.image", f"{INPUT}.padding.label")
MASK = f"{INPUT}.mask.label"
TEXT_OUTPUT = {
    "output.positions.position.weight": (
        "perceiver.decoder.output_position_encodings.position_embeddings"
    ),
    "output.bias": "embedding_decoder.bias",
    "decoder.cross_attend": "perceiver.decoder.decoding_cross_attention",
}
# What our names begin with and what theirs do, by class.
PREFIXES = {
    "PerceiverForImageClassificationFourier": CLASSIFIER,
    "PerceiverForImageClassificationLearned": {
        "adapter.projection": f"{INPUT}.convnet_1x1",
        "adapter.position.weight": f"{INPUT}.position_embeddings.position_embeddings",
        "adapter.position.projection": f"{INPUT}.positions_projection",
        **CLASSIFIER,
    },
    "PerceiverForImageClassificationConvProcessing": {
        "adapter.conv": f"{INPUT}.convnet.conv",
        "adapter.norm": f"{INPUT}.convnet.batchnorm",
        **CLASSIFIER,
    },
    "PerceiverForSequenceClassification": {**TEXT_INPUT, **CLASSIFIER},
    "PerceiverForOpticalFlow": FLOW,
    "PerceiverForMultimodalAutoencoding": MULTIMODAL,
    "PerceiverForMaskedLM": {**TEXT_INPUT, **TEXT_OUTPUT},
}
# Axes of length 1 that their weights have in addition, by the end of their name: at the front or
# at the end.
EXTRA_AXES = {
    "convnet_1x1.weight": (0, 2),
    ".mask.label.content": (1, 0),
    ".mask.label.embedding": (1, 0),
    **{f".padding.{name}": (1, 0) for name in PARTS.values()},
}


def names_of(architecture: str, ours: Iterable[str]) -> dict[str, str]:
    """Return the names of weights in the library, by ours.

    Args:
        architecture: name of the class.
        ours: names in our state dict; those that the library does not have, such as the
            normalising constants of images, are left out.
    """
    prefixes = {**ENCODER, **PREFIXES[architecture]}
    names = {}
    for name in ours:
        prefix = next((p for p in prefixes if name == p or name.startswith(f"{p}.")), None)
        if prefix is not None:
            names[name] = prefixes[prefix] + _within_layer(name.removeprefix(prefix))
    return names


def shape_there(name: str, shape: Iterable[int]) -> tuple[int, ...]:
    """Return the shape of a weight in the library.

    Args:
        name: its name there.
        shape: its shape here.
    """
    before, after = next((n for end, n in EXTRA_AXES.items() if name.endswith(end)), (0, 0))
    return (1,) * before + tuple(shape) + (1,) * after


def split_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of the library without unused weights, and with one weight in two.

    Args:
        state: its state dict. The vector that stands for an unknown class is split into the
            content, as wide as there are classes, and the embedding of its modality.
    """
    split = {name: tensor for name, tensor in state.items() if name not in UNUSED}
    classes = state.get("perceiver.output_postprocessor.modalities.label.classifier.weight")
    if classes is not None and MASK in split and split[MASK].shape[-1] > len(classes):
        mask = split.pop(MASK)
        split[f"{MASK}.content"] = mask[..., : len(classes)]
        split[f"{MASK}.embedding"] = mask[..., len(classes) :]
    return split


def joined_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict that `split_state` split, without the unused weights."""
    joined = dict(state)
    if f"{MASK}.content" in joined:
        parts = [joined.pop(f"{MASK}.content"), joined.pop(f"{MASK}.embedding")]
        joined[MASK] = torch.cat(parts, dim=-1)
    return joined


def _within_layer(rest: str) -> str:
    """Translate the part of a name that follows the name of a layer, such as ".3.norm.weight"."""
    for ours, theirs in LAYER.items():
        for kind in (".weight", ".bias"):
            before, found, after = rest.partition(f".{ours}{kind}")
            if found and not after and (not before or before[1:].isdigit()):
                return f"{before}.{theirs}{kind}"
    return rest
