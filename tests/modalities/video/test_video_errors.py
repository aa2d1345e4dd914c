"""Video files that cannot be decoded, damaged ones, and arguments that cannot be."""

import io
import struct
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import damaged, numbered, sound, video, wav
from PIL import Image

from perceivers.modalities.video.decode import clips, decode, probe

HUNDRED = video(numbered(100))  # 4 s


def with_cover() -> bytes:
    """Return an mp3 file with a cover picture in an ID3v2.3 tag, which is not a video track."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    body = b"\0image/png\0\x03\0" + file.getvalue()
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + sound(np.zeros(9_000), 16_000, "mp3", "libmp3lame")


def with_hole(raw: bytes) -> bytes:
    """Return the file with 400 bytes in its middle set to zero."""
    middle = len(raw) // 2
    return raw[:middle] + bytes(400) + raw[middle + 400 :]


BUSY = video(np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "neither sound nor video"),
        (b"hello\n" * 99, "neither sound nor video"),
        (wav(np.zeros(99), 8_000), "no video track; the file holds sound"),
        (with_cover(), "no video track"),
        (HUNDRED.replace(b"V_FFV1", b"V_FFV9"), "unknown codec of the video; convert it to mp4"),
        (BUSY[: len(BUSY) // 2], "damaged video: it ends at frame 2. of 50"),
        (with_hole(BUSY), "damaged video"),
        (video(numbered(2), "mp4", "libx264", "yuv420p")[:400], "neither sound nor video"),
    ],
    ids=["empty", "text", "wav", "cover picture", "unknown codec", "cut", "hole", "cut mp4"],
)
def test_files_that_cannot_be_decoded(raw, message):
    with pytest.raises(ValueError, match=message):
        decode(raw, num_frames=50, size=8)
    with pytest.raises(ValueError, match=message):
        clips(raw, count=2, num_frames=30, size=8, seconds=2)


MP4 = video(numbered(30), "mp4", "libx264", "yuv420p", sound=("aac", 16_000, np.zeros(16_000)))
TS = video(numbered(30), "mpegts", "libx264", "yuv420p")


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), raw=st.sampled_from([BUSY, MP4, TS]))
def test_damaged_files_decode_or_raise_value_errors(seed, raw):
    for read in (probe, lambda raw: decode(raw, num_frames=4, size=8)):
        with suppress(ValueError):
            read(damaged(raw, seed))


def test_a_video_without_frames():
    raw = video(numbered(0), "avi", "mjpeg", "yuvj420p")
    for read in (probe, lambda raw: decode(raw, num_frames=1, size=8)):
        with pytest.raises(ValueError, match="no frames: the video is empty"):
            read(raw)


@pytest.mark.parametrize("wrong", [{"num_frames": 0}, {"start": -1}, {"seconds": 0},
                                   {"start": float("nan")}, {"seconds": float("inf")}])  # fmt: skip
def test_invalid_arguments(wrong):
    with pytest.raises(ValueError, match="expected at least one frame"):
        decode(HUNDRED, **{"num_frames": 2, "size": 8, **wrong})
    with pytest.raises(ValueError, match="at least one clip"):
        clips(HUNDRED, count=0, num_frames=2, size=8, seconds=1)


def test_without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"perceivers\[media\]"):
        probe(HUNDRED)
