"""Configurations of sound inputs, as plain data: waveforms and log-mel spectrograms."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from typing_extensions import override

from ..array.config import GridConfig
from ..config import Bands, Count, OutputConfig, Range, Task


@dataclass(frozen=True, kw_only=True)
class AudioConfig(GridConfig):
    """How waveforms become elements; see `perceivers.modalities.sound.adapter.AudioAdapter`."""

    kind: ClassVar[str] = "audio"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"sample_rate", "own_length"})

    num_samples: Count = 61_440
    """Length of an example in samples, at sample_rate; longer files are cut to their middle."""
    own_length: bool = False
    """Read each file at its own length, up to num_samples; false: pad shorter files with silence to
    num_samples."""
    sample_rate: Count = 48_000
    """Samples per second to which files are resampled, in Hz."""
    channels: Count = 1
    """Channels to which files are mixed: 1 for mono, 2 for stereo."""
    patch_size: Count = 128
    """Length of a patch in samples; each patch is one element."""
    patch_stride: Count | None = None
    """Step from one patch to the next, in samples; none: patch_size, so that patches do not
    overlap."""
    max_resolution: float | None = None
    """Resolution of the Fourier positions: their highest frequency is half of it (Nyquist); none:
    the number of patches."""


@dataclass(frozen=True, kw_only=True)
class MelConfig(GridConfig):
    """How log-mel spectrograms of sound become elements.

    See `perceivers.modalities.sound.mel.MelAdapter`.
    """

    kind: ClassVar[str] = "mel"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"own_length"})

    num_samples: Count = 16_000
    """Length of an example in samples, at sample_rate; longer files are cut to their middle."""
    own_length: bool = False
    """Read each file at its own length, up to num_samples; false: pad shorter files with silence to
    num_samples."""
    channels: Count = 1
    """Channels to which files are mixed: 1 for mono, 2 for stereo."""
    sample_rate: Count = 16_000
    """Samples per second to which files are resampled, in Hz."""
    n_fft: Annotated[int, Range(0, 2**16)] = 400
    """Window length of the spectrogram in samples."""
    hop_length: Count = 160
    """Step from one frame of the spectrogram to the next, in samples."""
    n_mels: Annotated[int, Range(0, 1024)] = 80
    """Number of mel bands."""
    f_min: float = 0.0
    """Lowest frequency of the mel bands, in Hz."""
    f_max: float | None = None
    """Highest frequency of the mel bands, in Hz; none: half the sample rate."""
    scale: Literal["slaney", "htk"] = "slaney"
    """Formula of the mel scale: Slaney's (librosa's default) or HTK's."""
    patch_frames: Count = 1
    """Length of a patch in frames."""
    patch_mels: Count | None = None
    """Height of a patch in mel bands; none: all bands."""
    max_resolution: tuple[float, ...] | None = None
    """Resolutions of the Fourier positions along time and mel: the highest frequency of an axis is
    half of its resolution (Nyquist); none: the numbers of patches."""
    num_time_masks: int = 0
    """SpecAugment: number of random spans of frames masked in each training example; 0: none."""
    time_mask_width: int = 0
    """SpecAugment: maximum length of a masked span, in frames."""
    num_frequency_masks: int = 0
    """SpecAugment: number of random spans of mel bands masked in each training example; 0: none."""
    frequency_mask_width: int = 0
    """SpecAugment: maximum width of a masked span, in mel bands."""


@dataclass(frozen=True, kw_only=True)
class WaveOutputConfig(OutputConfig):
    """A waveform, rebuilt patch by patch; see `WaveOutput`."""

    kind: ClassVar[str] = "waveform"

    num_samples: Count = 30_720
    """Length of the waveform in samples."""
    patch_size: Count = 16
    """Samples of a patch, for each of which there is a query."""
    num_bands: Bands = 192
    """Number of Fourier frequencies of the queries."""
    max_resolution: float | None = None
    """Resolution of the queries' positions; the highest frequency is half of it. None: the number
    of samples."""

    @property
    @override
    def task(self) -> Task:
        return "reconstruction"
