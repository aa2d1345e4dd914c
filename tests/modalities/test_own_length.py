"""Files read at their own length, in memory and in batches."""

import dataclasses

import numpy as np
import pytest
import torch
from media_files import SIDE, numbered, numbers, video, wav

from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.data.file_examples import FileExamples
from perceivers.data.mixing import mix
from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    MelConfig,
    PointsConfig,
    VideoConfig,
    build_reader,
    modality_of,
)
from perceivers.modalities.clips import with_clips
from perceivers.modalities.fusion.reader import FusionReader
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.reader import collate
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.text.reader import TextReader
from perceivers.modalities.video.reader import VideoReader

OWN = SoundReader(12, 8000, 1, step=4, own_length=True)


def wavs(folder, *lengths):
    """Write a file for each length, with samples 1/50, 2/50, …; return the paths."""
    files = [folder / f"{length}.wav" for length in lengths]
    for file, length in zip(files, lengths, strict=True):
        file.write_bytes(wav(np.arange(1, length + 1) * 2**15 // 50, 8000))
    return files


def file_examples(files, reader):
    labels = torch.arange(len(files))
    return FileExamples([(file.name, file) for file in files], labels, labels.clone(), reader)


@pytest.mark.parametrize(
    ("config", "reader"),
    [
        (
            AudioConfig(num_samples=256, own_length=True),
            SoundReader(256, 48_000, 1, 128, own_length=True),
        ),
        (
            MelConfig(patch_frames=2, own_length=True),
            SoundReader(16_000, 16_000, 1, 320, own_length=True),
        ),
        (
            VideoConfig(seconds=1.28, own_length=True),
            VideoReader(32, 224, 3, 1.28, 2, own_length=True),
        ),
        (PointsConfig(own_length=True), PointReader(2048, 3, own_length=True)),
    ],
)
def test_the_configuration_sets_own_length(config, reader):
    assert build_reader(config) == reader
    assert build_reader(dataclasses.replace(config, own_length=False)) != reader


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (3, [1, 2, 3, 0]),  # padded to one step
        (4, [1, 2, 3, 4]),
        (10, [2, 3, 4, 5, 6, 7, 8, 9]),  # the middle, in whole steps
        (20, [*range(5, 17)]),  # limited to num_samples
    ],
)
def test_sound_is_cut_to_whole_steps(tmp_path, samples, expected):
    [file] = wavs(tmp_path, samples)
    got = OWN.decode(file)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0] * 50, expected, atol=2e-3)
    assert len(got) >= OWN.smallest_shape[0]
    assert OWN.clips(file, 3).shape == (3, len(expected), 1)


def test_points_are_not_repeated(tmp_path):
    cloud = np.random.default_rng(0).normal(size=(10, 3))
    np.savetxt(tmp_path / "a.csv", cloud, delimiter=",")
    assert PointReader(25, 3, own_length=True).decode(tmp_path / "a.csv").shape == (10, 3)
    own, fixed = (PointReader(4, 3, flag).decode(tmp_path / "a.csv") for flag in (True, False))
    assert np.array_equal(own, fixed)


def test_videos_shorter_than_an_example(tmp_path):
    file = tmp_path / "a.mkv"
    file.write_bytes(video(numbered(7), rate=10))
    reader = VideoReader(12, SIDE, 3, seconds=1.2, step=2, own_length=True)
    assert numbers(reader.decode(file)) == [0, 1, 2, 3, 4, 5]  # 7 frames, cut to whole patches
    assert numbers(reader.clips(file, 2)) == [0, 1, 2, 3, 4, 5] * 2
    assert len(dataclasses.replace(reader, own_length=False).decode(file)) == 12
    assert numbers(VideoReader(4, SIDE, 3, 0.4, 2, own_length=True).decode(file)) == [2, 3, 4, 5]
    with pytest.raises(ValueError, match="own_length=True with seconds=None; set seconds"):
        build_reader(VideoConfig(own_length=True))


def test_decoded_examples_keep_their_lengths(tmp_path):
    files = wavs(tmp_path, 4, 20, 9, 3)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    decoded = file_examples([files[0], tmp_path / "bad.wav", *files[1:]], OWN).decode_all()
    assert decoded.labels.tolist() == [0, 2, 3, 4]
    assert [len(x) for x in decoded.examples] == [4, 12, 8, 4]
    num_bytes = sum(x.untyped_storage().nbytes() for x in decoded.examples)
    assert num_bytes == 4 * 28  # no padding is stored
    torch.testing.assert_close(decoded.lengths, torch.tensor([4, 12, 8, 4]) / 12)
    for i, file in enumerate(files):
        assert np.array_equal(decoded.examples[i].numpy(), OWN.decode(file))
    batch, labels = decoded.__getitems__([1, 0])
    assert [len(x) for x in batch] == [12, 4]
    assert labels.tolist() == [2, 0]
    equal_lengths = decoded.subset([3, 0]).__getitems__([0, 1])[0]
    assert equal_lengths.shape == (2, 4, 1)
    assert torch.equal(equal_lengths[1], decoded.examples[0])


