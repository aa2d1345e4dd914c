"""Streamed examples give the same elements and logits as whole ones."""

import numpy as np
import pytest
import torch

from perceivers.modalities import ImageConfig
from perceivers.modalities.array import adapter as grid
from perceivers.modalities.array.adapter import ArrayAdapter
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.points.adapter import PointAdapter
from perceivers.modalities.sound.adapter import AudioAdapter
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.video.adapter import VideoAdapter
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

CASES = {
    "image": (ImageAdapter(image_size=6, num_bands=3), (7, 10, 3)),
    "patches": (ImageAdapter(image_size=8, patch_size=2, num_bands=3), (12, 6, 3)),
    "learned": (ImageAdapter(image_size=6, position="learned", position_dim=4), (6, 6, 3)),
    "no position": (ImageAdapter(image_size=6, position="none"), (5, 4, 3)),
    "mono": (AudioAdapter(num_samples=64, patch_size=4, num_bands=2), (40,)),
    "stereo": (AudioAdapter(num_samples=64, channels=2, patch_size=4, num_bands=2), (40, 2)),
    "video": (
        VideoAdapter(num_frames=4, image_size=8, patch_frames=2, patch_size=4, num_bands=2),
        (6, 8, 8, 3),
    ),
    "volume": (ArrayAdapter((4, 4, 4), channels=1, num_bands=2), (5, 3, 2, 1)),
    "points": (PointAdapter(channels=4, num_bands=2), (23, 4)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("elements", [1, 7, 1000])
def test_chunks_equal_the_whole(name, elements):
    adapter, shape = CASES[name]
    torch.manual_seed(0)
    example = torch.rand(shape)
    whole = adapter(example[None])
    stream = adapter.stream(example.numpy(), elements=elements)
    for _ in range(2):  # a stream can be iterated again
        chunks = list(stream)
        joined = torch.cat([chunk.joined() for chunk in chunks], dim=1)
        torch.testing.assert_close(joined, whole.joined(), rtol=0, atol=1e-6)
    if elements == 1:
        assert len(chunks) > 1
    if elements == 1000:
        assert len(chunks) == 1


def test_a_memory_mapped_file_is_read_in_chunks(tmp_path):
    adapter = ImageAdapter(image_size=6, num_bands=3)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    joined = torch.cat([chunk.joined() for chunk in adapter.stream(mapped, elements=10)], dim=1)
    whole = adapter(torch.from_numpy(pixels)[None]).joined()
    torch.testing.assert_close(joined, whole, rtol=0, atol=1e-6)


def test_a_stream_has_the_logits_of_the_whole():
    config = ModelConfig(
        num_classes=3, input=ImageConfig(image_size=8, num_bands=3), num_latents=4, latent_dim=16,
        num_layers_per_block=1, num_self_heads=2, cross_order=(0, 1, 1), block_order=(0, 0, 0),
    )  # fmt: skip
    model = build(config).eval()
    torch.nn.init.normal_(model.head.weight)
    image = torch.rand(30, 40, 3)
    with torch.no_grad():
        got = model.classify_stream(model.adapter.stream(image, elements=100))
        torch.testing.assert_close(got, model(image[None]), rtol=0, atol=1e-5)


def test_examples_that_cannot_be_streamed():
    learned = ImageAdapter(image_size=6, position="learned")
    with pytest.raises(ValueError, match="this model learned positions for 6×6 only"):
        learned.stream(torch.rand(7, 6, 3))
    overlapping = ImageAdapter(image_size=8, patch_size=4, patch_stride=2)
    with pytest.raises(ValueError, match="overlapping patches cannot"):
        overlapping.stream(torch.rand(8, 8, 3))
    with pytest.raises(ValueError, match="does not divide into steps of 2×2"):
        ImageAdapter(image_size=8, patch_size=2).stream(torch.rand(7, 8, 3))
    with pytest.raises(ValueError, match="TextAdapter cannot divide an example into chunks"):
        FusionAdapter({"text": TextAdapter()}).stream({"text": torch.zeros(9)})


def test_the_content_of_a_chunk_is_limited(monkeypatch):
    """Chunks of large patches have fewer elements."""
    monkeypatch.setattr(grid, "CHUNK_NUMBERS", 100)
    adapter, _ = CASES["video"]  # 2·4·4·3 numbers per patch
    sizes = [chunk.content.shape[1] for chunk in adapter.stream(torch.rand(6, 8, 8, 3))]
    assert sizes == [4, 4, 4]  # at least all patches of one time step


@pytest.mark.parametrize("absent", ["nothing", "audio", "video"])
def test_modalities_are_streamed_one_after_another(absent):
    torch.manual_seed(0)
    parts = {"audio": CASES["stereo"][0], "video": CASES["video"][0]}
    adapter = FusionAdapter(parts)
    example = {"audio": torch.rand(40, 2), "video": torch.rand(6, 8, 8, 3)}
    flags = {f"{name}.present": torch.tensor(name != absent) for name in parts}
    whole = adapter({name: x[None] for name, x in {**example, **flags}.items()})
    expected = whole.joined()[:, whole.mask[0]]
    stream = adapter.stream({**example, **flags}, elements=3)
    for _ in range(2):
        chunks = list(stream)
        assert len(chunks) > 2
        joined = torch.cat([chunk.joined() for chunk in chunks], dim=1)
        torch.testing.assert_close(joined, expected, rtol=0, atol=1e-6)
