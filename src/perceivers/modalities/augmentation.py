"""Configuration of the augmentation of training batches, as plain data. Imports no torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How training examples are varied. Each modality applies the fields that concern it."""

    time_shift: float = 0.0
    """Sound: shift each recording at random by up to this fraction of its length."""
    point_scaling: float = 0.0
    """Points: scale each point by a random factor within this distance of 1, then centre the cloud
    again (paper: 0.01)."""
    point_dropout: float = 0.0
    """Points: fraction of the points to drop at random."""
    rotate: Literal["none", "x", "y", "z"] = "none"
    """Points: rotate the coordinates by a random angle about this axis."""
    crop_padding: int = 0
    """Images and videos: pad each side by this many pixels, then crop at random."""
    flip: bool = False
    """Flip images and videos horizontally, and point clouds along x and along y, at random."""
    zoom: float = 0.0
    """Images and videos: scale height and width at random by up to this fraction."""
    rand_augment_layers: int = 0
    """Images: number of RandAugment operations applied to each image; 0: none."""
    rand_augment_magnitude: float = 5.0
    """Images: strength of RandAugment, 0 to 10."""
