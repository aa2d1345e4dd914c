"""Augmentation: RandAugment against Pillow, the rest against what it promises."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from perceivers.data import rand_augment as ra
from perceivers.data.augment import augment, check_mixing, crop_and_flip, mix, random_zoom
from perceivers.data.augment_points import centre_and_scale
from perceivers.data.config import DataConfig
from perceivers.data.rand_augment import rand_augment


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


def test_rotation_and_translation_move_the_right_way(photos):
    image = torch.zeros(1, 21, 21, 3, dtype=torch.uint8)
    image[0, 10, 18] = 255
    turned = ours(ra.rotate, image, 1.0)[0, :, :, 0] - 128  # background is grey
    moved = ours(ra.translate_x, image, 0.4)[0, :, :, 0]
    row, column = np.unravel_index(np.argmax(turned), turned.shape)
    assert np.hypot(row - 10, column - 10) == pytest.approx(8, abs=0.8)
    assert abs(np.degrees(np.arctan2(row - 10, column - 10))) == pytest.approx(30, abs=5)
    assert np.argmax(moved.max(0)) == pytest.approx(18 - 0.4 * 0.45 * 21, abs=1)


@pytest.mark.parametrize("operation", ra.OPERATIONS, ids=lambda o: o.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_keeps_shape_and_treats_images_apart(operation, channels):
    x = torch.randint(0, 256, (3, channels, 8, 8), generator=torch.Generator().manual_seed(0))
    strength = torch.tensor([0.3, -0.7, 1.0])
    together = operation(x.float(), strength)
    apart = [operation(x[i : i + 1].float(), strength[i : i + 1]) for i in range(3)]
    assert together.isfinite().all()
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-3, rtol=0)


def test_rand_augment_draws_for_each_image():
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


def test_mixing_keeps_proportions():
    torch.manual_seed(0)
    images = torch.stack([torch.zeros(8, 8, 1), torch.full((8, 8, 1), 255.0)]).to(torch.uint8)
    targets = torch.eye(2)
    for mixup, cutmix in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        for _ in range(20):
            mixed, soft = mix(images, targets, mixup=mixup, cutmix=cutmix)
            scaled = mixed.float() / 255 if mixed.dtype == torch.uint8 else mixed
            torch.testing.assert_close(scaled[1].mean(), soft[1, 1], atol=1e-5, rtol=0)
            torch.testing.assert_close(soft.sum(1), torch.ones(2))


def test_nothing_configured_changes_nothing():
    images = torch.randint(0, 256, (3, 8, 8, 3)).to(torch.uint8)
    assert augment(images, DataConfig(), "image") is images
    assert mix(images, torch.eye(3), mixup=0, cutmix=0)[0] is images


@pytest.mark.parametrize(
    "change", [{"crop_padding": 2}, {"flip": True}, {"zoom": 0.3}, {"rand_augment_layers": 2}]
)
def test_each_field_takes_effect(photos, change):
    torch.manual_seed(0)
    assert not torch.equal(augment(photos, DataConfig(**change), "image"), photos)


def test_a_clip_is_cropped_flipped_and_zoomed_as_one():
    clips = torch.randint(0, 256, (6, 1, 9, 9, 3), dtype=torch.uint8).expand(-1, 4, -1, -1, -1)
    config = DataConfig(crop_padding=2, flip=True, zoom=0.2)
    torch.manual_seed(0)
    got = augment(clips, config, "video")
    assert (got.shape, got.dtype) == (clips.shape, clips.dtype)
    assert (got == got[:, :1]).all()  # frames that are alike stay alike
    torch.manual_seed(0)
    assert torch.equal(got[:, 0], augment(clips[:, 0], config, "image"))
    assert len({tuple(clip.flatten().tolist()) for clip in got[:, 0].sub(clips[:, 0])}) > 3
    moving = torch.arange(4, dtype=torch.uint8)[None, :, None, None, None].expand(2, 4, 5, 5, 3)
    assert torch.equal(
        augment(moving, DataConfig(flip=True), "video"), moving
    )  # frames keep their order
    with pytest.raises(ValueError, match="RandAugment is of images, not of videos"):
        augment(clips, DataConfig(rand_augment_layers=1), "video")


def test_each_modality_is_varied_by_itself():
    batch = {
        "audio": torch.rand(5, 20, 1) + 1,
        "audio.there": torch.tensor([True, True, False, True, True]),
        "video": torch.randint(0, 256, (5, 2, 6, 6, 1), dtype=torch.uint8),
        "text": torch.arange(15).reshape(5, 3),
        "row": torch.rand(5, 4),
        "scan": centre_and_scale(torch.rand(5, 4, 3)),
    }
    kinds = {"audio": "mel", "video": "video", "text": "text", "row": "tabular", "scan": "points"}
    torch.manual_seed(0)
    got = augment(batch, DataConfig(time_shift=0.5, crop_padding=2, point_scaling=0.01), kinds)
    assert list(got) == list(batch)
    for name in ("audio.there", "text", "row"):
        assert torch.equal(got[name], batch[name])
    assert not torch.equal(got["video"], batch["video"])
    assert not torch.equal(got["scan"], batch["scan"])
    assert (got["scan"] - batch["scan"]).abs().max() < 0.04  # points are not moved in time
    for before, after in zip(batch["audio"], got["audio"], strict=True):
        kept = after[after > 0]
        assert 10 <= len(kept) <= 20
        assert bytes(kept.numpy()) in bytes(before.numpy())


def test_points_are_varied_by_their_own_options():
    points = torch.rand(3, 8, 5)
    kept = augment(points, DataConfig(point_dropout=0.25), "points")
    assert kept.shape == (3, 6, 5)
    torch.manual_seed(0)
    mirrored = augment(points.repeat(9, 1, 1), DataConfig(flip=True), "points")
    assert torch.equal(mirrored.abs(), points.repeat(9, 1, 1))
    assert (mirrored[..., :2] < 0).any(dim=(0, 1)).all()
    assert torch.equal(augment(points, DataConfig(crop_padding=2), "points"), points)


def test_one_recipe_for_sound_and_pictures():
    config = DataConfig(time_shift=0.5, crop_padding=2)
    video = torch.zeros(2, 2, 6, 6, 1, dtype=torch.uint8)
    assert torch.equal(augment(video, config, "video"), video)
    assert augment(torch.rand(2, 9, 1), config, "audio").shape == (2, 9, 1)


def test_mixup_of_several_modalities():
    batch = {
        "audio": torch.tensor([[[1.0]], [[0.0]]]),
        "audio.there": torch.tensor([True, False]),
        "video": torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1, 1),
    }
    torch.manual_seed(0)
    mixed, targets = mix(batch, torch.eye(2), mixup=1.0, cutmix=0.0)
    kept = targets[0, 0]
    assert 0.01 < kept < 0.99
    torch.testing.assert_close(mixed["audio"].flatten(), torch.stack([kept, 1 - kept]))
    torch.testing.assert_close(mixed["video"].flatten(), torch.stack([1 - kept, kept]))
    assert mixed["audio.there"].tolist() == [True, True]
    with pytest.raises(ValueError, match="bytes of texts cannot be mixed; set mixup=0"):
        mix({**batch, "text": torch.ones(2, 3).long()}, torch.eye(2), mixup=1.0, cutmix=0.0)
    for given in (batch, batch["video"], batch["audio"]):
        with pytest.raises(ValueError, match="CutMix is of images alone"):
            mix(given, torch.eye(2), mixup=0.0, cutmix=1.0)


def test_texts_and_tables_are_not_mixed():
    parts = {"photo": "image", "table": "tabular"}
    check_mixing(DataConfig(), parts)
    check_mixing(DataConfig(mixup=0.2), {"photo": "image", "sound": "mel"})
    with pytest.raises(ValueError, match=r"the cells of tables cannot be mixed; set data.mixup=0"):
        check_mixing(DataConfig(mixup=0.2), parts)
    with pytest.raises(ValueError, match="the bytes of texts cannot be mixed"):
        check_mixing(DataConfig(cutmix=0.2), "text")
