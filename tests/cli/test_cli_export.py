"""The command `perceivers export`, and predictions of what it wrote."""

import contextlib
import io
import json
import shutil
import sys

import pytest
from PIL import Image
from tests.commands import run
from tests.conftest import write_image_folder
from tests.tiny import classifier

import perceivers
from perceivers.cli import main
from perceivers.export import check

# One of each layer, because nearly all of the time goes to tracing layers.
SMALL = {
    "latent_dim": 32, "num_latents": 8, "num_layers_per_block": 1, "cross_order": (0,),
    "block_order": (0,),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a run on a folder of images, and the folder."""
    root = tmp_path_factory.mktemp("export")
    photos = write_image_folder(root / "photos")
    recipe = perceivers.get_recipe("folder")
    perceivers.train(
        recipe,
        photos,
        out=root / "run",
        model=SMALL,
        optimizer={"warmup_epochs": 0},
        trainer={"max_epochs": 1},
        limits={"pixels": 2000},
    )
    return root / "run", photos


@pytest.fixture(scope="module")
def exported(trained):
    """Return what `perceivers export` wrote of the run, and what it printed."""
    out, printed = trained[0].parent / "model.onnx", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["export", str(trained[0]), "--out", str(out)]) == 0
    return out, printed.getvalue()


def test_export_is_checked_on_the_runs_own_data_and_predicts_the_same(
    capsys, trained, exported, tmp_path
):
    run_dir, photos = trained
    out, text = exported
    assert f"wrote {out}" in text
    count = json.loads((run_dir / "metrics.json").read_text())["test"]["examples"]
    assert f"checked on {count} examples of the test split: largest difference" in text
    files = sorted(photos.rglob("*.png"))[:3]
    predicted = [run(capsys, "predict", model, *files)[1] for model in (run_dir, out)]
    assert predicted[0] == predicted[1]
    Image.new("RGB", (50, 50)).save(tmp_path / "large.png")
    err = run(capsys, "predict", out, tmp_path / "large.png")[2]
    assert "2,500 pixels; expected at most 2,000" in err, "the limits of the run hold"


@pytest.fixture
def copied(exported, monkeypatch):
    """Let an export to ONNX copy the one that was made before."""
    model, _ = exported

    def copy(_, out, **__):
        shutil.copy(model, out)
        shutil.copy(model.with_suffix(".json"), out.with_suffix(".json"))

    monkeypatch.setattr("perceivers.export.run.export_onnx", copy)


def test_int8_prints_its_cost_on_the_validation_split(capsys, trained, copied, tmp_path):
    status, text, log = run(capsys, "export", trained[0], "--out", tmp_path / "m.onnx", "--int8")
    assert status == 0, log
    assert "8-bit weights: validation top1" in text
    assert "8-bit weights: validation loss" in text


@pytest.mark.slow
def test_torch_archive_is_checked(capsys, trained, tmp_path):
    out = tmp_path / "model.pt2"
    status, text, _ = run(capsys, "export", trained[0], "--out", out, "--format", "torch")
    assert status == 0
    assert "largest difference" in text
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]


@pytest.mark.slow
def test_saved_model_is_checked_on_random_examples_and_says_so(capsys, tmp_path):
    perceivers.save(classifier(), tmp_path / "saved")
    status, text, log = run(capsys, "export", tmp_path / "saved", "--out", tmp_path / "m.pt2")
    assert status == 0, log
    assert "random examples" in text
    assert "checked on random examples" in log


@pytest.mark.slow
def test_run_whose_data_is_gone_is_checked_on_random_examples(capsys, trained, tmp_path):
    run_dir, photos = trained
    moved = photos.rename(photos.with_name("moved"))
    try:
        status, text, log = run(capsys, "export", run_dir, "--out", tmp_path / "m.pt2")
        assert status == 0
        assert "cannot be read" in log
        assert "random examples" in text
        status, _, log = run(capsys, "export", run_dir, "--out", tmp_path / "8.onnx", "--int8")
        assert status == 1
        assert "leave out --int8" in log
    finally:
        moved.rename(photos)


def test_export_that_differs_is_refused_and_removed(capsys, trained, copied, tmp_path, monkeypatch):
    monkeypatch.setattr("perceivers.export.run.TOLERANCE", -1.0)
    status, _, error = run(capsys, "export", trained[0], "--out", tmp_path / "model.onnx")
    assert status == 1
    assert "differs from" in error
    assert not list(tmp_path.iterdir())
    assert check.TOLERANCE == 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "model.bin"], "expected the suffix .onnx or .pt2"),
        (["--out", "model.onnx", "--format", "torch"], "expected the suffix .pt2"),
        (["--out", "model.pt2", "--int8"], "--int8 needs --format onnx"),
        (["--out", "there.onnx"], "there.onnx exists already"),
    ],
)
def test_bad_options_end_in_one_line(capsys, trained, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_text("mine")
    status, _, error = run(capsys, "export", trained[0], *arguments)
    assert status == 1
    assert message in error
    assert len(error.splitlines()) == 1
    assert (tmp_path / "there.onnx").read_text() == "mine"


def test_what_is_no_run_is_refused(capsys, tmp_path):
    for path, message in ((tmp_path / "gone", "no directory"), (tmp_path, "holds no config.json")):
        status, _, error = run(capsys, "export", path, "--out", tmp_path / "m.onnx")
        assert status == 1
        assert message in error


def test_missing_extra_is_named(capsys, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    status, _, error = run(capsys, "export", trained[0], "--out", tmp_path / "m.onnx")
    assert status == 1
    assert "pip install 'perceivers[export]'" in error


def test_options_that_an_exported_model_does_not_take(capsys, trained, exported):
    out, _ = exported
    file = next(trained[1].rglob("*.png"))
    status, _, error = run(capsys, "predict", out, file, "--own-size")
    assert status == 1
    assert "leave own_size out" in error
    with pytest.raises(ValueError, match="leave out device=cuda"):
        perceivers.Predictor(out, device="cuda")
