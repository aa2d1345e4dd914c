"""Masks of images, and that they are moved with their images."""

import numpy as np
import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.modalities import ImageConfig, modality_of
from perceivers.modalities.image.labels import LabelledImageReader, read_mask
from perceivers.modalities.image.reader import ImageReader

GREY = np.random.default_rng(0).integers(0, 2, (12, 8)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(GREY * 200).save(tmp_path / "images" / "a.png")
    Image.fromarray(GREY).save(tmp_path / "masks" / "a.png")
    return tmp_path


def reader(size=8, **options):
    return LabelledImageReader(ImageReader(size, 1), ("0", "1"), **options)


def test_a_mask_is_cropped_as_its_image(folder):
    example = reader().decode(folder / "images" / "a.png")
    assert np.array_equal(example["content"][..., 0] // 200, example["labels"])
    assert np.array_equal(example["labels"], GREY[2:10])


def test_palettes_and_the_value_for_no_label(folder):
    mask = Image.fromarray(np.where(GREY == 1, 255, 0).astype(np.uint8)).convert("P")
    mask.save(folder / "masks" / "a.png")
    named = LabelledImageReader(ImageReader(8, 1), ("sky", "sea"), {0: "sea", 1: "sky"})
    labels = named.decode(folder / "images" / "a.png")["labels"]
    assert np.array_equal(labels, np.where(GREY[2:10] == 1, -1, 1))
    assert set(reader().survey(folder / "images" / "a.png")) == {"0", "255"}


@pytest.mark.parametrize(
    "options", [{"flip": True}, {"crop_padding": 2}, {"zoom": 0.3}, {"flip": True, "zoom": 0.2}]
)
def test_masks_move_with_their_images(options):
    """Where a flat image is bright, its mask is still of the class of bright pixels."""
    torch.manual_seed(0)
    labels = torch.zeros(8, 16, 16, dtype=torch.int64)
    labels[:, 4:9, 2:11] = 1
    images = (200 * labels[..., None] + 20).to(torch.uint8)
    config = ImageConfig(image_size=16, channels=1)
    moved, masks = modality_of(config).augment_labelled(
        images, labels, config, DataConfig(**options)
    )
    assert not torch.equal(moved, images)
    pixels = moved[..., 0].float()
    sure = (pixels > 170) | (pixels < 70)  # others are between two classes
    said = torch.where(pixels == 0, -1, (pixels > 120).long())
    assert torch.equal(said[sure], masks[sure])
    assert sure.float().mean() > 0.85


def test_bad_masks(folder):
    image = folder / "images" / "a.png"
    with pytest.raises(ValueError, match="unknown class of elements '1'"):
        LabelledImageReader(ImageReader(8, 1), ("0", "2")).decode(image)
    Image.fromarray(GREY[:6]).save(folder / "masks" / "a.png")
    with pytest.raises(ValueError, match="has 8×6 pixels, the image 8×12; expected the same size"):
        reader().survey(image)
    Image.fromarray(GREY).convert("RGB").save(folder / "masks" / "a.png")
    with pytest.raises(ValueError, match="pixels of mode RGB; expected a palette"):
        read_mask(folder / "masks" / "a.png")
    (folder / "masks" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"no mask .*masks/a.png beside it"):
        reader().survey(image)
