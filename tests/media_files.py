"""Real sound and video files, written with PyAV and the standard library; a photograph."""

import io
import wave
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
from PIL import Image

# A real photograph, which matplotlib brings: Grace Hopper in front of a flag, 512 × 600 pixels.
PHOTOGRAPH = (
    Path(find_spec("matplotlib").origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
)
SIDE = 32  # height and width in pixels of a numbered picture


def photograph():
    """Return the photograph as an image of Pillow."""
    with Image.open(PHOTOGRAPH) as image:
        return image.convert("RGB")


def wav(samples: np.ndarray, rate: int, width: int = 2) -> bytes:
    """Return a wav file of integer samples (S,) or (S, C), each stored in `width` bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        stored = samples.reshape(-1, 1).astype("<i4" if width > 1 else "u1")
        file.writeframes(stored.view(np.uint8)[:, :width].tobytes())
    return buffer.getvalue()


def sound(samples, rate, container, codec, layout="mono", start=0.0, gap_at=None, gap=0.0) -> bytes:
    """Return a sound file of samples (S,) or (S, C) in [-1, 1].

    Samples from index `gap_at` on are `gap` seconds late.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        write = add_sound(file, rate, codec, layout)
        cut = len(samples) if gap_at is None else gap_at
        write(samples[:cut], start)
        write(samples[cut:], start + cut / rate + gap)
        write(None, 0)
    return buffer.getvalue()


def add_sound(file, rate, codec, layout="mono"):
    """Add a sound track to an open file; return a function that writes samples at a start time."""
    track = file.add_stream(codec, rate=rate, layout=layout)
    kind = track.codec_context.format.name

    def write(samples, start):
        if samples is None:
            file.mux(track.encode(None))
            return
        if kind[0] == "s":  # s16, s32
            scale = 2 ** (int(kind[1:3]) - 1)
            samples = (samples * scale).round().clip(-scale, scale - 1)
        elif kind[:2] == "u8":
            samples = samples * 128 + 128
        types = {"s16": "i2", "s32": "i4", "flt": "f4", "u8": "u1", "u8p": "u1"}
        samples = samples.astype(types[kind[:3]])
        samples = samples[:, None] if samples.ndim == 1 else samples
        for first in range(0, len(samples), 1024):
            part = samples[first : first + 1024]
            planes = part.T if kind.endswith("p") else part.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), kind, layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + first
            file.mux(track.encode(frame))

    return write


def video(
    pictures,
    container="matroska",
    codec="ffv1",
    pixels="bgr0",
    rate=25,
    first=0,
    sound=None,
    **opts,
) -> bytes:
    """Return a video file of pictures (T, H, W, 3 or 4) uint8; the default codec is lossless.

    Args:
        pictures: the frames.
        container: name of the FFmpeg format.
        codec: name of the FFmpeg codec.
        pixels: pixel format of the codec.
        rate: frames per second.
        first: frame number of the first picture; the video track is empty before it.
        sound: (codec, rate, samples) of a sound track that starts at time 0.
        **opts: options of the codec, or `live` of the container.
    """
    buffer = io.BytesIO()
    muxer = {"live": opts.pop("live")} if "live" in opts else {}
    with av.open(buffer, "w", format=container, container_options=muxer) as file:
        track = file.add_stream(codec, rate=rate, options={k: str(v) for k, v in opts.items()})
        track.height, track.width = np.shape(pictures)[1:3]
        track.pix_fmt = pixels
        track.bit_rate = 2_000_000
        if sound:
            write = add_sound(file, sound[1], sound[0])
        file.start_encoding()  # so that a video without pictures is written too
        for number, picture in enumerate(pictures, first):
            layout = "rgba" if picture.shape[-1] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(picture, layout).reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
        if sound:
            write(sound[2], 0)
            write(None, 0)
    return buffer.getvalue()


def numbered(count: int) -> np.ndarray:
    """Return pictures (count, SIDE, SIDE, 3) that show their index as 16 black or white squares."""
    bits = np.arange(count)[:, None] >> np.arange(16) & 1
    squares = (bits * 255).astype(np.uint8).reshape(count, 4, 4, 1)
    return squares.repeat(SIDE // 4, 1).repeat(SIDE // 4, 2).repeat(3, 3)


def numbers(pictures: np.ndarray) -> list[int]:
    """Decode the indices that `numbered` pictures show, also after lossy compression."""
    squares = pictures.reshape(-1, 4, SIDE // 4, 4, SIDE // 4, pictures.shape[-1])
    bits = squares.mean((2, 4, 5)).reshape(-1, 16) > 127
    return (bits << np.arange(16)).sum(1).tolist()


def damaged(raw: bytes, seed: int) -> bytes:
    """Return the file truncated, or with 8 bytes changed, anywhere or near its start."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        return raw[: rng.integers(len(raw))]
    changed = bytearray(raw)
    for index in rng.integers(len(raw) if seed % 3 == 1 else min(len(raw), 400), size=8):
        changed[index] = rng.integers(256)
    return bytes(changed)


def write_wav(path, samples, rate=8000):
    """Write samples (S,) in [-1, 1] to a 16-bit wav file and return its path."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path
