"""Mixup and CutMix of batches."""

import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.data.mixing import check_mixing, mix
from perceivers.modalities import (
    FusionConfig,
    ImageConfig,
    MelConfig,
    TabularConfig,
    TextConfig,
)


def test_examples_and_targets_are_mixed_in_the_same_proportion():
    torch.manual_seed(0)
    images = torch.stack([torch.zeros(8, 8, 1), torch.full((8, 8, 1), 255.0)]).to(torch.uint8)
    targets = torch.eye(2)
    for mixup, cutmix in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        for _ in range(20):
            mixed, soft = mix(images, targets, mixup=mixup, cutmix=cutmix)
            scaled = mixed.float() / 255 if mixed.dtype == torch.uint8 else mixed
            torch.testing.assert_close(scaled[1].mean(), soft[1, 1], atol=1e-5, rtol=0)
            torch.testing.assert_close(soft.sum(1), torch.ones(2))


def test_mixup_of_several_modalities():
    batch = {
        "audio": torch.tensor([[[1.0]], [[0.0]]]),
        "audio.present": torch.tensor([True, False]),
        "video": torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1, 1),
    }
    torch.manual_seed(0)
    mixed, targets = mix(batch, torch.eye(2), mixup=1.0, cutmix=0.0)
    kept = targets[0, 0]
    assert 0.01 < kept < 0.99
    torch.testing.assert_close(mixed["audio"].flatten(), torch.stack([kept, 1 - kept]))
    torch.testing.assert_close(mixed["video"].flatten(), torch.stack([1 - kept, kept]))
    assert mixed["audio.present"].tolist() == [True, True]
    with pytest.raises(ValueError, match="bytes of texts cannot be mixed; set mixup=0"):
        mix({**batch, "text": torch.ones(2, 3).long()}, torch.eye(2), mixup=1.0, cutmix=0.0)
    for examples in (batch, batch["video"], batch["audio"]):
        with pytest.raises(ValueError, match="CutMix needs images"):
            mix(examples, torch.eye(2), mixup=0.0, cutmix=1.0)


def test_texts_and_tables_cannot_be_mixed():
    cells = TabularConfig(numeric=("a",))
    parts = FusionConfig(parts={"photo": ImageConfig(), "table": cells})
    check_mixing(DataConfig(), parts)
    check_mixing(
        DataConfig(mixup=0.2), FusionConfig(parts={"photo": ImageConfig(), "sound": MelConfig()})
    )
    with pytest.raises(ValueError, match=r"the cells of tables cannot be mixed; set data.mixup=0"):
        check_mixing(DataConfig(mixup=0.2), parts)
    with pytest.raises(ValueError, match="the bytes of texts cannot be mixed"):
        check_mixing(DataConfig(cutmix=0.2), TextConfig())


def test_mixing_switched_off_changes_nothing():
    images = torch.zeros(3, 8, 8, 3, dtype=torch.uint8)
    assert mix(images, torch.eye(3), mixup=0, cutmix=0)[0] is images
