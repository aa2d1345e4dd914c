"""The script `solids.py` compares what a run makes of points with solids that are known exactly."""

import numpy as np
import pytest
from scripts import load_script
from tests.solids import tiny_shape_model

import perceivers
from perceivers.data.shapes import Ball, Part, Union
from perceivers.predict.solids import read_points


@pytest.fixture
def script(monkeypatch):
    module = load_script("solids")
    monkeypatch.setattr(module, "RESOLUTION", 24)
    return module


def test_the_truth_is_in_the_frame_of_the_points(script, tmp_path):
    """Of the grid's places, as many are inside as a ball fills of the cube, wherever it lies."""
    solid = Union([Part(Ball(0.5), np.eye(3), np.array([3.0, -1.0, 2.0]))])
    np.save(tmp_path / "ball.npy", solid.sample(1000, np.random.default_rng(0)))
    given = read_points(tiny_shape_model(), tmp_path / "ball.npy")
    inside = script.truth(solid, given) > 0
    step = 2 * given.extent / 23
    assert inside.sum() * step**3 == pytest.approx(np.pi / 6, rel=0.03)
    assert inside[12, 12, 12]
    assert not inside[0, 0, 0]


def test_clouds_and_a_picture_are_written(script, tmp_path, capsys, monkeypatch):
    perceivers.save(tiny_shape_model(), tmp_path / "model")
    grid = np.where(np.indices((24, 24, 24)).sum(0) < 30, 1.0, -1.0)
    monkeypatch.setattr(script, "occupancy", lambda *_: grid)
    script.main(str(tmp_path / "model"), tmp_path / "out", 2)
    assert "IoU of 2 solids: mean " in capsys.readouterr().out
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == [
        "0000.ply", "0001.ply", "solids.png",
    ]  # fmt: skip
