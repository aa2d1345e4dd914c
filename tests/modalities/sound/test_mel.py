"""Mel spectrograms and their adapter."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import AxialPosition, fourier_features, grid
from perceivers.modalities.sound import mel
from perceivers.modalities.sound.mel import MelAdapter
from perceivers.modalities.sound.spectrogram import mel_filter_bank, mel_spectrogram

LIBROSA = np.load(Path(__file__).parent / "fixtures" / "librosa_mel.npz")
SETTINGS = json.loads(str(LIBROSA["settings"]))

SMALL = {"sample_rate": 8000, "n_fft": 64, "hop_length": 16, "n_mels": 8}


def waves(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SETTINGS)
def test_equals_librosa(name):
    """The values are librosa 0.11.0's in float64, from fixtures/make_librosa_mel.py."""
    got = mel_spectrogram(torch.from_numpy(LIBROSA["waves"]), **SETTINGS[name])
    torch.testing.assert_close(got, torch.from_numpy(LIBROSA[name]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 2500.0])
@pytest.mark.parametrize(
    ("scale", "to_mel"),
    [
        ("htk", lambda f: 2595 * math.log10(1 + f / 700)),
        # HTK uses O'Shaughnessy's constants. Slaney's scale: 15 mel at 1 kHz, 42 mel at 6.4 kHz.
        ("slaney", lambda f: f / 1000 * 15 if f < 1000 else 15 + 27 * math.log(f / 1000, 6.4)),
    ],
)
def test_a_tone_is_strongest_in_its_band(scale, to_mel, frequency):
    setting = {"sample_rate": 8000, "n_fft": 512, "hop_length": 128, "n_mels": 40, "scale": scale}
    tone = torch.sin(2 * math.pi * frequency / 8000 * torch.arange(4000))[None]
    bands = mel_spectrogram(tone, **setting)[0, 10]
    expected = to_mel(frequency) / to_mel(4000.0) * 41 - 1
    assert abs(bands.argmax().item() - expected) < 1


