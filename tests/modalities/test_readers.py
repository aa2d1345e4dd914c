"""Readers: files of every modality become examples of one shape, and examples become batches."""

import numpy as np
import pytest
import torch
from media_files import write_wav
from PIL import Image

from perceivers.data.examples import InMemoryExamples
from perceivers.modalities import (
    ArrayConfig,
    AudioConfig,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
    build_reader,
)
from perceivers.modalities.fusion.reader import FusionReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.points import reader as point_reader
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.points.surface import SHAPE_CHANNELS, surface_shape
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.text.reader import TextReader
from perceivers.modalities.video.reader import VideoReader
from perceivers.models.presets import PRESETS


def test_sound_shorter_and_longer_than_an_example(tmp_path):
    ramp = np.arange(1, 7) / 10
    path = write_wav(tmp_path / "a.wav", ramp)
    exact = ramp.astype(np.float32)
    short = SoundReader(10, 8000, 1).decode(path)
    assert short.shape == (10, 1)
    np.testing.assert_allclose(short[2:8, 0], exact, atol=1e-4)
    assert not short[:2].any()
    assert not short[8:].any()
    np.testing.assert_allclose(SoundReader(4, 8000, 1).decode(path)[:, 0], exact[1:5], atol=1e-4)


def test_sound_read_whole_is_cut_to_whole_steps(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.arange(1, 8) / 10)
    assert SoundReader(4, 8000, 1, step=3).decode_whole(path).shape == (6, 1)
    filled = SoundReader(4, 8000, 1, step=10).decode_whole(path)
    assert filled.shape == (10, 1)
    assert not filled[7:].any()


def test_points_are_repeated_or_sampled(tmp_path):
    cloud = np.random.default_rng(0).normal(size=(10, 3))
    np.savetxt(tmp_path / "a.csv", cloud, delimiter=",")
    few = PointReader(25, 3).decode(tmp_path / "a.csv")
    assert few.shape == (25, 3)
    np.testing.assert_array_equal(few[10:20], few[:10])
    assert np.abs(few).max() == pytest.approx(1)
    assert np.abs(few[:10].mean(0)).max() < 1e-6
    many = PointReader(4, 3).decode(tmp_path / "a.csv")
    assert len(np.unique(many, axis=0)) == 4
    assert PointReader(4, 3).decode_whole(tmp_path / "a.csv").shape == (10, 3)


def test_texts_are_padded_to_the_longest_of_the_batch(tmp_path):
    reader = TextReader(8)
    rows = torch.from_numpy(
        np.stack([reader.decode(text) for text in (b"abc", b"", b"abcdefghij")])
    )
    assert rows.shape == (3, 8)
    assert reader.batch(rows).shape == (3, 8)
    assert reader.batch(rows[:1]).tolist() == [[97 + 6, 98 + 6, 99 + 6]]
    assert reader.batch(rows[1:2]).tolist() == [[0]]
    assert reader.batch(rows).dtype == torch.int64
    (tmp_path / "a.txt").write_text("abc\n")
    assert np.array_equal(reader.decode(tmp_path / "a.txt"), reader.decode(b"abc"))
    examples = InMemoryExamples(rows, torch.tensor([0, 1, 2]), reader)
    assert examples.__getitems__([0])[0].shape == (1, 3)
    assert examples.subset([2, 0]).__getitems__([1])[0].shape == (1, 3)
    with pytest.raises(ValueError, match="reads up to 8 bytes"):
        reader.decode_whole(b"abc")


