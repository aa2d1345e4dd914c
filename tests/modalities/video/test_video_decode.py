"""Decoding of video files of many kinds, compared with the pictures they were written from."""

import io
import struct
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import SIDE, numbered, numbers, video
from PIL import Image

from perceivers.modalities import VideoConfig, build_reader, modality_of
from perceivers.modalities.image import decode as images
from perceivers.modalities.image.colours import WITHOUT_LIGHT
from perceivers.modalities.notices import collecting
from perceivers.modalities.sound import decode as sounds
from perceivers.modalities.video.decode import VideoInfo, clips, decode, probe

HUNDRED = video(numbered(100))  # 4 s


def shown(raw, num_frames, **part) -> list[int]:
    pictures = decode(raw, num_frames=num_frames, size=SIDE, **part)
    assert pictures.shape == (num_frames, SIDE, SIDE, 3)
    assert pictures.dtype == np.uint8
    return numbers(pictures)


def test_frames_are_exact():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(decode(video(pictures), num_frames=3, size=8), pictures)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(30, 46), (46, 30), (7, 7)])
def test_a_frame_is_resized_like_an_image(shape, channels):
    pictures = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pictures[1]).save(file, "PNG")
    expected = images.decode(file.getvalue(), channels=channels, size=12)
    got = decode(video(pictures), num_frames=2, size=12, channels=channels)
    np.testing.assert_array_equal(got[1], expected)


