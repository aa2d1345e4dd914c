"""Input configurations: every field has an effect, and all fields survive JSON."""

import dataclasses
import json

import pytest
import torch

import perceivers
from perceivers.modalities import (
    MODALITIES,
    ArrayConfig,
    AudioConfig,
    FusionConfig,
    GridConfig,
    ImageConfig,
    InputConfig,
    MelConfig,
    PointsConfig,
    SeriesConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
    build_adapter,
)
from perceivers.models.config import ModelConfig, from_dict, to_dict

AUDIO = AudioConfig(num_samples=16, patch_size=4, num_bands=2)
MEL = MelConfig(
    num_samples=64, sample_rate=8000, n_fft=32, hop_length=8, n_mels=4, patch_frames=2, num_bands=2
)
MASKED = dataclasses.replace(
    MEL, num_time_masks=1, time_mask_width=1, num_frequency_masks=1, frequency_mask_width=1
)
VIDEO = VideoConfig(num_frames=4, image_size=8, patch_size=2, num_bands=2)
POINTS = PointsConfig(num_points=5, num_bands=2)
TEXT = TextConfig(max_length=5, embedding_dim=6)
TABLE = TabularConfig(
    numeric=("age", "height"), categorical=("eyes",), categories=(("blue", "brown"),)
)
SERIES = SeriesConfig(length=4, channels=2, num_bands=2)
FUSION = FusionConfig(parts={"audio": AUDIO, "video": VIDEO})
BATCH = {
    "audio": torch.rand(2, 16, generator=torch.Generator().manual_seed(0)),
    "video": torch.rand(2, 4, 8, 8, 3, generator=torch.Generator().manual_seed(1)),
    "points": torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(2)),
}
BATCH["mel"] = torch.rand(2, 64, generator=torch.Generator().manual_seed(3)) - 0.5
BATCH["text"] = torch.tensor([[103, 104, 105, 0], [106, 107, 0, 0]])
BATCH["tabular"] = torch.tensor([[0.1, 1.2, 0.0], [0.5, float("nan"), 1.0]])
BATCH["series"] = torch.arange(24.0).view(2, 4, 3) / 7
BATCH["fusion"] = {name: BATCH[name] for name in ("audio", "video")}


def id_of(value):
    return getattr(value, "kind", None) or str(value)


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (AUDIO, {"patch_size": 2}),
        (AUDIO, {"patch_stride": 2}),
        (AUDIO, {"max_resolution": 9.0}),
        (VIDEO, {"patch_frames": 1}),
        (VIDEO, {"patch_size": 4}),
        (VIDEO, {"patch_frames": 4, "frame_stride": 2}),
        (VIDEO, {"patch_size": 4, "patch_stride": 2}),
        (VIDEO, {"max_resolution": (9.0, 1.0, 1.0)}),
        (MEL, {"sample_rate": 4000}),
        (MEL, {"n_fft": 34}),
        (MEL, {"hop_length": 16}),
        (MEL, {"n_mels": 5}),
        (MEL, {"f_min": 100.0}),
        (MEL, {"f_max": 3000.0}),
        (MEL, {"scale": "htk"}),
        (MEL, {"patch_frames": 1}),
        (MEL, {"patch_mels": 2}),
        (MEL, {"max_resolution": (9.0, 1.0)}),
        (MEL, {"time_mask_width": 8, "num_time_masks": 1}),
        (MASKED, {"time_mask_width": 8}),
        (MEL, {"frequency_mask_width": 4, "num_frequency_masks": 1}),
        (MASKED, {"frequency_mask_width": 4}),
        (TEXT, {"embedding_dim": 7}),
        (TEXT, {"fusion": "concatenate"}),
        (TEXT, {"fusion": "concatenate", "position_dim": 3}),
        (TABLE, {"embedding_dim": 7}),
        (TABLE, {"num_bands": 3}),
        (TABLE, {"categories": (("blue",),)}),
        *((config, change) for config in (AUDIO, MEL, VIDEO) for change in (
            {"projection_dim": 3},
            {"projection_dim": 3, "projection_activation": "gelu"},
            {"position": "none"},
            {"position": "learned", "position_dim": 7},
            {"num_bands": 3},
            {"num_bands": 3, "spacing": "log"},
            {"projection_dim": 6, "position": "learned", "position_dim": 6, "fusion": "add"},
        )),
        (POINTS, {"num_bands": 3}),
        (POINTS, {"max_resolution": 9.0}),
        (SERIES, {"num_bands": 3}),
        (SERIES, {"patch_size": 2}),
        (SERIES, {"normalise": "window"}),
        (FUSION, {"min_embedding_dim": 5}),
        (FUSION, {"parts": {"video": VIDEO, "audio": AUDIO}}),
    ],
    ids=id_of,
)  # fmt: skip
def test_every_field_changes_the_elements(config, change):
    def elements(config):
        torch.manual_seed(0)
        return build_adapter(config)(BATCH[config.kind]).joined()

    # Only the last field differs; the fields before it are those without which it has no effect.
    *required, _ = change
    before = elements(dataclasses.replace(config, **{name: change[name] for name in required}))
    after = elements(dataclasses.replace(config, **change))
    assert before.shape != after.shape or not torch.allclose(before, after)


