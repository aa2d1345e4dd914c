"""Configurations of transformers' Perceiver classes in the terms of this package, and back.

The classes are told apart by the name in `architectures` of a `config.json`. What a class fixes in
its code, such as the Fourier bands, is written here; what its configuration says is translated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..data.config import Task
from ..errors import unknown
from ..modalities import (
    ConvImageConfig,
    ImageConfig,
    InputConfig,
    TextConfig,
)
from ..models.build import build_on_meta
from ..models.config import (
    DecoderConfig,
    EncoderConfig,
    PerceiverIOClassifierConfig,
)

Values = Mapping[str, Any]
Check = tuple[str, Any, str]

# Defaults of `PerceiverConfig` that decide on weights or outputs; `config.json` may omit them.
DEFAULTS: dict[str, Any] = {
    "num_latents": 256,
    "d_latents": 1280,
    "d_model": 768,
    "num_blocks": 1,
    "num_self_attends_per_block": 26,
    "num_self_attention_heads": 8,
    "num_cross_attention_heads": 8,
    "qk_channels": None,
    "v_channels": None,
    "cross_attention_shape_for_attention": "kv",
    "self_attention_widening_factor": 1,
    "cross_attention_widening_factor": 1,
    "hidden_act": "gelu",
    "use_query_residual": True,
    "vocab_size": 262,
    "max_position_embeddings": 2048,
    "image_size": 56,
    "train_size": (368, 496),
    "num_frames": 16,
    "audio_samples_per_frame": 1920,
    "samples_per_patch": 16,
    "output_shape": (1, 16, 224, 224),
    "output_num_channels": 512,
    "problem_type": None,
}
TASKS: dict[str, Task] = {
    "single_label_classification": "classification",
    "multi_label_classification": "multilabel",
    "regression": "regression",
}
CROP = 224 / 256  # of the library's image processor
IMAGE_SIZE = 224  # of the library's image processor, whatever `image_size` of the model says


@dataclass(frozen=True)
class Architecture:
    """One class of transformers: how its configuration becomes ours and back."""

    input: Callable[[Values], InputConfig]
    """Returns the input configuration."""
    values: Callable[[Any], dict[str, Any]]
    """Returns the fields of `PerceiverConfig` that an input configuration decides."""


def _pixels(values: Values) -> ImageConfig:
    return ImageConfig(image_size=IMAGE_SIZE, crop=CROP)


def _learned(values: Values) -> ImageConfig:
    return ImageConfig(
        image_size=values["image_size"],
        crop=CROP,
        projection_dim=256,
        position="learned",
        position_dim=256,
        position_projection_dim=256,
    )


def text_input(values: Values) -> TextConfig:
    """Return the input of a model of texts."""
    return TextConfig(max_length=values["max_position_embeddings"], embedding_dim=values["d_model"])


def text_values(text: TextConfig) -> dict[str, Any]:
    """Return the fields of `PerceiverConfig` for an input of texts."""
    return {"max_position_embeddings": text.max_length, "d_model": text.embedding_dim}


CLASSIFIERS = {
    "PerceiverForImageClassificationFourier": Architecture(_pixels, lambda image: {"d_model": 261}),
    "PerceiverForImageClassificationLearned": Architecture(
        _learned, lambda image: {"d_model": 512, "image_size": image.image_size}
    ),
    "PerceiverForImageClassificationConvProcessing": Architecture(
        lambda values: ConvImageConfig(image_size=IMAGE_SIZE, crop=CROP),
        lambda image: {"d_model": 322},
    ),
    "PerceiverForSequenceClassification": Architecture(text_input, text_values),
}


def complete(values: Values) -> dict[str, Any]:
    """Return the fields of a `PerceiverConfig`, with the library's defaults for missing ones.

    Args:
        values: what `config.json` holds, or `config.to_dict()`.

    Raises:
        ValueError: it is the configuration of another model, or has a setting that this package
            does not have.
    """
    kind = values.get("model_type")
    if {"format", "labels"} <= set(values):  # of our own config.json
        raise ValueError("it is a run or a saved model of perceivers already; nothing to convert")
    if kind != "perceiver":
        raise ValueError(
            f"it describes a model of type {kind!r}; expected 'perceiver', as in the repositories "
            "of deepmind/language-perceiver and its siblings"
        )
    values = {**DEFAULTS, **values}
    act, widening = values["hidden_act"], values["self_attention_widening_factor"]
    if act != "gelu":
        raise ValueError(f"hidden_act={act!r}; expected 'gelu', as in all published models")
    if values["cross_attention_widening_factor"] != widening:
        raise ValueError(
            f"cross_attention_widening_factor={values['cross_attention_widening_factor']} and "
            f"self_attention_widening_factor={widening}; expected equal factors"
        )
    if not values["use_query_residual"]:
        raise ValueError("use_query_residual is false; expected true, as in all published models")
    if values["vocab_size"] != DEFAULTS["vocab_size"]:
        raise ValueError(f"vocab_size={values['vocab_size']}; expected 262, bytes and 6 others")
    return values


def labels_of(values: Values) -> tuple[str, ...] | None:
    """Return the names of the classes; None if they have only numbers."""
    names = values.get("id2label") or {}
    if not isinstance(names, Mapping):
        raise ValueError("id2label is no object; expected a name for each number of a class")
    ordered = [str(names[key]) for key in sorted(names, key=int)]
    numbered = all(name == f"LABEL_{index}" for index, name in enumerate(ordered))
    return None if numbered else tuple(ordered)


def num_labels_of(values: Values) -> int:
    """Return the number of classes: the library's default is 2."""
    return len(values.get("id2label") or {}) or int(values.get("num_labels") or 2)


