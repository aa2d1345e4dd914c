"""The reader of videos, and that of sound and pictures of one file, where tracks may be missing."""

import logging

import numpy as np
import pytest
import torch
from media_files import SIDE, numbered, numbers, sound, video, wav

from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities.clips import ClipReader, with_clips
from perceivers.modalities.files import LazyArray
from perceivers.modalities.fusion.presence import describe_missing
from perceivers.modalities.fusion.reader import FusionReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.reader import collate
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.video import reader as video_reader
from perceivers.modalities.video.reader import VideoReader

RATE = 8000
RAMP = np.arange(1, 8001) / 10_000  # a second of sound


def stack(reader, sources):
    """Decode files into a raw batch."""
    return reader.batch(collate([reader.decode(source) for source in sources]))


def both(frames=25, samples=RAMP):
    return video(numbered(frames), sound=("pcm_s16le", RATE, samples))


def fused(**options):
    return FusionReader(
        {
            "audio": SoundReader(80, RATE, 1),
            "video": VideoReader(4, SIDE, 3, **options),
        }
    )


def test_frames_are_from_the_whole_video_or_its_middle():
    raw = video(numbered(100))
    whole = VideoReader(4, SIDE, 3).decode(raw)
    assert (whole.shape, whole.dtype) == ((4, SIDE, SIDE, 3), np.uint8)
    assert numbers(whole) == [12, 37, 62, 87]
    assert numbers(VideoReader(4, SIDE, 3, seconds=0.16).decode(raw)) == [48, 49, 50, 51]
    assert VideoReader(4, 8, 1).decode(raw).shape == (4, 8, 8, 1)
    assert VideoReader(4, 8, 1).nbytes == 4 * 8 * 8


def test_a_single_frame_is_a_video():
    assert numbers(VideoReader(4, SIDE, 3).decode(video(numbered(1)))) == [0] * 4


def test_a_video_read_whole_is_cut_to_whole_steps():
    raw = video(numbered(11))
    assert numbers(VideoReader(4, SIDE, 3, step=3).decode_whole(raw)) == list(range(9))
    assert len(VideoReader(4, SIDE, 3, step=30).decode_whole(raw)) == 30
    # 4 frames in 0.32 s are half the frame rate of the file.
    thinned = VideoReader(4, SIDE, 3, seconds=0.32).decode_whole(video(numbered(20)))
    assert numbers(thinned) == list(range(1, 20, 2))
    # At twice the frame rate of the file, each frame is repeated.
    doubled = VideoReader(4, SIDE, 3, seconds=0.2).decode_whole(video(numbered(6), rate=10))
    assert numbers(doubled) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("seconds", [None, 0.32])
def test_a_long_video_is_read_in_parts(monkeypatch, seconds):
    raw = video(numbered(700))  # long enough for seeking
    reader = VideoReader(4, SIDE, 3, seconds=seconds, step=3)
    whole = reader.decode_whole(raw)
    monkeypatch.setattr(video_reader, "MAX_DECODED_BYTES", 1000)
    lazy = reader.decode_whole(raw)
    assert isinstance(lazy, LazyArray)
    assert (lazy.shape, lazy.nbytes, lazy.ndim) == (whole.shape, whole.nbytes, 4)
    for run in (slice(0, 7), slice(5, 9), slice(len(lazy) - 5, len(lazy) + 9), slice(2, 3)):
        np.testing.assert_array_equal(lazy[run], whole[run])


