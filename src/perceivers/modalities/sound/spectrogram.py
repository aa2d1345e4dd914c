"""Mel spectrograms, equal to librosa's."""

import math
from typing import Literal

import torch
from torch import Tensor

# B batch · S samples · F mel bands

MelScale = Literal["slaney", "htk"]


def mel_filter_bank(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    scale: MelScale = "slaney",
) -> Tensor:
    """Triangles of unit area, evenly spaced in mel: float32 (n_fft // 2 + 1, n_mels), on the CPU.

    As `librosa.filters.mel` (0.11). Arguments are those of `mel_spectrogram`.

    Raises:
        ValueError: frequencies out of order or above half the sample rate, or so many bands that
            one falls between two frequencies of the transform and would always be silent.
    """
    f_max = sample_rate / 2 if f_max is None else f_max
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ValueError(
            f"f_min={f_min:g}, f_max={f_max:g}; expected 0 <= f_min < f_max <= "
            f"{sample_rate / 2:g}, half of sample_rate={sample_rate}"
        )
    # In float64: the flanks are small differences of frequencies.
    low, high = (_to_mel(frequency, scale) for frequency in (f_min, f_max))
    steps = torch.linspace(low, high, n_mels + 2, dtype=torch.float64, device="cpu")
    corners = _to_hertz(steps, scale)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64, device="cpu") * (sample_rate / n_fft)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - left) / (middle - left)
    falling = (right - bins[:, None]) / (right - middle)
    bank = torch.minimum(rising, falling).clamp_min(0) * (2 / (right - left))
    silent = bank.sum(0).eq(0).nonzero()
    if len(silent):
        raise ValueError(
            f"n_mels={n_mels} are too many for n_fft={n_fft} at {sample_rate} Hz: band "
            f"{int(silent[0])} holds no frequency; use fewer bands or a larger n_fft"
        )
    return bank.float()


def mel_spectrogram(
    waves: Tensor,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    scale: MelScale = "slaney",
) -> Tensor:
    """Power of each mel band over time: (B, S) → float32 (B, 1 + S // hop_length, n_mels).

    As `librosa.feature.melspectrogram` (0.11), whose last two axes are the other way round: Hann
    windows, frame i around sample i·hop_length, zeros before the first and after the last sample.

    Args:
        waves: floats; the computation is in float32 whatever their type, also under autocast.
        sample_rate: samples a second.
        n_fft: samples of a window.
        hop_length: samples from frame to frame.
        n_mels: F, bands.
        f_min: lowest frequency, Hz.
        f_max: highest; None: half the sample rate.
        scale: what mel is: "slaney", librosa's default, or "htk".

    Raises:
        ValueError: see `mel_filter_bank`.
    """
    bank = mel_filter_bank(
        sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max, scale=scale
    )
    return filtered(waves, bank.to(waves.device), n_fft, hop_length)


def filtered(waves: Tensor, bank: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """`mel_spectrogram` by the filters of a bank (n_fft // 2 + 1, F) on the waves' device."""
    with torch.autocast(waves.device.type, enabled=False):
        spectrum = torch.stft(
            waves.float(),
            n_fft,
            hop_length,
            window=torch.hann_window(n_fft, device=waves.device),
            pad_mode="constant",
            return_complex=True,
        )
        return torch.view_as_real(spectrum).square().sum(-1).mT @ bank


# Slaney's scale is linear up to 1 kHz, 3 mel for 200 Hz, then logarithmic, 27 mel for a factor 6.4.
LINEAR, KNEE, LOG = 200 / 3, 1000.0, math.log(6.4) / 27


def _to_mel(frequency: float, scale: MelScale) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + frequency / 700)
    if scale != "slaney":
        raise ValueError(f"unknown scale {scale!r}; expected 'slaney' or 'htk'")
    if frequency < KNEE:
        return frequency / LINEAR
    return KNEE / LINEAR + math.log(frequency / KNEE) / LOG


def _to_hertz(mel: Tensor, scale: MelScale) -> Tensor:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = KNEE * (LOG * (mel - KNEE / LINEAR)).exp()
    return torch.where(mel < KNEE / LINEAR, mel * LINEAR, above)
