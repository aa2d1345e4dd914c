"""Sound files of smooth noise in several formats."""

import numpy as np
from media_files import sound

RATE = 16_000


def noise(seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Return smooth noise (S, channels) in which no part resembles another."""
    raw = np.random.default_rng(0).normal(size=(round(seconds * rate) + 50, channels))
    return 0.03 * np.stack([np.convolve(c, np.hanning(51), "valid") for c in raw.T], 1)


FLAC = sound(noise(5), RATE, "flac", "flac")
MP3 = sound(noise(2), RATE, "mp3", "libmp3lame")
MKV = sound(noise(2), RATE, "matroska", "flac")
TS = sound(noise(1), RATE, "mpegts", "aac")
M4A = sound(noise(1), RATE, "ipod", "aac")
