"""Sound in: any file FFmpeg reads, the sound of a video too → float waveforms at the rate asked."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from . import media
from .source import Source, Unread

LEAD = 1  # seconds decoded ahead of a clip: decoders and the resampler lean on what came before
MAX_RATE = 768_000  # samples per second; the highest that sound cards offer
GAP = 0.1  # seconds without samples that are taken for silence and not for rounding of the clock


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


def probe(source: Source) -> SoundInfo:
    """Rate, channels, length and codec, without decoding.

    Where the container does not write its length down (mp3, a recording from a browser), the
    packets are counted.

    Raises:
        ValueError: as `decode`.
    """
    with media.opened(source, "audio") as (_, track):
        codec = track.codec_context
        rate, channels, name = codec.sample_rate, codec.channels, codec.codec.canonical_name
    seconds = length(source)
    if seconds <= 0:
        raise ValueError("no samples: the sound is empty")
    return SoundInfo(rate, channels, seconds, name)


def length(source: Source) -> float:
    """Seconds of `probe`; 0 or less where the file says that it is empty."""
    with media.opened(source, "audio") as (container, _):
        start = media.zero(container)
    return media.end(source, "audio") - start


def decode(
    source: Source,
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
    source: Source, *, count: int, num_samples: int, rate: int, channels: int = 1
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


def stream(
    source: Source, *, rate: int, channels: int = 1, seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """The samples of `decode`, block by block, for sound too long to hold.

    Args:
        source: a path, or the file's bytes.
        rate: samples per second of the result.
        channels: 1 or 2.
        seconds: length of a block.

    Yields:
        float32 (S, channels), S = seconds · rate; the last block may be shorter.

    Raises:
        ValueError: as `decode`, when the block that it concerns is asked for.
    """
    size = round(seconds * rate)
    if size < 1:
        raise ValueError(f"got seconds={seconds}; expected blocks of at least one sample")
    held: list[np.ndarray] = []
    samples = 0
    for block in _blocks(source, rate, channels, 0.0, math.inf):
        held.append(block)
        samples += len(block)
        if samples >= size:
            joined = np.concatenate(held)
            whole = samples // size * size
            yield from np.split(joined[:whole], whole // size)
            held, samples = [joined[whole:]], samples - whole
    if samples:
        yield np.concatenate(held)


class Recording(Unread):
    """The samples of `decode`, float32 (S, channels), for sound too long to hold.

    Args:
        source: a path, or the file's bytes.
        num_samples: S, by `length`; silence fills what is missing at the end.
        rate: samples per second.
        channels: 1 or 2.
    """

    dtype = np.float32

    def __init__(self, source: Source, *, num_samples: int, rate: int, channels: int) -> None:
        self.source, self.rate = source, rate
        self.shape = num_samples, channels
        self._at = 0  # number of the first sample held
        self._held = np.empty((0, channels), np.float32)
        self._blocks = self._from(0)

    def __getitem__(self, run: slice) -> np.ndarray:
        """See `Unread`: in order, what was decoded last is gone on from."""
        start, stop, _ = run.indices(len(self))
        if start < self._at:
            self._at, self._held = start, self._held[:0]
            self._blocks = self._from(start)
        parts, end = [self._held], self._at + len(self._held)
        while end < stop:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((stop - end, self.shape[1]), np.float32)
            if end < start:
                parts, self._at = [], end
            parts.append(block)
            end += len(block)
        self._held = np.concatenate(parts)[start - self._at :]
        self._at = start
        return self._held[: stop - start]

    def _from(self, start: int) -> Iterator[np.ndarray]:
        return _blocks(self.source, self.rate, self.shape[1], start / self.rate, math.inf)


def _blocks(
    source: Source, rate: int, channels: int, start: float, max_seconds: float
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
    with media.opened(source, "audio") as (container, track):
        stated = media.stated_end(container, track)
        if stated is not None and stated - media.zero(container) - start > max_seconds:
            raise _too_long(max_seconds)
        heard = _heard(container, track, origin, channels)
        for block in _resampled(heard, track, rate):
            kept = block[max(0, -given) :]
            given += len(block)
            if given > max_seconds * rate:
                raise _too_long(max_seconds)
            if len(kept):
                yield np.clip(kept, -1, 1)
    if given <= 0:
        raise ValueError(f"no sound at {start:g} s; the file ends before")


def _heard(container: Any, track: Any, origin: int, channels: int) -> Iterator[np.ndarray]:
    """Samples (n, channels) at the track's own rate from second `origin` on, pauses as zeros."""
    import av

    frames = media.frames(container, track)
    first = next(frames, None)
    if first is None:
        raise ValueError("no samples: the sound is empty")
    rate, zero = first.sample_rate, min(media.zero(container), first.time or 0.0)
    if rate > MAX_RATE:
        raise ValueError(f"damaged sound: {rate} samples per second")
    if origin:
        frames = media.frames_from(container, track, zero + origin)
    else:
        frames = chain([first], frames)
    # Packed, because PyAV 18 crashes on reading eight planes and more.
    packed = av.AudioResampler(format="flt")
    weights = _weights(first.layout, channels)
    given = here = origin * rate
    placed = False
    for frame in frames:
        if (frame.sample_rate, frame.layout.name) != (rate, first.layout.name):
            raise ValueError("its rate or channels change midway; convert it to one of each")
        if frame.time is not None:
            due = round((frame.time - zero) * rate)
            if not placed or due - here > GAP * rate:
                here, placed = due, True
        while given < here:
            pause = min(here - given, rate)
            yield np.zeros((pause, channels), np.float32)
            given += pause
        for part in packed.resample(frame):
            samples = part.to_ndarray().reshape(-1, len(weights)) @ weights
            if not np.isfinite(samples).all():
                raise ValueError("NaN or infinite samples; write the file anew")
            kept = samples[max(0, given - here) :]
            here += len(samples)
            if len(kept):
                yield kept
                given = here
    stated = media.stated_end(container, track)
    if stated is not None and given / rate < 0.9 * (stated - zero) - GAP:
        raise ValueError(
            f"damaged sound: it ends at {given / rate:.2f} s and should at {stated - zero:.2f} s"
        )


