"""Files of time series, and the windows that are read from them."""

import numpy as np
import pytest

from perceivers.modalities import SeriesConfig, build_reader, modality_of
from perceivers.modalities.notices import collecting
from perceivers.modalities.series import TimeSeries
from perceivers.modalities.series.columns import measure_columns
from perceivers.modalities.series.decode import Window, decode
from perceivers.modalities.series.reader import SeriesReader

NAN = np.nan


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_same_series_in_every_format(tmp_path):
    values = [[1, 2.5], [NAN, 4], [5, 6]]
    text = "x,y\n1,2.5\n,4\n5,6\n"
    sources = [
        written(tmp_path / "a.csv", text),
        written(tmp_path / "a.tsv", text.replace(",", "\t")),
        text.encode(),
    ]
    for source in sources:
        series = decode(source)
        assert series.names == ("x", "y")
        np.testing.assert_array_equal(series.values, values)
        np.testing.assert_array_equal(series.times.values, [0, 1, 2])
    np.save(tmp_path / "a.npy", np.array(values))
    series = decode(tmp_path / "a.npy")
    assert series.names == ("1", "2")
    np.testing.assert_array_equal(series.values, values)
    np.testing.assert_array_equal(decode((tmp_path / "a.npy").read_bytes()).values, values)
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(values, columns=["x", "y"]).to_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(decode(tmp_path / "a.parquet").values, values)


def test_times_channels_and_formats_of_a_table(tmp_path):
    path = written(tmp_path / "a.csv", "b;when;a\n1,5;31.12.2001;7\n2,5;02.01.2002;8\n")
    series = decode(path)
    assert series.names == ("b", "a")
    np.testing.assert_array_equal(series.values, [[1.5, 7], [2.5, 8]])
    assert series.times.name == "when"
    assert series.times.step == 2
    only = decode(path, columns=("a",))
    assert only.names == ("a",)
    np.testing.assert_array_equal(only.values, [[7], [8]])


def test_an_index_of_times_is_the_column_of_times(tmp_path):
    pandas = pytest.importorskip("pandas")
    text = "when,x\n2001-12-31T23:00:00Z,1\n2002-01-01T00:00:00Z,2\n"
    same = decode(written(tmp_path / "a.csv", text))
    frame = pandas.read_csv(tmp_path / "a.csv", index_col="when", parse_dates=True)
    frame.to_parquet(tmp_path / "a.parquet")
    rows = frame.reset_index().to_json(orient="records", lines=True, date_format="iso")
    for series in (decode(tmp_path / "a.parquet"), decode(written(tmp_path / "a.jsonl", rows))):
        assert (series.names, series.times.name, series.times.zone) == (("x",), "when", "+00:00")
        np.testing.assert_array_equal(series.values, same.values)
        np.testing.assert_array_equal(series.times.values, same.times.values)
    frame.index = [7, 3]
    frame.to_parquet(tmp_path / "shuffled.parquet")
    assert decode(tmp_path / "shuffled.parquet").names == ("x",)


def test_steps_unlike_those_of_the_training_are_said_or_refused():
    reader = SeriesReader(length=2, channels=1, step=1.0)
    for step, said in ((1.5, ""), (3.0, "more than twice as long"), (600.0, "the same unit")):
        source = f"time,x\n0,1\n{step},2\n".encode()
        if step == 600:
            with pytest.raises(ValueError, match="its times are 600 apart, 600 times as far"):
                reader.read(source)
        else:
            with collecting() as found:
                reader.read(source)
            assert said in "".join(found)
            assert bool(said) == bool(found)


def test_rows_of_numbers_need_no_names():
    series = decode(b"1,2\n3,4\n")
    assert series.names == ("1", "2")
    np.testing.assert_array_equal(series.values, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n", "1 step; a series has at least 2, one in each row"),
        ("x,note\n1,up\n2,down\n", "column 'note' holds text, such as 'up' in row 1"),
        ("x,y\n1,2\nabc,3\n4,5\n", "column 'x' holds text, such as 'abc' in row 2"),
        ("x,y\n,\n,\n", "all 4 values of x, y are missing"),
        ("time,x\n2,1\n1,2\n", "the times of column 'time' run backwards: 1 in row 2 follows 2"),
        ("time,x\n1,1\n1,2\n", "column 'time' has 1 in rows 1 and 2"),
        ("time\n1\n2\n", "no columns besides the times 'time'"),
        ("x\n1\ninf\n", "column 'x', row 2: 'inf' is not a finite number"),
    ],
)
def test_what_is_no_series_is_one_clear_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        decode(text.encode())
    assert "\n" not in str(error.value)


def test_arrays_that_are_no_series(tmp_path):
    for array, message in (
        (np.zeros((2, 2, 2)), r"array of float64 and shape \(2, 2, 2\); expected"),
        (np.array(["a", "b"]), "expected real numbers"),
        (np.zeros(1), "1 step"),
        (np.array([1, np.inf]), "'1' is infinite at step 2"),
    ):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=message):
            decode(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="an array has no column 't' of times"):
        decode(tmp_path / "a.npy", time="t")
    with pytest.raises(ValueError, match="unknown column 'z'; known: x"):
        decode(b"x\n1\n2\n", columns=("z",))


RAMP = "time,x\n" + "".join(f"{2 * i},{i}\n" for i in range(10))


