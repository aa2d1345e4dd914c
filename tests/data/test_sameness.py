"""Examples that tell a model nothing are counted and said, in every modality."""

import numpy as np
import pytest
import torch
from media_files import video, write_wav
from PIL import Image
from torch.utils.data import TensorDataset

from perceivers.autoconfig.choose import choose_for
from perceivers.data.config import DataConfig
from perceivers.data.dataset import read_datasets
from perceivers.data.splits import read_splits
from perceivers.modalities import build_reader
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.text.reader import TextReader
from perceivers.modalities.video.reader import VideoReader
from perceivers.training.measuring import measure_normalisation

RNG = np.random.default_rng(0)
COUNT = 10  # examples of each class
IMAGES = ImageReader(8, 3)


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def black_first_page(file, index):
    pages = [Image.fromarray(noise(8, 8, 3)) for _ in range(2)]
    black = Image.new("RGB", (8, 8))
    black.save(file.with_suffix(".tif"), save_all=True, append_images=pages)


def black_first_frame(file, index):
    frames = [Image.fromarray(noise(8, 8, 3)) for _ in range(2)]
    black = Image.new("RGB", (8, 8))
    black.save(file.with_suffix(".webp"), save_all=True, append_images=frames, lossless=True)


def silence(file, index):
    write_wav(file.with_suffix(".wav"), np.zeros(100 + index))


def noisy_ends(file, index):
    wave = np.zeros(1000)
    wave[:50] = RNG.uniform(-1, 1, 50)
    write_wav(file.with_suffix(".wav"), wave)


def frozen(file, index):
    file.with_suffix(".mkv").write_bytes(video(noise(1, 16, 16, 3).repeat(6, 0)))


def black(file, index):
    file.with_suffix(".mkv").write_bytes(video(np.zeros((6 + index, 16, 16, 3), np.uint8)))


def one_point(file, index):
    colours = RNG.uniform(size=(20, 3))
    np.save(file.with_suffix(".npy"), np.hstack([np.full((20, 3), float(index)), colours]))


def blank(file, index):
    file.with_suffix(".txt").write_text(" \n" * index)


def same_beginning(file, index):
    file.with_suffix(".txt").write_text("the same first words " + str(RNG.integers(10**9)))


def blank_ends(file, index):
    pixels = np.full((8, 40, 3), 200, np.uint8)
    pixels[:, :4] = noise(8, 4, 3)
    Image.fromarray(pixels).save(file.with_suffix(".png"))


def folder(root, write, count=COUNT):
    for name in "ab":
        (root / name).mkdir(parents=True)
        for index in range(count):
            write(root / name / str(index), index)
    return root


def lines(caplog, root, reader, **options):
    """Return what is said of the training examples of a folder."""
    config = DataConfig(path=str(root), **options)
    read_splits(config, reader)
    said = [record.getMessage() for record in caplog.records]
    return [line.partition("once read")[0] for line in said if line.startswith("train: ")]


@pytest.mark.parametrize(
    ("write", "reader", "expected"),
    [
        (black_first_page, IMAGES, ["16 of 16 images are of one colour ", "same"]),
        (black_first_frame, IMAGES, ["16 of 16 images are of one colour ", "same"]),
        (blank_ends, IMAGES, ["16 of 16 images are of one colour ", "same"]),
        (silence, SoundReader(64, 8000, 1), ["16 of 16 sound files are silent ", "same"]),
        (noisy_ends, SoundReader(64, 8000, 1), ["16 of 16 sound files are silent ", "same"]),
        (frozen, VideoReader(4, 8, 3), ["16 of 16 videos are the same in all frames "]),
        (black, VideoReader(4, 8, 3), ["16 of 16 videos are the same in all frames ", "same"]),
        (one_point, PointReader(16, 6), ["16 of 16 point clouds are one point, repeated "]),
        (blank, TextReader(20), ["16 of 16 texts are empty, or white space alone "]),
        (same_beginning, TextReader(20), ["same"]),
    ],
)
def test_examples_that_are_alike_once_read_are_counted(tmp_path, caplog, write, reader, expected):
    said = lines(caplog, folder(tmp_path / "data", write), reader)
    same = f"16 of 16 {reader.noun} are the same as others "
    assert said == [f"train: {same if line == 'same' else line}" for line in expected]


def test_one_constant_example_is_named(tmp_path, caplog):
    root = folder(tmp_path / "data", lambda file, i: write_wav(f"{file}.wav", RNG.uniform(size=90)))
    write_wav(root / "a" / "3.wav", np.zeros(90))
    read_splits(DataConfig(path=str(root), test=0.0, validation=0.1), SoundReader(64, 8000, 1))
    assert f"of 18 sound files is silent once read: {root}/a/3.wav" in caplog.text
    assert "same as others" not in caplog.text


def test_a_few_equal_images_are_no_alarm(tmp_path, caplog):
    """Small images of few colours are equal by chance, and exact copies are said elsewhere."""
    root = folder(
        tmp_path / "data", lambda file, i: Image.fromarray(noise(8, 8)).save(f"{file}.png"), 30
    )
    for index in range(10):  # copies of one file
        (root / "a" / f"{index}.png").write_bytes((root / "a" / "20.png").read_bytes())
    twin = Image.open(root / "b" / "0.png")  # another file with the same pixels
    twin.save(root / "b" / "1.png", compress_level=0)
    read_splits(DataConfig(path=str(root)), ImageReader(8, 1))
    assert "once read" not in caplog.text


def test_parts_of_rows_are_counted_by_themselves(tmp_path, caplog):
    table = ["photo,size,label"]
    for index in range(20):
        black_first_page(tmp_path / str(index), index)
        table.append(f"{index}.tif,{RNG.normal():.3f},{'ab'[index % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(table))
    choice = choose_for(str(tmp_path))
    reader = build_reader(choice.recipe.model.input)
    caplog.clear()
    config = DataConfig(path=str(tmp_path), label=("label",))
    read_splits(config, reader)
    assert "train, photo: 16 of 16 images are of one colour once read" in caplog.text
    assert "train, photo: 16 of 16 images are the same as others once read" in caplog.text


def test_files_that_are_decoded_batch_by_batch_are_counted_as_they_are_measured(tmp_path, caplog):
    root = folder(tmp_path / "data", black_first_page)
    splits = read_splits(DataConfig(path=str(root), hold_gb=0), IMAGES)
    assert "once read" not in caplog.text
    measure_normalisation(ImageAdapter(image_size=8), splits.examples["train"])
    assert "train: 16 of 16 images are of one colour once read" in caplog.text


def test_items_of_a_dataset_that_are_constant_or_the_same_are_counted(caplog):
    images = torch.from_numpy(noise(20, 8, 8, 3))
    images[4] = 7
    labels = torch.arange(20) % 2
    read_datasets(DataConfig(), TensorDataset(images, labels))
    said = "train: all elements of 1 of 20 examples are the same: train[4]"
    assert [record.getMessage() for record in caplog.records if "same" in record.message] == [said]
    images[5:] = images[5].clone()
    caplog.clear()
    read_datasets(DataConfig(), TensorDataset(images, labels))
    assert "train: 15 of 20 examples are the same: train[5], train[6], train[7], …" in caplog.text


def test_small_vectors_that_are_constant_are_no_alarm(caplog):
    xor = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(10, 1)
    read_datasets(DataConfig(), TensorDataset(xor, xor[:, 0].long() ^ xor[:, 1].long()))
    assert "same" not in caplog.text
