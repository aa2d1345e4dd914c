"""Splits of folders and of the packaged digits, and their errors."""

import io
import shutil

import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.data.file_examples import FileExamples
from perceivers.data.hold_out import stratified_split
from perceivers.data.splits import read_digits, read_splits
from perceivers.modalities.image.decode import decode
from perceivers.modalities.image.reader import ImageReader


def read(path=None, size=8, channels=3, arguments=None, **changes):
    """Read splits of images with `read_splits(config, reader, **arguments)`."""
    config = DataConfig(**{"path": None if path is None else str(path), **changes})
    return read_splits(config, ImageReader(size, channels), **(arguments or {}))


def test_digits_come_with_the_package():
    images, labels = read_digits()
    assert images.shape == (1797, 8, 8, 1)
    assert images.dtype == torch.uint8
    assert images.max() == 255
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_at_the_size_and_channels_of_the_reader():
    splits = read_splits(DataConfig(name="digits"), ImageReader(16, 3))
    assert splits.examples["train"].examples.shape[1:] == (16, 16, 3)


def test_splits_are_stratified_disjoint_and_reproducible():
    labels = torch.tensor([0] * 50 + [1] * 10 + [2] * 2)
    kept, held_out = stratified_split(labels, 0.2)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(62))
    assert labels[held_out].bincount().tolist() == [10, 2, 1]
    assert torch.equal(stratified_split(labels, 0.2)[1], held_out)


def test_image_folder(image_folder):
    splits = read(image_folder, validation=0.25, test=0.25)
    assert splits.labels == ("bright", "dark")
    assert {name: len(examples) for name, examples in splits.examples.items()} == {
        "train": 14, "validation": 4, "test": 6,
    }  # fmt: skip
    for examples in splits.examples.values():
        assert isinstance(examples, InMemoryExamples)
        assert examples.examples.shape[1:] == (8, 8, 3)
        bright = examples.examples.float().mean((1, 2, 3)) > 125
        assert torch.equal(bright, examples.labels == 0)


def test_only_the_split_to_score_on_is_decoded(image_folder):
    """Unreadable files do not change the split, which is drawn before any file is opened."""
    expected = read(image_folder).examples["test"]
    listed = read(image_folder, arguments={"decode": False}).examples["test"]
    kept = {listed.files[row][0] for row in listed.rows.tolist()}
    assert len(kept) == len(expected) == 2
    for path in image_folder.rglob("*.png"):
        if str(path) not in kept:
            path.write_bytes(b"broken")
    scored = read(image_folder, arguments={"scored": True})
    assert (list(scored.examples), scored.skipped) == (["test"], ())
    assert torch.equal(scored.examples["test"].examples, expected.examples)
    for hold_out, name in ((True, "test"), (False, "train")):
        arguments = {"scored": True, "hold_out": hold_out}
        splits = read(image_folder, hold_gb=0, arguments=arguments)
        assert list(splits.examples) == [name]


def test_image_folder_with_its_own_splits(image_folder, tmp_path):
    root = tmp_path / "split"
    for name in ("train", "val", "test"):
        shutil.copytree(image_folder, root / name)
    splits = read(root).examples
    assert {name: len(examples) for name, examples in splits.items()} == {
        "train": 24, "validation": 24, "test": 24,
    }  # fmt: skip


def test_large_sets_are_decoded_batch_by_batch(image_folder):
    in_memory = read(image_folder).examples["train"]
    on_access = read(image_folder, hold_gb=0.0).examples["train"]
    assert isinstance(on_access, FileExamples)
    indices = [5, 0, 3]
    batches = (in_memory.__getitems__(indices), on_access.__getitems__(indices))
    for a, b in zip(*batches, strict=True):
        assert torch.equal(a, b)


def test_cifar_files(cifar_files):
    path = cifar_files.write("cifar10", "python", archive=True)
    splits = read(path, size=32, name="cifar10")
    assert len(splits.examples["train"]) + len(splits.examples["validation"]) == 50
    assert len(splits.examples["test"]) == 10
    assert torch.equal(splits.examples["test"].examples, torch.from_numpy(cifar_files.images[50:]))


@pytest.mark.parametrize(("size", "channels"), [(64, 3), (32, 1)])
def test_cifar_files_at_another_size(cifar_files, size, channels):
    """They are resized like an image file of the same pixels, as prediction decodes it."""
    path = cifar_files.write("cifar10", "binary", archive=True)
    images = read(path, size=size, channels=channels, name="cifar10").examples["test"].examples
    for got, pixels in zip(images, cifar_files.images[50:], strict=True):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        expected = decode(file.getvalue(), channels=channels, size=size)
        assert torch.equal(got, torch.tensor(expected))


@pytest.mark.parametrize("hold_gb", [4.0, 0.0], ids=["in memory", "batch by batch"])
def test_bad_files_are_named_and_skipped(image_folder, caplog, hold_gb):
    caplog.set_level("INFO")
    (image_folder / "dark" / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (50, 50)).save(image_folder / "dark" / "cut.jpg")
    cut = (image_folder / "dark" / "cut.jpg").read_bytes()
    (image_folder / "dark" / "cut.jpg").write_bytes(cut[:400])
    splits = read(image_folder, hold_gb=hold_gb, validation=0.1, test=0.0)
    if hold_gb:
        assert len(splits.skipped) == 2
        assert "2 skipped" in caplog.text
    for examples in splits.examples.values():
        examples.__getitems__(range(len(examples)))
    skipped = [r.message for r in caplog.records if r.message.startswith("skipped")]
    assert any("broken.png: not an image" in message for message in skipped)
    assert any("cut.jpg" in message for message in skipped)