def test_transparent_parts_are_white():
    picture = np.full((1, 8, 8, 4), (200, 10, 20, 255), np.uint8)
    picture[:, :4, :, 3] = 0
    got = decode(video(picture, pixels="bgra"), num_frames=1, size=8)[0]
    assert (got[:4] == 255).all()
    assert (got[4:] == (200, 10, 20)).all()


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "wg.."),
        ((-1, 0, 0, 1), "gw.."),  # mirrored: the camera above the screen of a telephone
        ((1, 0, 0, -1), "..wg"),
        ((-1, 0, 0, -1), "..gw"),
        ((0, 1, 1, 0), "w.g."),
        ((0, 1, -1, 0), ".w.g"),
        ((0, -1, 1, 0), "g.w."),
        ((0, -1, -1, 0), ".g.w"),
    ],
)
def test_a_rotated_or_mirrored_video_is_shown_upright(matrix, corners):
    """The eight matrices of an mp4 (ISO/IEC 14496-12, 8.3.2)."""
    pictures = np.zeros((2, 24, 36, 3), np.uint8)
    pictures[:, :12, :12] = 255  # the first corner is white, and the one to its right is grey
    pictures[:, :12, -12:] = 128
    raw = bytearray(video(pictures, "mp4", "libx264", "yuv444p"))
    offset = raw.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    raw[offset : offset + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    info = probe(bytes(raw))
    assert (info.height, info.width) == ((24, 36) if b == 0 else (36, 24))
    # The longer side loses 6 pixels at each end; the corners are 12 wide.
    got = decode(bytes(raw), num_frames=1, size=24, channels=1)[0, :, :, 0]
    shades = [got[corner] for corner in [(0, 0), (0, -1), (-1, 0), (-1, -1)]]
    assert "".join("." if s < 64 else "g" if s < 192 else "w" for s in shades) == corners


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2)])
def test_pixels_that_are_not_square_are_made_so(aspect):
    """A square is stored as an oblong; without its aspect the crop would lose its ends."""
    width, height = (24, 48) if aspect > 1 else (48, 24)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 6], picture[:, : width // 6] = 255, 255
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        track = file.add_stream("libx264", rate=25, options={"crf": "1"})
        track.height, track.width, track.pix_fmt = height, width, "yuv444p"
        track.codec_context.sample_aspect_ratio = aspect
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p")
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
    info = probe(buffer.getvalue())
    assert (info.height, info.width) == (48, 48)
    got = decode(buffer.getvalue(), num_frames=1, size=48, channels=1)[0, :, :, 0]
    assert (got[:6].min() > 230, got[:, :6].min() > 230, got[10:, 10:].max() < 25) == (1, 1, 1)


def variable_rate(times, container, codec, pixels) -> bytes:
    """Return a film of `numbered` pictures that are first shown at these times, in seconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        track = file.add_stream(codec, rate=25)
        track.height = track.width = SIDE
        track.pix_fmt = pixels
        track.time_base = track.codec_context.time_base = Fraction(1, 1000)
        for time, picture in zip(times, numbered(len(times)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [("mp4", "libx264", "yuv420p"), ("matroska", "ffv1", "bgr0")],
)
def test_a_film_of_variable_rate_is_read_to_its_end(container, codec, pixels):
    """25 frames in the first second and 5 in each of the others, or the other way round."""
    fast, slow = np.arange(0, 1, 1 / 25), np.arange(0, 9, 1 / 5)
    for times in (np.r_[fast, 1 + slow], np.r_[slow, 9 + fast]):
        raw = variable_rate(times, container, codec, pixels)
        length = probe(raw).seconds
        assert length == pytest.approx(times[-1] + 0.1, abs=0.11)
        middles = (np.arange(50) + 0.5) * length / 50
        expected = np.searchsorted(times, middles, side="right") - 1
        assert np.abs(np.array(shown(raw, 50)) - expected).max() <= 1
        assert shown(raw, 50)[-1] >= len(times) - 3


@pytest.mark.parametrize(
    ("container", "codec", "pixels", "options"),
    [
        ("matroska", "ffv1", "bgr0", {}),
        ("mp4", "libx264", "yuv420p", {"bf": 3, "g": 125}),
        pytest.param(
            "matroska", "libx264", "yuv420p", {"bf": 3, "g": 50}, marks=pytest.mark.slow
        ),
        pytest.param(
            "webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": 8},
            marks=pytest.mark.slow,
        ),
        ("webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": 8, "live": "1"}),
        pytest.param("avi", "mpeg4", "yuv420p", {}, marks=pytest.mark.slow),
        ("avi", "libx264", "yuv420p", {"bf": 2, "g": 60}),
        ("mpeg", "mpeg2video", "yuv420p", {"bf": 2}),
        ("mpegts", "libx264", "yuv420p", {"bf": 3, "g": 60}),
        ("gif", "gif", "rgb8", {}),
    ],
)  # fmt: skip
def test_containers_and_codecs(container, codec, pixels, options):
    """All frames, a few of them, and those after a seek are exactly the requested ones."""
    raw = video(numbered(150), container, codec, pixels, **options)
    info = probe(raw)
    assert (info.frames, info.rate, info.seconds) == (150, 25, 6)
    assert (info.height, info.width, info.has_sound) == (SIDE, SIDE, False)
    assert shown(raw, 150) == list(range(150))
    assert shown(raw, 3) == [25, 75, 125]
    assert shown(raw, 5, start=5.2, seconds=0.2) == [130, 131, 132, 133, 134]
    assert numbers(clips(raw, count=2, num_frames=1, size=SIDE, seconds=0.04)) == [0, 149]


def test_probe():
    raw = video(
        np.zeros((30, 20, 28, 3), np.uint8), rate=10, sound=("flac", 8_000, np.zeros(8_000))
    )
    assert probe(raw) == VideoInfo(30, 10.0, 3.0, 20, 28, True, "ffv1")


def test_seconds_determine_the_distance_of_frames():
    assert shown(HUNDRED, 8, seconds=8 / 25) == list(range(8))
    assert shown(HUNDRED, 8, seconds=8 * 3 / 25, start=1) == list(range(26, 50, 3))
    assert shown(HUNDRED, 1) == [50]
    assert shown(HUNDRED, 4, start=3) == [78, 84, 90, 96]


def test_the_last_of_too_few_frames_is_repeated():
    raw = video(numbered(3))
    assert shown(raw, 5) == [0, 1, 2, 2, 2]
    assert shown(video(numbered(1)), 4) == [0, 0, 0, 0]
    assert shown(HUNDRED, 4, start=3.92) == [98, 99, 99, 99]


def test_with_seconds_frames_keep_their_times():
    raw = video(numbered(3), rate=5)
    assert shown(raw, 8, seconds=0.8) == [0, 0, 1, 1, 2, 2, 2, 2]


@settings(max_examples=25)
@given(
    num_frames=st.integers(1, 130),
    start=st.floats(0, 3.9),
    seconds=st.none() | st.floats(0.01, 9),
)
def test_frames_are_ordered_and_within_the_part(num_frames, start, seconds):
    got = shown(HUNDRED, num_frames, start=start, seconds=seconds)
    assert got == sorted(got)
    assert got[0] >= int(start * 25)
    assert got[-1] <= 99 if seconds is None else got[-1] <= (start + seconds) * 25
    assert len(got) == num_frames


def test_a_long_last_frame_is_not_damage():
    """The frame rate may vary: a screen recording has no new frames once nothing moves."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as file:
        track = file.add_stream("ffv1", rate=25)
        track.height = track.width = SIDE
        track.pix_fmt = "bgr0"
        for number, picture in enumerate(numbered(25)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in track.encode(frame):
                packet.duration = round((4 if number == 24 else 0.04) / packet.time_base)
                file.mux(packet)
    assert probe(buffer.getvalue()).seconds == pytest.approx(4.96)
    assert shown(buffer.getvalue(), 3, seconds=4.5) == [18, 24, 24]


def test_clips_are_evenly_spread():
    def starts(raw, count, seconds=0.4):
        got = clips(raw, count=count, num_frames=2, size=SIDE, seconds=seconds, channels=1)
        assert got.shape == (count, 2, SIDE, SIDE, 1)
        return [numbers(clip) for clip in got]

    assert starts(HUNDRED, 3) == [[2, 7], [47, 52], [92, 97]]
    assert starts(HUNDRED, 1) == [[47, 52]]
    assert starts(HUNDRED, 2, seconds=3.2) == [[20, 60], [40, 80]]  # they overlap
    assert starts(HUNDRED, 2, seconds=8) == [[50, 99], [50, 99]]
    late = video(numbered(100), first=10, sound=("flac", 8_000, np.zeros(40_000)))
    assert starts(late, 3) == [[2, 7], [47, 52], [92, 97]]


def test_a_clip_equals_decode():
    got = clips(HUNDRED, count=2, num_frames=5, size=8, seconds=1)
    for clip, start in zip(got, (0, 3), strict=True):
        expected = decode(HUNDRED, num_frames=5, size=8, start=start, seconds=1)
        np.testing.assert_array_equal(clip, expected)


@pytest.mark.parametrize("first", [0, 13])
@pytest.mark.parametrize(("container", "codec", "sound_codec"),
                         [("matroska", "ffv1", "flac"), ("mp4", "libx264", "aac")])  # fmt: skip
def test_sound_and_pictures_are_synchronous(container, codec, sound_codec, first):
    """The sound beeps at each whole second, while the first square of the pictures is white."""
    times = np.arange(4 * 16_000) / 16_000
    beeps = np.where(times % 1 < 0.2, np.sin(2 * np.pi * 440 * times), 0)
    flashes = numbered(2)[[int(k % 25 < 5) for k in range(first, 100)]]
    pixels = "bgr0" if codec == "ffv1" else "yuv420p"
    raw = video(flashes, container, codec, pixels, first=first, sound=(sound_codec, 16_000, beeps))
    for start in (0.92, 1.8, 2.48):
        wave = sounds.decode(raw, rate=16_000, start=start, seconds=1)[:, 0]
        loud = np.abs(wave).reshape(25, -1).max(1) > 0.3  # during each frame
        white = numbers(decode(raw, num_frames=25, size=SIDE, start=start, seconds=1))
        assert white == loud.astype(int).tolist()
        assert sum(white) == 5


def test_pictures_may_begin_after_the_sound():
    raw = video(numbered(50), first=25, sound=("flac", 8_000, np.zeros(24_000)))
    assert probe(raw).seconds == 2
    assert shown(raw, 3, start=0.92, seconds=0.24) == [0, 1, 3]
    assert shown(raw, 2) == [12, 37]
    with pytest.raises(ValueError, match="no frame at 3 s; the video ends at 3.00 s"):
        decode(raw, num_frames=1, size=8, start=3)


def test_longer_sound_does_not_stretch_the_pictures():
    raw = video(numbered(25), sound=("flac", 8_000, np.zeros(80_000)))
    assert probe(raw).frames == 25
    assert shown(raw, 5) == [2, 7, 12, 17, 22]


def test_a_path_decodes_like_its_bytes(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(HUNDRED)
    assert shown(path, 4) == shown(str(path), 4) == shown(HUNDRED, 4)
    with pytest.raises(ValueError, match="no such file"):
        probe(tmp_path / "none.mkv")


def grey_of_16_bits(low, high, count=3) -> bytes:
    """Return a video whose left half has the one value and whose right half the other."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as file:
        track = file.add_stream("ffv1", rate=25)
        track.height = track.width = 16
        track.pix_fmt = "gray16le"
        values = np.full((16, 16), low, np.uint16)
        values[:, 8:] = high
        for _ in range(count):
            file.mux(track.encode(av.VideoFrame.from_ndarray(values, "gray16le")))
        file.mux(track.encode(None))
    return buffer.getvalue()


def test_grey_videos_of_a_narrow_range(tmp_path):
    raw = grey_of_16_bits(28_950, 29_010)
    with collecting() as said:
        assert len(np.unique(decode(raw, num_frames=2, size=16))) == 1
    assert said == [WITHOUT_LIGHT]
    config, (line,) = modality_of(VideoConfig()).measure(VideoConfig(), lambda: [raw, HUNDRED])
    assert config.value_range == (28_950, 29_010)
    assert line.startswith("1 of 2 inspected videos have more than 8 bits")
    reader = build_reader(replace(config, num_frames=2, image_size=16, channels=1))
    for pixels in (reader.decode(raw), reader.decode_whole(raw)):
        assert np.unique(pixels[..., :8, :]).tolist() == [0]
        assert np.unique(pixels[..., 8:, :]).tolist() == [255]


def test_grey_videos_of_the_full_range_are_not_measured():
    raw = grey_of_16_bits(500, 65_000)
    config, lines = modality_of(VideoConfig()).measure(VideoConfig(), lambda: [raw])
    assert (config, lines) == (VideoConfig(), [])
    with collecting() as said:
        decode(raw, num_frames=2, size=16)
    assert said == []
