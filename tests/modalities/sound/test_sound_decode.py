"""Decoding of sound files, compared with the samples and formulas that they were made from."""

import io
import struct
import sys
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import damaged, numbered, sound, video, wav
from PIL import Image
from sound_files import FLAC, M4A, MKV, MP3, RATE, TS, noise

from perceivers.modalities.notices import collecting
from perceivers.modalities.sound.decode import LazySound, SoundInfo, decode, probe


def sine(hertz: float, seconds: float, rate: int = RATE, phase: float = 0.3) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


def floats(samples: np.ndarray, rate: int = 8_000) -> bytes:
    """Return a wav file of 32-bit floats, assembled byte by byte."""
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data


@pytest.mark.parametrize(("width", "low", "high"), [(1, 0, 255), (2, -(2**15), 2**15 - 1),
                                                     (3, -(2**23), 2**23 - 1)])  # fmt: skip
def test_wav_files_of_integers_are_exact(width, low, high):
    stored = np.random.default_rng(0).integers(low, high + 1, (500, 2))
    expected = (stored - (128 if width == 1 else 0)) / 2 ** (8 * width - 1)
    got = decode(wav(stored, 8_000, width), rate=8_000, channels=2)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_a_path_and_its_bytes_give_the_same_samples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = Path("http:a b%20#?.wav")  # a file name, not an address
    odd.write_bytes(FLAC)
    np.testing.assert_array_equal(decode(odd, rate=RATE), decode(FLAC, rate=RATE))
    np.testing.assert_array_equal(decode(str(odd), rate=RATE), decode(FLAC, rate=RATE))


@pytest.mark.parametrize(
    ("container", "codec", "rate", "name", "tolerance"),
    [
        ("flac", "flac", RATE, "flac", 0),
        ("ogg", "flac", RATE, "flac", 0),
        ("aiff", "pcm_s16be", RATE, "pcm_s16be", 0),
        ("matroska", "flac", RATE, "flac", 0),
        ("avi", "pcm_s16le", RATE, "pcm_s16le", 0),
        ("mov", "alac", RATE, "alac", 0),
        ("mp3", "libmp3lame", RATE, "mp3", 0.1),
        ("ogg", "libopus", 48_000, "opus", 0.2),
        ("webm", "libopus", 48_000, "opus", 0.2),
        ("ipod", "aac", RATE, "aac", 0.2),
    ],
)
def test_containers_and_codecs(container, codec, rate, name, tolerance):
    samples = noise(2.4, rate, 2)
    raw = sound(samples, rate, container, codec, "stereo")
    info = probe(raw)
    assert (info.rate, info.channels, info.codec) == (rate, 2, name)
    assert info.seconds == pytest.approx(2.4, abs=0.1)
    got = decode(raw, rate=rate, channels=2)
    # Codecs that work in blocks pad the last one.
    assert len(samples) <= len(got) <= len(samples) + (2048 if tolerance else 0)
    error = got[: len(samples)] - samples
    relative_error = np.sqrt((error**2).mean() / (samples**2).mean())
    assert relative_error < (tolerance or 1e-4)  # lossless codecs round to 16 bits


def test_probe_of_a_wav():
    assert probe(wav(np.zeros((800, 2)), 8_000)) == SoundInfo(8_000, 2, 0.1, "pcm_s16le")


@pytest.mark.parametrize(("old", "new"), [(8_000, 16_000), (44_100, 16_000), (16_000, 44_100),
                                          (48_000, 8_000), (11_025, 48_000)])  # fmt: skip
