"""Configurations of sound inputs, as plain data: waveforms and log-mel spectrograms."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..array.config import GridConfig


@dataclass(frozen=True, kw_only=True)
class AudioConfig(GridConfig):
    """How waveforms become elements; see `perceivers.modalities.sound.adapter.AudioAdapter`."""

    kind: ClassVar[str] = "audio"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"sample_rate", "own_length"})

    num_samples: int = 61_440
    """Samples of an example."""
    own_length: bool = False
    """Files are read at their own length, up to num_samples; False: silence fills shorter ones."""
    sample_rate: int = 48_000
    """Samples a second."""
    channels: int = 1
    """1 for mono, 2 for stereo."""
    patch_size: int = 128
    """Samples of a patch."""
    patch_stride: int | None = None
    """Step from patch to patch; None: patch_size, no overlap."""
    max_resolution: float | None = None
    """Resolution whose Nyquist frequency the bands reach; None: that of the patches."""


@dataclass(frozen=True, kw_only=True)
class MelConfig(GridConfig):
    """Sound as patches of its log-mel spectrogram; see `MelAdapter`."""

    kind: ClassVar[str] = "mel"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"own_length"})

    num_samples: int = 16_000
    """Samples of an example."""
    own_length: bool = False
    """Files are read at their own length, up to num_samples; False: silence fills shorter ones."""
    channels: int = 1
    """1 for mono, 2 for stereo."""
    sample_rate: int = 16_000
    """Samples a second."""
    n_fft: int = 400
    """Samples of a window of the spectrogram."""
    hop_length: int = 160
    """Samples from frame to frame."""
    n_mels: int = 80
    """Mel bands of a frame."""
    f_min: float = 0.0
    """Lowest frequency of the bands, Hz."""
    f_max: float | None = None
    """Highest frequency of the bands, Hz; None: half the sample rate."""
    scale: Literal["slaney", "htk"] = "slaney"
    """What mel is: Slaney's scale (librosa's default) or HTK's."""
    patch_frames: int = 1
    """Frames of a patch."""
    patch_mels: int | None = None
    """Mel bands of a patch; None: all, so that one frame can be one element."""
    max_resolution: tuple[float, ...] | None = None
    """Resolutions of time and mel whose Nyquist frequency the bands reach; None: the patches'."""
    num_time_masks: int = 0
    """SpecAugment: runs of frames hidden in training."""
    time_mask_width: int = 0
    """Frames of such a run, at most."""
    num_frequency_masks: int = 0
    """SpecAugment: runs of mel bands hidden in training."""
    frequency_mask_width: int = 0
    """Bands of such a run, at most."""
