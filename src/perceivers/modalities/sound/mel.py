"""The adapter of log-mel spectrograms: patches of frames and mel bands become elements."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor
from typing_extensions import override

from ...core import Inputs
from ..adapter import CHUNK_ELEMENTS
from ..array.adapter import ArrayAdapter, ArrayOptions
from ..channels_last import channels_hint
from ..files import as_tensor
from .spectrogram import MelScale, mel_filter_bank, mel_power

# B batch · S samples · C channels · T frames · F mel bands

# The lowest power before the logarithm is taken. With the default settings, the rounding of 16-bit
# samples alone gives a band a power of about 3e-10, so a recording loses nothing.
MIN_POWER = 1e-10
# Samples of all windows, overlaps included, that are transformed together when a long waveform is
# streamed: 64 MB.
MAX_WINDOWED_SAMPLES = 2**24


class MelAdapter(ArrayAdapter):
    """Turn waveforms (B, S) or (B, S, C) into `Inputs` with one element per spectrogram patch.

    The elements lie on a grid of time and mel, with mel running fastest: M = (T / `patch_frames`) ·
    (F / `patch_mels`). The spectrogram is the natural logarithm of `mel_spectrogram` without its
    last frame, so that T = S // `hop_length`. Powers below 1e-10 are set to 1e-10, so silence is
    log(1e-10) = -23.03.

    Samples are floats, usually in [-1, 1]; a NaN sample gives NaN logits. The normalising constants
    are the means and standard deviations of `log_mel`, one pair for each of the C channels.

    In training, SpecAugment (arXiv 1904.08779, §2, without time warping) sets spans of frames and
    of mel bands to the mean. Each example gets its own spans, drawn from torch's global generator.

    The defaults are Whisper's front end (arXiv 2212.04356, §2.2: 16 kHz, windows of 25 ms every
    10 ms, 80 bands) for one second of sound, with one element per frame.

    Args:
        num_samples: S, the number of samples that the model is built for.
        channels: C. With one channel, batches may also be (B, S).
        sample_rate: samples per second.
        n_fft: window length in samples.
        hop_length: samples from one frame to the next.
        n_mels: F, the number of mel bands.
        f_min: lowest frequency of the bands, in Hz.
        f_max: highest frequency of the bands, in Hz; None: half the sample rate.
        scale: mel scale: "slaney", librosa's default, or "htk".
        patch_frames: frames of a patch.
        patch_mels: mel bands of a patch; None: all.
        max_resolution: resolutions of time and mel whose Nyquist frequencies are the highest
            Fourier frequencies of the positions; None: the numbers of patches.
        num_time_masks: number of spans of frames that are masked in training; they may overlap.
        time_mask_width: maximum length of such a span in frames. Lengths from 0 to this maximum are
            equally likely.
        num_frequency_masks: number of spans of mel bands that are masked in training.
        frequency_mask_width: maximum width of such a span in mel bands.
        options: projection_dim, projection_activation, position, num_bands, spacing, position_dim
            and fusion, as of `ArrayAdapter`.

    Raises:
        ValueError: sizes that do not fit together, here or in `elements`.
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
        **options: Unpack[ArrayOptions],
    ) -> None:
        sizes = {"sample_rate": sample_rate, "n_fft": n_fft, "hop_length": hop_length}
        for name, size in {**sizes, "n_mels": n_mels, "patch_frames": patch_frames}.items():
            if size < 1:
                raise ValueError(f"{name}={size}; expected at least 1")
        super().__init__(
            (_num_frames(num_samples, hop_length, patch_frames), n_mels),
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
                    f"num_{name}_masks={count}, {name}_mask_width={width}; expected no masks, or "
                    f"masks with a width of 1 to {size}"
                )
        # Not a buffer, because a model in half precision would round it.
        self._bank = mel_filter_bank(
            sample_rate=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            f_min=f_min,
            f_max=f_max,
            scale=scale,
        )

    @override
    def elements(self, waves: Tensor) -> Inputs:
        x = self.log_mel(waves)
        if self.training:
            x = self._mask_spans(x)
        return super().elements(x)

    @override
    def values(self, batch: Tensor) -> Tensor:
        return self.log_mel(batch)

    def log_mel(self, waves: Tensor) -> Tensor:
        """Return the log-mel spectrogram of a batch, neither normalised nor masked.

        Args:
            waves: floats (B, S, C), or (B, S) if the model takes one channel.

        Returns:
            float32 (B, T, F, C).

        Raises:
            ValueError: the batch has another shape, does not hold floats, or its frames do not
                divide into patches.
        """
        if waves.ndim == 2 and self.channels == 1:
            waves = waves[..., None]
        if waves.ndim != 3 or waves.shape[-1] != self.channels:
            raise ValueError(
                f"audio batch has shape {tuple(waves.shape)}; expected (batch, samples, "
                f"{self.channels}), channels last{channels_hint(waves, self.channels)}"
            )
        if not torch.is_floating_point(waves):
            raise ValueError(
                f"samples are {waves.dtype}; expected floats, usually in [-1, 1]; divide 16-bit "
                "integers by 32768"
            )
        frames = _num_frames(waves.shape[1], self.hop_length, self.patch_size[0])
        with torch.inference_mode(False):  # tensors made in inference mode cannot be trained with
            self._bank = self._bank.to(waves.device)
        power = mel_power(waves.mT.flatten(0, 1), self._bank, self.n_fft, self.hop_length)
        log = power[:, :frames].clamp_min(MIN_POWER).log()
        return log.unflatten(0, (-1, self.channels)).permute(0, 2, 3, 1)

    @override
    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        # SpecAugment does not apply here, not even in training.
        mono = example.ndim == 1 and self.channels == 1
        spectrogram = _LazySpectrogram(self, example[..., None] if mono else example)
        patches_per_step = self.shape[1] // self.patch_size[1]
        steps = max(1, MAX_WINDOWED_SAMPLES // (self.n_fft * self.patch_size[0]))
        return super().stream(spectrogram, elements=min(elements, steps * patches_per_step))

    def _mask_spans(self, x: Tensor) -> Tensor:
        """Set random spans of the frames and bands of a spectrogram (B, T, F, C) to the mean."""
        for axis, (count, width) in enumerate(self.masks, 1):
            if count:
                masked = _random_spans(len(x), x.shape[axis], count, width, x.device)
                x = torch.where(masked[:, :, None, None].transpose(1, axis), self.mean, x)
        return x


@dataclass(frozen=True)
class _LazySpectrogram:
    """The log-mel spectrogram (T, F, C) of a waveform (S, C), computed for the frames indexed."""

    adapter: MelAdapter
    wave: Any

    @property
    def shape(self) -> tuple[int, ...]:
        adapter = self.adapter
        frames = _num_frames(len(self.wave), adapter.hop_length, adapter.patch_size[0])
        return frames, adapter.shape[1], adapter.channels

    def __getitem__(self, frames: slice) -> Tensor:
        hop, patch = self.adapter.hop_length, self.adapter.patch_size[0]
        # The windows of the outer frames reach half a window beyond them. Rounded up to patches.
        margin = math.ceil(self.adapter.n_fft / (2 * hop * patch)) * patch  # frames
        first = max(0, frames.start - margin)
        wave = as_tensor(self.wave[first * hop : (frames.stop + margin) * hop])
        log = self.adapter.log_mel(wave[None].to(self.adapter.mean.device))[0]
        return log[frames.start - first : frames.stop - first]


def _random_spans(batch: int, size: int, count: int, width: int, device: torch.device) -> Tensor:
    """Draw `count` spans of at most `width` cells of an axis: (B, size), True inside a span."""
    length = torch.randint(0, min(width, size) + 1, (batch, count, 1), device=device)
    start = torch.rand(batch, count, 1, device=device) * (size - length + 1)
    offset = torch.arange(size, device=device) - start.floor()
    return ((offset >= 0) & (offset < length)).any(dim=1)


def _num_frames(samples: int, hop_length: int, patch_frames: int) -> int:
    """Return T; raise ValueError unless it is a positive multiple of `patch_frames`."""
    frames = samples // hop_length
    if not frames or frames % patch_frames:
        fitting = max(1, frames // patch_frames) * patch_frames * hop_length
        raise ValueError(
            f"audio of {samples} samples has {frames} frames, one every {hop_length} samples, "
            f"which do not divide into patches of {patch_frames} frames; cut or pad it to "
            f"{fitting} samples"
        )
    return frames