def test_filters_have_unit_area():
    bank = mel_filter_bank(sample_rate=16_000, n_fft=8192, n_mels=20)
    torch.testing.assert_close(bank.sum(0) * 16_000 / 8192, torch.ones(20), rtol=1e-2, atol=0)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 2), st.integers(0, 15),
)  # fmt: skip
def test_patches_tile_the_log_mel_spectrogram(batch, times, frames, mels, channels, rest):
    samples = times * frames * 16 + rest
    adapter = MelAdapter(
        **SMALL, num_samples=samples, channels=channels, patch_frames=frames, patch_mels=mels,
        num_bands=2,
    )  # fmt: skip
    x = waves(batch, samples, channels)
    got = adapter(x)
    log = adapter.log_mel(x)
    assert log.shape == (batch, times * frames, 8, channels)
    for channel in range(channels):
        power = mel_spectrogram(x[..., channel], **SMALL)[:, : times * frames]
        torch.testing.assert_close(log[..., channel], power.log())
    patches = log.reshape(batch, times, frames, 8 // mels, mels, channels).transpose(2, 3)
    assert torch.equal(got.content, patches.reshape(batch, -1, frames * mels * channels))
    assert isinstance(got.position, AxialPosition)
    coordinates = grid(times, 8 // mels)
    expected = fourier_features(coordinates, num_bands=2, max_resolution=(times, 8 // mels))
    torch.testing.assert_close(got.dense_position[0], expected)
    assert (adapter.num_inputs, adapter.dim) == (got.content.shape[1], got.dim)


def test_defaults_give_one_element_per_frame():
    """Whisper's front end (arXiv 2212.04356, §2.2): 80 bands every 10 ms."""
    adapter = MelAdapter()
    x = waves(2, 16_000)
    assert adapter(x).content.shape == (2, 100, 80)
    assert torch.equal(adapter(x).content, adapter.log_mel(x)[..., 0])
    assert torch.equal(adapter(x).content, adapter(x[..., None]).content)


def test_silence_has_the_minimum_power():
    adapter = MelAdapter(**SMALL, num_samples=160)
    content = adapter(torch.zeros(1, 160)).content
    torch.testing.assert_close(content, torch.full_like(content, math.log(1e-10)))


def test_the_minimum_power_lies_below_the_rounding_noise_of_16_bits():
    rounding = torch.rand(1, 16_000, generator=torch.Generator().manual_seed(0)) - 0.5
    power = MelAdapter().log_mel(rounding / 2**15).exp()
    assert power.mean().item() == pytest.approx(3e-10, rel=0.1)


def test_normalisation_acts_on_the_log_mel_spectrogram():
    adapter = MelAdapter(**SMALL, num_samples=160, channels=2, patch_frames=5, patch_mels=4)
    x = waves(3, 160, 2)
    log = adapter.log_mel(x)
    adapter.set_normalisation(log.mean((0, 1, 2)), log.std((0, 1, 2)))
    content = adapter(x).content.unflatten(-1, (-1, 2))
    torch.testing.assert_close(content.mean((0, 1, 2)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(content.std((0, 1, 2)), torch.ones(2))
    assert torch.equal(adapter.log_mel(x), log)


def test_more_samples_than_the_model_was_built_for():
    adapter = MelAdapter(**SMALL, num_samples=160)
    x = waves(1, 320)
    assert adapter(x).content.shape == (1, 20, 8)
    # Zeros at the end change no frame before them: frames are padded with zeros anyway.
    torch.testing.assert_close(adapter.log_mel(x[:, :160]), adapter.log_mel(
        torch.cat([x[:, :160], torch.zeros(1, 160)], dim=1))[:, :10])  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 9), st.integers(0, 15), st.sampled_from([1, 2, 4]), st.sampled_from([2, 8]),
    st.integers(1, 2), st.integers(1, 40),
)  # fmt: skip
def test_streamed_parts_equal_the_whole(patches, rest, frames, mels, channels, elements):
    adapter = MelAdapter(
        **SMALL, num_samples=64, channels=channels, patch_frames=frames, patch_mels=mels,
        num_bands=2,
    )  # fmt: skip
    x = waves(patches * frames * 16 + rest, channels)
    x = x[:, 0] if channels == 1 else x
    stream = adapter.stream(x.numpy(), elements=elements)
    whole = adapter(x[None]).joined()
    for _ in range(2):  # a stream can be read again
        streamed = torch.cat([part.joined() for part in stream], dim=1)
        torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-4)


def test_a_long_wave_is_transformed_in_parts(monkeypatch):
    adapter, x = MelAdapter(**SMALL, num_samples=64, patch_mels=2, num_bands=2), waves(16 * 40)
    assert len(list(adapter.stream(x))) == 1
    monkeypatch.setattr(mel, "MAX_WINDOWED_SAMPLES", 640)
    assert [part.content.shape[1] for part in adapter.stream(x)] == [40] * 4  # ten frames each


def test_half_precision_rounds_only_the_result():
    adapter, x = MelAdapter(**SMALL, num_samples=160), waves(1, 160)
    before = adapter.log_mel(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(adapter.log_mel(x), before)
    half = adapter.bfloat16()
    assert torch.equal(half.log_mel(x), before)
    assert torch.equal(half(x).content, before[..., 0].bfloat16())


def masked_cells(adapter, x):
    """Return where the content of a batch is at the mean, (B, T, F)."""
    return adapter(x).content == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 2), st.integers())
def test_spec_augment_masks_spans(num_time, num_frequency, time_width, frequency_width, seed):
    """The number and width of the spans are bounded; the mask is the mean, whatever its value."""
    adapter = MelAdapter(
        **SMALL, num_samples=160, num_time_masks=num_time, time_mask_width=time_width,
        num_frequency_masks=num_frequency, frequency_mask_width=frequency_width,
    )  # fmt: skip
    adapter.set_normalisation(torch.tensor([-3.0]), torch.tensor([2.0]))
    torch.manual_seed(seed % 2**32)
    cells = masked_cells(adapter, waves(4, 160))
    times, bands = cells.all(dim=2), cells.all(dim=1)
    assert times.sum(1).max() <= num_time * time_width
    assert bands.sum(1).max() <= num_frequency * frequency_width
    assert torch.equal(cells, times[:, :, None] | bands[:, None])
    for masked, limit in ((times, num_time), (bands, num_frequency)):
        starts = torch.nn.functional.pad(masked.int(), (1, 0)).diff(dim=1) == 1
        assert starts.sum(1).max() <= limit


def test_spec_augment_draws_all_widths_and_places():
    adapter = MelAdapter(**SMALL, num_samples=160, num_time_masks=1, time_mask_width=3)
    torch.manual_seed(0)
    times = masked_cells(adapter, waves(1, 160).expand(4000, -1)).all(dim=2)
    shares = times.sum(1).bincount(minlength=4) / 4000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.03, rtol=0)
    singles = times[times.sum(1) == 1].float().mean(0)  # all ten frames are equally likely
    torch.testing.assert_close(singles, torch.full((10,), 0.1), atol=0.04, rtol=0)


@pytest.mark.parametrize("axis", ["time", "frequency"])
def test_spec_augment_acts_only_in_training(axis):
    options = {f"num_{axis}_masks": 2, f"{axis}_mask_width": 4}
    adapter, x = MelAdapter(**SMALL, num_samples=160, **options), waves(8, 160)
    torch.manual_seed(3)
    first = adapter(x).content
    assert not torch.equal(adapter(x).content, first)
    torch.manual_seed(3)
    assert torch.equal(adapter(x).content, first)
    state = torch.get_rng_state()
    assert torch.equal(adapter.eval()(x).content, adapter.log_mel(x)[..., 0])
    assert torch.equal(torch.get_rng_state(), state)


def test_spec_augment_on_fewer_frames_than_a_mask():
    adapter = MelAdapter(**SMALL, num_samples=160, num_time_masks=1, time_mask_width=10)
    torch.manual_seed(0)
    shares = masked_cells(adapter, waves(1, 48).expand(400, -1)).all(dim=2).sum(1).bincount() / 400
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 160, 2), r"audio batch has shape \(2, 160, 2\); expected \(batch, samples, 1\)"),
        ((160,), "audio batch has shape"),
        ((2, 0), "audio of 0 samples has 0 frames.*pad it to 32 samples"),
        ((2, 15), "audio of 15 samples has 0 frames"),
        (
            (2, 80),
            "audio of 80 samples has 5 frames, one every 16 .* of 2 frames; cut or pad it to 64",
        ),
    ],
)
def test_rejects_waves_of_the_wrong_shape(shape, message):
    with pytest.raises(ValueError, match=message):
        MelAdapter(**SMALL, num_samples=160, patch_frames=2)(torch.zeros(shape))


