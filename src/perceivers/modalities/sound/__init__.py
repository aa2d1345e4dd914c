"""Sound: raw batches are float waveforms (B, S) or (B, S, C).

The model reads patches of the waveform or of its log-mel spectrogram.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..file_modality import PATCH_CHANNELS, FileModality, InputChoice
from ..measures import Distribution, Measures, median_of
from .config import AudioConfig, MelConfig, WaveOutputConfig

if TYPE_CHECKING:
    from torch import Tensor

    from ..adapter import Adapter
    from .adapter import AudioAdapter
    from .mel import MelAdapter
    from .output import WaveOutput
    from .reader import SoundReader

# Limits of the spectrograms that `mel_for` chooses.
MAX_ELEMENTS = 256  # elements of an example, unless that takes patches of more than 16 frames
MAX_RATE = 16_000  # Hz; speech needs no more
MAX_SECONDS = 30.0  # longer files are cut to their middle


class Sound(FileModality):
    """Sound: patches of the waveform, or of its log-mel spectrogram."""

    name = "sound"
    recipe = "fsdd"
    configs = (AudioConfig, MelConfig)
    outputs = (WaveOutputConfig,)
    augments = frozenset({"time_shift"})

    @override
    def output(self, config: Any, adapter: "Adapter") -> "WaveOutput":
        from .output import WaveOutput

        return WaveOutput(**config.options())

    @override
    def adapter(self, config: Any) -> "AudioAdapter | MelAdapter":
        from .adapter import AudioAdapter
        from .mel import MelAdapter

        make = MelAdapter if isinstance(config, MelConfig) else AudioAdapter
        return make(**config.adapter_options())

    @override
    def reader_class(self) -> "type[SoundReader]":
        from .reader import SoundReader

        return SoundReader

    @override
    def reader(self, config: Any) -> "SoundReader":
        if isinstance(config, MelConfig):
            step = config.hop_length * config.patch_frames
        else:
            step = config.patch_stride or config.patch_size
        return self.reader_class()(
            config.num_samples, config.sample_rate, config.channels, step, config.own_length
        )

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        return {} if config.position == "learned" else {1: "samples"}

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def preparation(self, config: Any) -> str:
        channels = "mono" if config.channels == 1 else f"{config.channels} channels"
        length = f"at most {config.num_samples}" if config.own_length else str(config.num_samples)
        return (
            f"samples from -1 to 1 at {config.sample_rate} Hz, {channels}; {length} of them, from "
            "the middle of a longer sound; a shorter one has silence on both sides"
        )

    @override
    def augment_batch(self, batch: "Tensor", augmentation: AugmentationConfig) -> "Tensor":
        from .augment import augment_waves

        return augment_waves(batch, augmentation)

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        masks = isinstance(config, MelConfig) and config.num_time_masks
        words = {
            "shifts in time": augmentation.time_shift,
            "masking of frames and mel bands": masks,
        }
        return [word for word, on in words.items() if on]

    @override
    def probe(self, path: Path) -> dict[str, float]:
        from .decode import probe

        info = probe(path)
        return {"sample_rate": info.rate, "channels": info.channels, "seconds": info.seconds}

    @override
    def describe(self, measures: Measures) -> str:
        names = {1: "mono", 2: "stereo"}
        channels = measures["channels"]
        ends = dict.fromkeys(int(end) for end in (channels.low, channels.high))
        layout = " to ".join(names.get(end, f"{end} channels") for end in ends)
        rate = _kilohertz(measures["sample_rate"])
        return f"{rate} {layout}, {median_of(measures['seconds'], 's')}"

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        seconds = measures["seconds"]
        config = replace(mel_for(measures["sample_rate"].median, seconds.most), own_length=True)
        length = config.num_samples / config.sample_rate
        covers_most = length >= seconds.most  # the 95th percentile
        cut = "enough for 19 of 20 files" if covers_most else "longer files are cut to their middle"
        line = f"each file at its own length, up to {length:.2f} s ({cut}), {describe_mel(config)}"
        if measures["channels"].high > 1:
            line += "; all channels are averaged to mono"
        return InputChoice(config, (line,))


def mel_for(rate: float, seconds: float) -> MelConfig:
    """Choose a log-mel spectrogram with windows of 40 ms every 10 ms, like the recipe `fsdd`.

    Its patches are projected with a GELU, which helps where recordings are few (docs/log.md,
    2026-11-28).

    Args:
        rate: sample rate of the files, in Hz.
        seconds: length of the files, in seconds.

    Returns:
        A configuration for at most `MAX_SECONDS` at 8,000 to `MAX_RATE` Hz, with SpecAugment.
    """
    sample_rate = int(min(MAX_RATE, max(8_000, rate)))
    hop, n_mels = sample_rate // 100, 40 if sample_rate <= 8_000 else 64
    frames = max(8, math.ceil(min(seconds, MAX_SECONDS) * sample_rate / hop))
    patch = 2
    while frames > MAX_ELEMENTS * patch and patch < 16:
        patch *= 2
    frames = math.ceil(frames / patch) * patch
    return MelConfig(
        num_samples=frames * hop,
        sample_rate=sample_rate,
        n_fft=4 * hop,
        hop_length=hop,
        n_mels=n_mels,
        patch_frames=patch,
        projection_dim=PATCH_CHANNELS,
        projection_activation="gelu",
        num_bands=16,
        num_time_masks=2,
        time_mask_width=max(1, frames // 8),
        num_frequency_masks=2,
        frequency_mask_width=n_mels // 7,
    )


def describe_mel(config: MelConfig) -> str:
    """Describe a spectrogram, such as "as a log-mel spectrogram of 40 bands at 8 kHz, …"."""
    milliseconds = 1000 * config.patch_frames * config.hop_length / config.sample_rate
    return (
        f"as a log-mel spectrogram of {config.n_mels} bands at {config.sample_rate / 1000:g} kHz, "
        f"one element per {milliseconds:.0f} ms"
    )


def _kilohertz(rates: Distribution) -> str:
    ends = dict.fromkeys((rates.low, rates.high))
    return f"{' to '.join(f'{end / 1000:g}' for end in ends)} kHz"
