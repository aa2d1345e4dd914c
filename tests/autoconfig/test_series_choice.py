"""The recipe chosen for folders of time series."""

import pytest

from perceivers.autoconfig.choose import choose_for
from perceivers.data.config import DataConfig


def write_series_folder(root, rows=12, header="time,x,y"):
    """Write two classes, rising and falling, of series with times."""
    for name, sign in (("falls", -1), ("rises", 1)):
        (root / name).mkdir(parents=True)
        for number in range(6):
            lines = [f"{2 * i},{sign * i + number},{i % 3}" for i in range(rows + number)]
            (root / name / f"{number}.csv").write_text("\n".join([header, *lines]) + "\n")
    return root


def test_a_folder_of_series_with_times(tmp_path):
    choice = choose_for(str(write_series_folder(tmp_path)))
    found, reads = choice.lines[:2]
    assert found == (
        "found: 12 csv files in 2 classes, median 14 steps of 2 channels, a column of times"
    )
    assert reads.startswith("reads: up to 17 steps of each series (the longest), one element for")
    config = choice.recipe.model.input
    assert (config.length, config.channels, config.time) == (17, 2, None)


def test_numbers_that_may_be_points_are_series_if_that_is_said(tmp_path):
    folder = str(write_series_folder(tmp_path, header="p,q,r"))
    assert choose_for(folder).recipe.model.input.kind == "points"
    config = choose_for(folder, DataConfig(time="row")).recipe.model.input
    assert (config.kind, config.channels, config.time) == ("series", 3, "row")
    for path in (tmp_path / "falls").iterdir():
        path.rename(path.with_suffix(".wav"))
    (tmp_path / "rises" / "0.csv").rename(tmp_path / "rises" / "0.wav")
    for path in (tmp_path / "rises").glob("*.csv"):
        path.unlink()
    with pytest.raises(ValueError, match=r"holds 7 wav files; expected time series \(.csv, .npy"):
        choose_for(folder, DataConfig(time="row"))
