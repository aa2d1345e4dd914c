"""Sound in: any file FFmpeg reads, the sound of a video too → float waveforms at the rate asked."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from .. import media
from ..files import LazyArray, PathOrBytes
from .track import heard, resampled

LEAD = 1  # seconds decoded ahead of a clip: decoders and the resampler lean on what came before


@dataclass(frozen=True)
class SoundInfo:
    """What a sound file says about itself."""

    rate: int
    """Samples per second."""
    channels: int
    """1: mono, 2: stereo."""
    seconds: float
    """Length; within 0.1 s where sound is coded with losses."""
    codec: str
    """As FFmpeg names it: pcm_s16le, flac, mp3, aac, opus, …"""


def probe(source: PathOrBytes) -> SoundInfo:
    """Rate, channels, length and codec, without decoding.

    Where the container does not write its length down (mp3, a recording from a browser), the
    packets are counted.

    Raises:
        ValueError: as `decode`.
    """
    with media.open_track(source, "audio") as (_, track):
        codec = track.codec_context
        rate, channels, name = codec.sample_rate, codec.channels, codec.codec.canonical_name
    seconds = length(source)
    if seconds <= 0:
        raise ValueError("no samples: the sound is empty")
    return SoundInfo(rate, channels, seconds, name)


def length(source: PathOrBytes) -> float:
    """Seconds of `probe`; 0 or less where the file says that it is empty."""
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
    max_seconds: float = 3600.0,
) -> np.ndarray:
    """A sound file, or the sound of a video → float32 (S, channels) in [-1, 1].

    Resampled to `rate` by FFmpeg. All channels are averaged to mono; mono is copied to stereo; of
    more than two channels, stereo averages those of its side and those of no side. Louder samples
    are clipped. Where the sound of a file pauses, or begins after its pictures, there are zeros.

    A part equals the same part of the whole: exactly where the container counts samples (wav, flac,
    mp4, ogg), to a millisecond of shift in mkv and webm. Of a file cut short, wav, ogg and mp3 give
    what is left; in others that is an error.

    Args:
        source: a path, or the file's bytes.
        rate: samples per second of the result.
        channels: 1 or 2.
        start: where to begin, in seconds.
        seconds: how much to read; less is returned where the sound ends before; None: to the end.
        max_seconds: with `seconds` None, longer sound is refused instead of held in memory.

    Raises:
        ValueError: no such file, no sound, unknown codec, damaged, no samples, NaN or infinite
            samples, `start` after the end, or longer than `max_seconds`; the message does not name
            the file.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise ValueError(f"got seconds={seconds}; expected more than 0, or None for all")
    wanted = None if seconds is None else max(1, round(seconds * rate))
    limit = max_seconds if seconds is None else math.inf
    held: list[np.ndarray] = []
    samples = 0
    with closing(_blocks(source, rate, channels, start, limit)) as blocks:
        for block in blocks:
            held.append(block)
            samples += len(block)
            if wanted is not None and samples >= wanted:
                break
    return np.concatenate(held)[:wanted]


def clips(
    source: PathOrBytes, *, count: int, num_samples: int, rate: int, channels: int = 1
) -> np.ndarray:
    """Parts evenly spread over a sound, float32 (count, num_samples, channels).

    The first begins with the sound, the last ends with it, and a single one lies in the middle.
    Each is looked for in the file; what lies between is decoded only of mp3 and others without
    times, up to the part. Silence fills what is missing at the end.

    Args:
        source: a path, or the file's bytes.
        count: how many.
        num_samples: S of each.
        rate: samples per second of the result.
        channels: 1 or 2.

    Raises:
        ValueError: as `decode`.
    """
    spare = max(0, round(length(source) * rate) - num_samples)
    starts = np.linspace(0, spare, count).astype(int) if count > 1 else [spare // 2]
    parts = np.zeros((len(starts), num_samples, channels), np.float32)
    for part, start in zip(parts, starts, strict=True):
        wave = decode(
            source, rate=rate, channels=channels, start=start / rate, seconds=num_samples / rate
        )
        part[: len(wave)] = wave
    return parts


class LazySound(LazyArray):
    """The samples of `decode`, float32 (S, channels), for sound too long to hold.

    Args:
        source: a path, or the file's bytes.
        num_samples: S, by `length`; silence fills what is missing at the end.
        rate: samples per second.
        channels: 1 or 2.
    """

    dtype = np.float32

    def __init__(self, source: PathOrBytes, *, num_samples: int, rate: int, channels: int) -> None:
        self.source, self.rate = source, rate
        self.shape = num_samples, channels
        self._at = 0  # number of the first sample held
        self._held = np.empty((0, channels), np.float32)
        self._blocks = self._from(0)

    def __getitem__(self, run: slice) -> np.ndarray:
        """See `LazyArray`: in order, what was decoded last is gone on from."""
        start, stop, _ = run.indices(len(self))
        if start < self._at:
            self._at, self._held = start, self._held[:0]
            self._blocks = self._from(start)
        parts, end = [self._held], self._at + len(self._held)
        at, self._at = self._at, len(self)  # until all is well: what fails is begun anew
        while end < stop:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((stop - end, self.shape[1]), np.float32)
            if end < start:
                parts, at = [], end
            parts.append(block)
            end += len(block)
        self._held = np.concatenate(parts)[start - at :]
        self._at = start
        return self._held[: stop - start]

    def _from(self, start: int) -> Iterator[np.ndarray]:
        return _blocks(self.source, self.rate, self.shape[1], start / self.rate, math.inf)


def _blocks(
    source: PathOrBytes, rate: int, channels: int, start: float, max_seconds: float
) -> Generator[np.ndarray, None, None]:
    """Samples (n, channels) at `rate` from `start` on, as they come from the decoder."""
    if rate < 1 or channels not in (1, 2) or not 0 <= start < math.inf:
        raise ValueError(
            f"got rate={rate}, channels={channels}, start={start}; "
            "expected a rate of 1 or more, 1 or 2 channels, and a start of 0 or more"
        )
    # A whole second holds whole samples of every rate, so a part is resampled as in the whole.
    origin = max(0, math.floor(start) - LEAD)
    ahead = round((start - origin) * rate)
    given = -ahead
    with media.open_track(source, "audio") as (container, track):
        stated = media.declared_end_time(container, track)
        if stated is not None and stated - media.start_time(container) - start > max_seconds:
            raise _too_long(max_seconds)
        samples = heard(container, track, origin, channels)
        for block in resampled(samples, track, rate):
            kept = block[max(0, -given) :]
            given += len(block)
            if given > max_seconds * rate:
                raise _too_long(max_seconds)
            if len(kept):
                yield np.clip(kept, -1, 1)
    if given <= 0:
        raise ValueError(f"no sound at {start:g} s; the file ends before")


def _too_long(max_seconds: float) -> ValueError:
    return ValueError(
        f"longer than {max_seconds:g} s; read a part of it (start, seconds) or raise max_seconds"
    )
