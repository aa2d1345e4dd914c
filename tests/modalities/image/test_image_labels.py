"""Masks of images, and that they are moved with their images."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.element_labels import read_elements
from perceivers.modalities import ImageConfig, modality_of
from perceivers.modalities.image.labels import LabelledImageReader, read_mask
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.labelled import read_names
from perceivers.modalities.notices import collecting
from perceivers.predict import elements

GREY = np.random.default_rng(0).integers(0, 2, (12, 8)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(GREY * 200).save(tmp_path / "images" / "a.png")
    Image.fromarray(GREY).save(tmp_path / "masks" / "a.png")
    return tmp_path


def reader(size=8, **options):
    return LabelledImageReader(ImageReader(size, 1), ("0", "1"), **options)


def test_a_mask_is_cropped_as_its_image(folder):
    example = reader().decode(folder / "images" / "a.png")
    assert np.array_equal(example["content"][..., 0] // 200, example["labels"])
    assert np.array_equal(example["labels"], GREY[2:10])


def test_palettes_and_the_value_for_no_label(folder):
    mask = Image.fromarray(np.where(GREY == 1, 255, 0).astype(np.uint8)).convert("P")
    mask.save(folder / "masks" / "a.png")
    named = LabelledImageReader(ImageReader(8, 1), ("sky", "sea"), {0: "sea", 1: "sky"})
    labels = named.decode(folder / "images" / "a.png")["labels"]
    assert np.array_equal(labels, np.where(GREY[2:10] == 1, -1, 1))
    assert set(reader().survey(folder / "images" / "a.png")) == {"0", "255"}


@pytest.mark.parametrize(
    "options", [{"flip": True}, {"crop_padding": 2}, {"zoom": 0.3}, {"flip": True, "zoom": 0.2}]
)
def test_masks_move_with_their_images(options):
    """Where a flat image is bright, its mask is still of the class of bright pixels."""
    torch.manual_seed(0)
    labels = torch.zeros(8, 16, 16, dtype=torch.int64)
    labels[:, 4:9, 2:11] = 1
    images = (200 * labels[..., None] + 20).to(torch.uint8)
    config = ImageConfig(image_size=16, channels=1)
    moved, masks = modality_of(config).augment_labelled(
        images, labels, config, DataConfig(**options)
    )
    assert not torch.equal(moved, images)
    pixels = moved[..., 0].float()
    sure = (pixels > 170) | (pixels < 70)  # others are between two classes
    said = torch.where(pixels == 0, -1, (pixels > 120).long())
    assert torch.equal(said[sure], masks[sure])
    assert sure.float().mean() > 0.85


def test_bad_masks(folder):
    image = folder / "images" / "a.png"
    with pytest.raises(ValueError, match="unknown class of elements '1'"):
        LabelledImageReader(ImageReader(8, 1), ("0", "2")).decode(image)
    Image.fromarray(GREY[:6]).save(folder / "masks" / "a.png")
    with pytest.raises(ValueError, match="has 8×6 pixels, the image 8×12; expected the same size"):
        reader().survey(image)
    Image.fromarray(GREY).convert("RGB").save(folder / "masks" / "a.png")
    with pytest.raises(ValueError, match="pixels of mode RGB; expected a palette"):
        read_mask(folder / "masks" / "a.png")
    (folder / "masks" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"no mask .*masks/a.png beside it"):
        reader().survey(image)


def test_folders_may_lie_in_both_and_have_capitals(folder):
    """Such images were left out without a word, or learnt as a class beside their masks."""
    image, mask = Image.fromarray(GREY * 200), Image.fromarray(GREY)
    for name in ("images", "masks"):
        (folder / name / "north").mkdir()
    image.save(folder / "images" / "north" / "b.png")
    mask.save(folder / "masks" / "north" / "b.png")
    (folder / "upper" / "Images").mkdir(parents=True)
    (folder / "upper" / "Masks").mkdir()
    image.save(folder / "upper" / "Images" / "c.PNG")
    mask.save(folder / "upper" / "Masks" / "c.PNG")
    modality = modality_of(ImageConfig())
    assert [f.name for f in modality.labelled_files(folder)] == ["a.png", "b.png"]
    [upper] = modality.labelled_files(folder / "upper")
    for path in (folder / "images" / "north" / "b.png", upper):
        assert reader().sources(path) == [(str(path), str(path))]
        assert np.array_equal(reader().decode(path)["labels"], GREY[2:10])
    assert reader().sources(folder / "masks" / "a.png") == []


def test_masks_below_another_folder_of_images_are_no_examples(folder):
    place = folder / "outer" / "images" / "set"
    place.mkdir(parents=True)
    for name in ("images", "masks"):
        (folder / name).rename(place / name)
    sources = [s for file in sorted(place.rglob("*.png")) for s in reader().sources(file)]
    assert [name for name, _ in sources] == [str(place / "images" / "a.png")]


def test_files_that_are_not_read_and_classes_without_elements_are_said(folder, caplog):
    Image.fromarray(GREY * 255).save(folder / "masks" / "a.png")
    Image.fromarray(GREY).save(folder / "masks" / "left.png")
    (folder / "images" / "a.heic").touch()
    (folder / "classes.txt").write_text("ground\ndisc\n")
    _, classes = read_elements(DataConfig(path=str(folder)), LabelledImageReader(ImageReader(8, 1)))
    assert classes == ("ground", "disc")
    assert "not read: 1 heic and 1 png files (such as images/a.heic)" in caplog.text
    assert "no element has the class 'disc'; 255 stands for no label" in caplog.text


def test_names_of_classes_have_no_gaps(folder):
    """Predictions held the number of the class among the named ones, not its value."""
    (folder / "classes.txt").write_text("\nsky\nsea\n")
    with pytest.raises(ValueError, match=r"classes.txt: line 1 is empty, so that value 0 has no"):
        read_names(folder)


def test_masks_of_turned_images_are_those_of_what_is_seen(folder):
    exif = Image.Exif()
    exif[0x0112] = 3
    path = folder / "images" / "a.jpg"
    Image.fromarray(np.kron(GREY, np.ones((8, 8), np.uint8))[::-1, ::-1] * 200).save(
        path, exif=exif
    )
    Image.fromarray(np.kron(GREY, np.ones((8, 8), np.uint8))).save(folder / "masks" / "a.png")
    with collecting() as said:
        example = reader(64).decode(path)
    assert np.array_equal(example["content"][..., 0] > 100, example["labels"] == 1)
    assert said == [
        "is turned or mirrored by its EXIF data, and its mask is taken for the result's"
    ]
    (folder / "masks" / "a.png").unlink()
    Image.fromarray(GREY).save(folder / "masks" / "a.png")
    with collecting() as said:
        reader().decode(folder / "images" / "a.png")
    assert said == []


@pytest.mark.parametrize(
    ("names", "mode"), [(("0", "7"), "P"), (("0", "1000"), "I;16"), (("sky", "sea"), "P")]
)
def test_predicted_masks_have_the_values_of_the_masks_of_the_training(names, mode, monkeypatch):
    """Classes called 256 and above were written by their number, as 0 and 1."""
    monkeypatch.setattr(elements, "label_pixels", lambda model, pixels: GREY.astype(np.int64))
    _, files, _ = elements._label_image(SimpleNamespace(labels=names), GREY)
    with Image.open(io.BytesIO(files[".png"])) as mask:
        assert mask.mode == mode
        expected = GREY.astype(int) * (int(names[1]) if names[1].isdecimal() else 1)
        assert np.array_equal(np.asarray(mask), expected)
    with pytest.raises(ValueError, match="a class is called 70000, and masks hold values of up to"):
        elements._label_image(SimpleNamespace(labels=("0", "70000")), GREY)


@pytest.mark.parametrize(("crop", "sides"), [(1.0, [20, 20]), (0.5, [10] * 8)])
def test_an_image_is_labelled_in_squares_of_the_scale_of_the_training(crop, sides, monkeypatch):
    """Of a model that reads a cut image, squares were of the whole side."""
    config = ImageConfig(image_size=20, channels=1, crop=crop)
    fitted, seen = elements.images.fit, []

    def fit(pixels, **options):
        seen.append(pixels.shape[1])
        return fitted(pixels, **options)

    monkeypatch.setattr(elements.images, "fit", fit)
    monkeypatch.setattr(elements, "_said", lambda model, example: (example[..., 0] > 100).numpy())
    pixels = np.zeros((20, 36, 1), np.uint8)
    pixels[3:9, 20:31] = 200
    model = SimpleNamespace(config=SimpleNamespace(input=config))
    assert np.array_equal(elements.label_pixels(model, pixels), pixels[..., 0] > 100)
    assert seen == sides
