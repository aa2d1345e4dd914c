"""A small Keras example with random weights, for the parity tests."""

import keras
import numpy as np
import torch

from perceivers.interop.keras_reference import build_keras_example
from perceivers.modalities import ImageConfig
from perceivers.models.config import KerasExampleConfig

SMALL = KerasExampleConfig(
    num_classes=5,
    input=ImageConfig(
        image_size=8,
        patch_size=2,
        projection_dim=12,
        position="learned",
        position_dim=12,
        fusion="add",
    ),
    num_latents=6,
    latent_dim=12,
    num_layers_per_block=3,
    num_self_heads=2,
    self_qk_dim=16,
    widening_factor=2,
    head_dim=10,
)


def random_keras(config, seed=0):
    """Return the reference with all weights random, including norms, biases and the scale."""
    model, rng = build_keras_example(config), np.random.default_rng(seed)
    for weight in model.weights:
        ones = weight.path.endswith(("gamma", "scale"))
        weight.assign(rng.normal(float(ones), 0.3, weight.shape).astype("float32"))
    return model


def images(config, count=3):
    size = config.input.image_size
    return torch.randn(count, size, size, 3, generator=torch.Generator().manual_seed(7))


def theirs(model, x, training=False):
    return torch.as_tensor(keras.ops.convert_to_numpy(model(x, training=training)))
