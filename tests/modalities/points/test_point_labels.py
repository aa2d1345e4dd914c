"""Labels of points in files, and that they stay with their points."""

import numpy as np
import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.modalities import PointsConfig, modality_of
from perceivers.modalities.labelled import whole_numbers
from perceivers.modalities.notices import collecting
from perceivers.modalities.points.labels import LabelledPointReader, has_labels
from perceivers.modalities.points.ply import ply_bytes, write_ply
from perceivers.modalities.points.reader import PointReader

POINTS = np.random.default_rng(0).random((40, 3)).astype(np.float32)
LABELS = np.arange(40) % 3


def reader(count=40, **options):
    options = {"classes": ("0", "1", "2"), **options}
    return LabelledPointReader(PointReader(count, 3, own_length=True), **options)


def test_labels_are_read_from_ply_and_npz(tmp_path):
    write_ply(tmp_path / "a.ply", POINTS, LABELS)
    np.savez(tmp_path / "a.npz", points=POINTS, labels=LABELS.astype(np.float32))
    for name in ("a.ply", "a.npz"):
        example = reader().decode(tmp_path / name)
        assert np.array_equal(example["labels"], LABELS)
        expected = PointReader(40, 3).decode(tmp_path / name)
        assert np.array_equal(example["content"], expected)
        assert reader().survey(tmp_path / name) == {"0": 14, "1": 13, "2": 13}


def test_labels_stay_with_their_points(tmp_path):
    """Of a subset and of dropped points each has the label of the point that it is."""
    write_ply(tmp_path / "a.ply", POINTS, LABELS)
    whole, some = reader().decode(tmp_path / "a.ply"), reader(10).decode(tmp_path / "a.ply")
    # Both are centred and scaled: a line maps one to the other.
    steps = np.diff(np.sort(some["content"][:, 0])) / 1
    assert (steps > 0).all()
    chosen = np.random.default_rng(0).choice(40, 10, replace=False)
    assert np.array_equal(some["labels"], LABELS[chosen])
    points, labels = (torch.from_numpy(whole[key])[None] for key in ("content", "labels"))
    torch.manual_seed(0)
    config = DataConfig(point_dropout=0.5, rotate="none")
    kept, moved = modality_of(PointsConfig()).augment_labelled(
        points, labels, PointsConfig(num_points=40), config
    )
    assert kept.shape[1] == moved.shape[1] == 20
    for point, label in zip(kept[0], moved[0], strict=True):
        row = int((points[0] == point).all(1).nonzero()[0, 0])
        assert label == labels[0, row]


def test_repeated_points_have_no_label(tmp_path):
    write_ply(tmp_path / "a.ply", POINTS, LABELS)
    wide = LabelledPointReader(PointReader(50, 3), classes=("0", "1", "2"))
    example = wide.decode(tmp_path / "a.ply")
    assert example["content"].shape == (50, 3)
    assert (example["labels"][40:] == -1).all()
    assert np.array_equal(example["labels"][:40], LABELS)


def test_names_of_classes_and_points_without_a_label(tmp_path):
    write_ply(tmp_path / "a.ply", POINTS, np.where(LABELS == 2, -1, LABELS))
    named = reader(classes=("wall", "roof"), names={0: "roof", 1: "wall"})
    assert named.survey(tmp_path / "a.ply") == {"roof": 14, "wall": 13}
    with collecting() as said:
        found = named.decode(tmp_path / "a.ply")["labels"]
    assert said == ["has elements without a label, of which nothing is learned or scored"]
    assert np.array_equal(found, np.array([1, 0, -1])[LABELS])
    with pytest.raises(ValueError, match="label 1 has no name; the names are of 0: add it"):
        reader(names={0: "roof"}).survey(tmp_path / "a.ply")


def test_recognised_names_and_the_option(tmp_path):
    path = tmp_path / "a.ply"
    for names, found in (
        ({"scalar_Label": LABELS}, True),
        ({"intensity": LABELS}, False),
        ({"label": LABELS, "part": LABELS}, False),
    ):
        path.write_bytes(ply_bytes(POINTS, {n: x.astype(np.int32) for n, x in names.items()}))
        assert has_labels(path) is found
    assert has_labels(path, "part")
    with pytest.raises(ValueError, match="label, part may be labels; choose one: --data.element_l"):
        reader().survey(path)
    with pytest.raises(ValueError, match="no values 'colour' at its points; it has label, part"):
        reader(label="colour").survey(path)


def test_bad_labels(tmp_path):
    np.savez(tmp_path / "few.npz", points=POINTS, labels=LABELS[:39])
    with pytest.raises(ValueError, match=r"'labels' has shape \(39,\) for 40 points"):
        reader().survey(tmp_path / "few.npz")
    np.savez(tmp_path / "table.npz", points=POINTS, labels=LABELS[:, None])
    with pytest.raises(ValueError, match=r"'labels' has shape \(40, 1\) for 40 points"):
        reader().survey(tmp_path / "table.npz")
    np.savez(tmp_path / "none.npz", points=POINTS)
    with pytest.raises(ValueError, match="its points have no labels: no values beside"):
        reader().survey(tmp_path / "none.npz")
    np.savez(tmp_path / "half.npz", points=POINTS, labels=LABELS / 2)
    with pytest.raises(ValueError, match=r"'labels' holds 0.5; expected whole numbers"):
        reader().survey(tmp_path / "half.npz")
    for wrong in (np.where(LABELS, np.inf, 1), LABELS.astype(np.uint64) + 2**63):
        np.savez(tmp_path / "wrong.npz", points=POINTS, labels=wrong)
        with pytest.raises(ValueError, match="'labels' holds (inf|9223372036854775808); expected"):
            reader().survey(tmp_path / "wrong.npz")
    write_ply(tmp_path / "more.ply", POINTS, LABELS)
    with pytest.raises(ValueError, match="unknown class of elements '2'"):
        reader(classes=("0", "1")).decode(tmp_path / "more.ply")


def test_labels_of_half_precision(recwarn):
    """The largest exact whole number overflowed to infinity, with a warning of NumPy."""
    assert whole_numbers(np.array([0, 3, np.nan], np.float16), "'label'").tolist() == [0, 3, -1]
    assert len(recwarn) == 0
