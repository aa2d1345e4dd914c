"""Draw a sound as waveform and spectrogram, with a number for each element over them."""

from typing import Any

import numpy as np
import torch

from ..drawing import COLOURS, OPACITY, relative
from .config import AudioConfig, MelConfig

MAX_DRAWN = 4000  # points of the curve of a waveform


def draw(
    figure: Any, wave: np.ndarray, values: np.ndarray | None, config: AudioConfig | MelConfig
) -> None:
    """Draw the waveform above the spectrogram.

    Args:
        figure: matplotlib figure or part of one.
        wave: float (S,) or (S, C).
        values: (M,), not negative; None: the sound alone.
        config: the input configuration of the model.
    """
    mono = wave if wave.ndim == 1 else wave.mean(-1)
    seconds = len(mono) / config.sample_rate
    above, below = figure.subplots(2, 1, sharex=True)
    step = max(1, len(mono) // MAX_DRAWN)
    above.plot(np.arange(0, len(mono), step) / config.sample_rate, mono[::step], lw=0.5, c="0.2")
    grid = None if values is None else relative(values).reshape(_rows(config), -1, order="F")
    spectrogram, top, unit = (
        (_log_mel(wave, config), float(config.n_mels), "mel band")
        if isinstance(config, MelConfig)
        else _log_power(mono, config.sample_rate)
    )
    below.imshow(
        spectrogram, aspect="auto", origin="lower", cmap="gray", extent=(0, seconds, 0, top)
    )
    below.set_xlabel("seconds", fontsize=6, labelpad=1)
    below.set_ylabel(unit, fontsize=6)
    below.tick_params(labelsize=6)
    above.set(yticks=[])
    above.tick_params(labelbottom=False)
    if grid is None:
        return
    settings = {"aspect": "auto", "origin": "lower", "cmap": COLOURS, "vmin": 0, "vmax": 1}
    low, high = above.get_ylim()
    above.imshow(
        grid.mean(0, keepdims=True), alpha=OPACITY, extent=(0, seconds, low, high), **settings
    )
    below.imshow(grid, alpha=OPACITY, extent=(0, seconds, 0, top), **settings)


def _rows(config: AudioConfig | MelConfig) -> int:
    """Return the number of elements of each moment: 1, or the patches along the mel bands."""
    if isinstance(config, MelConfig):
        return config.n_mels // (config.patch_mels or config.n_mels)
    return 1


def _log_mel(wave: np.ndarray, config: MelConfig) -> np.ndarray:
    """Return the spectrogram that the model reads, (bands, frames)."""
    from .mel import MelAdapter

    adapter = MelAdapter(**config.adapter_options()).eval()
    bands: np.ndarray = adapter.values(torch.from_numpy(wave)[None])[0].mean(-1).T.numpy()
    return bands


def _log_power(mono: np.ndarray, rate: int) -> tuple[np.ndarray, float, str]:
    """Return a spectrogram in decibels (frequencies, frames), its highest frequency and unit."""
    size = min(512, len(mono))
    x = torch.from_numpy(np.ascontiguousarray(mono, np.float32))
    power = torch.stft(
        x, size, hop_length=max(1, size // 4), window=torch.hann_window(size), return_complex=True
    ).abs()
    return (20 * (power + 1e-4).log10()).numpy(), rate / 2000, "kHz"
