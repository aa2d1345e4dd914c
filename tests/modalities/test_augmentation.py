"""Augmentation of the raw batches of every modality."""

import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
    modality_of,
)
from perceivers.modalities.points.augment import centre_and_scale

IMAGE, VIDEO, AUDIO, POINTS = ImageConfig(), VideoConfig(), AudioConfig(), PointsConfig()


def augment(batch, config, inputs):
    return modality_of(inputs).augment(batch, inputs, config)


def test_defaults_change_nothing():
    images = torch.randint(0, 256, (3, 8, 8, 3)).to(torch.uint8)
    assert augment(images, DataConfig(), IMAGE) is images


@pytest.mark.parametrize(
    "change", [{"crop_padding": 2}, {"flip": True}, {"zoom": 0.3}, {"rand_augment_layers": 2}]
)
def test_each_field_takes_effect(change):
    torch.manual_seed(0)
    photos = torch.randint(0, 256, (4, 24, 24, 3), dtype=torch.uint8)
    assert not torch.equal(augment(photos, DataConfig(**change), IMAGE), photos)


def test_all_frames_of_a_video_are_changed_alike():
    clips = torch.randint(0, 256, (6, 1, 9, 9, 3), dtype=torch.uint8).expand(-1, 4, -1, -1, -1)
    config = DataConfig(crop_padding=2, flip=True, zoom=0.2)
    torch.manual_seed(0)
    got = augment(clips, config, VIDEO)
    assert (got.shape, got.dtype) == (clips.shape, clips.dtype)
    assert (got == got[:, :1]).all()  # equal frames stay equal
    torch.manual_seed(0)
    assert torch.equal(got[:, 0], augment(clips[:, 0], config, IMAGE))
    assert len({tuple(clip.flatten().tolist()) for clip in got[:, 0].sub(clips[:, 0])}) > 3
    moving = torch.arange(4, dtype=torch.uint8)[None, :, None, None, None].expand(2, 4, 5, 5, 3)
    assert torch.equal(
        augment(moving, DataConfig(flip=True), VIDEO), moving
    )  # frames keep their order
    with pytest.raises(ValueError, match="RandAugment is for images, not for videos"):
        augment(clips, DataConfig(rand_augment_layers=1), VIDEO)


def test_parts_of_a_fusion_are_augmented_separately():
    batch = {
        "audio": torch.rand(5, 20, 1) + 1,
        "audio.present": torch.tensor([True, True, False, True, True]),
        "video": torch.randint(0, 256, (5, 2, 6, 6, 1), dtype=torch.uint8),
        "text": torch.arange(15).reshape(5, 3),
        "row": torch.rand(5, 4),
        "scan": centre_and_scale(torch.rand(5, 4, 3)),
    }
    parts = {
        "audio": MelConfig(), "video": VIDEO, "text": TextConfig(), "scan": POINTS,
        "row": TabularConfig(numeric=("a",)),
    }  # fmt: skip
    config = DataConfig(time_shift=0.5, crop_padding=2, point_scaling=0.01)
    torch.manual_seed(0)
    got = augment(batch, config, FusionConfig(parts=parts))
    assert list(got) == list(batch)
    for name in ("audio.present", "text", "row"):
        assert torch.equal(got[name], batch[name])
    assert not torch.equal(got["video"], batch["video"])
    assert not torch.equal(got["scan"], batch["scan"])
    assert (got["scan"] - batch["scan"]).abs().max() < 0.04  # time_shift does not affect points
    for before, after in zip(batch["audio"], got["audio"], strict=True):
        kept = after[after > 0]
        assert 10 <= len(kept) <= 20
        assert bytes(kept.numpy()) in bytes(before.numpy())


def test_points_use_only_the_options_for_points():
    points = torch.rand(3, 8, 5)
    kept = augment(points, DataConfig(point_dropout=0.25), POINTS)
    assert kept.shape == (3, 6, 5)
    torch.manual_seed(0)
    mirrored = augment(points.repeat(9, 1, 1), DataConfig(flip=True), POINTS)
    assert torch.equal(mirrored.abs(), points.repeat(9, 1, 1))
    assert (mirrored[..., :2] < 0).any(dim=(0, 1)).all()
    assert torch.equal(augment(points, DataConfig(crop_padding=2), POINTS), points)


def test_options_for_other_modalities_are_ignored():
    config = DataConfig(time_shift=0.5, crop_padding=2)
    video = torch.zeros(2, 2, 6, 6, 1, dtype=torch.uint8)
    assert torch.equal(augment(video, config, VIDEO), video)
    assert augment(torch.rand(2, 9, 1), config, AUDIO).shape == (2, 9, 1)
