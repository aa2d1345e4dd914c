"""Examples as `Predictor.prepare` returns them."""

import numpy as np
import pytest
import torch
from tests.media_files import write_wav
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities import (
    AudioConfig,
    MelConfig,
    PointsConfig,
    RowsConfig,
    TabularConfig,
    TextConfig,
)

PREPARED = {
    "sound": (AudioConfig(num_samples=12, sample_rate=8000, patch_size=4, num_bands=2),
              np.float32, (12, 1)),
    "mel": (MelConfig(num_samples=160, sample_rate=8000, n_fft=40, hop_length=20, n_mels=3,
                      num_bands=2), np.float32, (160, 1)),
    "points": (PointsConfig(num_points=5, num_bands=2), np.float32, (5, 3)),
    "text": (TextConfig(max_length=9, embedding_dim=4), np.int16, (9,)),
}  # fmt: skip


@pytest.mark.parametrize("kind", PREPARED)
def test_prepared_arrays_of_other_modalities(kind, tmp_path):
    config, dtype, shape = PREPARED[kind]
    file = tmp_path / {"points": "p.npy", "text": "t.txt"}.get(kind, "s.wav")
    if kind == "points":
        np.save(file, np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32))
    elif kind == "text":
        file.write_text("perceive")
    else:
        write_wav(file, np.sin(np.arange(400) / 9), 8000)
    one = perceivers.Predictor(tiny_classifier(config))
    prepared = one.prepare(file)
    assert (prepared.dtype, prepared.shape) == (dtype, shape)
    assert prepared.flags.writeable
    got = one.model(torch.from_numpy(prepared)[None]).softmax(-1)[0]
    expected = dict(one([file], top_k=3)[0])
    assert [expected[name] for name in one.labels] == pytest.approx(got.tolist(), abs=1e-6)


def test_prepared_rows_are_dictionaries_of_arrays():
    columns = TabularConfig(numeric=("a",), categorical=("b",), categories=(("x", "y"),))
    text = TextConfig(max_length=9, embedding_dim=4)
    rows = RowsConfig(parts={"cells": columns, "note": text}, texts={"note": "note"})
    one = perceivers.Predictor(tiny_classifier(rows))
    prepared = one.prepare({"a": 1.5, "b": "y"})
    assert {name: (str(x.dtype), x.shape) for name, x in prepared.items()} == {
        "cells": ("float64", (2,)),
        "cells.present": ("bool", ()),
        "note": ("int16", (9,)),
        "note.present": ("bool", ()),
    }
    batch = {name: torch.from_numpy(x)[None] for name, x in prepared.items()}
    got = one.model(batch).softmax(-1)[0]
    expected = dict(one([{"a": 1.5, "b": "y"}], top_k=3)[0])
    assert [expected[name] for name in one.labels] == pytest.approx(got.tolist(), abs=1e-6)
