"""The input and the augmentation chosen for a table."""

import dataclasses

import pytest

from perceivers.autoconfig.choose import choose, choose_for
from perceivers.autoconfig.findings import ColumnContents, Sample, TableContents
from perceivers.data.config import DataConfig
from perceivers.modalities import (
    FILE_MODALITIES,
    ImageConfig,
    MelConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
    build_reader,
)
from perceivers.modalities.measures import Distribution
from perceivers.models.build import build_on_meta
from perceivers.recipes.fsdd import fsdd
from perceivers.recipes.grid_corpus import grid_av

MODALITIES = {modality.name: modality for modality in FILE_MODALITIES}
MEASURES = {
    "image": {"height": 64, "width": 64, "channels": 3},
    "sound": {"sample_rate": 8000, "channels": 1, "seconds": 0.5},
    "text": {"bytes": 80},
    "points": {"points": 900, "channels": 3, "faces": 0, "normals": 0},
    "video": {
        "height": 48, "width": 48, "frames": 16, "frame_rate": 25, "seconds": 0.64,
        "has_sound": 1.0, "sample_rate": 16_000, "sound_seconds": 0.64,
    },
}  # fmt: skip


def column(modality, what="file", **measures):
    values = {**MEASURES[modality], **measures}
    sample = Sample({name: Distribution.of([x]) for name, x in values.items()}, 9, ())
    return ColumnContents(what, 0, MODALITIES[modality], (), sample)


NUMBER = ColumnContents("numeric", 0)
TOWN = ColumnContents("categorical", 0, categories=("Bern", "Oslo"))


def table(task="classification", rows=1000, **columns):
    config = DataConfig(label=("y",), task=task, ignore=("id",), categorical=("nr",))
    names = ("a", "b") if task != "regression" else ("y",)
    return TableContents(config, columns, {"train": rows}, names)


def chosen_recipe(**columns):
    return choose(table(**columns)).recipe


def test_one_part_for_each_column_of_files_or_text_and_one_for_all_values():
    recipe = chosen_recipe(
        photo=column("image"), voice=column("sound"), note=column("text", "text"),
        age=NUMBER, town=TOWN,
    )  # fmt: skip
    config = recipe.model.input
    kinds = {name: type(part) for name, part in config.parts.items()}
    assert kinds == {
        "photo": ImageConfig, "voice": MelConfig, "note": TextConfig, "table": TabularConfig,
    }  # fmt: skip
    assert (config.files, config.texts) == ({"photo": "photo", "voice": "voice"}, {"note": "note"})
    assert (config.parts["table"].numeric, config.parts["table"].categorical) == (
        ("age",),
        ("town",),
    )
    assert config.parts["table"].categories == (("Bern", "Oslo"),)
    assert config.dropout == dict.fromkeys(config.parts, 0.1)
    data = recipe.data
    assert (data.label, data.task, data.ignore) == (("y",), "classification", ("id",))
    assert data.categorical == ("nr",)
    assert (data.mixup, data.time_shift, data.crop_padding, data.flip) == (0, 0.15, 8, True)
    assert recipe.optimizer.lr == grid_av().optimizer.lr
    build_on_meta(recipe.model)
    assert build_reader(config).columns == ("photo", "voice", "note", "age", "town")


def test_label_smoothing_is_for_classification_only():
    smoothing = {
        task: choose(table(task, age=NUMBER)).recipe.trainer.label_smoothing
        for task in ("classification", "multilabel", "regression")
    }
    assert smoothing == {"classification": 0.1, "multilabel": 0.0, "regression": 0.0}


def test_a_single_column_is_trained_like_a_folder_of_its_files():
    recipe = chosen_recipe(voice=column("sound"))
    assert list(recipe.model.input.parts) == ["voice"]
    assert recipe.model.input.dropout == {}
    assert recipe.data.mixup == 0.2
    assert recipe.optimizer.lr == fsdd().optimizer.lr
    assert chosen_recipe(voice=column("sound"), age=NUMBER).data.mixup == 0
    assert chosen_recipe(a=column("sound"), b=column("sound")).data.mixup == 0.2


def test_augmentation_is_the_weakest_of_all_columns():
    data = chosen_recipe(a=column("image"), b=column("image", channels=1, height=16, width=16)).data
    assert (data.crop_padding, data.flip, data.zoom) == (2, False, 0)
    data = chosen_recipe(a=column("points"), b=column("image")).data
    assert (data.point_scaling, data.point_dropout) == (0.01, 0.5)
    assert chosen_recipe(age=NUMBER).data.crop_padding == 0


def test_a_column_of_videos_with_sound_has_two_parts():
    config = chosen_recipe(film=column("video"), age=NUMBER).model.input
    kinds = {name: type(part) for name, part in config.parts.items()}
    assert kinds == {"film_audio": MelConfig, "film_video": VideoConfig, "table": TabularConfig}
    assert config.files == {"film_audio": "film", "film_video": "film"}
    assert list(chosen_recipe(film=column("video", has_sound=0.0)).model.input.parts) == ["film"]


def test_part_names_for_columns_of_any_name():
    names = ["my photo", "my_photo", "2nd", "type", "copy", "table", "名前"]
    recipe = chosen_recipe(**{name: column("image") for name in names}, age=NUMBER)
    parts = recipe.model.input.parts
    assert list(parts) == [
        "my_photo",
        "my_photo_",
        "_2nd",
        "type_",
        "copy_",
        "table",
        "名前",
        "table_",
    ]
    assert list(recipe.model.input.files.values()) == names
    build_on_meta(recipe.model)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_the_monitored_score_fits_the_task(task):
    choice = choose(table(task=task, voice=column("sound")))
    assert (choice.recipe.trainer.monitor, choice.recipe.data.task) == ("auto", task)
    assert choice.recipe.model.num_classes == (1 if task == "regression" else 2)


def test_description_of_the_choice():
    contents = table(photo=column("image"), note=column("text", "text"), age=NUMBER, town=TOWN)
    lines = choose(contents).lines
    assert [line.split(":")[0] for line in lines] == ["found", *["reads"] * 3, "model", "trains"]
    assert lines[1].startswith("reads: photo: images of 64 × 64 pixels")
    assert lines[3] == "reads: age, town: one element per column, and one of a linear model of them"
    assert lines[-1].endswith(
        "augmentation: shifts of up to 8 pixels, mirroring and leaving out photo or note or table"
    )
    lines = choose(dataclasses.replace(contents, columns={"age": NUMBER})).lines
    assert "augmentation" not in lines[-1]


@pytest.mark.parametrize(("categories", "linear"), [(400, "logistic"), (600, "none")])
def test_a_linear_model_of_a_table_unless_it_would_have_many_weights(categories, linear):
    names = tuple(f"category {index}" for index in range(categories))
    [part] = chosen_recipe(
        age=NUMBER, town=dataclasses.replace(TOWN, categories=names)
    ).model.input.parts.values()
    assert part.linear == linear


def test_a_recipe_for_a_table_or_its_folder(mixed_table):
    for source in (mixed_table, mixed_table / "manifest.csv"):
        recipe = choose_for(str(source), DataConfig(ignore=("tags", "price [CHF]"))).recipe
        assert list(recipe.model.input.parts) == ["photo", "sound", "note", "table"]
        assert recipe.data.label == ("label",)