def test_images_at_their_own_size_are_cropped_to_whole_strides(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reader = ImageReader(8, 3, stride=4)
    assert reader.decode(tmp_path / "a.png").shape == reader.shape == (8, 8, 3)
    assert np.array_equal(reader.decode_whole(tmp_path / "a.png"), pixels[:8, 1:13])


@pytest.mark.parametrize(
    ("config", "reader"),
    [
        (
            ImageConfig(image_size=8, patch_size=4, patch_stride=2, channels=1),
            ImageReader(8, 1, 2),
        ),
        (
            MelConfig(num_samples=800, sample_rate=8000, hop_length=80, patch_frames=2, channels=2),
            SoundReader(800, 8000, 2, 160),
        ),
        (
            AudioConfig(num_samples=800, sample_rate=16_000, patch_size=16, patch_stride=8),
            SoundReader(800, 16_000, 1, 8),
        ),
        (
            VideoConfig(num_frames=6, image_size=8, channels=1, patch_frames=3, seconds=0.5),
            VideoReader(6, 8, 1, 0.5, 3),
        ),
        (
            FusionConfig(parts={"sound": AudioConfig(), "pictures": VideoConfig()}),
            FusionReader(
                {
                    "sound": SoundReader(61_440, 48_000, 1, 128),
                    "pictures": VideoReader(32, 224, 3, None, 2),
                }
            ),
        ),
        (PointsConfig(num_points=5, channels=6), PointReader(5, 6)),
        (TextConfig(max_length=9), TextReader(9)),
    ],
)
def test_each_configuration_builds_its_reader(config, reader):
    assert build_reader(config) == reader


def test_the_papers_sound_and_video_have_equal_length():
    """arXiv 2103.03206v2, §4.2: 1.28 s, 61,440 samples at 48 kHz or 32 frames at 25 per second."""
    parts = build_reader(PRESETS["perceiver-audioset-av"]().input).parts
    assert parts["audio"].num_samples / parts["audio"].rate == parts["video"].seconds == 1.28
    assert parts["video"].num_frames / 25 == 1.28


def test_only_fusions_of_sound_and_video_are_read_from_files():
    config = FusionConfig(parts={"audio": AudioConfig(), "image": ImageConfig()})
    with pytest.raises(
        ValueError, match="part 'image' is read from images, one file each; only the sound"
    ):
        build_reader(config)
    nested = FusionConfig(parts={"av": FusionConfig()})
    with pytest.raises(ValueError, match="'av' is read from videos with sound, one file each"):
        build_reader(nested)


def test_arrays_are_not_read_from_files():
    with pytest.raises(ValueError, match="input of kind 'array' cannot read files"):
        build_reader(ArrayConfig())


def test_size_channel_adds_the_size_of_a_cloud(tmp_path):
    """A cloud ten times as large has the same coordinates; the last channel grows by log 10."""
    cloud = np.random.default_rng(0).normal(size=(30, 3))
    reader = PointReader(30, 4, size_channel=True)
    small, large = (reader.decode(save_points(tmp_path, k * cloud + 5)) for k in (1, 10))
    assert small.shape == (30, 4)
    np.testing.assert_allclose(small[:, :3], large[:, :3], atol=1e-6)
    extent = np.abs(cloud - cloud.mean(0)).max()
    np.testing.assert_allclose(small[:, 3], np.log(extent), rtol=1e-5)
    np.testing.assert_allclose(large[:, 3], np.log(10 * extent), rtol=1e-5)
    equal_points = reader.decode(save_points(tmp_path, np.full((30, 3), 7.0)))
    assert np.isfinite(equal_points).all()
    assert not equal_points[:, :3].any()
    with pytest.raises(ValueError, match="expected at least 4"):
        PointReader(30, 3, size_channel=True)  # before any file is read


@pytest.mark.parametrize("size_channel", [False, True])
def test_neighbours_add_the_shape_of_the_surface(tmp_path, size_channel):
    """Lengths are measured on the scaled points, or with `size_channel` on those of the file."""
    cloud = 10 * np.random.default_rng(0).normal(size=(30, 3)) + 5
    channels = 3 + size_channel + SHAPE_CHANNELS
    reader = PointReader(30, channels, size_channel=size_channel, neighbours=(6,))
    got = reader.decode(save_points(tmp_path, cloud))
    assert got.shape == (30, channels)
    plain = PointReader(30, 3 + size_channel, size_channel=size_channel)
    np.testing.assert_array_equal(got[:, :-7], plain.decode(save_points(tmp_path, cloud)))
    measured = cloud if size_channel else got[:, :3]
    np.testing.assert_allclose(got[:, -7:], surface_shape(measured, [6]), atol=1e-4)
    whole = PointReader(8, channels, size_channel=size_channel, neighbours=(6,))
    np.testing.assert_array_equal(whole.decode_whole(save_points(tmp_path, cloud)), got)


def test_invalid_neighbours(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="neighbours=.2,.; expected at least 10 channels"):
        PointReader(30, 9, neighbours=(2,))
    with pytest.raises(ValueError, match="neighbours=.3, 0.; expected numbers of 1"):
        PointReader(30, 10, neighbours=(3, 0))
    path = save_points(tmp_path, np.eye(30, 3))
    with pytest.raises(ValueError, match="have 3 channels; expected at least 4: set .* to 10 at"):
        PointReader(30, 11, neighbours=(2,)).decode(path)
    monkeypatch.setattr(point_reader, "MAX_DECODED_BYTES", 100)
    with pytest.raises(ValueError, match="30 points are too many to look for the neighbours"):
        PointReader(30, 10, neighbours=(2,)).decode_whole(path)


def save_points(folder, cloud):
    np.save(folder / "cloud.npy", cloud)
    return folder / "cloud.npy"
