"""Reading of the rows of a table, and of rows that cannot be read."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    RowsConfig,
    VideoConfig,
    build_reader,
)
from perceivers.modalities.clips import with_clips
from perceivers.modalities.fusion.presence import describe_missing
from perceivers.modalities.fusion.rows import CellReader, Row, RowReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.reader import collate
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.table.adapter import TabularAdapter
from perceivers.modalities.text.reader import TextReader
from perceivers.modalities.video.reader import VideoReader

CELLS = CellReader(("age", "height"), ("eyes",), (("blue", "brown"),))
READER = RowReader(
    {
        "photo": ImageReader(4, 1),
        "voice": SoundReader(20, 8000, 1),
        "note": TextReader(6),
        "t": CELLS,
    },
    {"photo": "photo", "voice": "voice"},
    {"note": "a note"},
)


@pytest.mark.parametrize(
    ("cells", "expected", "present"),
    [
        ({"age": "3", "height": "-1.5e2", "eyes": "brown"}, [3, -150, 1], True),
        ({"age": "nan", "height": None, "eyes": "green"}, [math.nan, math.nan, -1], False),
        ({"eyes": "blue"}, [math.nan, math.nan, 0], True),
        ({}, [math.nan] * 3, False),
    ],
)
def test_numbers_and_categories(cells, expected, present):
    values = CELLS.decode(cells)
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == np.float64
    assert CELLS.any_present(values) == present
    adapter = TabularAdapter(
        numeric=CELLS.numeric, categorical=CELLS.categorical, categories=CELLS.categories
    )
    mask = adapter(torch.from_numpy(values[None])).mask
    assert bool(mask.any()) == present


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "old", "1,5"])
def test_a_cell_that_is_not_a_number(cell):
    with pytest.raises(ValueError, match=f"height: '{cell}' is not a finite number"):
        CELLS.decode({"height": cell})


def write_image(path, level=9, size=4):
    Image.new("L", (size, size), level).save(path)
    return path


def write_sound(path, samples=20, value=8192):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.full(samples, value, "<i2").tobytes())
    return path


@given(present=st.sets(st.sampled_from(["photo", "voice", "a note", "age", "eyes"]), min_size=1))
def test_missing_cells_are_marked(tmp_path_factory, present):
    folder = tmp_path_factory.mktemp("row")
    write_image(folder / "x.png")
    write_sound(folder / "x.wav")
    full = {"photo": "x.png", "voice": "x.wav", "a note": "hé", "age": "3", "eyes": "blue"}
    row = Row({name: cell if name in present else None for name, cell in full.items()}, folder)
    example = READER.decode(row)
    flags = {name: bool(example[f"{name}.present"]) for name in READER.parts}
    assert flags == {
        "photo": "photo" in present, "voice": "voice" in present, "note": "a note" in present,
        "t": bool({"age", "eyes"} & present),
    }  # fmt: skip
    shapes = {"photo": (4, 4, 1), "voice": (20, 1), "note": (6,), "t": (3,)}
    for name, shape in shapes.items():
        assert example[name].shape == shape
        if not flags[name] and name != "t":
            assert not example[name].any()
    batch = READER.batch(collate([example, READER.decode(Row(full, folder))]))
    for name in READER.parts:
        assert (f"{name}.present" in batch) == (not flags[name])
    assert batch["note"].shape == (2, 3)  # the bytes of the longest text
    assert batch["note"].dtype == torch.int64


def test_a_row_of_python_values(tmp_path):
    path = write_image(tmp_path / "x.png")
    example = READER.decode({"photo": path, "age": 31, "height": 1.5, "label": "not read"})
    assert example["photo"].any()
    np.testing.assert_array_equal(example["t"], [31, 1.5, math.nan])
    assert READER.decode({"age": float("nan"), "a note": " x "})["note"].tolist() == [126, *[0] * 5]
    with pytest.raises(ValueError, match="column 'photo' holds a list, an object or bytes"):
        READER.decode({"photo": ["a.png", "b.png"]})


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"photo": "none.png"}, "photo none.png: no such file"),
        ({"photo": "bad.png", "age": "3"}, "photo bad.png: not an image"),
        ({"voice": "bad.png"}, "voice bad.png: neither sound nor video"),
        ({"age": "old"}, "age: 'old' is not a finite number"),
        ({}, "nothing to read in the columns photo, voice, a note, age, height, eyes"),
        ({"eyes": "green"}, "or category that the model knows"),
        ({"other": "x"}, "expected at least one file, text, number"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path, cells, message):
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=message):
        READER.decode(Row(cells, tmp_path))


def test_a_single_file_belongs_to_the_column_of_its_suffix(tmp_path):
    example = READER.decode(str(write_image(tmp_path / "x.PNG")))
    assert [bool(example[f"{name}.present"]) for name in READER.parts] == [
        True,
        False,
        False,
        False,
    ]
    (tmp_path / "x.txt").write_text("a\n")
    example = READER.decode(tmp_path / "x.txt")
    assert example["note"].tolist() == [103, 0, 0, 0, 0, 0]
    assert not example["photo.present"]
    (tmp_path / "x.txt").write_text(" a \n\n")
    assert READER.decode(tmp_path / "x.txt")["note"].tolist() == example["note"].tolist()
    (tmp_path / "x.txt").write_text(" \n")
    with pytest.raises(ValueError, match="nothing to read in the columns photo, voice"):
        READER.decode(tmp_path / "x.txt")
    with pytest.raises(
        ValueError, match=r"no column reads files with suffix .ply; .* photo \(images\), voice"
    ):
        READER.decode("x.ply")
    with pytest.raises(ValueError, match="got bytes, whose column is unknown"):
        READER.decode(b"x")


def test_a_single_file_that_several_columns_read():
    parts = {"a": ImageReader(4, 1), "b": ImageReader(8, 1)}
    reader = RowReader(parts, {"a": "front", "b": "back"}, {})
    with pytest.raises(ValueError, match=r"any of the columns front, back; .*\{'front': file\}"):
        reader.row_of("x.png")
    parts = {
        "film": VideoReader(2, 4, 1),
        "its": SoundReader(20, 8000, 1),
        "voice": SoundReader(20, 8000, 1),
    }
    reader = RowReader(parts, {"film": "film", "its": "film", "voice": "voice"}, {})
    assert reader.row_of("x.mp4").cells == {"film": "x.mp4"}
    assert reader.row_of("x.wav").cells == {"voice": "x.wav"}
    assert RowReader({"its": reader.parts["its"]}, {"its": "film"}, {}).row_of("x.mp4").cells


def test_clips(tmp_path):
    write_sound(tmp_path / "x.wav", 90)
    reader = with_clips(READER, 3)
    example = reader.decode(Row({"voice": "x.wav", "age": "3"}, tmp_path))
    assert example["voice"].shape == (3, 20, 1)
    assert example["t"].shape == (3, 3)
    assert example["t.present"].tolist() == [True] * 3
    examples = collate([example, reader.decode(Row({"a note": "hello"}, tmp_path))])
    assert (
        describe_missing(examples)
        == "no photo in 2 of 2 examples, no voice in 1 of 2 examples, no note in 1 of 2 examples, "
        "no t in 1 of 2 examples"
    )
    batch = reader.batch(examples)
    assert batch["voice"].shape == (6, 20, 1)
    assert batch["note"].shape == (6, 5)
    assert batch["t.present"].tolist() == [True] * 3 + [False] * 3
    with pytest.raises(ValueError, match="reads rows of a table as a whole; leave clips out"):
        with_clips(RowReader({"t": CELLS}, {}, {}), 2)
    with pytest.raises(ValueError, match="leave own_size out"):
        READER.decode_whole("x.png")


def test_a_video_without_sound_has_its_pictures(tmp_path):
    from media_files import numbered, video

    (tmp_path / "x.mkv").write_bytes(video(numbered(4)))
    parts = {"film": VideoReader(2, 8, 1), "film_sound": SoundReader(20, 8000, 1)}
    example = RowReader(parts, {"film": "film", "film_sound": "film"}, {}).decode(
        tmp_path / "x.mkv"
    )
    assert (bool(example["film.present"]), bool(example["film_sound.present"])) == (True, False)


def test_a_fusion_as_a_part_of_rows_is_refused():
    film = FusionConfig(parts={"audio": AudioConfig(), "video": VideoConfig()})
    config = RowsConfig(parts={"film": film}, files={"film": "film"})
    with pytest.raises(ValueError, match="'film' is itself made of the parts audio, video; make"):
        build_reader(config)
