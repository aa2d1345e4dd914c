"""Numbers and times of a series are read as the training files are written, also where a new file
does not show how it is.
"""

import datetime

import numpy as np
import pytest

from perceivers.data.config import DataConfig
from perceivers.data.series import read_series
from perceivers.modalities import SeriesConfig, build_reader, modality_of
from perceivers.modalities.series.decode import Window

CONFIG = SeriesConfig(length=2, channels=2)


def measured(*sources):
    """Return the input that training files give, and what is said of it."""
    modality = modality_of(CONFIG)
    return modality.measure(CONFIG, lambda: list(sources))


def days(*dates):
    return [
        (datetime.date(2024, month, day) - datetime.date(1970, 1, 1)).days for month, day in dates
    ]


TRAINING = (
    b"date;load;wind\n01/12/2024;1.234,5;0,125\n01/13/2024;999;0,5\n",
    b"date;load;wind\n01/02/2024;12,5;1,250\n01/03/2024;2.000;2,375\n",
)
NEW = b"date;load;wind\n01/02/2024;1.234;1,250\n01/03/2024;2.500;2,375\n"


def test_a_new_file_is_read_as_the_training_files(tmp_path):
    config, [line] = measured(*TRAINING)
    formats = {"load": "1.234,5", "wind": "1,5", "date": "12/31/2001"}
    assert config.number_formats == formats
    for name, example in formats.items():
        assert f"{name!r} is written like {example}" in line
    series = build_reader(config).read(NEW)
    assert series.values.tolist() == [[1234, 1.25], [2500, 2.375]]
    assert series.times.values.tolist() == days((1, 2), (1, 3))


def test_so_are_windows_of_a_long_table(tmp_path):
    rows = [f"2024-01-{day:02d};{day}.000,5;{day}" for day in range(1, 10)]
    (tmp_path / "long.csv").write_text("\n".join(["date;load;wind", *rows]))
    config = SeriesConfig(length=3, channels=2, horizon=1)
    splits, _ = read_series(tmp_path / "long.csv", build_reader(config), DataConfig())
    _, window = splits["train"].files[0]
    assert isinstance(window, Window)
    config, _ = modality_of(config).measure(config, lambda: [window])
    assert config.number_formats == {"load": "1.234,5"}
    (tmp_path / "new.csv").write_text("date;load;wind\n2024-02-01;7.000;1\n2024-02-02;8.000;2\n")
    assert build_reader(config).read(tmp_path / "new.csv").values.tolist() == [[7000, 1], [8000, 2]]


def test_a_file_that_shows_another_format_is_read_in_that(tmp_path):
    config, _ = measured(*TRAINING)
    raw = b"date;load;wind\n25.12.2024;1,234.5;0.125\n26.12.2024;3.25;1.5\n"
    series = build_reader(config).read(raw)
    assert series.values.tolist() == [[1234.5, 0.125], [3.25, 1.5]]
    assert series.times.values.tolist() == days((12, 25), (12, 26))


@pytest.mark.parametrize(
    "files",
    [
        [b"date,a,b\n2024-01-01,1.5,2\n2024-01-02,,1e3\n"] * 2,
        [b"a,b\n1.5,2\n2,3\n"],
    ],
)
def test_plain_numbers_need_no_format(files):
    assert measured(*files)[0].number_formats == {}


def test_files_that_differ_are_read_as_each_shows_itself():
    one = b"a;b\n1,5;1\n2,5;2\n"
    other = b"a;b\n$1.5;1\n$2.5;2\n"
    config, _ = measured(one, other)
    reader = build_reader(config)
    assert np.array_equal(reader.read(one).values, reader.read(other).values)
