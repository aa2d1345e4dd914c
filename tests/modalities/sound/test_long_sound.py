"""Long sound that is not decoded whole: clips found by seeking, and lazy decoding in parts."""

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import wav
from sound_files import FLAC, M4A, MKV, MP3, RATE, TS

from perceivers.modalities.sound.decode import LazySound, clips, decode, length, probe


@pytest.fixture
def ten_hours(tmp_path):
    """A sparse wav file of 10 hours of silence, which takes no disk space."""
    path = tmp_path / "long.wav"
    header = bytearray(wav(np.zeros(0), 8_000))
    size = 36_000 * 8_000 * 2
    header[4:8], header[40:44] = struct.pack("<I", 36 + size), struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    return path


def test_ten_hours_are_refused_as_a_whole_but_read_in_parts(ten_hours):
    assert probe(ten_hours).seconds == 36_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"longer than \d+ s; read a part"):
        decode(ten_hours, rate=RATE)
    assert decode(ten_hours, rate=RATE, start=35_000.5, seconds=2).shape == (2 * RATE, 1)
    lazy = LazySound(ten_hours, num_samples=36_000 * RATE, rate=RATE, channels=1)
    assert lazy[: 3 * RATE].shape == (3 * RATE, 1)
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()


def test_clips_are_found_by_seeking(ten_hours):
    """Clips at the start, middle and end are right, and little more than them is decoded."""
    with ten_hours.open("r+b") as file:
        for second, value in ((0, 1000), (18_000, 2000), (35_999, 3000)):
            file.seek(44 + 2 * 8_000 * second)
            file.write(np.full(8_000, value, "<i2").tobytes())
    tracemalloc.start()
    waves = clips(ten_hours, count=3, num_samples=8_000, rate=8_000)
    middle = clips(ten_hours, count=1, num_samples=8_000, rate=8_000)[0]
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()
    assert waves.shape == (3, 8_000, 1)
    assert (waves[0] * 2**15 == 1000).all()
    assert (waves[1, 4_000:] * 2**15 == 2000).all()  # the middle of the clip is that of the file
    assert not waves[1, :4_000].any()
    assert (waves[2] * 2**15 == 3000).all()
    np.testing.assert_array_equal(middle, waves[1])


@pytest.mark.parametrize("name", ["flac", "mp3", "mkv", "ts", "m4a"])
def test_clips_equal_parts_of_the_whole(name):
    raw = {"flac": FLAC, "mp3": MP3, "mkv": MKV, "ts": TS, "m4a": M4A}[name]
    whole = decode(raw, rate=8_000)
    spare = round(length(raw) * 8_000) - 6_000
    waves = clips(raw, count=3, num_samples=6_000, rate=8_000)
    for wave, start in zip(waves, (0, spare // 2, spare), strict=True):
        expected = whole[start : start + 6_000]
        np.testing.assert_allclose(wave[: len(expected)], expected, atol=0.02)
        assert not wave[len(expected) :].any()


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (11_025, 2)])
@settings(max_examples=15)
@given(slices=st.lists(st.tuples(st.integers(0, 99_000), st.integers(0, 9_000)), max_size=4))
def test_slices_of_a_lazy_sound_equal_those_of_the_whole(rate, channels, slices):
    whole = decode(FLAC, rate=rate, channels=channels)
    lazy = LazySound(FLAC, num_samples=len(whole), rate=rate, channels=channels)
    assert (lazy.shape, lazy.nbytes) == (whole.shape, whole.nbytes)
    for start, size in [(0, 700), (600, 500), *slices]:  # overlapping, forward and backward
        part = slice(start, start + size)
        np.testing.assert_allclose(lazy[part], whole[part], atol=1e-6)


def test_a_lazy_sound_that_ends_early_is_padded_with_silence():
    lazy = LazySound(wav(np.full(10, 2**14), 8_000), num_samples=16, rate=8_000, channels=1)
    assert lazy[8:16][:, 0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