def test_clips_of_sound_and_pictures_cover_a_file():
    frames = VideoReader(4, SIDE, 3, seconds=0.16).clips(video(numbered(10)), 3)
    assert [numbers(clip) for clip in frames] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    waves = SoundReader(4, RATE, 1).clips(wav(np.arange(10) * 1000, RATE), 3)
    np.testing.assert_allclose(waves[..., 0] * 32.768, [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    short = SoundReader(6, RATE, 1).clips(wav(np.full(2, 1000), RATE), 2)[..., 0]
    assert (short != 0).tolist() == [[False, False, True, True, False, False]] * 2
    for reader in (VideoReader(4, SIDE, 3), ImageReader(8, 3)):
        with pytest.raises(ValueError, match="whole video, not a clip|images have no clips"):
            reader.clips(b"", 2)
        with pytest.raises(ValueError, match=f"clips=2, but this model reads {reader.noun} as a"):
            with_clips(reader, 2)  # before any file is opened


def test_the_sound_of_a_video_is_decoded():
    assert ".mkv" in SoundReader.suffixes
    np.testing.assert_allclose(
        SoundReader(80, RATE, 1).decode(both())[:, 0], RAMP[3960:4040], atol=1e-4
    )


def test_both_modalities_of_one_file():
    example = fused().decode(both())
    assert numbers(example["video"]) == [3, 9, 15, 21]
    np.testing.assert_allclose(example["audio"][:, 0], RAMP[3960:4040], atol=1e-4)
    assert example["audio.present"]
    assert example["video.present"]
    assert fused().nbytes == sum(x.nbytes for x in example.values())
    assert {".mkv", ".wav"} <= fused().suffixes
    whole = fused().decode_whole(both())
    assert (whole["audio"].shape, len(whole["video"])) == ((8000, 1), 25)
    assert set(fused().batch(collate([example]))) == {"audio", "video"}


@pytest.mark.parametrize(
    ("raw", "absent"),
    [
        (video(numbered(25)), "audio"),
        (wav((RAMP * 32767).astype(int), RATE), "video"),
        (sound(RAMP, RATE, "flac", "flac"), "video"),
    ],
    ids=["silent video", "wav", "flac"],
)
def test_missing_tracks_are_flagged(raw, absent):
    example = fused().decode(raw)
    [present] = {"audio", "video"} - {absent}
    assert example[f"{present}.present"]
    assert not example[f"{absent}.present"]
    assert not example[absent].any()
    batch = stack(fused(), [raw, both()])
    assert batch[f"{absent}.present"].tolist() == [False, True]
    assert f"{present}.present" not in batch
    clips = fused(seconds=0.16).clips(raw, 3)
    assert clips[absent].shape[0] == clips[present].shape[0] == 3
    assert clips[f"{absent}.present"].tolist() == [False] * 3


def test_a_file_without_any_track_is_an_error():
    with pytest.raises(ValueError, match="no sound track; the file holds video"):
        FusionReader({"audio": SoundReader(80, RATE, 1)}).decode(video(numbered(2)))
    with pytest.raises(ValueError, match="neither sound nor video"):
        fused().decode(b"hello")


def test_a_damaged_track_is_not_a_missing_one():
    raw = both(frames=100, samples=np.tile(RAMP, 4))
    with pytest.raises(ValueError, match="damaged"):
        fused().decode(raw[: len(raw) // 3])


def test_batches_of_clips():
    reader = with_clips(fused(seconds=0.16), 3)
    assert reader == ClipReader(fused(seconds=0.16), 3)
    assert with_clips(fused(), 1) == fused()
    raws = [both(), video(numbered(25))]
    batch = stack(reader, raws)
    assert batch["video"].shape == (6, 4, SIDE, SIDE, 3)
    assert numbers(batch["video"][3].numpy()) == [0, 1, 2, 3]
    assert numbers(batch["video"][5].numpy()) == [21, 22, 23, 24]
    assert batch["audio.present"].tolist() == [True] * 3 + [False] * 3
    assert reader.nbytes == 3 * fused().nbytes
    frames = stack(with_clips(VideoReader(4, SIDE, 3, seconds=0.16), 2), raws)
    assert frames.shape == (4, 4, SIDE, SIDE, 3)
    with pytest.raises(ValueError, match="clips=0; expected at least 1"):
        with_clips(fused(), 0)
    with pytest.raises(ValueError, match="a whole file has no clips"):
        reader.decode_whole(raws[0])


def test_missing_modalities_are_counted():
    flags = torch.tensor([True, False, False])
    examples = {"audio": torch.zeros(3, 1), "audio.present": flags, "video.present": ~flags | True}
    assert describe_missing(examples) == "no audio in 2 of 3 examples"
    assert (
        describe_missing({"audio.present": flags[:, None].expand(3, 5)})
        == "no audio in 2 of 3 examples"
    )
    assert (
        describe_missing({"audio.present": flags | True}) == describe_missing(torch.zeros(3)) == ""
    )


@pytest.fixture
def videos(tmp_path):
    """Two classes of ten short videos: one has no sound, one no pictures, one is damaged."""
    rng = np.random.default_rng(0)
    for label in ("calm", "wild"):
        (tmp_path / label).mkdir()
        for index in range(10):
            pictures = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
            track = ("pcm_s16le", RATE, rng.uniform(-0.5, 0.5, 1600))
            raw = video(pictures, sound=None if (label, index) == ("calm", 3) else track)
            (tmp_path / label / f"{index}.mkv").write_bytes(raw)
    (tmp_path / "calm" / "5.mkv").unlink()
    (tmp_path / "calm" / "5.wav").write_bytes(wav(np.arange(1600), RATE))
    (tmp_path / "wild" / "7.mkv").write_bytes(b"nonsense")
    return tmp_path


def test_a_folder_of_videos(videos, caplog):
    caplog.set_level(logging.INFO)
    reader = FusionReader({"audio": SoundReader(80, RATE, 1), "video": VideoReader(4, 8, 3)})
    config = DataConfig(path=str(videos), workers=0)
    splits = read_splits(config, reader)
    assert splits.labels == ("calm", "wild")
    assert [name.rpartition("/")[2] for name in splits.skipped] == ["7.mkv"]
    assert "no audio in 1 of 15 examples, no video in 1 of 15 examples; what" in caplog.text
    examples = splits.examples["train"]
    batch, labels = examples.__getitems__(range(len(examples)))
    assert len(batch["video"]) == len(batch["audio"]) == len(labels) == len(examples)
    assert set(batch) == {"audio", "audio.present", "video", "video.present"}
    complete, _ = examples.__getitems__([0])
    assert set(complete) == {"audio", "video"}
    # Files decoded on access give the same examples.
    splits = read_splits(DataConfig(path=str(videos), hold_gb=0), reader, hold_out=False)
    got, _ = splits.examples["train"].__getitems__(range(18))
    splits = read_splits(config, reader, hold_out=False)
    expected, _ = splits.examples["train"].__getitems__(range(18))
    for name, x in got.items():
        assert torch.equal(x[:17], expected[name][:17]), name