def test_pointers_of_git_lfs_are_told(image_folder, caplog):
    pointer = image_folder / "dark" / "pointer.png"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert read(image_folder).skipped == (str(pointer),)
    assert "pointer.png: a pointer of Git LFS, not the file itself; fetch it: git lfs pull" in (
        caplog.text
    )


def test_strict_stops_at_a_bad_file(image_folder):
    (image_folder / "dark" / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken.png: not an image.*or run without --strict"):
        read(image_folder, strict=True)


def test_no_readable_file(tmp_path):
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="none of the 2 files of the train split can be read"):
        read(tmp_path / "photos", test=0.0)


def test_empty_class(image_folder):
    (image_folder / "empty").mkdir()
    with pytest.raises(ValueError, match="class 'empty' is empty: .* holds no image"):
        read(image_folder)


def test_images_in_sub_folders_of_a_class(image_folder):
    (image_folder / "dark" / "more").mkdir()
    (image_folder / "dark" / "0.png").rename(image_folder / "dark" / "more" / "0.png")
    with pytest.raises(ValueError, match="0.png lies deeper than its class 'dark'"):
        read(image_folder)


def test_a_class_called_train_in_a_folder_with_brackets(image_folder, tmp_path):
    (image_folder / "dark").rename(image_folder / "train")
    (image_folder / ".cache").mkdir()
    odd = image_folder.rename(tmp_path / "photos [2020] *new*")
    splits = read(odd)
    assert splits.labels == ("bright", "train")
    assert sum(len(examples) for examples in splits.examples.values()) == 24


def test_other_files_are_no_examples(image_folder):
    Image.new("RGB", (9, 9)).save(image_folder / "logo.png")
    Image.new("RGB", (9, 9)).save(image_folder / "dark" / "UPPER.PNG")
    (image_folder / "dark" / "notes.txt").write_text("x")
    (image_folder / "dark" / ".DS_Store").write_bytes(b"x")
    splits = read(image_folder, strict=True)
    assert splits.labels == ("bright", "dark")
    assert sum(len(examples) for examples in splits.examples.values()) == 25


def test_one_class_only(image_folder):
    shutil.rmtree(image_folder / "dark")
    with pytest.raises(ValueError, match=r"found 1 class \['bright'\]; .* needs at least two"):
        read(image_folder)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: p / "missing", FileNotFoundError, "no folder .*missing; check the path"),
        (lambda p: "nowhere.csv", FileNotFoundError, "no table nowhere.csv; check the path"),
        (lambda p: p / "file.txt", ValueError, "is a file; expected a folder"),
        (lambda p: p / "set.ZIP", ValueError, "is an archive, which is not read; unpack it"),
        (lambda p: p / "bare", ValueError, "has no sub-folders"),
    ],
)
def test_paths_without_data(tmp_path, make, error, message):
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "set.ZIP").write_bytes(b"PK")
    (tmp_path / "bare").mkdir()
    with pytest.raises(error, match=message):
        read(make(tmp_path))


def test_no_data_given():
    with pytest.raises(ValueError, match="point at your folder: --data DIR"):
        read(None)


def test_unknown_set():
    with pytest.raises(ValueError, match="unknown data set 'cifar11'; did you mean 'cifar10'"):
        read(None, name="cifar11")


def test_named_set_without_the_hub_says_how_to_get_it():
    with pytest.raises(FileNotFoundError) as caught:
        read(None, name="cifar10")
    message = str(caught.value)
    for part in ("cifar-10-python.tar.gz", "https://www.cs.toronto.edu", "--data"):
        assert part in message


def test_hub_names_begin_with_hf(monkeypatch):
    """A typed path that does not exist never goes to the hub; the error says how to name it."""
    with pytest.raises(FileNotFoundError, match="hf://nobody/nothing could not be loaded"):
        read("hf://nobody/nothing")
    import datasets

    monkeypatch.delattr(datasets, "load_dataset")
    for path in ("nobody/nothing", "https://huggingface.co/datasets/nobody/nothing/"):
        with pytest.raises(FileNotFoundError, match="hub write hf://nobody/nothing$"):
            read(path)
    with pytest.raises(FileNotFoundError, match="no folder photos; check the path$"):
        read("photos")
    for name in ("hf://nothing", "hf://datasets/nobody/nothing", "hf://no body/nothing"):
        with pytest.raises(ValueError, match="expected the name of a repository, hf://owner/name"):
            read(name)


def test_a_local_folder_never_takes_the_place_of_a_named_set_of_the_hub(tmp_path, monkeypatch):
    (tmp_path / "uoft-cs" / "cifar10").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="uoft-cs/cifar10 could not be loaded"):
        read(None, name="cifar10")


def test_nothing_is_held_out_for_validation(image_folder):
    whole, held_out = read(image_folder, validation=0.0), read(image_folder)
    assert set(whole.examples) == {"train", "test"}
    validation = len(held_out.examples["validation"])
    assert len(whole.examples["train"]) == len(held_out.examples["train"]) + validation
