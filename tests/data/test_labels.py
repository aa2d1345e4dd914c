"""Labels read from the columns of a table, and the task inferred from labels."""

import logging

import numpy as np
import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.data.hold_out import stratified_split
from perceivers.data.label_columns import read_labels
from perceivers.data.labels import describe_labels, infer_task, split_unit
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.table.columns import read_columns


def column(*cells, name="label"):
    return {name: list(cells)}


def test_labels_of_a_real_file(tmp_path):
    """Labels of a csv file whose cells have white space around them."""
    path = tmp_path / "manifest.csv"
    path.write_text(
        "image,kind,tags,age [years]\na.png, cat,dog | cat,3\nb.png,dog,dog,4.5\nc.png,cat,|,1e1\n"
    )
    columns = read_columns(path)
    kind, tags, age = (
        read_labels({name: columns[name]}) for name in ("kind", "tags", "age [years]")
    )
    assert (kind.task, kind.names, kind.values.tolist()) == (
        "classification", ("cat", "dog"), [0, 1, 0],
    )  # fmt: skip
    assert (tags.task, tags.names) == ("multilabel", ("cat", "dog"))
    assert tags.values.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert (age.task, age.names) == ("regression", ("age [years]",))
    assert age.values.tolist() == [[3], [4.5], [10]]
    assert (kind.values.dtype, tags.values.dtype, age.values.dtype) == (
        torch.int64, torch.float32, torch.float64,
    )  # fmt: skip
    for labels in (kind, tags, age):  # the tensors alone imply the same task
        assert infer_task(labels.values, labels.names) == labels.task


def test_several_columns():
    binary = read_labels({"loop": ["1", "0", "1"], "even": ["true", "False", "true"]})
    assert (binary.task, binary.names) == ("multilabel", ("loop", "even"))
    assert binary.values.tolist() == [[1, 1], [0, 0], [1, 1]]
    numbers = read_labels({"width [mm]": ["1", "0"], "height": ["2", "0"]})
    assert (numbers.task, numbers.names) == ("regression", ("width [mm]", "height"))
    assert numbers.values.tolist() == [[1, 2], [0, 0]]


def test_given_task():
    cells = column("10", "2", "10", "0")
    assert read_labels(cells).task == "regression"
    classes = read_labels(cells, task="classification")
    assert (classes.names, classes.values.tolist()) == (("0", "2", "10"), [2, 1, 2, 0])
    single = read_labels(column("dog", "cat", "dog"), task="multilabel")
    assert single.values.tolist() == [[0, 1], [1, 0], [0, 1]]
    zeros_and_ones = read_labels({"a": ["0", "1"], "b": ["1", "1"]}, task="regression")
    assert zeros_and_ones.task == "regression"
    assert infer_task(zeros_and_ones.values, "ab", "regression") == "regression"
    piped = read_labels(column("a|b", "a"), task="classification")
    assert piped.names == ("a", "a|b")


def test_cells_that_only_look_like_numbers_are_classes():
    assert read_labels(column("1_0", "2_0")).task == "classification"
    assert read_labels(column("NA", "DE", "none")).names == ("DE", "NA", "none")
    assert read_labels(column("10", "NA", "9"), task="classification").names == ("10", "9", "NA")


@pytest.mark.parametrize(
    ("columns", "task", "message"),
    [
        ({}, "auto", "no label column; name at least one"),
        (column("dog", "dog"), "auto", "'label' has only one class, 'dog'; .* at least two"),
        (
            column(*(f"from {price}.50 EUR" for price in range(10, 40))),
            "auto",
            r"has 30 classes in 30 rows, such as 'from 10.50 EUR'.* 'price \[EUR\]'",
        ),
        (column("dog|", "dog"), "auto", "'label' has only one label, 'dog'"),
        (column("|", "|"), "auto", "'label' has no labels; multilabel needs at least two"),
        (
            column("dog", None, "cat", None),
            "auto",
            "'label': 2 of 4 labels are missing, the first in row 2; fill them in or remove",
        ),
        (column(None, None), "auto", "2 of 2 labels are missing, the first in row 1"),
        (column("a|b", "a", None), "auto", "1 of 3 labels are missing, the first in row 3"),
        (column("1", "2", "NaN"), "auto", "1 of 3 labels are missing, the first in row 3"),
        (column("1", "inf"), "auto", "'label', row 2: 'inf' is not a finite number"),
        (column("1", "1e309"), "auto", "'label', row 2: '1e309' is not a finite number"),
        (column("1", "two"), "regression", "'label', row 2: 'two' is not a finite number"),
        (
            {"a": ["1", "0"], "b": ["1", "maybe"]},
            "auto",
            "'b', row 2: 'maybe'; expected all label columns",
        ),
        (
            {"a": ["1", "0"], "b": ["1", "2"]},
            "multilabel",
            "'b', row 2: '2'; expected all label columns",
        ),
        ({"a": ["x", "y"], "b": ["x", "y"]}, "classification", "takes one class per row; name one"),
    ],
)
def test_unusable_label_columns(columns, task, message):
    with pytest.raises(ValueError, match=message):
        read_labels(columns, task=task)


