"""Spoken digits, from log-mel spectrograms and from the raw waveform."""

from ..data.config import DataConfig
from ..modalities import AudioConfig, InputConfig, MelConfig
from ..training.recipe import Recipe
from .small import small


def fsdd() -> Recipe:
    """Classify spoken digits (FSDD) from log-mel spectrograms, one element for each 20 ms.

    `perceivers train fsdd --data free-spoken-digit-dataset`: test top-1 99.00 ± 0.33% on the 300
    test recordings of the data set (mean and standard deviation of 3 seeds), 4 to 7 minutes of
    training on one shared core (AMD EPYC, torch 2.13.0, float32), 2026-11-21; docs/results.md.
    """
    return _fsdd(
        "fsdd",
        MelConfig(
            num_samples=8_000,
            own_length=True,
            sample_rate=8_000,
            n_fft=320,
            hop_length=80,
            n_mels=40,
            patch_frames=2,
            num_bands=16,
            num_time_masks=2,
            time_mask_width=12,
            num_frequency_masks=2,
            frequency_mask_width=6,
        ),
    )


def fsdd_raw() -> Recipe:
    """Classify spoken digits (FSDD) from the raw waveform, in overlapping patches of 8 ms.

    `perceivers train fsdd-raw --data free-spoken-digit-dataset`: test top-1 97.89 ± 0.84% on the
    300 test recordings of the data set (mean and standard deviation of 3 seeds), 6 to 15 minutes of
    training on one shared core (AMD EPYC, torch 2.13.0, float32), 2026-11-27; docs/results.md. All
    other recordings are trained on, and the weights of the last epoch are kept.
    """
    return _fsdd(
        "fsdd-raw",
        AudioConfig(
            num_samples=8_000,
            own_length=True,
            sample_rate=8_000,
            patch_size=64,
            patch_stride=16,
            projection_dim=64,
            projection_activation="gelu",
            num_bands=16,
        ),
        batch_size=16,
        validation=0.0,  # what a tenth more examples gives is more than the best epoch does
        max_epochs=30,
    )


def _fsdd(
    name: str,
    inputs: InputConfig,
    *,
    batch_size: int = 64,
    validation: float = 0.1,
    max_epochs: int = 40,
) -> Recipe:
    data = DataConfig(
        name="fsdd", batch_size=batch_size, validation=validation, time_shift=0.15, mixup=0.2
    )
    return small(name, inputs, data, num_classes=10, max_epochs=max_epochs)
