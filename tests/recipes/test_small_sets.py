"""The script `small_sets.py`: splits by name, files for `train folder`, rivals that learn."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from perceivers.autoconfig.choose import choose_for

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def script(monkeypatch):
    """Import `small_sets` from the folder of examples."""
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    import small_sets

    yield small_sets
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == EXAMPLES:
            sys.modules.pop(name)


def test_each_fold_has_a_fifth_of_the_names(script):
    folds = [script.fold_of(f"example {n}") for n in range(2_000)]
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    assert all(340 < folds.count(fold) < 460 for fold in range(5))
    assert folds == [script.fold_of(f"example {n}") for n in range(2_000)]


@pytest.mark.parametrize("name", ["spoken", "grid", "kicad", "cifar", "reviews"])
def test_missing_data_is_one_line(script, tmp_path, monkeypatch, capsys, name):
    arguments = f"small --data {tmp_path} --out {tmp_path}/scores --only {name}".split()
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        script.main()
    shown = capsys.readouterr().err
    assert stop.value.code == 1
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert str(tmp_path) in shown


VALUES = {
    "image": np.arange(192, dtype=np.uint8).reshape(8, 8, 3),
    "sound": np.arange(-2_000, 2_000, dtype=np.int16),
    "cloud": np.random.default_rng(0).random((64, 3), dtype=np.float32),
    "text": "not bad",
}


@pytest.mark.parametrize("kind", VALUES)
def test_files_are_read_as_what_they_are(script, tmp_path, kind):
    examples = [script.Example(f"{n}", "ab"[n % 2], VALUES[kind]) for n in range(60)]
    data = script.write(examples, kind, tmp_path / "set", fold=2)
    files = [file.parent for file in data.glob("*/*/*")]
    assert len(files) == 60
    tests = sum(script.fold_of(example.name) == 2 for example in examples)
    assert sum(folder.parent.name == "test" for folder in files) == tests
    reads = {"image": "ImageConfig", "sound": "MelConfig", "cloud": "PointsConfig"}
    chosen = choose_for(str(data)).recipe.model.input
    assert type(chosen).__name__ == reads.get(kind, "TextConfig")


def test_a_table_has_its_labels_and_splits(script, tmp_path):
    examples = [script.Example(f"{n}", "ab"[n % 2], {"x": n, "y": 0.5}) for n in range(60)]
    data = script.write(examples, "table", tmp_path / "set", fold=4)
    with data.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [example.label for example in examples]
    tests = [script.fold_of(example.name) == 4 for example in examples]
    assert [row["split"] == "test" for row in rows] == tests


def test_rivals_learn_what_is_easy(script):
    from small_rivals import RIVALS

    rng = np.random.default_rng(0)

    def pair(kind, n):
        dark = n % 2
        value = {
            "image": np.full((8, 8), 200 * dark + rng.integers(50), np.uint8),
            "sound": np.int16(rng.normal(0, 30 + 3_000 * dark, 4_000)),
            "cloud": rng.random((64, 3)) * [1, 1, 1 + 9 * dark],
            "text": f"{n} {'bad' if dark else 'good'} film",
            "table": {"x": dark + rng.normal() / 9, "y": rng.normal()},
        }[kind]
        return value, str(dark)

    for kind, rivals in RIVALS.items():
        train, test = ([pair(kind, n) for n in range(count)] for count in (64, 20))
        for name, score in rivals.items():
            assert score(train, test, 0) >= 0.9, name


def test_rivals_read_a_folder(script, tmp_path, monkeypatch, capsys):
    """The statistics of the shortest sounds, of less than a window, are numbers too."""
    import small_rivals

    rng = np.random.default_rng(0)
    for split, kind, n in np.ndindex(2, 2, 12):
        folder = tmp_path / ("train", "test")[split] / f"{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        script.write_file(
            folder / f"{n}", "sound", np.int16(rng.normal(0, 30 + 3_000 * kind, 50 + 90 * n))
        )
    pairs = small_rivals.read_pairs(tmp_path / "train", 8_000)
    lengths = sorted(len(samples) for samples, _ in pairs)
    assert lengths == [50 + 90 * (n // 2) for n in range(24)]
    assert np.isfinite(small_rivals.mel_statistics([x for x, _ in pairs])).all()
    monkeypatch.setattr(sys, "argv", ["small_rivals.py", str(tmp_path), "--seeds", "0"])
    small_rivals.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(small_rivals.RIVALS["sound"])
    assert all(float(line.partition(":")[2]) > 80 for line in lines)


def test_statistics_at_a_higher_rate_see_higher_notes(script):
    from small_rivals import mel_statistics

    times = np.arange(24_000) / 24_000
    notes = [np.int16(9_000 * np.sin(2 * np.pi * hertz * times)) for hertz in (6_000, 9_000)]
    (low, high) = mel_statistics(notes, 24_000)[:, -40:]
    assert low.argmax() < high.argmax()