def test_files_decoded_on_access_give_the_same_batches(tmp_path):
    files = file_examples(wavs(tmp_path, 4, 20, 9), OWN)
    assert files.lengths is None
    got, expected = (x.__getitems__([2, 1])[0] for x in (files, files.decode_all()))
    assert all(map(torch.equal, got, expected))
    assert len(got) == len(expected) == 2
    assert files.decoded_bytes == 3 * 12 * 4


def test_lengths_of_examples_of_one_shape():
    images = InMemoryExamples(torch.zeros(3, 4, 4, 1), torch.arange(3))
    sounds = InMemoryExamples(torch.zeros(3, 12, 1), torch.arange(3), OWN)
    assert images.lengths is None
    assert sounds.lengths is None
    reader = TextReader(8)
    texts = collate([reader.decode(text) for text in (b"abcd", b"", b"abcdefghij")])
    assert InMemoryExamples(texts, torch.arange(3), reader).lengths.tolist() == [0.5, 0, 1]


def test_sound_and_pictures_of_their_own_lengths(tmp_path):
    parts = {"audio": OWN, "video": VideoReader(4, 8, 3, seconds=1.0, step=2, own_length=True)}
    reader = FusionReader(parts)
    decoded = file_examples(wavs(tmp_path, 20, 5), reader).decode_all()
    assert [len(x) for x in decoded.examples["audio"]] == [12, 4]
    assert decoded.examples["video"].shape == (2, 2, 8, 8, 3)  # missing: the smallest shape
    assert decoded.lengths.tolist() == [1, pytest.approx(1 / 3)]
    batch = decoded.__getitems__([1, 0])[0]
    assert sorted(batch) == ["audio", "video", "video.present"]
    assert [len(x) for x in batch["audio"]] == [4, 12]


def test_clips_of_different_lengths(tmp_path):
    reader = with_clips(OWN, 2)
    examples = collate([reader.decode(file) for file in wavs(tmp_path, 20, 5)])
    assert [len(x) for x in reader.batch(examples)] == [12, 12, 4, 4]
    assert reader.lengths(examples) is None


def test_each_example_of_a_list_is_augmented_separately():
    waves = [torch.rand(n, 1) + 1 for n in (40, 7, 40)]
    torch.manual_seed(0)
    shifted = modality_of(MelConfig()).augment(waves, MelConfig(), DataConfig(time_shift=0.5))
    assert [x.shape for x in shifted] == [x.shape for x in waves]
    assert not torch.equal(shifted[0], waves[0])
    assert len({int((x > 0).sum()) for x in shifted}) == 3
    batch = {"audio": waves, "audio.present": torch.ones(3)}
    fusion = FusionConfig(parts={"audio": MelConfig()})
    both = modality_of(fusion).augment(batch, fusion, DataConfig(time_shift=0.5))
    assert [x.shape for x in both["audio"]] == [x.shape for x in waves]


def test_mixup_pads_the_shorter_example_with_silence():
    torch.manual_seed(0)
    waves = [torch.full((2, 1), 1.0), torch.full((3, 1), 10.0), torch.full((5, 1), 100.0)]
    for batch in (waves, {"audio": waves}):
        mixed, targets = mix(batch, torch.eye(3), mixup=1.0, cutmix=0.0)
        mixed = mixed["audio"] if isinstance(mixed, dict) else mixed
        kept = targets[0, 0].item()
        assert 0 < kept < 1
        ends = [kept * 1 + (1 - kept) * 100, kept * 100 + (1 - kept) * 1]
        expected = [
            [ends[0]] * 2 + [(1 - kept) * 100] * 3,
            [10.0] * 3,
            [ends[1]] * 2 + [kept * 100] * 3,
        ]
        for got, values in zip(mixed, expected, strict=True):
            torch.testing.assert_close(got[:, 0], torch.tensor(values))
        with pytest.raises(ValueError, match="CutMix needs images"):
            mix(batch, torch.eye(3), mixup=0.0, cutmix=1.0)