def test_resampling_a_sine_gives_the_same_sine(old, new):
    got = decode(floats(sine(440, 1.003, old), old), rate=new)[:, 0]
    assert len(got) == round(round(1.003 * old) * new / old)
    inner = slice(new // 50, -new // 50)  # the ends depend on samples outside the file
    np.testing.assert_allclose(got[inner], sine(440, len(got) / new, new)[inner], atol=1e-4)


def test_frequencies_above_nyquist_are_filtered_out():
    got = decode(floats(sine(7_000, 1, 44_100), 44_100), rate=8_000)[:, 0]
    assert np.abs(got[200:-200]).max() < 1e-3


def test_stereo_is_averaged_and_mono_copied():
    stored = np.random.default_rng(0).integers(-9_999, 9_999, (300, 2))
    mono = decode(wav(stored, 8_000), rate=8_000)
    np.testing.assert_allclose(mono[:, 0], stored.mean(1) / 2**15, atol=1e-7)
    copied = decode(wav(stored[:, 0], 8_000), rate=8_000, channels=2)
    np.testing.assert_array_equal(copied, stored[:, [0, 0]].astype(np.float32) / 2**15)


def test_surround_sound_is_mixed_by_side():
    """The order of 5.1 is front left, front right, centre, low, side left, side right."""
    levels = np.array([0.8, 0.1, 0.4, 0.2, 0.6, 0.3])
    raw = sound(np.tile(levels, (4096, 1)), RATE, "flac", "flac", "5.1")
    sides = decode(raw, rate=RATE, channels=2)
    left, right = levels[[0, 2, 3, 4]].mean(), levels[[1, 2, 3, 5]].mean()
    np.testing.assert_allclose(sides[100:-100], np.tile([left, right], (3896, 1)), atol=1e-4)
    np.testing.assert_allclose(decode(raw, rate=RATE), levels.mean(), atol=1e-4)


@pytest.mark.parametrize("count", [3, 8, 20])
def test_any_number_of_unnamed_channels(count):
    """Reading eight or more planes one by one would make PyAV 18 end the process."""
    stored = np.random.default_rng(0).integers(-9_999, 9_999, (3_000, count))
    both = decode(wav(stored, 8_000), rate=8_000, channels=2)
    np.testing.assert_allclose(both, stored.mean(1, keepdims=True).repeat(2, 1) / 2**15, atol=1e-6)


@cache
def whole_flac(rate):
    return decode(FLAC, rate=rate)


@settings(max_examples=50)
@given(start=st.floats(0, 4.9), seconds=st.floats(0.001, 3), rate=st.sampled_from([8_000, 22_050]))
def test_a_part_equals_the_same_part_of_the_whole(start, seconds, rate):
    whole = whole_flac(rate)
    first = round(start * rate)
    part = decode(FLAC, rate=rate, start=start, seconds=seconds)
    np.testing.assert_array_equal(part, whole[first : first + max(1, round(seconds * rate))])


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("ipod", "aac", RATE),
        ("ogg", "libopus", 48_000),
        ("mp3", "libmp3lame", RATE),
        ("mpegts", "aac", RATE),
        ("adts", "aac", RATE),
    ],
)
def test_a_late_part_of_a_lossy_file(container, codec, rate):
    raw = sound(noise(12, rate), rate, container, codec)
    whole = decode(raw, rate=8_000)
    part = decode(raw, rate=8_000, start=9.3, seconds=0.5)
    # AAC fills bands with new random noise each time it is decoded.
    np.testing.assert_allclose(part, whole[74_400:78_400], atol=5e-3)


def test_max_seconds_holds_for_files_without_a_stated_length():
    raw = sound(noise(3), RATE, "adts", "aac")
    with pytest.raises(ValueError, match="longer than 2 s"):
        decode(raw, rate=RATE, max_seconds=2)
    assert len(decode(raw, rate=RATE, max_seconds=4)) >= 3 * RATE
    assert len(decode(raw, rate=RATE, max_seconds=2, seconds=2.5)) == 2.5 * RATE


