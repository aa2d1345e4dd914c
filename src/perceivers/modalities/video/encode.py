"""Films as files: frames and sound in Matroska, without loss."""

import io
from fractions import Fraction

import numpy as np

from ..media import import_av

SOUND_FRAME = 1024  # samples that are encoded at a time


def mkv_bytes(
    frames: np.ndarray,
    rate: float,
    sound: np.ndarray | None = None,
    sample_rate: int = 48_000,
) -> bytes:
    """Return a film as the content of an `.mkv` file that VLC, mpv and FFmpeg play.

    The frames are FFV1 and the sound is PCM of 16 bits, so that a reader gets exactly what was
    written.

    Args:
        frames: uint8 (T, H, W, 1 or 3), grey or RGB.
        rate: frames per second.
        sound: samples (S,) in [-1, 1]; values beyond are clipped. None: no sound.
        sample_rate: samples per second.

    Raises:
        ValueError: the frames are no film.
    """
    if frames.ndim != 4 or frames.dtype != np.uint8 or not frames.size or frames.shape[3] == 2:
        raise ValueError(
            f"frames are {frames.dtype} of shape {frames.shape}; expected uint8 (frames, height, "
            "width, 1 or 3)"
        )
    av, step = import_av(), Fraction(rate).limit_denominator(100_000)
    grey = frames.shape[3] == 1
    given, stored = ("gray", "gray") if grey else ("rgb24", "bgr0")
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as file:
        film = file.add_stream("ffv1", rate=step)
        film.height, film.width = frames.shape[1:3]
        film.pix_fmt = stored
        track = None
        if sound is not None:
            track = file.add_stream("pcm_s16le", rate=sample_rate, layout="mono")
        for number, picture in enumerate(frames):
            pixels = np.ascontiguousarray(picture[..., 0] if grey else picture)
            frame = av.VideoFrame.from_ndarray(pixels, given).reformat(format=stored)
            frame.pts, frame.time_base = number, 1 / step
            file.mux(film.encode(frame))
        file.mux(film.encode(None))
        if track is not None and sound is not None:
            for start, samples in _blocks(sound):
                block = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                block.sample_rate, block.time_base = sample_rate, Fraction(1, sample_rate)
                block.pts = start
                file.mux(track.encode(block))
            file.mux(track.encode(None))
    return content.getvalue()


def _blocks(sound: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return the first index and the samples, int16 (1, …), of each block of a sound (S,)."""
    samples = (sound.clip(-1, 1) * 32_767).round().astype(np.int16)[None]
    return [(s, samples[:, s : s + SOUND_FRAME]) for s in range(0, len(sound), SOUND_FRAME)]
