"""The samples of an open sound track: placed in time, mixed to mono or stereo, resampled."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from .. import media

MAX_RATE = 768_000  # samples per second; the highest that sound cards offer
GAP = 0.1  # seconds without samples that are taken for silence and not for rounding of the clock


def heard(container: Any, track: Any, origin: int, channels: int) -> Iterator[np.ndarray]:
    """Samples (n, channels) at the track's own rate from second `origin` on, pauses as zeros."""
    import av

    frames = media.frames(container, track)
    first = next(frames, None)
    if first is None:
        raise ValueError("no samples: the sound is empty")
    rate, zero = first.sample_rate, min(media.start_time(container), first.time or 0.0)
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
    stated = media.declared_end_time(container, track)
    if stated is not None and given / rate < 0.9 * (stated - zero) - GAP:
        raise ValueError(
            f"damaged sound: it ends at {given / rate:.2f} s and should at {stated - zero:.2f} s"
        )


def resampled(blocks: Iterator[np.ndarray], track: Any, new: int) -> Iterator[np.ndarray]:
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
