"""The motion between two frames: a vector for each pixel."""

from ..data.config import DataConfig
from ..modalities import FlowOutputConfig, FramePairConfig
from ..models.config import DecoderConfig, PerceiverIOConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig

SIZE = 24


def flow() -> Recipe:
    """Learn the motion of pixels from pairs of frames with .flo files: --data DIR.

    `python examples/warped_pairs.py CIFAR-100 DIR`, then `perceivers train flow --data DIR`: test
    end-point error 0.623 pixels on 500 pairs (nothing moves: 2.184), seed 0, one run, about 12
    minutes of training on one shared core (AMD EPYC, torch 2.13.0, float32), 2026-11-27;
    docs/results.md. A model for larger frames needs `--model.input.height` and `width`.
    """
    return Recipe(
        name="flow",
        model=PerceiverIOConfig(
            input=FramePairConfig(
                height=SIZE, width=SIZE, patch_size=7, projection_dim=64, num_bands=12
            ),
            num_latents=64,
            latent_dim=96,
            num_layers_per_block=2,
            num_cross_heads=4,
            num_self_heads=4,
            decoder=DecoderConfig(
                num_heads=4, qk_dim=64, v_dim=96, widening_factor=2, use_query_residual=True
            ),
            output=FlowOutputConfig(rescale_factor=1.0),
            train_queries=128,
        ),
        data=DataConfig(name="folder", task="flow", batch_size=16, validation=0.02, flip=True),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=0.1, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=4, monitor="val_epe", patience=0, ema_decay=0.98),
    )
