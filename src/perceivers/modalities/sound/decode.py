"""Decoding of sound files, and of the sound of videos, to float waveforms at a chosen sample rate.

PyAV decodes and resamples them with FFmpeg.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from ...reading import limits
from .. import media
from ..files import LazyArray, PathOrBytes
from ..notices import notice
from .track import QUIET, decode_track, resample

CLIPPED = 2.0  # loudest sample from which clipping is said; lossy codecs exceed 1 slightly
NOT_SAMPLES = 8.0  # loudest sample from which they must be integers that were saved as floats
LEAD_IN = 1  # seconds decoded before a part: decoders and the resampler depend on earlier samples


@dataclass(frozen=True)
class SoundInfo:
    """Sample rate, channels, length and codec of a sound file."""

    rate: int
    """Samples per second."""
    channels: int
    """Number of channels: 1 for mono, 2 for stereo."""
    seconds: float
    """Length in seconds, accurate to 0.1 s for lossy codecs."""
    codec: str
    """FFmpeg's name of the codec: pcm_s16le, flac, mp3, aac, opus, …"""


def probe(source: PathOrBytes) -> SoundInfo:
    """Read the sample rate, channels, length and codec of a file without decoding it.

    If the container does not state its length (mp3, a recording from a browser), the packets are
    counted.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: no such file, no sound, unknown codec, damaged, or no samples; the message does
            not name the file.
    """
    with media.open_track(source, "audio") as (_, track):
        codec = track.codec_context
        rate, channels, name = codec.sample_rate, codec.channels, codec.codec.canonical_name
    seconds = length(source)
    if seconds <= 0:
        raise ValueError("no samples: the sound is empty")
    return SoundInfo(rate, channels, seconds, name)


def length(source: PathOrBytes) -> float:
    """Return the length of a sound in seconds; 0 or less if the file states that it is empty.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: as `probe`, but an empty sound is not an error.
    """
    with media.open_track(source, "audio") as (container, _):
        start = media.start_time(container)
    return media.end_time(source, "audio") - start


