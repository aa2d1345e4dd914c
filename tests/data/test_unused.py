"""Files of class folders that are not read: counted by ending and said, or refused."""

import logging

import numpy as np
import pytest
from commands import run
from media_files import numbered, sound, video
from PIL import Image
from sound_files import RATE, noise

from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.data.folder import read_folder
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.sound.decode import decode as decode_sound
from perceivers.modalities.sound.reader import SOUND_SUFFIXES
from perceivers.modalities.text.reader import TextReader
from perceivers.modalities.video.decode import decode as decode_video
from perceivers.modalities.video.reader import VideoReader

READER = ImageReader(8, 3)


def photos(root, endings, count=4):
    """Make a folder of two classes with `count` images of each of these endings per class."""
    for name in ("a", "b"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for ending in endings:
            for index in range(count):
                image = Image.new("RGB", (12, 12), (index, 99, 99))
                image.save(root / name / f"{index}{ending}")
    return root


def add(root, name, count, ending):
    for index in range(count):
        (root / name / f"extra{index}{ending}").write_bytes(b"x")


def test_files_of_other_endings_are_counted_with_any_recipe(tmp_path, caplog):
    root = photos(tmp_path / "p", [".jpg"])
    add(root, "a", 3, ".heic")
    add(root, "b", 2, "")
    with caplog.at_level(logging.WARNING):
        splits, _ = read_folder(root, READER, strict=False)
    assert len(splits["train"]) == 8
    assert "not read in the class folders: 3 heic and 2 suffixless files" in caplog.text
    assert inspect_folder(root).strays == {"heic": 3, "suffixless": 2}


def test_dry_run_says_what_is_not_read(tmp_path, capsys):
    root = photos(tmp_path / "p", [".jpg"], count=10)
    add(root, "a", 3, ".heic")
    small = ("--model.num_latents", 4, "--model.num_layers_per_block", 1)
    _, out, _ = run(capsys, "train", "folder", "--data", root, "--dry-run", *small)
    assert "found: files of another type, which are ignored: 3 heic files" in out
    other = root.rename(tmp_path / "q")  # a warning is logged once for each folder
    _, _, err = run(capsys, "train", "cifar10", "--data", other, "--dry-run", *small)
    assert "not read in the class folders: 3 heic files; this model reads images" in err


def test_a_folder_of_mostly_unread_files_is_refused(tmp_path):
    root = photos(tmp_path / "p", [".jpg"])
    add(root, "a", 30, ".heic")
    expected = "holds 30 heic files that are not read, and only 8 images; images are read from .*"
    with pytest.raises(ValueError, match=expected):
        read_folder(root, READER, strict=False)
    with pytest.raises(ValueError, match=expected):
        inspect_folder(root)


def test_names_that_begin_alike_up_to_a_dot_are_not_the_same(tmp_path):
    root = tmp_path / "p"
    photos(root, [".jpg"], count=1)
    for kind in "ab":
        (root / kind / "0.jpg").rename(root / kind / "IMG.0001.jpg")
        for n in range(5):
            (root / kind / f"IMG.100{n}.heic").write_bytes(b"x")
    with pytest.raises(ValueError, match="holds 10 heic files that are not read"):
        read_folder(root, READER, strict=False)


def test_annotations_beside_each_example_are_no_reason_to_refuse(tmp_path, caplog):
    root = photos(tmp_path / "p", [".jpg"])
    for file in list(root.rglob("*.jpg")):
        file.with_suffix(".xml").write_text("<x/>")
        file.with_name(file.name + ".json").write_text("{}")
    assert len(read_folder(root, READER, strict=False)[0]["train"]) == 8
    assert "not read in the class folders: 8 json and 8 xml files" in caplog.text


def test_files_beside_the_class_folders_are_said(tmp_path, caplog):
    root = photos(tmp_path / "p", [".jpg"])
    for name in ("cover.jpg", "x.jpg", ".hidden.jpg", "paper.pdf", "Notes.DOCX"):
        (root / name).write_bytes(b"x")
    for name in ("readme.txt", "LICENSE", "labels.csv", "meta.json"):
        (root / name).write_text("x")
    read_folder(root, READER, strict=False)
    said = "they lie beside the folders of the classes: 2 jpg, 1 docx and 1 pdf files"
    assert said in caplog.text


def test_texts_beside_the_folders_of_texts_are_said(tmp_path, caplog):
    """They could be a class, one example a line, which is not read beside folders."""
    root = tmp_path / "p"
    for kind in ("good", "bad"):
        (root / kind).mkdir(parents=True)
        for n in range(4):
            (root / kind / f"{n}.txt").write_text(f"{kind} {n}")
    for name in ("mixed.txt", "README.txt", "classes.txt", "scores.csv"):
        (root / name).write_text("one\ntwo\n")
    splits, classes = read_folder(root, TextReader(64), strict=False)
    assert (len(splits["train"]), list(classes)) == (8, ["bad", "good"])
    assert "they lie beside the folders of the classes: 1 txt file\n" in caplog.text


def test_an_empty_class_says_what_it_holds_instead(tmp_path):
    root = photos(tmp_path / "p", [".jpg"])
    (root / "c").mkdir()
    add(root, "c", 2, ".heic")
    with pytest.raises(ValueError, match=r"no images, only files of another kind \(.heic\)"):
        read_folder(root, READER, strict=False)


def test_images_of_all_endings_are_read(tmp_path):
    endings = ".jfif .jpe .jpeg .png .apng .webp .bmp .dib .gif .tif .ppm .jp2 .tga .pcx .ico .avif"
    root = photos(tmp_path / "p", [*endings.split(), ".sgi", ".qoi"], count=1)
    for file in list(root.rglob("*.jpe")):
        file.with_suffix(".pjpeg").write_bytes(file.read_bytes())
    files = [file for file in root.rglob("*") if file.is_file()]
    assert len(read_folder(root, READER, strict=False)[0]["train"]) == len(files) == 38
    for file in files:
        pixels = READER.decode(file)
        assert np.abs(pixels.astype(int) - (0, 99, 99)).max() < 8, file


def test_a_vector_image_called_png_starts_no_program(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / "x.png")
    with pytest.raises(ValueError, match="not an image, or in a format"):
        READER.decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("ending", "container", "codec"),
    [
        (".aac", "adts", "aac"), (".ac3", "ac3", "ac3"), (".aif", "aiff", "pcm_s16be"),
        (".au", "au", "pcm_s16be"), (".caf", "caf", "pcm_s16be"), (".m4b", "ipod", "aac"),
        (".mka", "matroska", "flac"), (".oga", "ogg", "flac"), (".w64", "w64", "pcm_s16le"),
        (".mp2", "mp2", "mp2"), (".tta", "tta", "tta"),
        (".wv", "wv", "wavpack"), (".weba", "webm", "libopus"),
    ],
)  # fmt: skip
def test_sounds_of_many_endings_are_read(ending, container, codec):
    rate = 48_000 if codec in {"libopus", "ac3"} else RATE
    wave = 2 * noise(0.5, rate)
    got = decode_sound(sound(wave, rate, container, codec), rate=rate)
    assert ending in SOUND_SUFFIXES
    middle = slice(rate // 8, rate // 4)
    lag = max(
        np.corrcoef(np.roll(got[:, 0], -shift)[middle], wave[middle, 0])[0, 1]
        for shift in range(3000 if ending in {".aac", ".ac3", ".mp2"} else 2)
    )
    assert lag > 0.9


@pytest.mark.parametrize(
    ("ending", "container", "codec", "pixels"),
    [
        (".m2ts", "mpegts", "mpeg2video", "yuv420p"),
        (".vob", "mpeg", "mpeg2video", "yuv420p"),
        (".3gp", "3gp", "mpeg4", "yuv420p"),
        (".wmv", "asf", "wmv2", "yuv420p"),
        (".flv", "flv", "flv", "yuv420p"),
        (".gif", "gif", "gif", "rgb8"),
    ],
)
def test_videos_of_many_endings_are_read(ending, container, codec, pixels):
    raw = video(numbered(10), container, codec, pixels)
    assert decode_video(raw, num_frames=10, size=8).shape == (10, 8, 8, 3)
    assert ending in VideoReader.suffixes


def test_gifs_are_videos_where_most_files_are(tmp_path):
    film, animation = video(numbered(8)), video(numbered(8), "gif", "gif", "rgb8")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            (tmp_path / name / f"{index}.mkv").write_bytes(film)
        (tmp_path / name / "x.gif").write_bytes(animation)
    contents = inspect_folder(tmp_path)
    assert contents.modality.name == "video"
    assert contents.suffixes == {"mkv": 8, "gif": 2}
    for file in tmp_path.rglob("*.mkv"):
        file.unlink()
    assert inspect_folder(tmp_path).modality.name == "image"


def test_links_to_files_that_do_not_exist_are_examples_that_cannot_be_read(tmp_path, caplog):
    """As in a git-annex checkout without its content."""
    root = photos(tmp_path / "p", [".jpg"])
    for index in range(3):
        (root / "a" / f"lost{index}.jpg").symlink_to(tmp_path / "annex" / str(index))
    with caplog.at_level(logging.WARNING):
        splits, _ = read_folder(root, READER, strict=False)
        examples = splits["train"].decode_all()
    assert len(splits["train"]) == 11
    assert len(examples) == 8
    assert caplog.text.count("no such file") == 3
    assert inspect_folder(root).num_examples == 11


@pytest.mark.parametrize("pattern", ["{}.png", "{}_mask.png"])
def test_images_and_masks_are_no_classes(tmp_path, pattern):
    """A model learned to tell photographs from masks, in silence."""
    for folder, name in (("images", "{}.png"), ("labels", pattern)):
        (tmp_path / folder).mkdir()
        for index in range(3):
            shade = Image.new("L", (4, 4), 80 * index)
            shade.save(tmp_path / folder / name.format(index))
    with pytest.raises(ValueError, match="images and labels hold files of the same names"):
        inspect_folder(tmp_path)
    with pytest.raises(ValueError, match="call the folders images and masks"):
        read_folder(tmp_path, ImageReader(4, 1), strict=False)
    (tmp_path / "labels").rename(tmp_path / "letters")
    assert inspect_folder(tmp_path).classes == ("images", "letters")
