"""Files read at their own length, held and batched as they are."""

import dataclasses

import numpy as np
import pytest
import torch
from media_files import SIDE, numbered, numbers, video, wav

from perceivers.data.config import DataConfig
from perceivers.data.examples import FileExamples, InMemoryExamples
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
    """Ramps 1, 2, … of so many samples, by 50."""
    files = [folder / f"{length}.wav" for length in lengths]
    for file, length in zip(files, lengths, strict=True):
        file.write_bytes(wav(np.arange(1, length + 1) * 2**15 // 50, 8000))
    return files


def table(files, reader):
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
def test_the_model_says_so(config, reader):
    assert build_reader(config) == reader
    assert build_reader(dataclasses.replace(config, own_length=False)) != reader


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (3, [1, 2, 3, 0]),  # one step, filled
        (4, [1, 2, 3, 4]),
        (10, [2, 3, 4, 5, 6, 7, 8, 9]),  # the middle of it, in whole steps
        (20, [*range(5, 17)]),  # as long as an example may be
    ],
)
def test_sound_is_cut_to_whole_steps(tmp_path, samples, expected):
    [file] = wavs(tmp_path, samples)
    got = OWN.decode(file)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0] * 50, expected, atol=2e-3)
    assert len(got) >= OWN.smallest_shape[0]
    assert OWN.clips(file, 3).shape == (3, len(expected), 1)


def test_points_are_given_once(tmp_path):
    cloud = np.random.default_rng(0).normal(size=(10, 3))
    np.savetxt(tmp_path / "a.csv", cloud, delimiter=",")
    assert PointReader(25, 3, own_length=True).decode(tmp_path / "a.csv").shape == (10, 3)
    many, filled = (PointReader(4, 3, own).decode(tmp_path / "a.csv") for own in (True, False))
    assert np.array_equal(many, filled)


def test_videos_shorter_than_an_example(tmp_path):
    file = tmp_path / "a.mkv"
    file.write_bytes(video(numbered(7), rate=10))
    reader = VideoReader(12, SIDE, 3, seconds=1.2, step=2, own_length=True)
    assert numbers(reader.decode(file)) == [0, 1, 2, 3, 4, 5]  # of 7, in whole patches
    assert numbers(reader.clips(file, 2)) == [0, 1, 2, 3, 4, 5] * 2
    assert len(dataclasses.replace(reader, own_length=False).decode(file)) == 12
    assert numbers(VideoReader(4, SIDE, 3, 0.4, 2, own_length=True).decode(file)) == [2, 3, 4, 5]
    with pytest.raises(ValueError, match="own_length=True with seconds=None; set seconds"):
        build_reader(VideoConfig(own_length=True))


def test_a_table_holds_what_the_files_hold(tmp_path):
    files = wavs(tmp_path, 4, 20, 9, 3)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    held = table([files[0], tmp_path / "bad.wav", *files[1:]], OWN).decode_all()
    assert held.labels.tolist() == [0, 2, 3, 4]
    assert [len(x) for x in held.examples] == [4, 12, 8, 4]
    assert sum(x.untyped_storage().nbytes() for x in held.examples) == 4 * 28  # and nothing else
    torch.testing.assert_close(held.lengths, torch.tensor([4, 12, 8, 4]) / 12)
    for i, file in enumerate(files):
        assert np.array_equal(held.examples[i].numpy(), OWN.decode(file))
    batch, labels = held.__getitems__([1, 0])
    assert [len(x) for x in batch] == [12, 4]
    assert labels.tolist() == [2, 0]
    of_one_length = held.subset([3, 0]).__getitems__([0, 1])[0]
    assert of_one_length.shape == (2, 4, 1)
    assert torch.equal(of_one_length[1], held.examples[0])


def test_files_read_batch_by_batch_give_the_same_batches(tmp_path):
    filed = table(wavs(tmp_path, 4, 20, 9), OWN)
    assert filed.lengths is None
    held = filed.decode_all()
    for one, other in zip(filed.__getitems__([2, 1])[0], held.__getitems__([2, 1])[0], strict=True):
        assert torch.equal(one, other)
    assert filed.decoded_bytes == 3 * 12 * 4


def test_lengths_where_all_are_alike_or_padded():
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
    held = table(wavs(tmp_path, 20, 5), reader).decode_all()
    assert [len(x) for x in held.examples["audio"]] == [12, 4]
    assert held.examples["video"].shape == (2, 2, 8, 8, 3)  # of what is not there, the least
    assert held.lengths.tolist() == [1, pytest.approx(1 / 3)]
    batch = held.__getitems__([1, 0])[0]
    assert sorted(batch) == ["audio", "video", "video.present"]
    assert [len(x) for x in batch["audio"]] == [4, 12]


def test_clips_of_different_lengths(tmp_path):
    reader = with_clips(OWN, 2)
    examples = collate([reader.decode(file) for file in wavs(tmp_path, 20, 5)])
    assert [len(x) for x in reader.batch(examples)] == [12, 12, 4, 4]
    assert reader.lengths(examples) is None


def test_each_example_of_a_list_is_varied_by_itself():
    waves = [torch.rand(n, 1) + 1 for n in (40, 7, 40)]
    torch.manual_seed(0)
    to_device = modality_of(MelConfig()).augment(waves, MelConfig(), DataConfig(time_shift=0.5))
    assert [x.shape for x in to_device] == [x.shape for x in waves]
    assert not torch.equal(to_device[0], waves[0])
    assert len({int((x > 0).sum()) for x in to_device}) == 3
    batch = {"audio": waves, "audio.present": torch.ones(3)}
    fusion = FusionConfig(parts={"audio": MelConfig()})
    both = modality_of(fusion).augment(batch, fusion, DataConfig(time_shift=0.5))
    assert [x.shape for x in both["audio"]] == [x.shape for x in waves]


def test_silence_follows_the_shorter_of_two_that_are_mixed():
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
        with pytest.raises(ValueError, match="CutMix is of images alone"):
            mix(batch, torch.eye(3), mixup=0.0, cutmix=1.0)
