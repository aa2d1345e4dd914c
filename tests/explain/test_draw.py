"""Drawings of explanations, one for each modality."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny import tiny_classifier

from perceivers.explain import draw
from perceivers.modalities import modality_of
from perceivers.modalities.drawing import new_figure
from perceivers.modalities.fusion.config import FusionConfig, RowsConfig
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.sound.config import AudioConfig, MelConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.table.draw import draw as draw_row
from perceivers.modalities.text.config import TextConfig
from perceivers.modalities.text.draw import COLUMNS, MAX_LINES, _by_character, _places
from perceivers.modalities.video.config import VideoConfig

RNG = np.random.default_rng(0)
IMAGE = ImageConfig(image_size=8, patch_size=4, patch_stride=2, num_bands=2)
MEL = MelConfig(num_samples=800, sample_rate=8000, n_fft=160, hop_length=80, n_mels=8, num_bands=2)
VIDEO = VideoConfig(num_frames=4, image_size=16, num_bands=2)
TABLE = TabularConfig(numeric=("age", "$x$"), categorical=("c",), categories=(("a", "b"),))
PIXELS = RNG.integers(0, 256, (8, 8, 3), np.uint8)
WAVE = RNG.normal(size=(800, 1)).astype(np.float32)
FRAMES = RNG.integers(0, 256, (4, 16, 16, 3), np.uint8)
IDS = np.array([*(np.frombuffer("naïve $5".encode(), np.uint8).astype(int) + 6), 0, 0])


EXAMPLES = pytest.mark.parametrize(
    ("config", "example"),
    [
        (IMAGE, PIXELS),
        (AudioConfig(num_samples=800, patch_size=32, num_bands=2), WAVE),
        pytest.param(MEL, WAVE, marks=pytest.mark.slow),
        (PointsConfig(num_points=20, num_bands=2), RNG.uniform(-1, 1, (20, 3)).astype("f4")),
        (TextConfig(max_length=16, embedding_dim=8), IDS),
        (
            RowsConfig(parts={"cells": TABLE, "photo": IMAGE}, files={"photo": "photo"}),
            {
                "cells": np.array([3.0, np.nan, -1.0]),
                "cells.present": np.array(True),
                "photo": PIXELS,
                "photo.present": np.array(True),
            },
        ),
    ],
    ids=["image", "waveform", "mel", "points", "text", "row"],
)


@EXAMPLES
def test_an_example_of_each_modality_is_drawn(config, example):
    explained = draw(tiny_classifier(config), example, title="a_file$.x")
    with Image.open(io.BytesIO(explained.png)) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[0] > 500
    assert pixels.std() > 10  # not blank
    assert explained.gif is None
    assert set(explained.deletions) == {"cross-attend 2", "roll-out", "saliency"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@EXAMPLES
def test_a_model_on_cuda_is_drawn_as_one_on_the_cpu(config, example):
    model = tiny_classifier(config)
    model.perceiver.latents.data = torch.randn(7, model.config.latent_dim)  # enough to be clustered
    expected, got = draw(model, example, output=0), draw(model.cuda(), example, output=0)
    assert len(got.maps.clusters) == len(expected.maps.clusters) > 0
    for title, deletion in expected.deletions.items():
        torch.testing.assert_close(
            got.deletions[title].at_random, deletion.at_random, atol=1e-3, rtol=0
        )


@pytest.mark.parametrize("patches", [{}, {"patch_frames": 4, "frame_stride": 2, "patch_stride": 4}])
def test_a_video_is_drawn_as_a_strip_and_as_an_animation(patches):
    config = FusionConfig(parts={"audio": MEL, "video": replace(VIDEO, **patches)})
    example = {
        "audio": np.zeros((800, 1), np.float32),
        "audio.present": np.array(False),
        "video": FRAMES,
        "video.present": np.array(True),
    }
    explained = draw(tiny_classifier(config), example)
    with Image.open(io.BytesIO(explained.gif)) as picture:
        assert picture.n_frames == 4
        assert picture.size == (160, 160)


def test_values_of_a_mix_are_separated_by_part():
    model = tiny_classifier(FusionConfig(parts={"audio": MEL, "video": VIDEO}))
    batch = {"video": FRAMES[None]}
    import torch

    batch = {"video": torch.from_numpy(FRAMES[None])}
    elements = model.adapter(batch).content.shape[1]
    parts = model.adapter.by_part(torch.arange(elements), batch)
    assert list(parts) == ["audio", "video"]
    assert len(parts["audio"]) == model.adapter.parts["audio"].num_inputs
    assert parts["video"][-1] == elements - 1


def test_drawings_are_as_high_as_their_content_needs():
    text, table = TextConfig(max_length=999, embedding_dim=8), TabularConfig(numeric=("age",))
    line, page = (modality_of(text).aspect(np.full(n, 103), text) for n in (20, 300))
    assert page > 3 * line
    assert modality_of(table).aspect(np.zeros(1), table) < modality_of(TABLE).aspect(None, TABLE)
    mixed = RowsConfig(parts={"cells": TABLE, "photo": IMAGE}, files={"photo": "photo"})
    example = {"cells": np.zeros(3), "photo": PIXELS, "photo.present": np.array(False)}
    without = modality_of(mixed).aspect(example, mixed)
    assert modality_of(mixed).aspect({**example, "photo.present": np.array(True)}, mixed) > without


def test_letters_that_no_font_has_are_drawn_without_a_warning():
    ids = np.frombuffer("漢字".encode(), np.uint8).astype(int) + 6
    draw(tiny_classifier(TextConfig(max_length=16, embedding_dim=8)), ids, title="漢字.txt")


def test_bytes_of_a_character_are_added_up():
    characters, sums = _by_character(IDS[:-2], np.ones(9))
    assert characters == list("naïve $5")
    assert sums.tolist() == [1, 1, 2, 1, 1, 1, 1, 1]
    characters, sums = _by_character(IDS[:3], np.ones(3))  # cut within a character
    assert len(characters) == len(sums) == 3


def test_words_are_not_broken_at_the_end_of_a_line():
    text = "a" * (COLUMNS - 3) + " word " + "b" * (COLUMNS + 2)
    places = dict(zip(text, _places(list(text)), strict=True))
    assert places["w"] == (1, 0)
    assert places["b"] == (2, 6)  # a word that is longer than a line goes on
    assert len(_places(list("x" * 9999))) == COLUMNS * MAX_LINES


def test_letters_of_a_short_text_do_not_overlap():
    config = TextConfig(max_length=32, embedding_dim=8)
    ids = np.full(20, 109 + 6)
    figure = new_figure(3.2, 3.2 * modality_of(config).aspect(ids, config))
    modality_of(config).draw(figure, ids, np.ones(20), config)
    figure.draw_without_rendering()
    letters = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(letters))


def test_row_without_values_has_no_axis_of_lengths():
    figure = new_figure(2, 2)
    row = np.array([1.5, 0.0])
    config = TabularConfig(numeric=("a",), categorical=("c",), categories=(("x", "y"),))
    draw_row(figure, row, None, config)
    assert not len(figure.axes[0].get_xticks())
    assert [text.get_text() for text in figure.axes[0].texts] == ["a = 1.5", "c = x"]


def test_what_a_linear_model_finds_is_drawn_and_tested():
    config = TextConfig(
        max_length=16, embedding_dim=8, ratio_words=(1,), ratio_classes=3, linear="logistic"
    )
    model = tiny_classifier(config)
    torch.nn.init.normal_(model.adapter.regression.weight)
    torch.nn.init.ones_(model.adapter.regression.frequencies)
    explained = draw(model, IDS)
    assert list(explained.deletions)[-1] == "linear model"
    higher = Image.open(io.BytesIO(explained.png)).height
    model.adapter.regression = None
    without = draw(model, IDS)
    assert "linear model" not in without.deletions
    assert higher > Image.open(io.BytesIO(without.png)).height + 200
