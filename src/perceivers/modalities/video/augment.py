"""Augmentation of batches of videos."""

from torch import Tensor

from ..augmentation import AugmentationConfig
from ..image.augment import augment_images


def augment_videos(videos: Tensor, config: AugmentationConfig) -> Tensor:
    """Crop, flip and zoom videos at random; all frames of a video are changed alike.

    Args:
        videos: uint8 (B, T, H, W, C).
        config: which augmentations to apply, and how strong they are.

    Returns:
        uint8 (B, T, H, W, C).

    Raises:
        ValueError: RandAugment is switched on, which is defined for images only.
    """
    if config.rand_augment_layers:
        raise ValueError(
            f"rand_augment_layers={config.rand_augment_layers}, but RandAugment is for images, not "
            "for videos; set rand_augment_layers=0"
        )
    frames = videos.shape[1]
    channels = augment_images(videos.permute(0, 2, 3, 1, 4).flatten(3), config)
    return channels.unflatten(3, (frames, -1)).permute(0, 3, 1, 2, 4)
