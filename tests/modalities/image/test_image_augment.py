"""Augmentation of images: RandAugment equals Pillow, the rest does what it documents."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from perceivers.modalities.image import rand_augment as ra
from perceivers.modalities.image.augment import crop_and_flip, random_zoom
from perceivers.modalities.image.rand_augment import rand_augment


@pytest.fixture
def photos():
    """Smooth random RGB images, (4, 24, 24, 3) uint8."""
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)) for _ in range(4)]
    return torch.from_numpy(np.stack([np.asarray(s.resize((24, 24))) for s in small]))


def ours(operation, photos, strength=0.0):
    x = photos.permute(0, 3, 1, 2).float()
    out = operation(x, torch.full((len(x),), strength))
    return out.clamp(0, 255).permute(0, 2, 3, 1).numpy()


def theirs(function, photos):
    return np.stack([np.asarray(function(Image.fromarray(p))) for p in photos.numpy()])


def test_auto_contrast_equals_pillow(photos):
    got, expected = ours(ra.auto_contrast, photos), theirs(ImageOps.autocontrast, photos)
    assert np.abs(got - expected).max() <= 1  # Pillow rounds down


def test_posterize_equals_pillow(photos):
    got = ours(ra.posterize, photos, 1.0)
    np.testing.assert_array_equal(got, theirs(lambda i: ImageOps.posterize(i, 4), photos))


def test_solarize_equals_pillow(photos):
    got = ours(ra.solarize, photos, 0.5)
    np.testing.assert_array_equal(got, theirs(lambda i: ImageOps.solarize(i, 128), photos))


def test_equalize_equals_pillow(photos):
    for images in (photos, photos.repeat(1, 8, 8, 1)):
        np.testing.assert_array_equal(ours(ra.equalize, images), theirs(ImageOps.equalize, images))


@pytest.mark.parametrize(
    ("operation", "enhancer"),
    [
        (ra.brightness, "Brightness"),
        (ra.contrast, "Contrast"),
        (ra.colour, "Color"),
        (ra.sharpness, "Sharpness"),
    ],
)
@pytest.mark.parametrize("strength", [-0.6, 0.5])
def test_enhancements_equal_pillow(photos, operation, enhancer, strength):
    from PIL import ImageEnhance

    factor = 1 + 0.9 * strength
    expected = theirs(lambda i: getattr(ImageEnhance, enhancer)(i).enhance(factor), photos)
    assert np.abs(ours(operation, photos, strength) - expected).max() <= 2


def test_rotation_and_translation_move_pixels_as_documented(photos):
    image = torch.zeros(1, 21, 21, 3, dtype=torch.uint8)
    image[0, 10, 18] = 255
    rotated = ours(ra.rotate, image, 1.0)[0, :, :, 0] - 128  # background is grey
    shifted = ours(ra.translate_x, image, 0.4)[0, :, :, 0]
    row, column = np.unravel_index(np.argmax(rotated), rotated.shape)
    assert np.hypot(row - 10, column - 10) == pytest.approx(8, abs=0.8)
    assert abs(np.degrees(np.arctan2(row - 10, column - 10))) == pytest.approx(30, abs=5)
    assert np.argmax(shifted.max(0)) == pytest.approx(18 - 0.4 * 0.45 * 21, abs=1)


@pytest.mark.parametrize("operation", ra.OPERATIONS, ids=lambda o: o.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_treats_images_independently(operation, channels):
    x = torch.randint(0, 256, (3, channels, 8, 8), generator=torch.Generator().manual_seed(0))
    strength = torch.tensor([0.3, -0.7, 1.0])
    got = operation(x.float(), strength)
    expected = [operation(x[i : i + 1].float(), strength[i : i + 1]) for i in range(3)]
    assert got.isfinite().all()
    torch.testing.assert_close(got, torch.cat(expected), atol=1e-3, rtol=0)


def test_rand_augment_draws_operations_for_each_image():
    image = torch.randint(0, 256, (1, 16, 16, 3), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    out = rand_augment(image.to(torch.uint8).repeat(64, 1, 1, 1), layers=2, magnitude=9)
    assert out.dtype == torch.uint8
    assert len({tuple(o.flatten().tolist()) for o in out}) > 40
    with pytest.raises(ValueError, match="expected 0 to 10"):
        rand_augment(out, layers=1, magnitude=11)


def test_crop_and_flip_only_move_pixels():
    columns = torch.arange(1, 9, dtype=torch.uint8).expand(200, 8, 8)[..., None]
    torch.manual_seed(0)
    out = crop_and_flip(columns, padding=2, flip=True)
    assert out.shape == columns.shape
    middle = out[:, 4, 2:6, 0].int()
    steps = middle.diff(dim=1).unique(dim=0).tolist()
    assert sorted(steps) == [[-1, -1, -1], [1, 1, 1]]
    assert middle[:, 0].unique().numel() > 5


def test_no_shift_without_padding():
    images = torch.randint(0, 256, (5, 8, 8, 3)).to(torch.uint8)
    assert torch.equal(crop_and_flip(images, padding=0, flip=False), images)


def test_zoom_keeps_the_middle():
    image = torch.zeros(50, 33, 33, 1, dtype=torch.uint8)
    image[:, 12:21, 12:21] = 255
    torch.manual_seed(0)
    out = random_zoom(image, 0.3)
    assert (out[:, 16, 16] == 255).all()
    areas = (out > 127).sum((1, 2, 3)).float()
    assert areas.min() < 75 < 90 < areas.max()
