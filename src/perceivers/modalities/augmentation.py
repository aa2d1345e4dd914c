"""Configuration of the augmentation of training batches, as plain data. Imports no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from .config import Part, Proportion, Range


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How training examples are varied. Each modality applies the fields that concern it."""

    time_shift: Proportion = 0.0
    """Sound: shift each recording at random by up to this fraction of its length; 0: no shift."""
    point_scaling: Part = 0.0
    """Points: scale each point by a random factor that differs from 1 by at most this value, then
    centre and rescale the cloud (paper: 0.01); 0: no scaling."""
    point_dropout: Part = 0.0
    """Points: fraction of the points to drop at random; 0: keep all."""
    rotate: Literal["none", "x", "y", "z"] = "none"
    """Points: rotate the coordinates by a random angle about this axis."""
    crop_padding: int = 0
    """Images and videos: pad each side by this many pixels, then crop at random; 0: no cropping."""
    flip: bool = False
    """Flip images and videos horizontally, point clouds along x and along y, and pairs of frames
    along both axes, at random."""
    zoom: Part = 0.0
    """Images and videos: scale height and width at random by up to this fraction; 0: no scaling."""
    rand_augment_layers: int = 0
    """Images: number of RandAugment operations applied to each image; 0: none."""
    rand_augment_magnitude: Annotated[float, Range(0, 10)] = 5.0
    """Images: strength of RandAugment, 0 to 10."""
