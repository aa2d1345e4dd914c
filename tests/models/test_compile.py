"""`torch.compile` takes a classifier as one graph, for any number of examples."""

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from perceivers.modalities.fusion.config import FusionConfig
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.sound.config import AudioConfig, MelConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.modalities.video.config import VideoConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

IMAGE = ImageConfig(image_size=8, num_bands=4)
WAVE = AudioConfig(num_samples=64, patch_size=8, num_bands=4)
VIDEO = VideoConfig(num_frames=2, image_size=8, num_bands=4)


def images(count):
    return torch.randint(0, 256, (count, 8, 8, 3), dtype=torch.uint8)


def sounds(count):
    return torch.randn(count, 64, 1)


def videos(count):
    return torch.randint(0, 256, (count, 2, 8, 8, 3), dtype=torch.uint8)


CASES = {
    "image": (IMAGE, images),
    "waveform": (WAVE, sounds),
    "mel": (MelConfig(num_samples=2000, n_mels=8, num_bands=2), lambda n: torch.randn(n, 2000, 1)),
    "video": (VIDEO, videos),
    "points": (PointsConfig(num_points=16, num_bands=2), lambda n: torch.rand(n, 16, 3)),
    "text": (TextConfig(max_length=16, embedding_dim=8), lambda n: torch.randint(6, 262, (n, 16))),
    "mix": (
        FusionConfig(parts={"audio": WAVE, "video": VIDEO}),
        lambda n: {"audio": sounds(n), "video": videos(n)},
    ),
}


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
@pytest.mark.parametrize(
    "name", ["image", *(pytest.param(x, marks=pytest.mark.slow) for x in CASES if x != "image")]
)
def test_a_classifier_is_one_graph_for_any_number_of_examples(name):
    config, batch_of = CASES[name]
    torch.manual_seed(0)
    sizes = {"num_latents": 4, "latent_dim": 8, "num_self_heads": 2, "num_layers_per_block": 1}
    order = {"cross_order": (0, 1, 1), "block_order": (0, 0, 0), "num_classes": 3}
    model = build(ModelConfig(input=config, **sizes, **order))
    torch.nn.init.normal_(model.head.weight)
    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, backend=counter, fullgraph=True)  # raises at a graph break
    for count in (2, 5, 3, 9, 4):
        batch = batch_of(count)
        torch.testing.assert_close(compiled(batch), model(batch), rtol=0, atol=1e-5)
    assert counter.frame_count <= 2  # of two examples, and of any number
