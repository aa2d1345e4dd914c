"""Runs of each task with worker processes, stopped twice by a signal, resume to the same bits."""

import dataclasses
import json
import signal

import numpy as np
import pytest
from PIL import Image
from tests.cli.test_flow_training import write_shifted
from tests.cli.test_segmentation import write_clouds
from tests.texts import tiny_ar_config
from tests.tiny_recipes import tiny_forecast_recipe, tiny_path_recipe, write_seasonal_series
from tests.training.test_resume import assert_same, train_interrupted

from perceivers.data.config import DataConfig
from perceivers.modalities import (
    FlowOutputConfig,
    FramePairConfig,
    ImageConfig,
    PixelsOutputConfig,
)
from perceivers.models.config import DecoderConfig, PerceiverIOConfig
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.recipe import Recipe, TrainerConfig

STOPS = [(1, 0), (2, 1)]
SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}


def segmentation(folder):
    write_clouds(folder, 16)
    recipe = get_recipe("segment-points")
    inputs = dataclasses.replace(recipe.model.input, num_points=24, num_bands=2)
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, input=inputs, **SMALL),
        data=dataclasses.replace(recipe.data, point_dropout=0.3, rotate="z"),
    )


def reconstruction(folder):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(20):
        pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    model = PerceiverIOConfig(
        input=ImageConfig(image_size=6, channels=1, num_bands=3),
        output=PixelsOutputConfig(image_size=6, channels=1, num_bands=3),
        train_queries=12,
        **SMALL,
    )
    return Recipe(name="pixels", model=model, data=DataConfig(crop_padding=1))


def flow(folder):
    write_shifted(folder, 16)
    model = PerceiverIOConfig(
        input=FramePairConfig(height=6, width=6, channels=1, projection_dim=24, num_bands=3),
        decoder=DecoderConfig(use_query_residual=True),
        output=FlowOutputConfig(rescale_factor=1.0),
        train_queries=20,
        **SMALL,
    )
    return Recipe(name="shifts", model=model, data=DataConfig(task="flow", flip=True))


def forecasts(folder):
    folder.mkdir()
    return tiny_forecast_recipe(
        write_seasonal_series(folder / "load.csv"), inputs={"channels": 2}, stride=3
    )


def write_lines(folder):
    folder.mkdir()
    lines = [f"film number {i} is {'good' if i % 3 else 'bad'}" for i in range(40)]
    (folder / "all.txt").write_text("\n".join(lines))


def masking(folder):
    write_lines(folder)
    recipe = get_recipe("mlm")
    inputs = dataclasses.replace(
        recipe.model.input, max_length=40, embedding_dim=8, ngrams=(2,), ngram_rows=64
    )
    model = dataclasses.replace(recipe.model, input=inputs, num_cross_heads=2, **SMALL)
    decoder = dataclasses.replace(model.decoder, num_heads=2, qk_dim=16, v_dim=16)
    return dataclasses.replace(recipe, model=dataclasses.replace(model, decoder=decoder))


def language(folder):
    write_lines(folder)
    return dataclasses.replace(get_recipe("bytes-lm"), model=tiny_ar_config())


def paths(folder):
    folder.mkdir()
    return tiny_path_recipe(write_seasonal_series(folder / "load.csv"), dropout=0.2)


def spans(folder):
    folder.mkdir()
    span = {"start": 0, "end": 3, "label": "WORD"}
    rows = [json.dumps({"text": f"abc {i} def", "spans": [span]}) for i in range(20)]
    (folder / "all.jsonl").write_text("\n".join(rows))
    recipe = get_recipe("segment-points")
    text = dataclasses.replace(
        get_recipe("mlm").model.input, max_length=16, embedding_dim=8, ngrams=(), ngram_rows=64
    )
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, input=text, **SMALL),
        data=DataConfig(),
    )


def with_workers(recipe, folder):
    """Return a recipe of three short epochs, whose examples worker processes decode."""
    path = recipe.data.path or str(folder)
    data = dataclasses.replace(
        recipe.data, name="folder", path=path, workers=2, hold_gb=0.0, batch_size=3, test=0.2,
        validation=0.2,
    )  # fmt: skip
    return dataclasses.replace(
        recipe,
        data=data,
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
        trainer=TrainerConfig(max_epochs=3, ema_decay=0.8),
    )


def cases():
    """Yield each task and signal; all but one are slow."""
    makers = (segmentation, spans, reconstruction, flow, forecasts, paths, masking, language)
    for make in makers:
        for sent in (signal.SIGTERM, signal.SIGINT):
            fast = (make, sent) == (language, signal.SIGTERM)
            marks = () if fast else pytest.mark.slow
            yield pytest.param(make, sent, marks=marks, id=f"{make.__name__} {sent.name}")


@pytest.mark.parametrize(("make", "sent"), [*cases()])
def test_a_stopped_run_gives_the_same_bits(tmp_path, monkeypatch, make, sent):
    recipe = with_workers(make(tmp_path / "data"), tmp_path / "data")
    engine.train(recipe, tmp_path / "whole")
    train_interrupted(monkeypatch, recipe, tmp_path / "run", STOPS, sent)
    assert_same(tmp_path / "whole", tmp_path / "run")
