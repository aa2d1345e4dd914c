"""A run keeps its splits: eval, resume and copies of training examples."""

import json
import shutil

import pytest
from commands import run as command
from test_api import FAST, images, model
from tiny_recipes import small_folder_recipe, tiny

import perceivers
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.recipe_data import read_recipe


def saved(run):
    lines = json.loads((run / "splits.json").read_text())["examples"]
    return {split: [line.split(" ", 1)[1] for line in each] for split, each in lines.items()}


@pytest.fixture
def run(image_folder, tmp_path):
    """Return a run of one epoch on a folder of images, to which 12 more were added since."""
    engine.train(small_folder_recipe(image_folder, test=0.25), tmp_path / "run")
    for file in list(image_folder.rglob("*.png")):
        shutil.copy(file, file.with_name(f"0{file.name}"))
        with file.with_name(f"0{file.name}").open("ab") as added:
            added.write(b"another file")
    return tmp_path / "run"


def test_the_test_split_of_eval_is_that_of_the_run(run, caplog):
    before = json.loads((run / "metrics.json").read_text())["test"]
    after = evaluate(run)
    assert (after["examples"], after["loss"]) == (before["examples"], before["loss"])
    assert "24 examples of the data: in no split of the run; left out" in caplog.text


def test_eval_names_the_split_that_it_scores(run, image_folder, capsys, empty_report):
    assert command(capsys, "eval", run)[1].startswith("test top-1 ")
    assert evaluate(run)["split"] == "test"
    out = command(capsys, "eval", run, "--data", image_folder)[1]
    assert out.startswith("all data: top-1 ")
    assert json.loads((run / "metrics.json").read_text())["eval"]["split"] == "all"
    validation = image_folder / "validation"
    validation.mkdir()
    for folder in ("bright", "dark"):
        (image_folder / folder).rename(validation / folder)
    out = command(capsys, "eval", run, "--data", image_folder)[1]
    assert out.startswith("validation top-1 ")


def test_a_resumed_run_trains_on_the_examples_that_it_began_with(run, image_folder, tmp_path):
    longer = {"trainer": {"max_epochs": 3}}
    resumed = perceivers.train(run, resume=True, **longer)
    for file in image_folder.rglob("0?*.png"):
        file.unlink()
    recipe = small_folder_recipe(image_folder, test=0.25)
    engine.train(recipe, tmp_path / "whole")
    whole = perceivers.train(tmp_path / "whole", resume=True, **longer)
    assert resumed.metrics["test"] == whole.metrics["test"]
    assert resumed.metrics["train_examples"] == len(saved(run)["train"])


def test_a_run_without_saved_splits_says_that_they_are_drawn_again(run, caplog):
    (run / "splits.json").unlink()
    assert evaluate(run)["examples"] == 12
    assert "has no splits.json" in caplog.text
    engine.resume(run, read_recipe(run))


def test_other_data_that_the_run_was_trained_on_is_counted(run, image_folder, tmp_path, caplog):
    other = tmp_path / "other"
    for name in saved(run)["train"][-3:]:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_folder / name, other / name.replace("/", "/renamed"))
    for class_ in ("bright", "dark"):
        (other / class_).mkdir(exist_ok=True)
        shutil.copy(image_folder / class_ / "01.png", other / class_)
    scores = evaluate(run, str(other))
    assert (scores["trained_on"], scores["examples"]) == (3, 5)
    assert "the run was trained on 3 of these 5 examples" in caplog.text


def test_other_data_that_the_run_before_was_trained_on_is_counted(
    run, image_folder, tmp_path, caplog
):
    """A run of --init was trained on them, and their scores looked like those of new data."""
    shutil.copytree(run, tmp_path / "before")
    splits = json.loads((run / "splits.json").read_text())
    other = tmp_path / "other"
    for line in splits["examples"]["train"]:
        name = line.split(" ", 1)[1]
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_folder / name, other / name)
    splits["examples"]["train"] = splits["examples"]["train"][:1]
    splits["classes"]["train"] = splits["classes"]["train"][:1]
    (run / "splits.json").write_text(json.dumps(splits))
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["trainer"]["init"] = str(tmp_path / "before")
    (run / "config.json").write_text(json.dumps(config))
    scores = evaluate(run, str(other))
    assert scores["trained_on"] == 1
    count = scores["examples"]
    assert f"{tmp_path / 'before'} was trained on {count} of these {count} examples" in caplog.text
    shutil.rmtree(tmp_path / "before")
    evaluate(run, str(other))
    assert f"what {tmp_path / 'before'} was trained on is not known" in caplog.text


def test_copies_of_training_examples_are_counted(image_folder, tmp_path, caplog):
    caplog.set_level("INFO")
    for file in list(image_folder.rglob("*.png")):
        shutil.copy(file, file.with_name(f"copy{file.name}"))
    result = engine.train(small_folder_recipe(image_folder, test=0.25), tmp_path / "run")
    names = {
        s: [n.replace("copy", "") for n in each] for s, each in saved(tmp_path / "run").items()
    }
    expected = {
        split: sum(name in names["train"] for name in names[split])
        for split in ("test", "validation")
    }
    assert result["copies_of_training_examples"] == expected
    assert expected["test"] > 2
    assert f"{expected['test']} of the 12 test examples are exact copies" in caplog.text


def test_copies_in_the_digits_are_none(tmp_path):
    result = engine.train(tiny(1), tmp_path / "run")
    assert result["copies_of_training_examples"] == {"test": 0, "validation": 0}


def test_a_torch_dataset(tmp_path):
    data = images()
    pixels = data.tensors[0]
    pixels[1:] = pixels[:1]  # all are the same
    run = perceivers.train(model(), data, out=tmp_path / "run", **FAST)
    assert run.metrics["copies_of_training_examples"] == {"test": 4, "validation": 4}
    longer = images(41)
    with pytest.raises(ValueError, match="the train dataset is not that of the run"):
        perceivers.train(run.directory, longer, resume=True, trainer={"max_epochs": 2})
    assert read_recipe(run.directory).trainer.max_epochs == 1
    changed = perceivers.train(run.directory, data, resume=True, trainer={"max_epochs": 2})
    assert changed.metrics["epochs"] == 2


def test_a_run_whose_data_has_moved_is_resumed_and_evaluated(run, image_folder, tmp_path, capsys):
    before = json.loads((run / "metrics.json").read_text())["test"]
    image_folder.rename(tmp_path / "moved")
    options = ("--data", tmp_path / "moved", "--trainer.max_epochs", 3)
    status, _, err = command(capsys, "train", run, "--resume", *options)
    assert status == 0
    assert "24 examples of the data: in no split of the run" in err
    assert evaluate(run)["examples"] == before["examples"]
