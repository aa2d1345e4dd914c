"""Set the Keras backend to torch before Keras is first imported."""

import os

import pytest

os.environ["KERAS_BACKEND"] = "torch"


@pytest.fixture(scope="module")
def small():
    """Return a small model of the Keras example."""
    from keras_small import SMALL, random_keras

    return random_keras(SMALL)


@pytest.fixture
def small_file(small, tmp_path):
    small.save_weights(tmp_path / "small.weights.h5")
    return tmp_path / "small.weights.h5"