@pytest.mark.parametrize(
    ("config", "num_inputs"),
    [
        (dataclasses.replace(AUDIO, num_samples=32), 8),
        (dataclasses.replace(MEL, num_samples=96), 6),
        (dataclasses.replace(VIDEO, num_frames=8), 64),
        (dataclasses.replace(VIDEO, image_size=16), 128),
        (dataclasses.replace(POINTS, num_points=6), 6),
        (dataclasses.replace(TEXT, max_length=7), 7),
        (dataclasses.replace(SERIES, length=6, patch_size=2), 3),
        (dataclasses.replace(SERIES, horizon=3), 7),
        (dataclasses.replace(TABLE, numeric=("age",)), 2),
        (dataclasses.replace(TABLE, categorical=(), categories=()), 2),
        (FusionConfig(parts={"points": POINTS, "audio": AUDIO}), 9),
    ],
    ids=id_of,
)
def test_sizes_determine_the_number_of_elements(config, num_inputs):
    assert build_adapter(config).num_inputs == num_inputs


@pytest.mark.parametrize("config", [AUDIO, MEL, VIDEO, POINTS])
def test_the_number_of_channels_can_be_configured(config):
    adapter = build_adapter(dataclasses.replace(config, channels=4))
    batch = BATCH[config.kind]
    batch = batch[..., None] if config.kind in ("audio", "mel") else batch[..., :1]
    assert adapter(batch.expand(*batch.shape[:-1], 4)).dim == adapter.dim


def test_every_configuration_has_a_modality_and_its_own_kind():
    bases = (InputConfig, GridConfig, FusionConfig, SeriesConfig)
    configs = {config for base in bases for config in base.__subclasses__()} - {GridConfig}
    assert configs == {config for modality in MODALITIES for config in modality.configs}
    assert len({config.kind for config in configs}) == len(configs)


@pytest.mark.parametrize(
    "config",
    [
        ImageConfig(image_size=8),
        ArrayConfig(shape=(2, 3), max_resolution=(2.0, 4.0)),
        AUDIO,
        dataclasses.replace(VIDEO, max_resolution=(2.0, 4.0, 8.0)),
        POINTS,
        dataclasses.replace(MEL, f_max=3000.0, max_resolution=(2.0, 4.0)),
        TEXT,
        TABLE,
        dataclasses.replace(SERIES, columns=("a", "b"), time="t", step=0.5, horizon=2),
        FUSION,
        FusionConfig(parts={"av": FUSION, "points": POINTS}, min_embedding_dim=2),
        dataclasses.replace(FUSION, dropout={"video": 0.3}),
        dataclasses.replace(AUDIO, sample_rate=8000),
        dataclasses.replace(VIDEO, seconds=0.5),
    ],
    ids=id_of,
)
def test_survives_json(config):
    model = ModelConfig(input=config)
    data = json.loads(json.dumps(to_dict(model)))
    assert from_dict(ModelConfig, data) == model
    assert list(data["input"].get("parts", {})) == list(getattr(config, "parts", {}))