def decode(
    source: PathOrBytes,
    *,
    rate: int,
    channels: int = 1,
    start: float = 0.0,
    seconds: float | None = None,
    max_seconds: float | None = None,
) -> np.ndarray:
    """Decode a sound file, or the sound of a video, to a float waveform.

    FFmpeg resamples the sound to `rate`. With one output channel, all channels are averaged. With
    two, mono is copied to both; of a file with more than two channels, each side averages its own
    channels and those that belong to no side. Louder samples are clipped to [-1, 1], and refused
    from 8 on, where they are integers saved as floats. Pauses are filled with zeros, and so is the
    start of a video whose sound begins later than its pictures. A notice is given of a sound that
    is nearly silent or much too loud, and of channels that cancel each other out.

    A part equals the same part of the whole file: exactly in containers that count samples (wav,
    flac, mp4, ogg), and up to a shift of a millisecond in mkv and webm. A truncated wav, ogg or mp3
    file gives the samples that are left; a truncated file of another kind is an error.

    Args:
        source: a path, or the file's bytes.
        rate: samples per second of the result.
        channels: channels of the result, 1 or 2.
        start: second at which to begin.
        seconds: length to read; the result is shorter if the sound ends earlier. None: to the end.
        max_seconds: if `seconds` is None, longer sounds are refused rather than held in memory;
            None: `Limits.seconds`, or fewer if they would take more than `Limits.decoded_bytes`.

    Returns:
        float32 (S, channels) in [-1, 1].

    Raises:
        ValueError: no such file, no sound, unknown codec, damaged, no samples, NaN or infinite
            samples, `start` after the end, or longer than `max_seconds`; the message does not name
            the file.
        ImportError: PyAV is not installed.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise ValueError(
            f"seconds={seconds}; expected a finite number above 0, or None to read to the end"
        )
    num_samples = None if seconds is None else max(1, round(seconds * rate))
    if max_seconds is None:
        max_seconds = min(limits().seconds, limits().decoded_bytes / max(1, 4 * rate * channels))
    limit = max_seconds if seconds is None else math.inf
    decoded: list[np.ndarray] = []
    num_decoded = 0
    with closing(_blocks(source, rate, channels, start, limit)) as blocks:
        for block in blocks:
            decoded.append(block)
            num_decoded += len(block)
            if num_samples is not None and num_decoded >= num_samples:
                break
    wave = np.concatenate(decoded)[:num_samples]
    if seconds is None and 0 < np.abs(wave).max() < QUIET:
        notice("is nearly silent: its loudest sample is below 0.0001 of full scale")
    return wave


def clips(
    source: PathOrBytes, *, count: int, num_samples: int, rate: int, channels: int = 1
) -> np.ndarray:
    """Decode clips that are evenly spread over a sound.

    The first clip starts where the sound starts, the last one ends where it ends, and a single clip
    lies in the middle. Each clip is found by seeking. Only in formats without time stamps, such as
    mp3, is the sound decoded from its start to the end of the clip. A sound that ends early is
    padded with silence.

    Args:
        source: a path, or the file's bytes.
        count: number of clips.
        num_samples: S, samples of each clip.
        rate: samples per second of the result.
        channels: channels of the result, 1 or 2.

    Returns:
        float32 (count, S, channels).

    Raises:
        ValueError: as `decode`.
    """
    spare = max(0, round(length(source) * rate) - num_samples)
    starts = np.linspace(0, spare, count).astype(int) if count > 1 else [spare // 2]
    waves = np.zeros((len(starts), num_samples, channels), np.float32)
    for wave, start in zip(waves, starts, strict=True):
        decoded = decode(
            source, rate=rate, channels=channels, start=start / rate, seconds=num_samples / rate
        )
        wave[: len(decoded)] = decoded
    return waves


class LazySound(LazyArray):
    """A sound that is decoded as it is read, float32 (S, channels), with the samples of `decode`.

    Slices that follow each other continue decoding. A slice that starts before the last one started
    restarts the decoder there.

    Args:
        source: a path, or the file's bytes.
        num_samples: S, from `length`; a sound that ends early is padded with silence.
        rate: samples per second of the result.
        channels: channels of the result, 1 or 2.
    """

    dtype = np.float32

    def __init__(self, source: PathOrBytes, *, num_samples: int, rate: int, channels: int) -> None:
        self.source, self.rate = source, rate
        self.shape = num_samples, channels
        self._offset = 0  # index of the first buffered sample
        self._buffer = np.empty((0, channels), np.float32)
        self._blocks = self._decode_from(0)

    @override
    def __getitem__(self, run: slice) -> np.ndarray:
        start, stop, _ = run.indices(len(self))
        if start < self._offset:
            self._offset, self._buffer = start, self._buffer[:0]
            self._blocks = self._decode_from(start)
        parts, end = [self._buffer], self._offset + len(self._buffer)
        # If decoding fails, the offset stays at the end, so that the next slice decodes anew.
        offset, self._offset = self._offset, len(self)
        while end < stop:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((stop - end, self.shape[1]), np.float32)
            if end < start:
                parts, offset = [], end
            parts.append(block)
            end += len(block)
        self._buffer = np.concatenate(parts)[start - offset :]
        self._offset = start
        return self._buffer[: stop - start]

    def _decode_from(self, start: int) -> Iterator[np.ndarray]:
        return _blocks(self.source, self.rate, self.shape[1], start / self.rate, math.inf)


def _blocks(
    source: PathOrBytes, rate: int, channels: int, start: float, max_seconds: float
) -> Generator[np.ndarray, None, None]:
    """Decode a sound from second `start` on, in blocks (n, channels) at `rate`."""
    if rate < 1 or channels not in (1, 2) or not 0 <= start < math.inf:
        raise ValueError(
            f"rate={rate}, channels={channels}, start={start}; "
            "expected a rate of at least 1, 1 or 2 channels, and a start of at least 0"
        )
    # Decoding begins at a whole second, which is a whole number of samples at every rate. So a part
    # is resampled at the same instants as the whole sound.
    origin = max(0, math.floor(start) - LEAD_IN)
    position = -round((start - origin) * rate)  # of the next sample, counted from `start`
    with media.open_track(source, "audio") as (container, track):
        stated = media.declared_end_time(container, track)
        if stated is not None and stated - media.start_time(container) - start > max_seconds:
            raise _too_long(max_seconds)
        samples = decode_track(container, track, origin, channels)
        for block in resample(samples, track, rate):
            kept = block[max(0, -position) :]
            position += len(block)
            if position > max_seconds * rate:
                raise _too_long(max_seconds)
            if len(kept):
                _check_loudness(float(np.abs(kept).max()))
                yield np.clip(kept, -1, 1)
    if position <= 0:
        raise ValueError(f"no sound at {start:g} s; the sound ends before that")


def _check_loudness(peak: float) -> None:
    """Refuse samples that are not in [-1, 1] at all; give a notice if much is clipped."""
    if peak > NOT_SAMPLES:
        raise ValueError(
            f"the sound has samples of {peak:,.0f}; expected [-1, 1]: divide them by their full "
            "scale, such as 32,768, and save the file again"
        )
    if peak > CLIPPED:
        notice("is louder than full scale; samples outside [-1, 1] are clipped")


def _too_long(max_seconds: float) -> ValueError:
    return ValueError(
        f"the sound is longer than {max_seconds:.0f} s; read a part of it (start, seconds), or "
        "raise max_seconds, or the limits: --limits.seconds and --limits.decoded_bytes"
    )
