"""Keras runs on torch here; it must know before it is first imported."""

import os

os.environ["KERAS_BACKEND"] = "torch"