@pytest.mark.parametrize(
    ("cells", "logged"), [(("0", "1", "2.0"), True), (("0", "1", "2.5"), False)], ids=str
)
def test_numbers_that_may_be_classes_are_logged(caplog, cells, logged):
    caplog.set_level(logging.INFO)
    read_labels(column(*cells))
    assert ("3 different whole numbers" in caplog.text) is logged
    caplog.clear()
    read_labels(column(*cells), task="regression")
    assert not caplog.text


@pytest.mark.parametrize(
    ("values", "names", "task"),
    [
        (torch.tensor([0, 1, 1]), "ab", "classification"),
        (torch.tensor([[0.0, 1], [1, 1]]), "ab", "multilabel"),
        (torch.tensor([[0.0, 1], [1, 0.5]]), "ab", "regression"),
        (torch.tensor([0.0, 1, 1]), "a", "regression"),
        (torch.tensor([[0.0], [1]]), "a", "regression"),
        (torch.tensor([0.5, 1], dtype=torch.float64), "a", "regression"),
    ],
)
def test_infer_task_from_type_and_shape(values, names, task):
    assert infer_task(values, names) == task
    assert infer_task(values, names, task) == task
    for other in {"classification", "multilabel", "regression"} - {task}:
        if (task, other) == ("multilabel", "regression"):
            continue
        with pytest.raises(ValueError, match=rf"the task is {other} .* labels are for {task}"):
            infer_task(values, names, other)


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        (
            torch.tensor([[0, 1]]),
            "ab",
            r"labels of torch.int64 and shape \(1, 2\); expected classes",
        ),
        (torch.tensor([True]), "ab", r"labels of torch.bool"),
        (torch.rand(2, 3, 4), "abc", r"shape \(2, 3, 4\); expected"),
        (torch.rand(2, 3), "ab", r"labels have 3 columns, but 2 names \['a', 'b'\]"),
        (torch.tensor([[1.0, 2], [3, float("nan")]]), "ab", "'b' of example 2 is nan"),
    ],
)
def test_unusable_label_tensors(values, names, message):
    with pytest.raises(ValueError, match=message):
        infer_task(values, list(names))


def test_describe_labels_and_split_unit():
    assert describe_labels("classification", "0123456789") == "10 classes: classification"
    age = describe_labels("regression", ["age [years]"])
    assert age == "1 number per example (age [years]): regression"
    assert describe_labels("regression", "abc") == "3 numbers per example (a, b, c): regression"
    many = describe_labels("multilabel", "abcdefg")
    assert many == "any of 7 labels per example (a, b, c, d, e, …): multilabel"
    assert split_unit("age [years]") == ("age", "years")
    assert split_unit("age (years)") == ("age", "years")
    assert split_unit("age") == ("age", "")
    assert split_unit("(years)") == ("(years)", "")
    assert split_unit("[years]") == ("[years]", "")


def read_splits_with(monkeypatch, labels, names, **config):
    """Return the splits that `read_splits` makes of black images with these labels."""
    loaded = {
        "train": InMemoryExamples(torch.zeros(len(labels), 2, 2, 1, dtype=torch.uint8), labels)
    }
    monkeypatch.setattr("perceivers.data.splits._find", lambda *_: (loaded, tuple(names)))
    return read_splits(DataConfig(**config), ImageReader(2, 1))


def test_splits_have_a_task_and_log_it(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    splits = read_splits_with(monkeypatch, torch.rand(40, 3), "abc")
    assert splits.task == "regression"
    assert {name: len(table) for name, table in splits.examples.items()} == {
        "train": 32, "test": 4, "validation": 4,
    }  # fmt: skip
    assert splits.examples["test"].labels.shape == (4, 3)
    assert "3 numbers per example (a, b, c): regression (from the labels" in caplog.text
    hot = torch.eye(3).repeat(10, 1)
    assert read_splits_with(monkeypatch, hot, "abc").task == "multilabel"
    assert read_splits_with(monkeypatch, hot, "abc", task="regression").task == "regression"
    assert "(a, b, c): regression\n" in caplog.text
    assert read_splits_with(monkeypatch, torch.arange(30) % 3, "abc").task == "classification"


@pytest.mark.parametrize(
    ("labels", "names", "task", "message"),
    [
        (
            torch.rand(40),
            "a",
            "classification",
            "the task is classification .* the labels are for regression",
        ),
        (torch.arange(40) % 2, "ab", "regression", "but the labels are for classification"),
        (torch.rand(10), "a", "auto", "the test split has 1 example, but the score R² needs 2"),
        (torch.eye(40)[:, :2], "ab", "auto", "no example of the .* split has any of the labels"),
    ],
)
def test_splits_with_unusable_labels(monkeypatch, labels, names, task, message):
    with pytest.raises(ValueError, match=message):
        read_splits_with(monkeypatch, labels, names, task=task)


def test_numbers_are_split_at_random():
    kept, held_out = stratified_split(torch.rand(100), 0.2)
    assert (len(kept), len(held_out)) == (80, 20)
    assert sorted(np.concatenate([kept, held_out])) == list(range(100))
    assert held_out.tolist() != list(range(20))
    assert torch.equal(held_out, stratified_split(torch.rand(100), 0.2)[1])
