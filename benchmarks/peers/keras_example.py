"""The Keras example's model without dropout, on the backend that KERAS_BACKEND names."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from perceivers.interop import to_keras
from perceivers.interop.keras_reference import build_keras_example

from ..case import Case
from .ours import Step, batch, seeded, torch_step


def build(case: Case) -> Step:
    """Return a step of the Keras model with our weights."""
    model = build_keras_example(case.config)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "example.weights.h5"
        to_keras(seeded(case), path)
        model.load_weights(path)
    if keras.backend.backend() == "jax":
        return _jax_step(case, model)
    return torch_step(
        case,
        lambda x: model(x, training=False),
        batch(case)[0],
        model.latent_array.value,
        [variable.value for variable in model.trainable_variables],
    )


def _jax_step(case: Case, model: Any) -> Step:
    """Return a step that is compiled as a whole and waits until all gradients are computed."""
    import jax

    x, labels = (jax.numpy.asarray(tensor.numpy()) for tensor in batch(case))
    trainable = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]
    latents = next(i for i, v in enumerate(model.trainable_variables) if v is model.latent_array)

    def loss(weights: Any) -> Any:
        logits, _ = model.stateless_call(weights, fixed, x)  # runs in inference mode by default
        log_probs = jax.nn.log_softmax(logits)
        return -jax.numpy.take_along_axis(log_probs, labels[:, None], axis=1).mean()

    compiled = jax.jit(jax.value_and_grad(loss))

    def step() -> dict[str, np.ndarray]:
        value, gradients = jax.block_until_ready(compiled(trainable))
        return {
            "loss": np.asarray(value),
            "gradient of the latents": np.asarray(gradients[latents]),
        }

    return step
