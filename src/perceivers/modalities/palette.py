"""Colours of classes: distinct ones for the first dozen, and the same in every file and drawing."""

import colorsys

import numpy as np

FIRST_HUE, STEP = 0.58, 0.381966  # turns of the colour circle by the golden angle never meet
LEVELS = ((0.75, 0.9), (0.9, 0.65), (0.45, 0.95))  # saturation and brightness, one after another


def palette(count: int) -> np.ndarray:
    """Return the colours of classes, uint8 (count, 3)."""
    colours = [
        colorsys.hsv_to_rgb((FIRST_HUE + index * STEP) % 1, *LEVELS[index % len(LEVELS)])
        for index in range(count)
    ]
    return np.rint(255 * np.array(colours).reshape(count, 3)).astype(np.uint8)


def coloured(classes: np.ndarray, count: int) -> np.ndarray:
    """Return the colour of each element, uint8 (…, 3); one without a class is grey.

    Args:
        classes: indices of classes, below 0 where there is none.
        count: number of classes.
    """
    colours = np.concatenate([palette(count), np.full((1, 3), 128, np.uint8)])
    return colours[np.where(classes < 0, count, classes)]
