"""Predictions of models of solids: meshes of points, and what encloses nothing."""

import json
import re

import numpy as np
import pytest
import torch
import trimesh
from tests.commands import run
from tests.solids import ball, tiny_shape_model
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities import PointsConfig
from perceivers.modalities.points.decode import decode
from perceivers.modalities.points.marching import surface_of
from perceivers.modalities.points.solids import closed, signed_volume
from perceivers.predict import solids


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a saved model that takes about the middle of the cube for inside."""
    folder = tmp_path_factory.mktemp("solids")
    np.savetxt(folder / "ball.csv", ball(), delimiter=",")
    model = tiny_shape_model()
    logits = solids.occupancy(model, solids.read_points(model, folder / "ball.csv").content, 9)
    with torch.no_grad():
        model.decoder.output.bias -= float(np.median(logits))
    perceivers.save(model, folder / "model")
    return folder


@pytest.fixture
def knows_a_ball(monkeypatch):
    """Let every model say that a ball of radius ¾ is inside."""

    def said(model, content, resolution):
        axis = np.linspace(-1, 1, resolution)
        x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
        return (0.75 - np.sqrt(x**2 + y**2 + z**2)).astype(np.float32)

    monkeypatch.setattr(solids, "occupancy", said)


@pytest.mark.usefixtures("knows_a_ball")
@pytest.mark.parametrize("kind", ["ply", "obj", "stl"])
def test_a_mesh_is_written_in_the_unit_of_the_points(saved, capsys, tmp_path, kind):
    status, out, err = run(
        capsys, "predict", saved / "model", saved / "ball.csv", "--format", kind, "--out", tmp_path,
        "--resolution", "33", "--json",
    )  # fmt: skip
    assert status == 0, err
    (entry,) = json.loads(out)
    assert entry["files"] == [str(tmp_path / f"ball-solid.{kind}")]
    mesh = closed(trimesh.load_mesh(tmp_path / f"ball-solid.{kind}"))
    assert len(mesh.faces) == entry["faces"]
    points = decode(saved / "ball.csv", num_points=64)  # those that the model reads
    extent = np.abs(points - points.mean(0)).max()
    np.testing.assert_allclose(mesh.bounds.mean(0), points.mean(0), atol=0.01)
    np.testing.assert_allclose(np.ptp(mesh.bounds, axis=0), 1.5 * extent, rtol=0.01)
    volume = 4 / 3 * np.pi * (0.75 * extent) ** 3
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.02)
    assert entry["volume"] == pytest.approx(volume, rel=0.02)


def test_the_model_decides_the_mesh(saved, capsys, tmp_path):
    status, out, err = run(
        capsys, "predict", saved / "model", saved / "ball.csv", "--out", tmp_path,
        "--resolution", "9",
    )  # fmt: skip
    assert status == 0, err
    assert "triangles around a volume of" in out
    closed(trimesh.load_mesh(tmp_path / "ball-solid.ply"))
    model = perceivers.load(saved / "model")
    solid = solids.solid_of(model, saved / "ball.csv", 25)
    assert solid.volume > 0
    given = solids.read_points(model, saved / "ball.csv")
    content, centre, extent = given.content, given.centre, given.extent
    places = torch.from_numpy((solid.vertices - centre) / extent).float()[None]
    with torch.no_grad():
        latents = model.encode(torch.from_numpy(content)[None])
        at = model.decode(latents, model.output.queries_at(None, places))[0, :, 0]
    inner = places[0].abs().amax(1) < 0.99
    assert at[inner].abs().mean() < 0.3 * solids.occupancy(model, content, 25).std()


def test_a_solid_that_fills_the_grid_is_closed_at_its_faces():
    vertices, faces = surface_of(np.ones((3, 4, 5), np.float32))
    closed(trimesh.Trimesh(vertices, faces, process=False))
    steps = 2 / np.array([2, 3, 4])
    np.testing.assert_allclose(vertices.max(0), 1 + steps / 2)
    np.testing.assert_allclose(vertices.min(0), -1 - steps / 2)
    assert 8 < signed_volume(vertices, faces) < np.prod(2 + steps)


def test_logits_of_any_signs_give_a_closed_surface():
    random = np.random.default_rng(0)
    for _ in range(5):
        logits = random.choice([-2.0, -1e-9, 0.0, 1e-9, 1.0], (5, 5, 5)).astype(np.float32)
        closed(trimesh.Trimesh(*surface_of(logits), process=False))


@pytest.mark.usefixtures("knows_a_ball")
def test_a_mesh_is_sampled(saved, capsys, tmp_path):
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.stl")
    status, _, err = run(
        capsys, "predict", saved / "model", tmp_path / "box.stl", "--out", tmp_path / "made",
        "--resolution", "5",
    )  # fmt: skip
    assert status == 0, err
    assert (tmp_path / "made" / "box-solid.ply").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((0, 3)), "no points|empty|expected"),
        (np.ones((1, 3)), "1 points enclose nothing; expected at least 4"),
        (np.eye(3), "3 points enclose nothing"),
        (np.ones((9, 3)), "all 9 points are equal"),
        (np.vstack([np.eye(3), [[np.nan, 0, 0]], np.ones((3, 3))]), "NaN|nan"),
        (np.column_stack([np.random.default_rng(0).normal(size=(9, 2)), np.ones(9)]), "in a plane"),
    ],
    ids=["none", "one", "three", "equal", "nan", "plane"],
)
def test_points_that_enclose_nothing(saved, capsys, tmp_path, rows, message):
    np.save(tmp_path / "bad.npy", rows)
    status, out, err = run(
        capsys, "predict", saved / "model", tmp_path / "bad.npy", saved / "ball.csv", "--out",
        tmp_path, "--resolution", "4",
    )  # fmt: skip
    assert status == 1
    (line,) = [line for line in err.splitlines() if "bad.npy" in line]
    assert re.search(message, line)
    assert "ball-solid.ply" in out


def test_options_out_of_range_or_without_use(saved, capsys, tmp_path):
    file = saved / "ball.csv"
    for resolution in ("0", "1", "513"):
        status, _, err = run(
            capsys, "predict", saved / "model", file, "--resolution", resolution, "--out", tmp_path
        )
        assert (status, "expected 2 to 512" in err) == (1, True)
    status, _, err = run(capsys, "predict", saved / "model", "--text", "a")
    assert (status, "--text is for models that classify or complete texts" in err) == (1, True)
    other = tiny_classifier(PointsConfig(num_points=8, num_bands=2))
    other.labels = ("a", "b", "c")
    perceivers.save(other, tmp_path / "other")
    for name, value in (("--resolution", "9"), ("--format", "ply")):
        status, _, err = run(capsys, "predict", tmp_path / "other", file, name, value)
        assert (status, f"{name} is for models that write meshes" in err) == (1, True)


def test_a_model_that_finds_nothing_inside_says_so(saved, monkeypatch):
    monkeypatch.setattr(solids, "occupancy", lambda *_: -np.ones((4, 4, 4), np.float32))
    with pytest.raises(ValueError, match="takes no place of a grid of 4³ for inside"):
        solids.solid_of(perceivers.load(saved / "model"), saved / "ball.csv", 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",),
        ("explain", "ball.csv", "--out", "x.png"),
        ("generate", "--prompt", "a"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_for_other_models_refuse(saved, capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(saved)
    command, *rest = arguments
    status, _, err = run(capsys, command, "model", *rest)
    assert status == 1
    assert len(err.strip().splitlines()) == 1
    words = {"serve": "its answers are meshes", "explain": "is for occupancy"}
    assert words.get(command, "perceiver-vae") in err


@pytest.mark.slow
def test_an_exported_model_gives_the_grid(saved, capsys, tmp_path):
    out = tmp_path / "x.onnx"
    status, said, err = run(capsys, "export", saved / "model", "--out", out)
    assert status == 0, err
    assert "largest difference" in said
    status, _, err = run(capsys, "predict", out, saved / "ball.csv")
    assert (status, "of which no mesh is made" in err) == (1, True)
