"""Training from Python: recipes, models and one's own datasets."""

import json

import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

import perceivers
from perceivers.modalities import ElementClassesConfig, PointsConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig

SMALL = {
    "num_latents": 4, "latent_dim": 8, "num_self_heads": 2, "cross_order": (0,),
    "block_order": (0,), "num_layers_per_block": 1, "input": {"image_size": 4, "num_bands": 2},
}  # fmt: skip
FAST = {"trainer": {"max_epochs": 1}, "optimizer": {"warmup_epochs": 0}}


def images(count=40, classes=2):
    """Images that are bright or dark, as their label says."""
    labels = torch.arange(count) % classes
    noise = torch.randint(0, 60, (count, 4, 4, 3), generator=torch.Generator().manual_seed(0))
    return TensorDataset((noise + 90 * labels[:, None, None, None]).to(torch.uint8), labels)


def model(**options):
    torch.manual_seed(0)
    return perceivers.create("perceiver-imagenet", **{"num_classes": 2, **SMALL, **options})


def test_a_recipe_by_name_and_as_an_object(tmp_path):
    sizes = {"num_latents": 4, "latent_dim": 16, "num_self_heads": 2, "num_layers_per_block": 1}
    small = {"model": sizes, "data": {"test": 0.6}}
    run = perceivers.train("digits", out=tmp_path / "a", **FAST, **small)
    assert run.metrics["epochs"] == 1
    assert run.metrics == json.loads((run.directory / "metrics.json").read_text())
    recipe = perceivers.get_recipe("digits")
    assert isinstance(recipe, perceivers.Recipe)
    again = perceivers.train(recipe, out=tmp_path / "b", **FAST, **small)
    assert again.metrics["test"] == run.metrics["test"]
    assert perceivers.Predictor(run.model).labels == tuple("0123456789")
    with pytest.raises(ValueError, match=r"unknown field of recipe.trainer 'max_epoch'; did you"):
        perceivers.train("digits", out=tmp_path / "c", trainer={"max_epoch": 1})


def test_a_folder_is_looked_at(tmp_path, image_folder):
    run = perceivers.train("folder", data=image_folder, out=tmp_path / "run", **FAST)
    assert run.model.labels == ("bright", "dark")
    assert "found: 24 png files in 2 classes" in (tmp_path / "run" / "log.txt").read_text()


def test_warm_up_and_patience_follow_the_number_of_epochs(tmp_path):
    """As on the command line, unless they are given."""
    for label in ("good", "bad"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "texts" / label / f"{number}.txt").write_text(f"{label} film {number}")
    texts = tmp_path / "texts"
    trainer = {"max_epochs": 1}
    run = perceivers.train("folder", data=texts, out=tmp_path / "a", trainer=trainer)
    recipe = json.loads((run.directory / "config.json").read_text())["recipe"]
    assert (recipe["optimizer"]["warmup_epochs"], recipe["trainer"]["patience"]) == (0.1, 3)
    trainer = {"max_epochs": 1, "patience": 7}
    run = perceivers.train("folder", data=texts, out=tmp_path / "b", **FAST | {"trainer": trainer})
    recipe = json.loads((run.directory / "config.json").read_text())["recipe"]
    assert (recipe["optimizer"]["warmup_epochs"], recipe["trainer"]["patience"]) == (0, 7)


def test_a_dataset_trains_a_model(tmp_path):
    mine, data = model(), images()
    run = perceivers.train(mine, data, out=tmp_path / "run", labels=["dark", "bright"], **FAST)
    assert run.metrics["train_examples"] == 32  # a tenth for the test, a tenth for validation
    assert run.model.labels == ("dark", "bright")
    assert run.model.adapter.std[0] != 1  # measured
    again = perceivers.train(
        run.directory, data, labels=["dark", "bright"], resume=True, trainer={"max_epochs": 2}
    )
    assert again.metrics["epochs"] == 2
    whole = perceivers.train(
        model(), data, out=tmp_path / "whole", labels=["dark", "bright"],
        trainer={"max_epochs": 2}, optimizer={"warmup_epochs": 0, "schedule": "constant"},
    )  # fmt: skip
    assert whole.metrics["epochs"] == 2
    with pytest.raises(ValueError, match="trained on a torch Dataset given in Python"):
        perceivers.train(run.directory, resume=True)