def test_rejects_samples_that_are_not_floats():
    with pytest.raises(ValueError, match=r"samples are torch.int16; .*divide 16-bit integers by"):
        MelAdapter(**SMALL, num_samples=160)(torch.zeros(1, 160, dtype=torch.int16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_samples": 100},
            "audio of 100 samples has 6 frames.* of 5 frames; cut or pad it to 80",
        ),
        ({"patch_mels": 3}, "mel spectrogram of 10×8 does not divide into steps of 5×3"),
        ({"patch_mels": 0}, "patch_stride=0|at most the size"),
        ({"hop_length": 0}, "hop_length=0; expected at least 1"),
        ({"f_max": 4001.0}, "f_max=4001; expected 0 <= f_min < f_max <= 4000, half of"),
        ({"f_min": 200.0, "f_max": 200.0}, "f_min=200, f_max=200"),
        ({"n_mels": 64, "patch_mels": 8}, "n_mels=64 is too many for n_fft=64 at 8000 Hz: band"),
        ({"scale": "bark"}, "unknown scale 'bark'; expected 'slaney' or 'htk'"),
        (
            {"num_time_masks": 1},
            "num_time_masks=1, time_mask_width=0; expected .* width of 1 to 10",
        ),
        (
            {"num_frequency_masks": 1, "frequency_mask_width": 9},
            "expected no masks, or masks with a width of 1 to 8",
        ),
        ({"num_time_masks": -1}, "num_time_masks=-1"),
    ],
)
def test_rejects_sizes_that_do_not_fit_together(options, message):
    with pytest.raises(ValueError, match=message):
        MelAdapter(**{**SMALL, "num_samples": 160, "patch_frames": 5, **options})
