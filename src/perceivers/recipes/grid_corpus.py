"""Digits spoken by one talker of the GRID corpus: from the sound, the lips, or both."""

from dataclasses import replace

from ..data.config import DataConfig
from ..modalities import FusionConfig, InputConfig, MelConfig, VideoConfig
from ..training.recipe import Recipe
from .small import small

SOUND = MelConfig(
    num_samples=5_120,
    sample_rate=8_000,
    n_fft=256,
    hop_length=80,
    n_mels=40,
    patch_frames=2,
    num_bands=16,
    num_time_masks=2,
    time_mask_width=8,
    num_frequency_masks=2,
    frequency_mask_width=6,
)
AUGMENTED = DataConfig(
    name="grid", batch_size=32, validation=0.1, time_shift=0.1, crop_padding=4, flip=True, mixup=0.2
)
PICTURES = VideoConfig(num_frames=16, image_size=48, channels=1, num_bands=8)


def grid_audio() -> Recipe:
    """Classify digits spoken by one GRID talker from 0.64 s of sound, one element for each 20 ms.

    Reads a log-mel spectrogram. `python examples/grid_clips.py SOURCE DEST`, then `perceivers train
    grid-audio --data DEST`: test top-1 100.00 ± 0.00% on 200 clips (mean and standard deviation of
    3 seeds), 2 to 4 minutes of training on one shared core (AMD EPYC, torch 2.13.0, float32),
    2026-11-21; docs/results.md.
    """
    return _grid("grid-audio", SOUND)


def grid_video() -> Recipe:
    """Classify digits spoken by one GRID talker from the lips alone: 16 grey frames of 48² pixels.

    Four heads read patches of 2×8×8, each projected to 96 channels with a GELU. `python
    examples/grid_clips.py SOURCE DEST`, then `perceivers train grid-video --data DEST`: test
    top-1 96.17 ± 0.76% on 200 clips (mean and standard deviation of 3 seeds), 10 to 16 minutes of
    training on one of two shared cores (AMD EPYC, torch 2.13.0, float32), 2026-11-28;
    docs/results.md. All other clips are trained on, and the weights of the last epoch are kept.
    """
    inputs = replace(PICTURES, projection_dim=96, projection_activation="gelu")
    data = replace(AUGMENTED, batch_size=16, validation=0.0)
    return _grid("grid-video", inputs, data, max_epochs=80, num_cross_heads=4)


def grid_av() -> Recipe:
    """Classify digits spoken by one GRID talker from sound and lips together.

    Both modalities are one input array; the video is dropped in training with the paper's
    probability, 0.3. `python examples/grid_clips.py SOURCE DEST`, then `perceivers train grid-av
    --data DEST`: test top-1 100.00 ± 0.00% on 200 clips (mean and standard deviation of 3 seeds),
    4 to 5 minutes of training on one shared core (AMD EPYC, torch 2.13.0, float32), 2026-11-21;
    docs/results.md.
    """
    parts: dict[str, InputConfig] = {"audio": SOUND, "video": PICTURES}
    return _grid("grid-av", FusionConfig(parts=parts, dropout={"video": 0.3}))


def _grid(
    name: str,
    inputs: InputConfig,
    data: DataConfig = AUGMENTED,
    *,
    max_epochs: int = 60,
    num_cross_heads: int = 1,
) -> Recipe:
    """Return the recipe that the three have in common, for an input."""
    return small(
        name,
        inputs,
        data,
        num_classes=10,
        max_epochs=max_epochs,
        num_cross_heads=num_cross_heads,
    )
