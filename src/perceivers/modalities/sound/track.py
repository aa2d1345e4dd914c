"""Decoding and resampling of an open sound track: timing, pauses, and mixing to mono or stereo."""

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from .. import media
from ..notices import notice

MAX_RATE = 768_000  # Hz; the highest rate that sound cards offer
CANCELLED = 0.01  # a mixture that is quieter than this share of its channels has lost them
QUIET = 1e-4  # loudest sample below which a sound is nearly silent: -80 dB of full scale
FILTER_SAMPLES = 64  # that the resampler needs, at the lower of the two rates
MIN_PAUSE = 0.1  # seconds; a shorter gap between time stamps is a rounding error, not a pause


def decode_track(container: Any, track: Any, origin: int, channels: int) -> Iterator[np.ndarray]:
    """Decode a sound track at its own sample rate, with pauses filled with zeros.

    Args:
        container: an open PyAV container.
        track: its sound track.
        origin: second at which to begin, counted from the start of the container.
        channels: channels of the result, 1 or 2.

    Yields:
        Blocks of samples, float32 (n, channels).

    Raises:
        ValueError: no samples, damaged, a sample rate or channels that change midway, or NaN or
            infinite samples.
    """
    import av

    frames = media.frames(container, track)
    first = next(frames, None)
    if first is None:
        raise ValueError("no samples: the sound is empty")
    rate, zero = first.sample_rate, min(media.start_time(container), first.time or 0.0)
    if rate > MAX_RATE:
        raise ValueError(f"damaged sound: sample rate {rate} Hz; expected at most {MAX_RATE} Hz")
    if origin:
        frames = media.frames_from(container, track, zero + origin)
    else:
        frames = chain([first], frames)
    # Packed samples, because PyAV 18 crashes on reading eight or more planes.
    packed = av.AudioResampler(format="flt")
    mixing = _mixing_matrix(first.layout, channels)
    # Indices, at `rate`, of the next sample to yield and of the next sample to be decoded.
    yielded = decoded = origin * rate
    synchronised = False
    loudest = np.zeros(2)  # of the file's channels, and of their mixture
    for frame in frames:
        if (frame.sample_rate, frame.layout.name) != (rate, first.layout.name):
            raise ValueError(
                "the sample rate or the channels change midway; convert the file to one of each"
            )
        if frame.time is not None:
            stamp = round((frame.time - zero) * rate)
            if not synchronised or stamp - decoded > MIN_PAUSE * rate:
                decoded, synchronised = stamp, True
        while yielded < decoded:
            pause = min(decoded - yielded, rate)
            yield np.zeros((pause, channels), np.float32)
            yielded += pause
        for part in packed.resample(frame):
            stored = part.to_ndarray().reshape(-1, len(mixing))
            samples = stored @ mixing
            if len(mixing) > channels == 1 and len(samples):
                loudest = np.maximum(loudest, [np.abs(stored).max(), np.abs(samples).max()])
            if not np.isfinite(samples).all():
                raise ValueError("the sound has NaN or infinite samples; export the file again")
            new = samples[max(0, yielded - decoded) :]
            decoded += len(samples)
            if len(new):
                yield new
                yielded = decoded
    if loudest[1] < CANCELLED * loudest[0] and loudest[0] > QUIET:
        notice("has channels that cancel each other out when they are averaged to mono")
    _check_complete(container, track, zero, yielded / rate)


def _check_complete(container: Any, track: Any, zero: float, seconds: float) -> None:
    """Raise ValueError if the track ended clearly before the end that its file states."""
    stated = media.declared_end_time(container, track)
    if stated is not None and seconds < 0.9 * (stated - zero) - MIN_PAUSE:
        raise ValueError(
            f"damaged sound: it ends at {seconds:.2f} s, but its file states an end at "
            f"{stated - zero:.2f} s"
        )


def resample(blocks: Iterator[np.ndarray], track: Any, new_rate: int) -> Iterator[np.ndarray]:
    """Resample the blocks of a track as one continuous signal.

    Args:
        blocks: samples (n, channels) at the track's own rate.
        track: the PyAV track that they were decoded from.
        new_rate: samples per second of the result.

    Yields:
        Blocks of samples, float32 (n, channels).
    """
    import av

    first = next(blocks, None)
    old_rate = track.codec_context.sample_rate  # only certain once something has been decoded
    blocks = blocks if first is None else chain([first], blocks)
    if old_rate == new_rate:
        yield from blocks
        return
    resampler = av.AudioResampler(format="flt", rate=new_rate)

    def resampled(block: np.ndarray | None) -> np.ndarray:
        frame = None
        if block is not None:
            layout = "mono" if channels == 1 else "stereo"
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=layout)
            frame.sample_rate = old_rate
        parts = [part.to_ndarray().reshape(-1, channels) for part in resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty((0, channels), np.float32)

    num_read = num_yielded = channels = 0
    for block in blocks:
        channels = block.shape[1]
        num_read += len(block)
        new = resampled(block)
        yield new
        num_yielded += len(new)
    if num_read:
        span = math.ceil(FILTER_SAMPLES * max(1.0, old_rate / new_rate))
        # Of fewer samples than its filter spans, FFmpeg returns nothing: silence follows them.
        silence = np.zeros((span if num_read < span else 0, channels), np.float32)
        rest = resampled(silence) if len(silence) else silence
        # The filter ends a sample early or late. The length is determined by the two rates.
        missing = max(0, max(1, round(num_read * new_rate / old_rate)) - num_yielded)
        filled = np.zeros((missing, channels), np.float32)
        yield np.concatenate([rest, resampled(None), filled])[:missing]


def _mixing_matrix(layout: Any, channels: int) -> np.ndarray:
    """Return the weight of each channel of a file in each output channel: (file's, channels)."""
    count = layout.nb_channels
    if count == channels:
        return np.eye(count, dtype=np.float32)
    sides = [channel.name[-1] for channel in layout.channels]  # FL, FR, FC, LFE, BL, …
    weights = np.ones((count, channels), np.float32)
    if channels == 2 and {"L", "R"} <= set(sides):
        weights[:, 0] = [side != "R" for side in sides]
        weights[:, 1] = [side != "L" for side in sides]
    return weights / weights.sum(0)