def encoder_fields(values: Values, input_dim: int) -> dict[str, Any]:
    """Return the fields of `EncoderConfig` that all architectures translate in the same way.

    Args:
        values: complete fields of a `PerceiverConfig`.
        input_dim: channels of an input element, positions included.
    """
    latent_dim, blocks = values["d_latents"], values["num_blocks"]
    shape, qk_dim = values["cross_attention_shape_for_attention"], values["qk_channels"]
    if qk_dim is None:
        widths = {"kv": input_dim, "q": latent_dim}
        if shape not in widths:
            raise unknown("cross_attention_shape_for_attention", str(shape), widths)
        natural = min(input_dim, latent_dim)
        qk_dim = None if widths[shape] == natural else widths[shape]
    return {
        "num_latents": values["num_latents"],
        "latent_dim": latent_dim,
        "cross_order": (0, *(None,) * (blocks - 1)),
        "block_order": (0,) * blocks,
        "num_layers_per_block": values["num_self_attends_per_block"],
        "num_cross_heads": values["num_cross_attention_heads"],
        "num_self_heads": values["num_self_attention_heads"],
        "qk_dim": qk_dim,
        "v_dim": values["v_channels"],
        "self_qk_dim": values["qk_channels"],
        "self_v_dim": values["v_channels"],
        "widening_factor": values["self_attention_widening_factor"],
    }


def encoder_values(config: EncoderConfig) -> dict[str, Any]:
    """Return the fields of `PerceiverConfig` for an encoder: the inverse of `encoder_fields`.

    Raises:
        ValueError: the library has no such encoder; the message says what is different.
    """
    steps = len(config.block_order)
    input_dim = build_on_meta(config).adapter.dim
    qk_dim = config.qk_dim or min(input_dim, config.latent_dim)
    implied = config.self_qk_dim is None and config.v_dim is None and config.self_v_dim is None
    shape = {input_dim: "kv", config.latent_dim: "q"}.get(qk_dim) if implied else None
    checks: list[Check] = [
        ("cross_order", config.cross_order, str((0, *(None,) * (steps - 1)))),
        ("block_order", config.block_order, str((0,) * steps)),
        ("qkv_bias", config.qkv_bias, "True"),
        ("attention", config.attention, "both"),
        ("activation", config.activation, "gelu"),
        ("dropout", config.dropout, "0.0"),
    ]
    if shape is None:
        checks += [
            ("self_qk_dim", config.self_qk_dim, str(qk_dim)),
            ("self_v_dim", config.self_v_dim, str(config.v_dim)),
        ]
    refuse_others(checks)
    return {
        "num_latents": config.num_latents,
        "d_latents": config.latent_dim,
        "num_blocks": steps,
        "num_self_attends_per_block": config.num_layers_per_block,
        "num_self_attention_heads": config.num_self_heads,
        "num_cross_attention_heads": config.num_cross_heads,
        "qk_channels": None if shape else qk_dim,
        "v_channels": config.v_dim,
        "cross_attention_shape_for_attention": shape or "kv",
        "self_attention_widening_factor": config.widening_factor,
        "cross_attention_widening_factor": config.widening_factor,
        "attention_probs_dropout_prob": config.attention_dropout,
    }


def refuse_others(checks: list[Check]) -> None:
    """Raise a ValueError for the settings that the library does not have.

    Args:
        checks: name, value, and the only value that the library has, as text.
    """
    others = [
        f"{name}={value} (there: {only})" for name, value, only in checks if str(value) != only
    ]
    if others:
        raise ValueError(f"transformers has no such Perceiver: {', '.join(others)}")


def classifier_config(architecture: str, values: Values) -> PerceiverIOClassifierConfig:
    """Return the configuration of a classifier.

    Args:
        architecture: name of the class.
        values: complete fields of its `PerceiverConfig`.
    """
    num_classes = num_labels_of(values)
    default: Task = "regression" if num_classes == 1 else "classification"
    inputs = CLASSIFIERS[architecture].input(values)
    input_dim = build_on_meta(PerceiverIOClassifierConfig(input=inputs)).adapter.dim
    return PerceiverIOClassifierConfig(
        num_classes=num_classes,
        task=TASKS.get(values["problem_type"], default),
        input=inputs,
        decoder=DecoderConfig(use_query_residual=True),
        **encoder_fields(values, input_dim),
    )


def classifier_values(config: PerceiverIOClassifierConfig) -> tuple[str, dict[str, Any]]:
    """Return the class and the fields of `PerceiverConfig` for a classifier.

    Raises:
        ValueError: the library has no such classifier.
    """
    encoder = encoder_values(config)
    decoder = DecoderConfig(use_query_residual=True)
    refuse_others(
        [
            ("decoder", config.decoder, str(decoder)),
            ("final_norm", config.final_norm, "False"),
            ("pooled_norm", config.pooled_norm, "False"),
        ]
    )
    for name, architecture in CLASSIFIERS.items():
        values = {**encoder}
        try:
            values |= architecture.values(config.input)
        except AttributeError:  # an input of another modality
            continue
        if classifier_config(name, {**DEFAULTS, **values}).input == config.input:
            break
    else:
        raise ValueError(
            f"transformers has no classifier with this input: {config.input}; expected that of "
            "one of the presets perceiver-io-imagenet-fourier, -learned and -conv, or bytes of text"
        )
    problems = {ours: theirs for theirs, ours in TASKS.items()}
    return name, {**values, "problem_type": problems[config.task], "num_labels": config.num_classes}
