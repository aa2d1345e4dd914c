"""Sound to elements: patches of its log-mel spectrogram."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor

from ...core import Inputs
from ..adapter import CHUNK_ELEMENTS
from ..array.adapter import ArrayAdapter, ArrayOptions
from ..files import as_tensor
from .spectrogram import MelScale, filtered, mel_filter_bank

# B batch · S samples · C channels · T frames · F mel bands

# Under the logarithm. The rounding of 16-bit samples alone gives a band of the default setting a
# power of about 3e-10, so that of a recording nothing is lost.
FLOOR = 1e-10
SPECTRUM = 2**24  # numbers of the transform of a part of a long waveform: 64 MB


class MelAdapter(ArrayAdapter):
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
            `ArrayAdapter`.

    Raises:
        ValueError: sizes that do not go together, here or in `elements`.
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

    def elements(self, waves: Tensor) -> Inputs:
        """Waveforms (B, S), if there is one channel, or (B, S, C) → M elements, mel fastest.

        M = T / patch_frames · F / patch_mels.
        """
        x = self.log_mel(waves)
        if self.training:
            x = self._hide(x)
        return super().elements(x)

    def values(self, batch: Tensor) -> Tensor:
        """See `ChannelsLastAdapter`: the log-mel spectrogram."""
        return self.log_mel(batch)

    def log_mel(self, waves: Tensor) -> Tensor:
        """Waveforms as in `elements` → float32 (B, T, F, C), neither normalised nor masked."""
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
        power = filtered(waves.mT.flatten(0, 1), self._bank, self.n_fft, self.hop_length)
        log = power[:, :frames].clamp_min(FLOOR).log()
        return log.unflatten(0, (-1, self.channels)).permute(0, 2, 3, 1)

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """See `Adapter`: runs of the frames of a waveform (S,), if there is one channel, or (S, C).

        Nothing is hidden, also in training.
        """
        mono = example.ndim == 1 and self.channels == 1
        frames = _Frames(self, example[..., None] if mono else example)
        patches = self.shape[1] // self.patch_size[1]  # above one another
        runs = max(1, SPECTRUM // (self.n_fft * self.patch_size[0]))
        return super().stream(frames, elements=min(elements, runs * patches))

    def _hide(self, x: Tensor) -> Tensor:
        """A log-mel spectrogram (B, T, F, C), runs of its frames and bands set to the mean."""
        for axis, (count, width) in enumerate(self.masks, 1):
            if count:
                hidden = _runs(len(x), x.shape[axis], count, width, x.device)
                x = torch.where(hidden[:, :, None, None].transpose(1, axis), self.mean, x)
        return x


@dataclass(frozen=True)
class _Frames:
    """The log-mel spectrogram (T, F, C) of a waveform (S, C), made when frames are asked for."""

    adapter: MelAdapter
    wave: Any

    @property
    def shape(self) -> tuple[int, ...]:
        adapter = self.adapter
        frames = _frames(len(self.wave), adapter.hop_length, adapter.patch_size[0])
        return frames, adapter.shape[1], adapter.channels

    def __getitem__(self, frames: slice) -> Tensor:
        """A run of frames, from a piece of the wave that reaches half a window further."""
        hop, patch = self.adapter.hop_length, self.adapter.patch_size[0]
        beyond = math.ceil(self.adapter.n_fft / (2 * hop * patch)) * patch  # frames, whole patches
        first = max(0, frames.start - beyond)
        piece = as_tensor(self.wave[first * hop : (frames.stop + beyond) * hop])
        log = self.adapter.log_mel(piece[None].to(self.adapter.mean.device))[0]
        return log[frames.start - first : frames.stop - first]


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