def _weights(layout: Any, channels: int) -> np.ndarray:
    """(channels of the file, channels): how much of each goes where."""
    count = layout.nb_channels
    if count == channels:
        return np.eye(count, dtype=np.float32)
    sides = [channel.name[-1] for channel in layout.channels]  # FL, FR, FC, LFE, BL, …
    weights = np.ones((count, channels), np.float32)
    if channels == 2 and {"L", "R"} <= set(sides):
        weights[:, 0] = [side != "R" for side in sides]
        weights[:, 1] = [side != "L" for side in sides]
    return weights / weights.sum(0)


def _resampled(blocks: Iterator[np.ndarray], track: Any, new: int) -> Iterator[np.ndarray]:
    """Blocks (n, channels) at the track's own rate → blocks at rate `new`, as if they were one."""
    import av

    first = next(blocks, None)
    old = track.codec_context.sample_rate  # known for certain once something is decoded
    blocks = blocks if first is None else chain([first], blocks)
    if old == new:
        yield from blocks
        return
    resampler = av.AudioResampler(format="flt", rate=new)
    taken = given = 0
    for block in blocks:
        layout = "mono" if block.shape[1] == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = old
        taken += len(block)
        for part in resampler.resample(frame):
            yield (out := part.to_ndarray().reshape(-1, block.shape[1]))
            given += len(out)
    if taken:
        # The filter ends a sample early or late; the length follows from the rates.
        tail = [part.to_ndarray().reshape(-1, block.shape[1]) for part in resampler.resample(None)]
        missing = max(1, round(taken * new / old)) - given
        yield np.concatenate([*tail, np.zeros((missing, block.shape[1]), np.float32)])[:missing]


def _too_long(max_seconds: float) -> ValueError:
    return ValueError(
        f"longer than {max_seconds:g} s; read a part of it (start, seconds) or raise max_seconds"
    )
