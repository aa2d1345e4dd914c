"""Sound to elements: patches of its log-mel spectrogram."""

import math
from collections.abc import Sequence
from typing import Literal, Unpack

import torch
from torch import Tensor

from ..core import Inputs
from .grid import GridAdapter, GridOptions

# B batch · S samples · C channels · T frames · F mel bands

MelScale = Literal["slaney", "htk"]

# Under the logarithm. The rounding of 16-bit samples alone gives a band of the default setting a
# power of about 3e-10, so that of a recording nothing is lost.
FLOOR = 1e-10


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
    return _filtered(waves, bank.to(waves.device), n_fft, hop_length)


class MelAdapter(GridAdapter):
    """Waveforms (B, S) or (B, S, C) → `Inputs` of one element a patch of their log-mel spectrogram.

    Elements lie on the grid of time and mel: the natural logarithm of `mel_spectrogram`, of which
    the last frame, whose middle is the end, is left out: T = S // hop_length. Silence is
    log(1e-10) = -23.03, the least there is. Samples are floats, usually in [-1, 1]; a NaN among
    them gives NaN logits. The normalising constants are those of `log_mel`, one mean and spread for
    each of the C channels.

    In training, SpecAugment (arXiv 1904.08779, §2, but for its time warping) sets runs of frames
    and of bands to the mean, other ones for each example, drawn from torch's global generator.

    The defaults are Whisper's front end (arXiv 2212.04356, §2.2: 16 kHz, windows of 25 ms every
    10 ms, 80 bands) on one second, one element a frame.

    Args:
        num_samples: S that the model is made for.
        channels: C; 1 also takes (B, S).
        sample_rate, n_fft, hop_length, n_mels, f_min, f_max, scale: see `mel_spectrogram`.
        patch_frames: frames of a patch.
        patch_mels: bands of a patch; None: all.
        max_resolution: of time and mel; None: those of the grid of patches (Nyquist).
        num_time_masks: runs of frames hidden in training; they may overlap.
        time_mask_width: frames of such a run, at most: each number from 0 on is as likely.
        num_frequency_masks, frequency_mask_width: the same for mel bands.
        options: projection_dim, position, num_bands, spacing, position_dim, fusion; see
            `GridAdapter`.

    Raises:
        ValueError: sizes that do not go together, here or in `forward`.
    """

    noun = "mel spectrogram"

    def __init__(
        self,
        *,
        num_samples: int = 16_000,
        channels: int = 1,
        sample_rate: int = 16_000,
        n_fft: int = 400,
        hop_length: int = 160,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float | None = None,
        scale: MelScale = "slaney",
        patch_frames: int = 1,
        patch_mels: int | None = None,
        max_resolution: Sequence[float] | None = None,
        num_time_masks: int = 0,
        time_mask_width: int = 0,
        num_frequency_masks: int = 0,
        frequency_mask_width: int = 0,
        **options: Unpack[GridOptions],
    ) -> None:
        sizes = {"sample_rate": sample_rate, "n_fft": n_fft, "hop_length": hop_length}
        for name, size in {**sizes, "n_mels": n_mels, "patch_frames": patch_frames}.items():
            if size < 1:
                raise ValueError(f"{name}={size}; expected at least 1")
        super().__init__(
            (_frames(num_samples, hop_length, patch_frames), n_mels),
            channels=channels,
            patch_size=(patch_frames, n_mels if patch_mels is None else patch_mels),
            max_resolution=max_resolution,
            **options,
        )
        self.n_fft, self.hop_length = n_fft, hop_length
        self.masks = (num_time_masks, time_mask_width), (num_frequency_masks, frequency_mask_width)
        axes = zip(("time", "frequency"), self.masks, self.shape, strict=True)
        for name, (count, width), size in axes:
            if count < 0 or (count and not 1 <= width <= size):
                raise ValueError(
                    f"num_{name}_masks={count} of {name}_mask_width={width}; expected masks of 1 "
                    f"to {size}, or none"
                )
        # Not a buffer: in half precision it would be rounded.
        self._bank = mel_filter_bank(
            sample_rate=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            f_min=f_min,
            f_max=f_max,
            scale=scale,
        )

    def forward(self, waves: Tensor) -> Inputs:
        """Waveforms (B, S), if there is one channel, or (B, S, C) → M elements, mel fastest.

        M = T / patch_frames · F / patch_mels.
        """
        x = self.log_mel(waves)
        if self.training:
            x = self._hide(x)
        return super().forward(x)

    def log_mel(self, waves: Tensor) -> Tensor:
        """Waveforms as in `forward` → float32 (B, T, F, C), neither normalised nor masked."""
        if waves.ndim == 2 and self.channels == 1:
            waves = waves[..., None]
        if waves.ndim != 3 or waves.shape[-1] != self.channels:
            raise ValueError(
                f"audio batch has shape {tuple(waves.shape)}; expected (batch, samples, "
                f"{self.channels}), channels last"
            )
        if not torch.is_floating_point(waves):
            raise ValueError(
                f"samples are {waves.dtype}; expected floats, usually in [-1, 1]: divide 16-bit "
                "integers by 32768"
            )
        frames = _frames(waves.shape[1], self.hop_length, self.patch_size[0])
        with torch.inference_mode(False):  # so that training can go on with it
            self._bank = self._bank.to(waves.device)
        power = _filtered(waves.mT.flatten(0, 1), self._bank, self.n_fft, self.hop_length)
        log = power[:, :frames].clamp_min(FLOOR).log()
        return log.unflatten(0, (-1, self.channels)).permute(0, 2, 3, 1)

    def _hide(self, x: Tensor) -> Tensor:
        """A log-mel spectrogram (B, T, F, C), runs of its frames and bands set to the mean."""
        for axis, (count, width) in enumerate(self.masks, 1):
            if count:
                hidden = _runs(len(x), x.shape[axis], count, width, x.device)
                x = torch.where(hidden[:, :, None, None].transpose(1, axis), self.mean, x)
        return x


def _filtered(waves: Tensor, bank: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Power in each filter: (B, S) → (B, 1 + S // hop_length, F), float32."""
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


def _runs(batch: int, size: int, count: int, width: int, device: torch.device) -> Tensor:
    """Random runs of at most `width` cells of an axis, (B, size), True within one of them."""
    length = torch.randint(0, min(width, size) + 1, (batch, count, 1), device=device)
    start = torch.rand(batch, count, 1, device=device) * (size - length + 1)
    cells = torch.arange(size, device=device) - start.floor()
    return ((cells >= 0) & (cells < length)).any(dim=1)


def _frames(samples: int, hop_length: int, patch_frames: int) -> int:
    """T of a waveform; ValueError unless patches divide it."""
    frames = samples // hop_length
    if not frames or frames % patch_frames:
        fitting = max(1, frames // patch_frames) * patch_frames * hop_length
        raise ValueError(
            f"audio of {samples} samples has {frames} frames, one each {hop_length}, which do not "
            f"divide into patches of {patch_frames}; cut or pad it to {fitting} samples"
        )
    return frames


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
