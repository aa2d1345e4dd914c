"""Configurations of transformers' Perceivers whose outputs are neither classes nor numbers."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ..modalities import (
    AudioConfig,
    FlowOutputConfig,
    FramePairConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    InputConfig,
    LabelConfig,
    LabelOutputConfig,
    OutputConfig,
    TextConfig,
    TextOutputConfig,
    VideoConfig,
    WaveOutputConfig,
)
from ..models.build import build_on_meta
from ..models.config import DecoderConfig, PerceiverIOConfig
from ..models.perceiver_io import PerceiverIOModel
from .transformers_config import (
    DEFAULTS,
    Values,
    encoder_fields,
    encoder_values,
    num_labels_of,
    refuse_others,
    text_input,
    text_values,
)


def _language(values: Values) -> PerceiverIOConfig:
    text = text_input(values)
    return PerceiverIOConfig(
        input=text,
        decoder=DecoderConfig(num_heads=8, qk_dim=256, v_dim=text.embedding_dim),
        output=TextOutputConfig(),
        **encoder_fields(values, text.embedding_dim),
    )


def _flow(values: Values) -> PerceiverIOConfig:
    height, width = values["train_size"]
    frames = FramePairConfig(height=height, width=width)
    return _completed(PerceiverIOConfig(input=frames, output=FlowOutputConfig()), values)


def _multimodal(values: Values) -> PerceiverIOConfig:
    frames, patch, side = (values[n] for n in ("num_frames", "samples_per_patch", "image_size"))
    samples, size = frames * values["audio_samples_per_frame"], values["output_shape"][2]
    resolution, length = (float(frames), float(side), float(side)), float(samples)
    # Of an axis whose resolution is the number of patches, the configuration says nothing.
    usual = (frames, size // 4, size // 4) == resolution
    inputs: dict[str, InputConfig] = {
        "audio": AudioConfig(
            num_samples=samples, patch_size=patch, num_bands=192, max_resolution=length
        ),
        "video": VideoConfig(
            num_frames=frames,
            seconds=frames / 25,
            image_size=size,
            patch_frames=1,
            patch_size=4,
            num_bands=32,
            max_resolution=None if usual else resolution,
        ),
        "label": LabelConfig(num_classes=num_labels_of(values)),
    }
    outputs: dict[str, OutputConfig] = {
        "audio": WaveOutputConfig(num_samples=samples, patch_size=patch),
        "video": FramesOutputConfig(num_frames=frames, image_size=size, max_resolution=resolution),
        "label": LabelOutputConfig(
            num_classes=num_labels_of(values),
            query_dim=values.get("_label_trainable_num_channels", 1024),
        ),
    }
    output = FusionOutputConfig(parts=outputs, decoded_dim=values["output_num_channels"])
    config = PerceiverIOConfig(input=FusionConfig(parts=inputs), output=output)
    return _completed(config, values)


def _completed(config: PerceiverIOConfig, values: Values) -> PerceiverIOConfig:
    """Return a configuration with the fields of the encoder, and the widths of the decoder."""
    blank = build_on_meta(config)
    assert isinstance(blank, PerceiverIOModel)
    as_wide_as_queries = values["cross_attention_shape_for_attention"] == "q"
    qk_dim = blank.output.query_dim if as_wide_as_queries else None
    fields = encoder_fields(values, blank.adapter.dim)
    return dataclasses.replace(config, decoder=DecoderConfig(qk_dim=qk_dim), **fields)


def _multimodal_values(config: PerceiverIOConfig) -> dict[str, Any]:
    """Return the fields of `PerceiverConfig` that sizes of film and sound decide."""
    assert isinstance(config.input, FusionConfig)
    parts, output = config.input.parts, config.output
    sound, film, label = (parts.get(name) for name in ("audio", "video", "label"))
    if not (
        isinstance(sound, AudioConfig)
        and isinstance(film, VideoConfig)
        and isinstance(label, LabelConfig)
        and isinstance(output, FusionOutputConfig)
    ):
        raise ValueError(f"transformers has no Perceiver IO of {list(parts)}")
    resolution = film.max_resolution or (0.0, film.image_size / film.patch_size)
    return {
        "num_frames": film.num_frames,
        "audio_samples_per_frame": sound.num_samples // film.num_frames,
        "samples_per_patch": sound.patch_size,
        "image_size": int(resolution[1]),
        "output_shape": [1, film.num_frames, film.image_size, film.image_size],
        "output_num_channels": output.decoded_dim,
        "num_labels": label.num_classes,
    }


# The classes with other outputs than classes or numbers.
OTHERS: dict[str, Callable[[Values], PerceiverIOConfig]] = {
    "PerceiverForMaskedLM": _language,
    "PerceiverForOpticalFlow": _flow,
    "PerceiverForMultimodalAutoencoding": _multimodal,
}


def other_values(config: PerceiverIOConfig) -> tuple[str, dict[str, Any]]:
    """Return the class and the fields of `PerceiverConfig` for a model with other outputs.

    Raises:
        ValueError: the library has no such model.
    """
    encoder = encoder_values(config)
    if isinstance(config.input, TextConfig):
        name, values = "PerceiverForMaskedLM", {**encoder, **text_values(config.input)}
    elif isinstance(config.input, FramePairConfig):
        size = [config.input.height, config.input.width]
        name, values = "PerceiverForOpticalFlow", {**encoder, "d_model": 322, "train_size": size}
    elif isinstance(config.input, FusionConfig):
        name = "PerceiverForMultimodalAutoencoding"
        values = {**encoder, **_multimodal_values(config)}
    else:
        raise ValueError(f"transformers has no Perceiver IO with this input: {config.input}")
    theirs = OTHERS[name]({**DEFAULTS, **values})
    refuse_others(
        [
            (field.name, getattr(config, field.name), str(getattr(theirs, field.name)))
            for field in dataclasses.fields(config)
            if field.name in ("input", "output", "decoder")
        ]
    )
    return name, values
