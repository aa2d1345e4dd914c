"""Whole runs of segmentation: train, evaluate, resume, report and predict, and bad data."""

import csv
import json

import numpy as np
import pytest
import trimesh
from PIL import Image
from tests.commands import run

from perceivers.modalities import ImageConfig, TextConfig, modality_of
from perceivers.modalities.points.ply import write_ply

SMALL = (
    "--model.num_latents", 4, "--model.latent_dim", 16, "--model.input.num_points", 32,
    "--model.num_layers_per_block", 1, "--model.input.num_bands", 2, "--data.batch_size", 4,
    "--optimizer.warmup_epochs", 0,
)  # fmt: skip


def write_clouds(folder, count, seed=0):
    """Write clouds of two layers, whose labels are the layers."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        points = rng.random((40, 3)).astype(np.float32)
        labels = np.arange(40) % 2
        points[:, 2] = labels + 0.1 * points[:, 2]
        write_ply(folder / f"{index}.ply", points, labels)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from perceivers import cli

    home = tmp_path_factory.mktemp("segmentation")
    write_clouds(home / "data" / "train", 16)
    write_clouds(home / "data" / "test", 4, seed=1)
    (home / "data" / "classes.txt").write_text("floor\nroof\n")
    options = ["--trainer.max_epochs", 10, "--out", home / "run"]
    assert not cli.main(
        [str(x) for x in ("train", "folder", "--data", home / "data", *SMALL, *options)]
    )
    return home


def test_layers_are_told_apart(trained, capsys):
    status, out, _ = run(capsys, "eval", trained / "run")
    assert status == 0
    assert "test mIoU" in out
    assert "baseline (always 'floor')" in out
    scores = json.loads((trained / "run" / "metrics.json").read_text())["eval"]
    assert scores["miou"] > 0.45  # the baseline has 0.25
    assert scores["by_label"]["roof"]["elements"] == 64  # 4 clouds of 32 points
    lines = (trained / "run" / "predictions.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["elements"] for row in rows] == ["32"] * 4
    page = (trained / "run" / "report.html").read_text()
    assert page.count("truth and prediction of") == 4
    assert "Not drawn" not in page


@pytest.mark.slow
def test_the_run_can_be_resumed(trained, capsys):
    status, _, err = run(capsys, "train", trained / "run", "--resume", "--trainer.max_epochs", 11)
    assert status == 0, err
    assert "epoch 11/11" in (trained / "run" / "log.txt").read_text()


def test_a_prediction_is_a_labelled_cloud(trained, capsys, tmp_path):
    """Every point of the file has a label, also of a file with more points than an example."""
    rng = np.random.default_rng(2)
    points = rng.random((100, 3)) * 5 + 100
    points[:, 2] = np.arange(100) % 2 * 5
    write_ply(tmp_path / "big.ply", points, np.zeros(100))
    status, out, _ = run(
        capsys, "predict", trained / "run", tmp_path / "big.ply", "--out", tmp_path / "said"
    )
    assert status == 0
    assert "floor" in out
    cloud = trimesh.load(tmp_path / "said" / "big.ply")
    assert np.allclose(cloud.vertices, points)
    labels = cloud.metadata["_ply_raw"]["vertex"]["data"]["label"].ravel()
    assert (labels == np.arange(100) % 2).mean() > 0.65
    assert len(np.unique(cloud.colors[labels == 1], axis=0)) == 1
    status, out, err = run(
        capsys, "predict", trained / "run", tmp_path / "big.ply", tmp_path / "none.ply", "--json",
        "--out", tmp_path / "said",
    )  # fmt: skip
    assert status == 1
    assert "none.ply: no such file" in err
    assert sum(json.loads(out)[0]["elements"].values()) == 100
    folder = trained / "data" / "test"
    status, out, _ = run(capsys, "predict", trained / "run", folder, "--out", tmp_path / "all")
    assert status == 0
    assert [path.name for path in sorted((tmp_path / "all").iterdir())] == [
        f"{index}.ply" for index in range(4)
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data.mixup", 0.2), "data.mixup is for one label of a whole example"),
        (("--data.permute", "fixed"), "data.permute is for one label of a whole example"),
        (("--data.element_label", "part"), "no values 'part' at its points; it has label"),
        (("--trainer.monitor", "val_top1"), "val_top1 is not a score of segmentation"),
    ],
)
def test_options_that_do_not_fit(trained, capsys, options, message):
    status, _, err = run(
        capsys, "train", "segment-points", "--data", trained / "data", *options, "--dry-run"
    )
    assert status == 1
    assert message in err


def test_other_classes_and_files_are_refused(trained, capsys, tmp_path):
    write_clouds(tmp_path / "unnamed", 2)
    status, _, err = run(capsys, "eval", trained / "run", "--data", tmp_path / "unnamed")
    assert status == 1
    assert "have the classes ['0', '1'], but the model was trained on ['floor', 'roof']" in err
    (tmp_path / "empty").mkdir()
    status, _, err = run(capsys, "train", "segment-points", "--data", tmp_path / "empty")
    assert status == 1
    assert "has no point clouds with labels of their elements; expected .npz, .ply files" in err


def train_and_predict(capsys, home, files, options):
    """Train the folder `data`, and return the metrics of the test split and what is predicted."""
    status, out, err = run(
        capsys, "train", "folder", "--data", home / "data", "--out", home / "run",
        "--model.num_latents", 8, "--model.latent_dim", 32, "--model.num_layers_per_block", 1,
        *options,
    )  # fmt: skip
    assert status == 0, err
    assert "with labels of their elements" in err + out
    status, out, err = run(capsys, "predict", home / "run", *files, "--out", home / "said")
    assert status == 0, err
    assert run(capsys, "eval", home / "run")[0] == 0
    assert "Not drawn" not in (home / "run" / "report.html").read_text()
    return json.loads((home / "run" / "metrics.json").read_text())["test"]


@pytest.mark.slow
def test_masks_of_images(capsys, tmp_path):
    """Discs on a dark ground are found, and the mask has the size of the image."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    rows, columns = np.mgrid[:16, :20]
    for index in range(40):
        inside = np.hypot(rows - rng.integers(4, 12), columns - rng.integers(5, 15)) < 4
        grey = np.where(inside, 180, 60) + rng.integers(0, 40, inside.shape)
        Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "data" / "images" / f"{index}.png")
        mask = Image.fromarray(inside.astype(np.uint8))
        mask.save(tmp_path / "data" / "masks" / f"{index}.png")
    image = tmp_path / "data" / "images" / "0.png"
    scores = train_and_predict(
        capsys, tmp_path, [image], ["--trainer.max_epochs", 10, "--data.flip", "true"]
    )
    assert scores["miou"] > 0.8
    with Image.open(tmp_path / "said" / "0.png") as said:
        assert said.mode == "P"
        assert said.size == (20, 16)
        truth = np.asarray(Image.open(tmp_path / "data" / "masks" / "0.png"))
        assert (np.asarray(said) == truth).mean() > 0.9


