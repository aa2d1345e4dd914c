"""The Keras example's model, built from Keras' own layers as a reference to compare with.

It is written from https://keras.io/examples/vision/perceiver_image_classification/. The Keras 3
version of the page does not run: `call` uses `self.patcher`, which `build` no longer creates (the
TensorFlow version did), and reads `data_augmentation` from the surrounding module. The model here
extracts the patches itself and takes images that are already resized and normalised. Attributes and
the order of layers are those of the page, so that weight files have the same layout.
"""

import os
import sys
from typing import Any

from ..errors import missing_extra
from ..modalities import ImageConfig
from ..models.config import KerasExampleConfig
from .keras_layout import require_expressible, require_images

EPS = 1e-6  # of every LayerNormalization of the example

# B batch · S image size · C channels · M patches · N latents · D channels of a latent


def build_keras_example(config: KerasExampleConfig) -> Any:
    """Build a `keras.Model` with initial weights.

    Args:
        config: configuration of the model of this package that it corresponds to.

    Returns:
        A model that takes normalised images (B, S, S, C) and returns logits (B, classes).

    Raises:
        ImportError: Keras is not installed.
        ValueError: the example cannot express the configuration.
    """
    require_expressible(config)
    keras = import_keras()
    image = require_images(config.input)
    model = _perceiver(keras, image, config)
    # Layers create their weights at their first call.
    model(keras.ops.zeros((1, image.image_size, image.image_size, image.channels)))
    return model


def import_keras() -> Any:
    """Import Keras, or raise an ImportError that says how to install it.

    The backend is torch, unless Keras is already imported or KERAS_BACKEND is set.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError:
        raise missing_extra("keras", "keras") from None
    return keras


def _perceiver(keras: Any, image: ImageConfig, config: KerasExampleConfig) -> Any:
    """Return the whole model; its layers have no weights until its first call."""
    num_inputs = (image.image_size // image.patch_size) ** 2

    class Perceiver(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.num_iterations = len(config.cross_order)
            self.dropout_rate = config.dropout
            self.latent_array = self.add_weight(
                shape=(config.num_latents, config.latent_dim),
                initializer=keras.initializers.RandomNormal(stddev=config.latent_std),
            )
            self.patch_encoder = _patch_encoder(keras, image.patch_size, num_inputs, config)
            self.cross_attention = _cross_attention(keras, num_inputs, config)
            self.transformer = _transformer(keras, config)
            self.global_average_pooling = keras.layers.GlobalAveragePooling1D()
            self.classification_head = _feed_forward(
                keras, (config.head_dim, config.num_classes), config
            )

        def call(self, images: Any) -> Any:
            elements = self.patch_encoder(images)
            latents = self.latent_array[None]
            for _ in range(self.num_iterations):
                step = {"latent_array": latents, "data_array": elements}
                latents = self.transformer(self.cross_attention(step))
            return self.classification_head(self.global_average_pooling(latents))

    return Perceiver()


def _patch_encoder(keras: Any, patch_size: int, count: int, config: KerasExampleConfig) -> Any:
    """Return the layer that projects patches and adds positions: (B, S, S, C) → (B, M, D)."""

    class PatchEncoder(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.projection = keras.layers.Dense(config.latent_dim)
            self.position_embedding = keras.layers.Embedding(count, config.latent_dim)

        def call(self, images: Any) -> Any:
            patches = keras.ops.image.extract_patches(images, (patch_size, patch_size))
            patches = keras.ops.reshape(patches, (-1, count, patches.shape[-1]))
            return self.projection(patches) + self.position_embedding(keras.ops.arange(count))

    return PatchEncoder()


def _feed_forward(keras: Any, units: tuple[int, int], config: KerasExampleConfig) -> Any:
    """Return two dense layers with GELU between them and dropout after them."""
    layers = keras.layers
    hidden = layers.Dense(units[0], activation=keras.activations.gelu)
    return keras.Sequential([hidden, layers.Dense(units[1]), layers.Dropout(config.dropout)])


def _cross_attention(keras: Any, num_inputs: int, config: KerasExampleConfig) -> Any:
    """Return the cross-attend of latents (B, N, D) to elements (B, M, D).

    Its residual connections carry normalised latents.
    """
    layers, dim = keras.layers, config.latent_dim
    inputs = {
        "latent_array": layers.Input((config.num_latents, dim), name="latent_array"),
        "data_array": layers.Input((num_inputs, dim), name="data_array"),
    }
    latents = layers.LayerNormalization(epsilon=EPS)(inputs["latent_array"])
    elements = layers.LayerNormalization(epsilon=EPS)(inputs["data_array"])
    # Keras' order is query, value, key; the page names its second projection the key.
    query, value, key = (layers.Dense(dim)(x) for x in (latents, elements, elements))
    attention = layers.Attention(use_scale=True, dropout=config.attention_dropout)
    latents = layers.Add()([attention([query, value, key]), latents])
    latents = layers.LayerNormalization(epsilon=EPS)(latents)
    hidden = config.widening_factor * dim
    outputs = layers.Add()([_feed_forward(keras, (hidden, dim), config)(latents), latents])
    return keras.Model(inputs=inputs, outputs=outputs)


def _transformer(keras: Any, config: KerasExampleConfig) -> Any:
    """Return a block of pre-norm self-attends on latents (B, N, D)."""
    layers, dim = keras.layers, config.latent_dim
    heads = config.num_self_heads
    qk_dim = dim if config.self_qk_dim is None else config.self_qk_dim
    v_dim = qk_dim if config.self_v_dim is None else config.self_v_dim
    inputs = latents = layers.Input((config.num_latents, dim))
    for _ in range(config.num_layers_per_block):
        normed = layers.LayerNormalization(epsilon=EPS)(latents)
        attention = layers.MultiHeadAttention(
            heads, qk_dim // heads, v_dim // heads, dropout=config.attention_dropout
        )
        latents = layers.Add()([attention(normed, normed), latents])
        normed = layers.LayerNormalization(epsilon=EPS)(latents)
        hidden = config.widening_factor * dim
        latents = layers.Add()([_feed_forward(keras, (hidden, dim), config)(normed), latents])
    return keras.Model(inputs=inputs, outputs=latents)
