"""Strokes on drums and cymbals, from log-mel spectrograms."""

from ..data.config import DataConfig
from ..modalities import MelConfig
from ..training.recipe import Recipe
from .small import small


def drums() -> Recipe:
    """Classify strokes of drum kits into 8 kinds of instruments from log-mel spectrograms.

    `python examples/drum_kits.py SOURCE DEST`, then `perceivers train drums --data DEST`: 391
    sounds of nine kits are trained on, and 134 of five kits of other authors are the test split.
    There is no shift in time, because a stroke begins where its sound does. Test top-1 60.20 ±
    4.80% (mean and standard deviation of 3 seeds), 5 to 8 minutes of training on one shared core
    (AMD EPYC, torch 2.13.0, float32), 2026-11-28; docs/results.md. An SVC of mel statistics:
    57.46%. Nothing was chosen on validation kits: the settings are those of `fsdd` at 24 kHz.
    """
    return small(
        "drums",
        MelConfig(
            num_samples=48_000,
            own_length=True,
            sample_rate=24_000,
            n_fft=960,
            hop_length=240,
            n_mels=64,
            patch_frames=2,
            num_bands=16,
            num_time_masks=2,
            time_mask_width=6,
            num_frequency_masks=2,
            frequency_mask_width=9,
        ),
        DataConfig(name="drums", batch_size=16, validation=0.0, mixup=0.2),
        num_classes=8,
        max_epochs=40,
    )