def test_the_default_kind_is_image():
    config = from_dict(ModelConfig, {"input": {"image_size": 3}})
    assert config.input == ImageConfig(image_size=3)


def test_unknown_names_inside_parts():
    parts = {"audio": {"kind": "audio", "num_sampels": 3}}
    with pytest.raises(ValueError, match=r"model.input.parts.audio 'num_sampels'.*'num_samples'"):
        from_dict(ModelConfig, {"input": {"kind": "fusion", "parts": parts}}, "model")
    parts = {"audio": {"kind": "audoi"}}
    with pytest.raises(ValueError, match=r"kind of model.input.parts.audio 'audoi'.*'audio'"):
        from_dict(ModelConfig, {"input": {"kind": "fusion", "parts": parts}}, "model")


def test_create_changes_fields_of_parts():
    changes = {
        "parts": {"audio": {"num_samples": 1280}, "video": {"image_size": 16}},
        "dropout": {"audio": 0.1},
    }
    with torch.device("meta"):
        model = perceivers.create("perceiver-audioset-av", num_latents=8, input=changes)
    assert model.adapter.num_inputs == 10 + 16 * 2 * 2
    assert model.config.input.parts["audio"] == AudioConfig(num_samples=1280)
    assert model.config.input.dropout == model.adapter.dropout == {"audio": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": {}}, "unknown field of model.input 'part'; did you mean 'parts'"),
        ({"parts": {"vidoe": {}}}, "field of model.input.parts 'vidoe'; did you mean 'video'"),
        ({"parts": {"audio": {"bands": 4}}}, "model.input.parts.audio 'bands'.*'num_bands'"),
    ],
)
def test_create_suggests_names_inside_the_input(changes, message):
    with pytest.raises(ValueError, match=message):
        perceivers.create("perceiver-audioset-av", input=changes)


def test_a_model_of_parts_is_saved_and_loaded(tmp_path):
    changes = {
        "parts": {
            "audio": {"num_samples": 16, "patch_size": 4, "num_bands": 2},
            "video": {"num_frames": 4, "image_size": 8, "num_bands": 2},
        }
    }
    model = perceivers.create(
        "perceiver-audioset-av",
        num_latents=4,
        latent_dim=16,
        num_layers_per_block=1,
        num_classes=3,
        input=changes,
    )
    torch.nn.init.normal_(model.head.weight)
    model.adapter.set_normalisation({"audio": torch.ones(1)}, {"audio": torch.full((1,), 2.0)})
    perceivers.save(model, tmp_path / "model")
    loaded = perceivers.load(tmp_path / "model")
    assert loaded.config == model.config
    with torch.no_grad():
        assert torch.equal(loaded(BATCH["fusion"]), model.eval()(BATCH["fusion"]))


@pytest.mark.parametrize("dtype", [torch.int16, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize(
    "config", [AUDIO, MEL, VIDEO, POINTS, ImageConfig(image_size=8)], ids=id_of
)
def test_values_of_an_unknown_range_are_refused(config, dtype):
    adapter = build_adapter(config)
    batch = BATCH.get(config.kind, torch.rand(2, 8, 8, 3))
    adapter(batch)
    with pytest.raises(ValueError, match="expected (uint8|floats)"):
        adapter((100 * batch).to(dtype))


def test_a_projection_to_no_channels_is_refused():
    with pytest.raises(ValueError, match="projection_dim=0; expected at least 1, or None"):
        build_adapter(ImageConfig(image_size=8, projection_dim=0))
