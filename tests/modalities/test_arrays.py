"""What arrays in `.npy` files are taken for: images, points, or an error that says what to do."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_classifier

from perceivers.autoconfig.choose import choose_for
from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.notices import collecting
from perceivers.modalities.points.decode import decode as decode_points
from perceivers.predict import Predictor
from perceivers.predict.inputs import find_inputs
from perceivers.training.recipe_data import measure_files

RNG = np.random.default_rng(0)


def array(shape, dtype="uint8"):
    if dtype == "bool":
        return RNG.random(shape) < 0.5
    return (RNG.random(shape) * 200 + 20).astype(dtype)


def folder(root, make, count=6):
    for name in "ab":
        (root / name).mkdir(parents=True)
        for index in range(count):
            np.save(root / name / f"{index}.npy", make())
    return root


@pytest.mark.parametrize(
    ("shape", "dtype", "channels"),
    [
        ((28, 28), "uint8", 1),
        ((28, 40), "uint8", 1),
        ((8, 8), "int64", 1),
        ((28, 28), "float32", 1),
        ((28, 40), "uint16", 1),
        ((28, 40), "bool", 1),
        ((28, 28, 1), "uint8", 1),
        ((28, 28, 3), "uint8", 3),
        ((28, 28, 3), "float64", 3),
        ((28, 28, 4), "uint8", 3),
        ((28, 28, 2), "uint8", 1),
    ],
)
def test_arrays_that_are_images_are_read_as_images(tmp_path, shape, dtype, channels):
    contents = inspect_folder(folder(tmp_path / "data", lambda: array(shape, dtype)))
    assert contents.modality.name == "image"
    assert contents.suffixes == {"npy": 12}
    assert contents.sample.measures["channels"].high == channels
    assert contents.sample.measures["width"].high == shape[1]


@pytest.mark.parametrize("shape", [(20, 3), (3, 3), (12, 6), (300, 9), (100, 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_of_points_are_read_as_points(tmp_path, shape, dtype):
    contents = inspect_folder(folder(tmp_path / "data", lambda: array(shape, dtype)))
    assert contents.modality.name == "points"
    assert contents.sample.measures["points"].high == shape[0]


def test_whole_numbers_of_few_columns_are_points(tmp_path):
    contents = inspect_folder(folder(tmp_path / "data", lambda: array((30, 3), "int32")))
    assert contents.modality.name == "points"


def test_arrays_of_one_axis_are_series(tmp_path):
    contents = inspect_folder(folder(tmp_path / "data", lambda: array((160,))))
    assert contents.modality.name == "series"
    assert contents.sample.measures["steps"].high == 160


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 28, 28), r"channels last.*np.moveaxis\(array, 0, -1\)"),
        ((3, 28, 28), r"channels last.*np.moveaxis\(array, 0, -1\)"),
        ((60, 28, 28), "save each image of a batch, or the frames of a video"),
        ((5, 8, 8, 3), "save each image of a batch, or the frames of a video"),
        ((), "expected an image"),
    ],
)
def test_other_arrays_are_refused_with_what_to_do(tmp_path, shape, expected):
    root = folder(tmp_path / "data", lambda: array(shape))
    with pytest.raises(ValueError, match=expected):
        inspect_folder(root)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 10), "is read as fewer points than they have channels"),
        ((4, 6), "is read as fewer points than they have channels"),
        ((100, 40), "is read as points of 40 channels"),
        ((20, 6), None),
        ((3, 3), None),
    ],
)
def test_an_unlikely_cloud_is_said(tmp_path, shape, expected):
    for path in (tmp_path / "x.npy", tmp_path / "x.csv"):
        cloud = array(shape, "float64")
        if path.suffix == ".npy":
            np.save(path, cloud)
        else:
            np.savetxt(path, cloud, delimiter=",")
        with collecting() as said:
            decode_points(path, channels=3)
        assert any((expected or "is read as") in text for text in said) == bool(expected)


def test_a_model_of_points_refuses_an_image(tmp_path):
    np.save(tmp_path / "x.npy", array((28, 28)))
    with pytest.raises(ValueError, match=r"uint8 of shape \(28, 28\), which is an image"):
        decode_points(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", array((28, 28)))
    with pytest.raises(ValueError, match="which is an image, not points"):
        decode_points(tmp_path / "x.npz")


def test_arrays_beside_pictures_belong_to_them(tmp_path, caplog):
    """Masks and features are saved as arrays beside the pictures, of any names."""
    root = folder(tmp_path / "data", lambda: array((8, 8)))
    for name in "ab":
        for index in range(12):
            Image.fromarray(array((8, 8, 3))).save(root / name / f"{index}.png")
    contents = inspect_folder(root)
    assert (contents.num_examples, contents.strays) == (24, {"npy": 12})
    splits = read_splits(DataConfig(path=str(root)), ImageReader(8, 3))
    assert sum(map(len, splits.examples.values())) == 24
    assert "not read in the class folders: 12 npy files" in caplog.text


def test_arrays_of_pixels_in_a_table(tmp_path):
    lines = ["photo,scan,label"]
    for index in range(8):
        np.save(tmp_path / f"{index}.npy", array((12, 12)))
        np.save(tmp_path / f"cloud{index}.npy", array((30, 3), "float32"))
        lines.append(f"{index}.npy,cloud{index}.npy,{'ab'[index % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    contents = inspect_table(tmp_path / "manifest.csv", DataConfig())
    assert contents.columns["photo"].modality.name == "image"
    assert contents.columns["scan"].modality.name == "points"


def test_arrays_of_floats_are_scaled_by_their_range_and_predicted(tmp_path):
    root = folder(tmp_path / "data", lambda: array((12, 12), "float32") / 255)
    choice = choose_for(str(root))
    recipe = replace(choice.recipe, data=replace(choice.recipe.data, path=str(root)))
    config = measure_files(recipe)[0].model.input
    assert config.value_range == (0.0, 1.0)
    predictor = Predictor(tiny_classifier(config))
    inputs = list(find_inputs([str(root)], predictor))
    assert len(inputs) == 12
    pixels = np.load(inputs[0].source)
    np.testing.assert_array_equal(predictor.prepare(pixels), predictor.prepare(inputs[0].source))
    assert len(predictor([x.source for x in inputs])) == 12