def test_constants_of_a_model_are_kept(tmp_path):
    mine = model()
    mine.adapter.set_normalisation(torch.full((3,), 0.5), torch.full((3,), 0.25))
    run = perceivers.train(mine, images(), out=tmp_path / "run", **FAST)
    assert run.model.adapter.std.tolist() == [0.25] * 3
    assert "keeps its own normalising constants" in (tmp_path / "run" / "log.txt").read_text()


def test_own_validation_and_test_datasets(tmp_path):
    run = perceivers.train(
        model(), images(), out=tmp_path / "run", validation=images(10), test=images(8), **FAST
    )
    assert run.metrics["train_examples"] == 40
    assert run.metrics["test"]["examples"] == 8


def test_a_dataset_of_numbers(tmp_path):
    x, _ = images().tensors
    data = TensorDataset(x, x.float().mean((1, 2, 3)))
    run = perceivers.train(
        model(num_classes=1, task="regression"), data, out=tmp_path / "run", **FAST
    )
    assert set(run.metrics["test"]) >= {"mae", "r2"}


def test_a_dataset_of_lists_and_dictionaries(tmp_path):
    """Examples of different lengths, in a model of two modalities."""

    class Clips(Dataset):
        def __len__(self):
            return 24

        def __getitem__(self, index):
            wave = torch.randn(8 + 4 * (index % 2), generator=torch.Generator().manual_seed(index))
            return {"audio": wave, "video": torch.zeros(2, 4, 4, 3)}, index % 2

    parts = {
        "audio": {"num_samples": 16, "patch_size": 4, "num_bands": 2},
        "video": {"num_frames": 2, "image_size": 4, "patch_size": 2, "num_bands": 2},
    }
    options = {**SMALL, "input": {"parts": parts}, "task": "classification"}
    mixed = perceivers.create("perceiver-audioset-av", num_classes=2, **options)
    run = perceivers.train(mixed, Clips(), out=tmp_path / "run", data={"batch_size": 4}, **FAST)
    assert run.metrics["train_examples"] == 20


def test_a_dataset_of_classes_of_elements(tmp_path):
    """Points are of the class that their side is of; the run is resumed with the same dataset."""
    clouds = torch.rand(40, 6, 3) - 0.5
    config = PerceiverIOConfig(
        input=PointsConfig(num_points=6, num_bands=2), output=ElementClassesConfig(num_classes=2),
        num_latents=2, latent_dim=8, num_layers_per_block=1, num_self_heads=2,
    )  # fmt: skip
    data = TensorDataset(clouds, (clouds[..., 0] > 0).long())
    built, named = build(config), {"labels": ["left", "right"]}
    run = perceivers.train(built, data, out=tmp_path / "run", **named, **FAST)
    assert run.model.labels == ("left", "right")
    assert run.metrics["test"]["by_label"]["left"]["elements"] > 0
    options = {"trainer": {**FAST["trainer"], "max_epochs": 2}}
    again = perceivers.train(tmp_path / "run", data, resume=True, **named, **options)
    assert again.metrics["epochs"] == 2


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.zeros(4, 4, 3), 0


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (images(classes=3), {}, r"2 outputs for classification, the data has 3 .* num_classes=3"),
        (Endless(), {}, "train dataset is a Endless without length"),
        (TensorDataset(torch.zeros(3, 4, 4, 3)), {}, r"item 0 of the train dataset is a tuple"),
        (images(0), {}, "the train dataset is empty"),
        ("somewhere", {"labels": ["a"]}, "labels go with a torch Dataset"),
        (images(), {"model": {"num_latents": 3}}, "the model is given"),
        (images(), {"labels": ["a"]}, "20 of 40 labels are no class, .* one of the 1 classes"),
    ],
)
def test_what_cannot_be_trained_on(tmp_path, data, options, message):
    with pytest.raises(ValueError, match=message):
        perceivers.train(model(), data, out=tmp_path / "run", **{**FAST, **options})
    assert not (tmp_path / "run").exists()


def test_a_directory_in_use(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x").touch()
    with pytest.raises(FileExistsError, match="exists already"):
        perceivers.train(model(), images(), out=tmp_path / "run", **FAST)