def test_windows_of_longer_and_shorter_series():
    reader = SeriesReader(4, 1, step=2.0)
    np.testing.assert_array_equal(
        reader.decode(RAMP.encode()), [[0, 3], [1, 4], [2, 5], [3, 6]]
    )  # the middle
    clips = reader.clips(RAMP.encode(), 2)
    np.testing.assert_array_equal(clips[:, :, 1], [[0, 1, 2, 3], [6, 7, 8, 9]])
    short = SeriesReader(4, 1, step=2.0).decode(b"time,x\n0,5\n2,6\n")
    np.testing.assert_array_equal(short, [[0, 5], [1, 6], [2, NAN], [3, NAN]])
    with pytest.raises(ValueError, match="leave own_size out"):
        reader.decode_whole(RAMP.encode())
    with pytest.raises(ValueError, match=r"the series has 2 channels \(1, 2\); the model reads 1"):
        reader.decode(b"1,2\n3,4\n")


def test_a_forecast_goes_on_from_the_end():
    reader = SeriesReader(3, 1, horizon=2, step=2.0)
    example = reader.decode(RAMP.encode())
    np.testing.assert_array_equal(example, [[0, 7], [1, 8], [2, 9], [3, NAN], [4, NAN]])
    short = reader.decode(b"time,x\n0,5\n2,6\n")
    np.testing.assert_array_equal(short, [[0, NAN], [1, 5], [2, 6], [3, NAN], [4, NAN]])
    whole = reader.read(RAMP.encode())
    window = Window(whole, 1, 4)
    np.testing.assert_array_equal(reader.decode(window)[:, 1], [1, 2, 3, 4, 5])  # the truth too
    assert not reader.has_clips


def test_constant_series_are_noticed():
    reader = SeriesReader(3, 2)
    assert reader.is_constant(reader.decode(b"1,2\n1,2\n1,2\n"))
    assert reader.is_constant(reader.decode(b"1,2\n,2\n1,\n"))
    assert not reader.is_constant(reader.decode(b"1,2\n1,3\n1,2\n"))


def test_the_columns_are_those_of_the_training_files(tmp_path):
    one = written(tmp_path / "1.csv", "time,b,a\n0,1,2\n3,1,2\n")
    two = written(tmp_path / "2.csv", "a,time,b\n2,0,1\n2,3,1\n")
    config, [line] = measure_columns(SeriesConfig(length=2, channels=2), [one, two])
    assert (config.columns, config.time, config.step) == (("b", "a"), "time", 3.0)
    assert line == "series: channels b, a; times in 'time', 3 a step"
    reader = build_reader(config)
    np.testing.assert_array_equal(reader.decode(one), reader.decode(two))
    other = written(tmp_path / "3.csv", "time,c,a\n0,1,2\n3,1,2\n")
    with pytest.raises(ValueError, match="expected the same columns in all series"):
        measure_columns(SeriesConfig(length=2, channels=2), [one, other])
    with pytest.raises(ValueError, match="2 channels.*set --model.input.channels 2"):
        measure_columns(SeriesConfig(length=2), [one])
    with pytest.raises(ValueError, match="none of 1 series can be read.*unknown column 'when'"):
        measure_columns(SeriesConfig(length=2, channels=2, time="when"), [one])
    assert modality_of(config).measure(config, lambda: pytest.fail("read again")) == (config, [])


def test_what_may_be_points_is_no_series_unless_it_is_said(tmp_path):
    cloud = written(tmp_path / "a.csv", "p,q,r\n1,2,3\n4,5,6\n7,8,9\n")
    with pytest.raises(ValueError, match="may be points; .* --data.time row"):
        TimeSeries().probe(cloud)
    assert TimeSeries(sure=True).probe(cloud) == {"steps": 3, "channels": 3, "timed": 0}
    timed = written(tmp_path / "b.csv", "time,p,q,r\n1,2,3,4\n4,5,6,7\n")
    assert TimeSeries().probe(timed) == {"steps": 2, "channels": 3, "timed": 1}
    from perceivers.modalities.points.decode import probe

    with collecting() as said:
        probe(cloud)
    assert "if the rows are steps of a time series, say so: --data.time row" in said[0]


@pytest.mark.parametrize(
    ("part", "first", "said"),
    [("middle", 3.0, "those in the middle"), ("end", 6.0, "the last ones")],
)
def test_what_is_read_of_a_longer_series_is_said(tmp_path, part, first, said):
    path = written(tmp_path / "a.csv", "x\n" + "\n".join(map(str, range(10))) + "\n")
    reader = build_reader(SeriesConfig(length=4, channels=1, columns=("x",), part=part))
    with collecting() as texts:
        example = reader.decode(path)
    assert example[0, 1] == first
    assert texts == [f"has more than 4 steps, of which only {said} are read"]
    with collecting() as texts:
        short = build_reader(SeriesConfig(length=12, channels=1, part=part)).decode(path)
    assert not texts
    assert np.isnan(short[:, 1]).tolist() == (
        [True] * 2 + [False] * 10 if part == "end" else [False] * 10 + [True] * 2
    )
    assert reader.has_clips == (part == "middle")


def test_rows_of_one_series_are_predicted_from_their_end():
    """A model of the labels of rows read the middle of a table, and gave that row's label."""
    series = decode(b"x\n" + b"\n".join(b"%d" % i for i in range(10)))
    config = SeriesConfig(length=4, channels=1)
    modality = modality_of(config)
    assert modality.measure(config, lambda: [Window(series, 0, 4)])[0].part == "end"
    assert modality.measure(config, lambda: [b"x\n1\n2\n"])[0].part == "middle"