@pytest.mark.slow
def test_spans_of_texts(capsys, tmp_path):
    """Numbers in texts are found; a prediction is a jsonl file of the same texts."""
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    lines = []
    for _ in range(80):
        number, word = str(rng.integers(100, 999)), "".join(rng.choice(list("abcdé"), 4))
        text = f"{word} {number} {word}"
        lines.append({"text": text, "spans": [{"start": 5, "end": 8, "label": "NUMBER"}]})
    content = "\n".join(json.dumps(row) for row in lines)
    (tmp_path / "data" / "all.jsonl").write_text(content)
    scores = train_and_predict(
        capsys, tmp_path, [tmp_path / "data" / "all.jsonl"], ["--trainer.max_epochs", 10]
    )
    assert scores["miou"] > 0.9
    said = (tmp_path / "said" / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in said] == [row["text"] for row in lines]
    assert sum(json.loads(a) == b for a, b in zip(said, lines, strict=True)) > 60


def test_names_of_labels_are_for_segmentation_of_points(trained, capsys, tmp_path):
    """They were ignored elsewhere."""
    for config in (ImageConfig(), TextConfig()):
        with pytest.raises(
            ValueError, match="data.element_label='part' names the labels of points"
        ):
            modality_of(config).labelled_reader(config, label="part")
    arguments = ("train", "kicad", "--data", trained / "data", "--data.element_label", "part")
    status, _, err = run(capsys, *arguments, "--dry-run")
    assert status == 1
    assert "--data.element_label part is for segmentation, not classification" in err
