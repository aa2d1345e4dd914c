"""Films and their sound, rebuilt from a few latents."""

from ..data.config import DataConfig
from ..modalities import (
    AudioConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    VideoConfig,
    WaveOutputConfig,
)
from ..models.config import DecoderConfig, PerceiverIOConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig

FRAMES, SIZE, SAMPLES, PATCH = 8, 32, 5_120, 128


def autoencode_av() -> Recipe:
    """Rebuild films with sound from 64 latents: --data DIR of films, without labels.

    `python examples/grid_clips.py SOURCE DEST`, then `perceivers train autoencode-av --data DEST`.
    The film has a test PSNR of 33.86 dB (the mean of the clips: 27.58 dB) and the sound 26.36 dB
    (16.89 dB), seed 0, one run, 18 minutes on one shared core (AMD EPYC, torch 2.13.0, float32),
    2026-11-27; docs/log.md.
    """
    return Recipe(
        name="autoencode-av",
        model=PerceiverIOConfig(
            input=FusionConfig(
                parts={
                    "audio": AudioConfig(
                        num_samples=SAMPLES, sample_rate=8_000, patch_size=PATCH, num_bands=32
                    ),
                    "video": VideoConfig(
                        # About as many elements as the sound has: the latents begin with equal
                        # attention to all elements, and learn little of a part that has few.
                        num_frames=FRAMES,
                        image_size=SIZE,
                        channels=1,
                        patch_frames=2,
                        patch_size=8,
                        num_bands=8,
                    ),
                }
            ),
            num_latents=64,
            latent_dim=128,
            num_layers_per_block=3,
            num_self_heads=4,
            decoder=DecoderConfig(num_heads=4, qk_dim=64, v_dim=128),
            output=FusionOutputConfig(
                parts={
                    "audio": WaveOutputConfig(
                        num_samples=SAMPLES, patch_size=PATCH, num_bands=32, max_resolution=40.0
                    ),
                    "video": FramesOutputConfig(
                        num_frames=FRAMES, image_size=SIZE, channels=1, num_bands=16
                    ),
                },
                decoded_dim=128,
            ),
            train_queries=512,
        ),
        data=DataConfig(name="folder", task="reconstruction", batch_size=16),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=60, monitor="val_psnr", patience=0, ema_decay=0.98),
    )
