"""Inspection of folders of every modality, and errors for folders that cannot be used."""

import random
import shutil

import media_files
import numpy as np
import pytest
from PIL import Image

from perceivers.autoconfig import inspect_folder as module
from perceivers.autoconfig.findings import count_files
from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.modalities.measures import Distribution
from perceivers.modalities.sound import Sound


def fill(root, write, classes=("a", "b"), count=3):
    """Make a folder by calling `write(path without suffix, index)` for each file of each class."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(count):
            write(root / name / f"{index}", index)
    return root


def wavs(root, seconds=0.5, rate=8000, **options):
    def write(path, index):
        samples = np.zeros(round(rate * seconds * (1 + index)), int)
        path.with_suffix(".wav").write_bytes(media_files.wav(samples, rate))

    return fill(root, write, **options)


def test_sound(tmp_path):
    contents = inspect_folder(wavs(tmp_path / "s", seconds=0.25))
    assert contents.sentence() == "6 wav files in 2 classes, 8 kHz mono, median 0.5 s"
    assert (contents.modality.name, contents.classes, contents.splits) == (
        "sound",
        ("a", "b"),
        {"train": 6},
    )
    assert contents.sample.measures["seconds"] == Distribution(0.25, 0.5, 0.75, 0.75, 0.5)
    assert (contents.sample.num_files, contents.remarks()) == (6, [])


def test_sounds_with_different_rates_and_channels(tmp_path):
    def write(path, index):
        rate = (8000, 44_100)[index]
        samples = np.zeros((rate, 1 + index), int)
        path.with_suffix(".wav").write_bytes(media_files.wav(samples, rate))

    contents = inspect_folder(fill(tmp_path / "s", write, count=2))
    assert contents.sentence() == "4 wav files in 2 classes, 8 to 44.1 kHz mono to stereo, 1 s"


def test_images_are_measured_as_they_are_displayed(tmp_path):
    def write(path, index):
        image = Image.new("RGB", (40, 30))
        exif = image.getexif()
        exif[0x0112] = 6  # rotated by 90 degrees
        image.save(path.with_suffix((".jpg", ".JPG", ".png")[index]), exif=exif)

    contents = inspect_folder(fill(tmp_path / "i", write))
    assert contents.sentence() == "4 jpg and 2 png files in 2 classes, colour, 30 × 40 pixels"


@pytest.mark.parametrize(("mode", "shade"), [("L", "grey"), ("I;16", "grey"), ("P", "colour")])
def test_grey_images(tmp_path, mode, shade):
    def write(path, index):
        Image.new(mode, (8 + index, 8)).save(path.with_suffix(".png"))

    contents = inspect_folder(fill(tmp_path / "i", write))
    assert contents.sentence() == f"6 png files in 2 classes, {shade}, median 9 × 8 pixels"


def test_videos_with_and_without_sound(tmp_path):
    pictures = media_files.numbered(5)

    def write(path, index):
        sound = ("pcm_s16le", 8000, np.zeros(1600)) if index else None
        path.with_suffix(".mkv").write_bytes(media_files.video(pictures, sound=sound))

    contents = inspect_folder(fill(tmp_path / "v", write, count=2))
    assert contents.sentence() == (
        "4 mkv files in 2 classes, 32 × 32 pixels, 25 frames a second, 0.2 s, 50% with sound"
    )
    assert contents.sample.measures["has_sound"].mean == 0.5
    assert contents.sample.measures["sample_rate"] == Distribution(8000, 8000, 8000, 8000, 8000)
    assert contents.sample.measures["sound_seconds"].median == pytest.approx(0.2, abs=0.01)
    assert contents.sample.measures["frames"].median == 5


def test_files_with_a_video_suffix_may_be_sound(tmp_path):
    def write(path, index):
        raw = media_files.sound(np.zeros(8000), 8000, "matroska", "pcm_s16le")
        path.with_suffix(".mkv").write_bytes(raw)

    contents = inspect_folder(fill(tmp_path / "v", write))
    assert contents.sentence() == "6 mkv files in 2 classes, 8 kHz mono, 1 s"


def test_txt_files_are_points_or_text(tmp_path):
    def points(path, index):
        np.savetxt(path.with_suffix(".txt"), np.ones((10 + index, 4)))

    def words(path, index):
        path.with_suffix(".txt").write_text("ä" * (index + 1) + "\n")

    contents = inspect_folder(fill(tmp_path / "p", points))
    assert contents.sentence() == "6 txt files in 2 classes, median 11 points of 4 channels"
    contents = inspect_folder(fill(tmp_path / "t", words))
    assert contents.sentence() == "6 txt files in 2 classes, median 4 bytes"


def test_meshes(tmp_path):
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    root = fill(tmp_path / "m", lambda path, _: path.with_suffix(".obj").write_text(corners))
    contents = inspect_folder(root)
    assert contents.sample.measures["faces"].high == 1
    assert "3 vertices of meshes" in contents.sentence()


def test_lines_of_text(tmp_path):
    (tmp_path / "good.txt").write_text("fine\n\nvery fine\n")
    (tmp_path / "bad.txt").write_text("not fine")
    contents = inspect_folder(tmp_path)
    assert contents.sentence() == "3 lines of text in 2 classes, median 8 bytes"
    assert contents.splits == {"train": 3}
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"bad\.txt: not UTF-8"):
        inspect_folder(tmp_path)


def test_split_folders(tmp_path):
    for split, count in (("train", 3), ("val", 1), ("Test", 2)):
        wavs(tmp_path / split, count=count)
    contents = inspect_folder(tmp_path)
    assert contents.splits == {"test": 4, "train": 6, "validation": 2}
    assert contents.num_examples == 12
    assert "12 wav files in 2 classes (4 for test and 2 for validation)" in contents.sentence()


def test_unreadable_files_are_reported(tmp_path):
    root = wavs(tmp_path / "s")
    (root / "b" / "bad.wav").write_bytes(b"no sound")
    contents = inspect_folder(root)
    assert contents.num_examples == 7
    (line,) = contents.remarks()
    assert line.startswith("1 of the 7 inspected files cannot be read: ")
    assert "bad.wav: neither sound nor video" in line


def test_a_few_files_of_other_modalities_are_ignored_and_reported(tmp_path):
    root = wavs(tmp_path / "s", count=20)
    (root / "a" / "about.txt").write_text("recorded in spring")
    (root / "a" / "list.json").write_text("{}")  # of no modality
    (root / "a" / "0.json").write_text("{}")
    contents = inspect_folder(root)
    assert contents.suffixes == {"wav": 40}
    assert contents.remarks() == [
        "files of another type, which are ignored: 2 json and 1 txt files"
    ]


def test_the_sample_is_bounded_and_deterministic(tmp_path, monkeypatch):
    root = wavs(tmp_path / "s", count=30)
    seen = []
    probe = Sound.probe
    monkeypatch.setattr(Sound, "probe", lambda self, file: seen.append(file) or probe(self, file))
    monkeypatch.setattr(module, "MAX_FILES", 9)
    first = inspect_folder(root)
    assert (first.sample.num_files, len(seen)) == (9, 9)
    assert first.num_examples == 60
    assert inspect_folder(root) == first
    assert seen[:9] == seen[9:]
    inspect_folder(root, seed=1)
    assert seen[18:] != seen[:9]


def test_points_are_measured_up_to_a_number_of_bytes(tmp_path, monkeypatch):
    root = fill(tmp_path / "p", lambda path, _: np.save(path, np.ones((10, 3))))
    monkeypatch.setattr(module, "MAX_BYTES", 800)  # each file has 368
    assert inspect_folder(root).sample.num_files == 2
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    assert inspect_folder(root).sample.num_files == 1


def test_errors_if_there_are_no_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere; check the path"):
        inspect_folder(tmp_path / "nowhere")
    root = wavs(tmp_path / "s")
    with pytest.raises(ValueError, match="is a file; expected a folder with one sub-folder"):
        inspect_folder(root / "a" / "0.wav")
    with pytest.raises(ValueError, match="has no sub-folders, only 3 wav files; expected one fold"):
        inspect_folder(root / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no sub-folders; expected one"):
        inspect_folder(tmp_path / "empty")
    shutil.rmtree(root / "b")
    with pytest.raises(ValueError, match="one class, 'a', with 3 wav files; expected at least two"):
        inspect_folder(root)
    (tmp_path / "empty" / "x.txt").write_text("a line")
    with pytest.raises(ValueError, match="one class, 'x', with 1 txt file"):
        inspect_folder(tmp_path / "empty")


def test_error_if_no_file_is_of_a_known_modality(tmp_path):
    root = fill(tmp_path / "x", lambda path, _: path.with_suffix(".docx").write_text("x"))
    (root / "a" / "README").write_text("x")
    with pytest.raises(ValueError, match="6 docx and 1 suffixless files; expected images, videos"):
        inspect_folder(root)
    for file in [*root.rglob("*.docx"), root / "a" / "README"]:
        file.unlink()
    with pytest.raises(ValueError, match="holds no files; expected images"):
        inspect_folder(root)


def test_error_for_mixed_modalities(tmp_path):
    root = wavs(tmp_path / "s")
    Image.new("RGB", (8, 8)).save(root / "a" / "x.png")
    with pytest.raises(ValueError, match=r"mixes modalities: 6 wav files \(sound files\) and 1 pn"):
        inspect_folder(root)


def test_error_if_no_file_can_be_read(tmp_path):
    root = fill(tmp_path / "x", lambda path, _: path.with_suffix(".png").write_bytes(b"x"))
    with pytest.raises(
        ValueError, match="none of 6 images can be read; first error: .*not an image"
    ):
        inspect_folder(root)
    root = fill(tmp_path / "t", lambda path, _: path.with_suffix(".txt").write_bytes(b"\xff"))
    with pytest.raises(ValueError, match="none of 6 texts can be read; first error: .*not UTF-8"):
        inspect_folder(root)


def test_classes_must_be_readable_in_training(tmp_path):
    root = wavs(tmp_path / "s")
    (root / "c").mkdir()
    with pytest.raises(ValueError, match="class 'c' is empty"):
        inspect_folder(root)
    wavs(root / "c", count=1)
    with pytest.raises(ValueError, match="lies deeper than its class 'c'"):
        inspect_folder(root)


def test_distribution():
    values = [float(value) for value in range(1, 101)]
    random.Random(0).shuffle(values)
    assert Distribution.of(values) == Distribution(1, 50, 95, 100, 50.5)
    assert Distribution.of([3.0]) == Distribution(3, 3, 3, 3, 3)


def test_count_files():
    assert count_files({}) == ""
    assert count_files({"wav": 1}) == "1 wav file"
    assert count_files({"wav": 3000, "mp3": 2}) == "3,000 wav and 2 mp3 files"
    many = {letter: 10 - index for index, letter in enumerate("abcdefg")}
    assert count_files(many) == "10 a, 9 b, 8 c, 7 d and 15 other files"
