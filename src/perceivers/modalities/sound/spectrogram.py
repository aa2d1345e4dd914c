"""Mel spectrograms with the same values as librosa's."""

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
    """Return triangular mel filters of unit area, evenly spaced in mel, on the CPU.

    The values are those of `librosa.filters.mel` (0.11).

    Args:
        sample_rate: samples per second.
        n_fft: window length in samples.
        n_mels: F, the number of bands.
        f_min: lowest frequency, in Hz.
        f_max: highest frequency, in Hz; None: half the sample rate.
        scale: mel scale: "slaney", librosa's default, or "htk".

    Returns:
        float32 (n_fft // 2 + 1, F).

    Raises:
        ValueError: an unknown scale, frequencies out of order or above half the sample rate, or so
            many bands that one falls between two frequencies of the transform and would always be
            silent.
    """
    f_max = sample_rate / 2 if f_max is None else f_max
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ValueError(
            f"f_min={f_min:g}, f_max={f_max:g}; expected 0 <= f_min < f_max <= "
            f"{sample_rate / 2:g}, half of sample_rate={sample_rate}"
        )
    # In float64, because the slopes come from small differences of frequencies.
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
            f"n_mels={n_mels} is too many for n_fft={n_fft} at {sample_rate} Hz: band "
            f"{int(silent[0])} contains no frequency of the transform; use fewer bands or a larger "
            "n_fft"
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
    """Return the power of each mel band over time.

    The values are those of `librosa.feature.melspectrogram` (0.11), whose last two axes are
    swapped: Hann windows, frame i centred on sample i·hop_length, and zeros before the first and
    after the last sample.

    Args:
        waves: floats (B, S). The computation is in float32 whatever their type, also under
            autocast.
        sample_rate: samples per second.
        n_fft: window length in samples.
        hop_length: samples from one frame to the next.
        n_mels: F, the number of bands.
        f_min: lowest frequency, in Hz.
        f_max: highest frequency, in Hz; None: half the sample rate.
        scale: mel scale: "slaney", librosa's default, or "htk".

    Returns:
        float32 (B, 1 + S // hop_length, F).

    Raises:
        ValueError: as `mel_filter_bank`.
    """
    bank = mel_filter_bank(
        sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max, scale=scale
    )
    return mel_power(waves, bank.to(waves.device), n_fft, hop_length)


def mel_power(waves: Tensor, bank: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Return the mel spectrogram of waveforms for a given filter bank.

    Args:
        waves: floats (B, S).
        bank: filters (n_fft // 2 + 1, F) on the device of `waves`.
        n_fft: window length in samples.
        hop_length: samples from one frame to the next.

    Returns:
        float32 (B, 1 + S // hop_length, F).
    """
    if not waves.shape[0]:  # torch.stft takes no empty batch
        return bank.new_zeros(0, 1 + waves.shape[1] // hop_length, bank.shape[1])
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


# Slaney's scale is linear up to 1 kHz, with 3 mel per 200 Hz. Above it is logarithmic, with 27 mel
# per factor of 6.4.
HERTZ_PER_MEL = 200 / 3
LINEAR_UP_TO = 1000.0  # Hz
LOG_STEP = math.log(6.4) / 27  # increase of the log frequency per mel


def _to_mel(frequency: float, scale: MelScale) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + frequency / 700)
    if scale != "slaney":
        raise ValueError(f"unknown scale {scale!r}; expected 'slaney' or 'htk'")
    if frequency < LINEAR_UP_TO:
        return frequency / HERTZ_PER_MEL
    return LINEAR_UP_TO / HERTZ_PER_MEL + math.log(frequency / LINEAR_UP_TO) / LOG_STEP


def _to_hertz(mel: Tensor, scale: MelScale) -> Tensor:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = LINEAR_UP_TO * (LOG_STEP * (mel - LINEAR_UP_TO / HERTZ_PER_MEL)).exp()
    return torch.where(mel < LINEAR_UP_TO / HERTZ_PER_MEL, mel * HERTZ_PER_MEL, above)
