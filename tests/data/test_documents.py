"""Texts without labels: documents, their splits, and windows of bytes."""

import numpy as np
import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.data.documents import Documents, Windows, read_documents
from perceivers.modalities.text.decode import OFFSET, PAD
from perceivers.modalities.text.reader import TextReader


def read(path, **settings):
    config = DataConfig(path=str(path), validation=0.2, test=0.2)
    return read_documents(config, TextReader(8), step=3, **settings)


@pytest.mark.parametrize("length", [1, 3, 4, 12, 13])
def test_each_byte_is_predicted_once_with_all_that_fits_before_it(length):
    text = bytes(range(65, 65 + length))
    windows = Windows(text, 8, 3, b"")
    ids, counts = windows.__getitems__(range(len(windows)))
    assert ids.shape == (len(windows), 8)
    rows = [row[row != PAD] - OFFSET for row in ids]
    predicted = [row[-count:] for row, count in zip(rows, counts.tolist(), strict=True)]
    assert bytes(torch.cat(predicted).tolist()) == text
    whole, end = b"\n" + text, 1
    for row, count in zip(rows, counts.tolist(), strict=True):
        end += count
        assert bytes(row.tolist()) == whole[max(0, end - 8) : end]


def test_lines_of_few_files_are_held_out_in_order(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"line {i}\n\n" for i in range(6)))
    (tmp_path / "b.txt").write_text("".join(f"row {i}\n" for i in range(4)))
    splits = read(tmp_path, identify=True)
    texts = {name: windows.text.decode().splitlines() for name, windows in splits.examples.items()}
    assert {name: len(lines) for name, lines in texts.items()} == {
        "train": 6, "validation": 2, "test": 2
    }  # fmt: skip
    every = sorted(line for lines in texts.values() for line in lines)
    assert every == sorted([f"line {i}" for i in range(6)] + [f"row {i}" for i in range(4)])
    assert all(lines == sorted(lines) for lines in texts.values())
    assert splits.task == "language"
    assert splits.examples["test"].trained_on == splits.examples["train"].text
    assert splits.lines()[0] == f"train: {len(splits.examples['train'].text)} bytes"
    again = read(tmp_path, saved=splits.record, scored=True)
    assert list(again.examples) == ["test"]
    assert again.examples["test"].text == splits.examples["test"].text
    assert again.examples["test"].trained_on == splits.examples["train"].text


def test_files_are_held_out_if_there_are_ten_and_found_when_some_are_added(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(f"file {i}\nof two lines\n")
    splits = read(tmp_path, identify=True)
    assert len(splits.record.examples["train"]) == 6
    assert splits.examples["test"].text.count(b"of two lines\n") == 2
    (tmp_path / "new.txt").write_text("new\n")
    assert read(tmp_path, saved=splits.record).examples["train"].text == (
        splits.examples["train"].text
    )


def test_folders_named_like_splits_are_splits(tmp_path):
    for name in ("train", "valid", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(f"{name}\n")
    splits = read(tmp_path)
    assert {name: x.text for name, x in splits.examples.items()} == {
        "train": b"train\n", "validation": b"valid\n", "test": b"test\n"
    }  # fmt: skip


def test_a_single_file_and_the_official_files_are_read(tmp_path):
    file = tmp_path / "book"
    file.write_text("".join(f"{i}\n" for i in range(10)))
    assert len(read(file).examples["train"].text) == 2 * 6
    for name in ("pos", "neg"):
        (tmp_path / f"rt-polarity.{name}").write_text("a\nb\nc\n")
    assert len(read(tmp_path).examples["train"].text) == 2 * 4


def test_options_for_labels_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    config = DataConfig(path=str(tmp_path), task="regression")
    with pytest.raises(ValueError, match=r"data\.task=regression, but the model continues texts"):
        read_documents(config, TextReader(8), step=3)


def test_bad_data_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no data given; point at a text file"):
        read_documents(DataConfig(), TextReader(8), step=3)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no texts; expected files that end in .txt"):
        read(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"a\xff\n")
    with pytest.raises(ValueError, match=r"a\.txt: not UTF-8"):
        read(tmp_path)
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(ValueError, match="the train split has no text"):
        read(tmp_path)


def test_documents_and_some_of_the_windows_are_examples():
    documents = Documents(["a", "b"], [b"one", b"seven"], "content")
    ids, labels = documents.__getitems__([1, 0])
    assert (ids - 6).tolist() == [list(b"seven"), [*b"one", -6, -6]]
    assert labels.tolist() == [0, 0]
    np.testing.assert_array_equal(documents.example(0) - 6, list(b"one"))
    windows = Windows(b"abcdefgh", 4, 3, b"")
    part = windows.subset([2, 0])
    assert part.text == b"ghabc"
    for one, other in zip(part.__getitems__([0, 1]), windows.__getitems__([2, 0]), strict=True):
        torch.testing.assert_close(one, other)
