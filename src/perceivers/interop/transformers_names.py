"""Names of weights in transformers' Perceiver classes for the names of weights here."""

from collections.abc import Iterable

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
    "PerceiverForMaskedLM": {**TEXT_INPUT, **TEXT_OUTPUT},
}
# Axes of length 1 that their weights have in addition, by the end of their name: at the front or
# at the end.
EXTRA_AXES = {"convnet_1x1.weight": (0, 2)}


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


def _within_layer(rest: str) -> str:
    """Translate the part of a name that follows the name of a layer, such as ".3.norm.weight"."""
    for ours, theirs in LAYER.items():
        for kind in (".weight", ".bias"):
            before, found, after = rest.partition(f".{ours}{kind}")
            if found and not after and (not before or before[1:].isdigit()):
                return f"{before}.{theirs}{kind}"
    return rest