def test_a_sound_may_end_before_the_requested_part():
    assert decode(FLAC, rate=RATE, start=4.5, seconds=2).shape == (RATE // 2, 1)
    with pytest.raises(ValueError, match="no sound at 5 s"):
        decode(FLAC, rate=RATE, start=5)
    with pytest.raises(ValueError, match="no sound at 70 s"):
        decode(FLAC, rate=8_000, start=70)


def test_silence_is_zeros():
    assert not decode(wav(np.zeros(4_000), 8_000), rate=RATE).any()


def test_a_sound_of_one_sample():
    assert decode(wav(np.array([16_384]), 8_000), rate=8_000).tolist() == [[0.5]]
    assert decode(wav(np.array([16_384]), 8_000), rate=48_000).shape == (6, 1)
    assert decode(wav(np.array([16_384]), 48_000), rate=8_000).shape == (1, 1)


def test_samples_beyond_full_scale_are_clipped():
    got = decode(floats(np.array([0.5, 3.0, -2.0])), rate=8_000)
    assert got.tolist() == [[0.5], [1.0], [-1.0]]


def test_a_pause_in_the_recording_is_silence():
    raw = sound(0.5 + 0 * sine(1, 2), RATE, "matroska", "flac", gap_at=RATE, gap=0.7)
    got = decode(raw, rate=RATE)[:, 0]
    # Matroska's time stamps are whole milliseconds, and a pause starts at a block of the codec.
    assert len(got) == pytest.approx(2.7 * RATE, abs=16)
    silent = np.flatnonzero(got == 0)
    assert len(silent) == pytest.approx(0.7 * RATE, abs=16)
    assert (np.diff(silent) == 1).all()
    assert silent[0] == pytest.approx(RATE, abs=4_608)


def test_the_sound_of_a_video():
    samples = noise(1)
    raw = video(numbered(25), sound=("flac", RATE, samples))
    np.testing.assert_allclose(decode(raw, rate=RATE), samples, atol=2e-5)
    assert probe(raw) == SoundInfo(RATE, 1, 1.0, "flac")


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def patched(raw: bytes, offset: int, new: bytes) -> bytes:
    return raw[:offset] + new + raw[offset + len(new) :]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "neither sound nor video"),
        (b"hello world\n" * 50, "neither sound nor video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n", "neither sound nor"),
        (png(), "neither sound nor video"),
        (FLAC[:100], "neither sound nor video"),
        (M4A[:2_000], "neither sound nor video"),
        (FLAC[: len(FLAC) // 2], "damaged sound"),
        (MKV[: len(MKV) // 2], "damaged sound: it ends at 0.94 s, .* states an end at 2.00 s"),
        (patched(MP3, len(MP3) // 2, bytes(500)), "damaged sound"),
        (patched(wav(np.zeros(99), 8_000), 20, b"\x99\x99"), "unknown codec of the sound"),
        (wav(np.zeros(0), 8_000), "no samples"),
        (video(numbered(3)), "no sound track; the file holds video"),
        (floats(np.array([0.1, np.nan, 0.2])), "NaN or infinite"),
        (floats(np.array([0.1, np.inf, 0.2])), "NaN or infinite"),
        (sound(noise(1), RATE, "adts", "aac")
         + sound(noise(1, channels=2), RATE, "adts", "aac", "stereo"), "change midway"),
    ],
    ids=["empty", "text", "playlist", "picture", "cut header", "cut m4a", "cut flac", "cut mkv",
         "hole in mp3", "unknown codec", "no samples", "video without sound", "nan", "infinite",
         "mono then stereo"],
)  # fmt: skip
def test_unreadable_sound(raw, message):
    with pytest.raises(ValueError, match=message):
        decode(raw, rate=8_000)
    lazy = LazySound(raw, num_samples=2**20, rate=8_000, channels=1)
    for _ in range(2):  # a second attempt fails too, instead of giving silence
        with pytest.raises(ValueError, match=message):
            lazy[:]


@given(seed=st.integers(0, 10**6), raw=st.sampled_from([FLAC, MP3, MKV, TS, M4A]))
def test_a_damaged_file_gives_sound_or_a_value_error(seed, raw):
    for read in (probe, lambda raw: decode(raw, rate=8_000, max_seconds=60)):
        try:
            got = read(damaged(raw, seed))
        except ValueError:
            continue
        if read is not probe:
            assert len(got)
            assert np.abs(got).max() <= 1


def test_a_truncated_file_without_a_stated_length_gives_the_rest():
    for raw in (MP3, wav(np.ones(16_000), RATE)):
        assert 0.3 * RATE < len(decode(raw[: len(raw) // 2], rate=RATE)) < 1.1 * RATE


def test_probe_rejects_files_without_sound():
    with pytest.raises(ValueError, match="no samples"):
        probe(wav(np.zeros(0), 8_000))
    with pytest.raises(ValueError, match="no sound track"):
        probe(video(numbered(3)))


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        decode(tmp_path / "none.wav", rate=8_000)
    with pytest.raises(ValueError, match="cannot be opened: it is a directory"):
        decode(tmp_path, rate=8_000)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"channels": 3}, {"start": -1}, {"seconds": 0},
                                   {"start": float("nan")}, {"seconds": float("nan")}])  # fmt: skip
def test_rejects_wrong_arguments(wrong):
    with pytest.raises(ValueError, match="expected"):
        decode(FLAC, **{"rate": RATE, **wrong})


def test_without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"perceivers\[media\]"):
        decode(FLAC, rate=RATE)


def said_of(raw, **options):
    with collecting() as said:
        decode(raw, rate=RATE, **options)
    return said


def test_integers_saved_as_floats_are_refused():
    """They would all be clipped to -1 or 1."""
    raw = sound(20_000 * noise(0.2), RATE, "wav", "pcm_f32le")
    with pytest.raises(ValueError, match=r"samples of \d,\d+; expected \[-1, 1\]: divide them by"):
        decode(raw, rate=RATE)


def test_sounds_that_are_too_loud_or_nearly_silent_are_said():
    wave = noise(0.2)
    peak = np.abs(wave).max()
    assert said_of(sound(wave * 1.2 / peak, RATE, "wav", "pcm_f32le")) == []
    (text,) = said_of(sound(wave * 4 / peak, RATE, "wav", "pcm_f32le"))
    assert text == "is louder than full scale; samples outside [-1, 1] are clipped"
    (text,) = said_of(wav((wave * 1000).astype(int), RATE, width=4))
    assert text.startswith("is nearly silent")
    assert said_of(wav(np.zeros(800, int), RATE)) == []


def test_channels_that_cancel_are_said():
    wave = noise(0.2)[:, 0]
    opposite = sound(np.stack([wave, -wave], 1), RATE, "wav", "pcm_s16le", "stereo")
    assert said_of(opposite)[0].startswith("has channels that cancel each other out")
    assert said_of(opposite, channels=2) == []
    assert said_of(sound(np.stack([wave, wave], 1), RATE, "wav", "pcm_s16le", "stereo")) == []


def test_a_resampler_that_gives_too_many_samples_is_cut(monkeypatch):
    make = av.AudioResampler

    class Longer:
        def __init__(self, **options):
            self.resampler, self.longer = make(**options), "rate" in options

        def resample(self, frame):
            parts = self.resampler.resample(frame)
            return [*parts, *parts] if self.longer and frame is not None else parts

    monkeypatch.setattr(av, "AudioResampler", Longer)
    assert len(decode(wav(np.zeros(8_000, int), 8_000), rate=4_000)) >= 4_000


@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 16000), (44100, 16000), (16000, 8000)])
@pytest.mark.parametrize("count", [2, 20, 60])
def test_sounds_shorter_than_the_filter_of_the_resampler_are_not_silent(rate, new_rate, count):
    samples = np.full(count, 2**14)
    decoded = decode(wav(samples, rate), rate=new_rate)
    assert len(decoded) == max(1, round(count * new_rate / rate))
    assert 0.4 < np.abs(decoded).mean() < 0.6
