"""Unusual and unreadable files through the commands: each is read, or skipped with a reason.

For each modality, a run is trained and scored on a folder of good and bad files, and then predicts
each bad file. Videos without sound are tested in test_fusion_training.py, labels in test_labels.py
and tables in test_columns.py.
"""

import json
import struct

import numpy as np
import pytest
from media_files import numbered, video, wav

from perceivers import cli
from perceivers.modalities.sound import decode as sound
from perceivers.modalities.sound.reader import SoundReader

RATE = 8000
TINY = [
    "--model.num_latents=4", "--model.latent_dim=16", "--model.num_self_heads=2",
    "--model.num_layers_per_block=1",
    "--trainer.max_epochs=1", "--data.batch_size=4", "--data.validation=0.2", "--data.test=0.2",
]  # fmt: skip


def write_ten_hours(path):
    """Write ten hours of silence as a sparse wav file, which takes no space on the disk."""
    header = bytearray(wav(np.zeros(0), RATE))
    size = 36_000 * RATE * 2
    header[4:8], header[40:44] = struct.pack("<I", 36 + size), struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def tone(index):
    """Return samples of a sine whose frequency rises with the index."""
    return (9000 * np.sin(np.arange(2000) * (0.1 + 0.02 * index))).astype(int)


def unknown_codec(raw):
    """Return a wav file with another codec number in its header."""
    return raw[:20] + b"\x99\x99" + raw[22:]


def xyz(points):
    """Return an xyz file of points."""
    return "\n".join(" ".join(map(str, point)) for point in points).encode()


def cloud(index):
    """Return 9 random points."""
    return np.random.default_rng(index).normal(size=(9, 3))


CLIP = video(numbered(3))

# For each modality: the suffix; a function that returns a good file by its number; and the unusual
# files by name, as their content and the error message (None: the file can be read).
FILES = {
    "sound": ("wav", lambda i: wav(tone(i), RATE), {
        "silence.wav": (wav(np.zeros(900), RATE), None),
        "one-sample.wav": (wav(np.ones(1), RATE), None),
        "ten-hours.wav": (write_ten_hours, None),
        "zero-length.wav": (wav(np.zeros(0), RATE), "no samples: the sound is empty"),
        "codec.wav": (unknown_codec(wav(tone(1), RATE)), "unknown codec of the sound; convert it"),
        "empty-file.wav": (b"", "neither sound nor video"),
    }),
    "video": ("mkv", lambda i: video(numbered(4 + i)), {
        "one-frame.mkv": (video(numbered(1)), None),
        "zero-length.avi": (
            video(numbered(0), "avi", "mjpeg", "yuvj420p"), "no frames: the video is empty"
        ),
        "codec.mkv": (CLIP.replace(b"V_FFV1", b"V_FFV9"), "unknown codec of the video; convert it"),
        "empty-file.mkv": (b"", "neither sound nor video"),
    }),
    "points": ("xyz", lambda i: xyz(cloud(i)), {
        "one-place.xyz": (xyz(np.ones((5, 3))), None),
        "nan.xyz": (xyz([*cloud(1), (1, 2, np.nan)]), "1 of 10 points are NaN, infinite or"),
        "infinite.xyz": (xyz([(-np.inf, 0, 0), *cloud(1)]), "the first is point 1: [-inf, 0.0, 0"),
        "two.xyz": (xyz(cloud(1)[:2]), "2 points; expected at least 3"),
        "ragged.xyz": (b"1 2 3\n1 2\n3 4 5\n", "line 2 has 2 columns; expected 3"),
        "empty-file.xyz": (b"", "no points and no faces"),
    }),
    "text": ("txt", lambda i: b"words " * (i + 1), {
        "empty.txt": (b"", None),
        "blank.txt": (b" \n\n", None),
        "latin.txt": ("na\u00efve".encode("latin-1"), "not UTF-8: byte 2, in line 1, is 0xef"),
        "utf16.txt": ("words".encode("utf-16"), None),
        "cut16.txt": ("words".encode("utf-16")[:-1], "byte 10 is damaged (truncated data)"),
    }),
}  # fmt: skip


@pytest.fixture(scope="module", params=FILES)
def trained(request, tmp_path_factory):
    """Train on a folder of good and bad files; return the run and {bad file: its error message}."""
    suffix, good, bad = FILES[request.param]
    root = tmp_path_factory.mktemp(request.param)
    for label in ("a", "b"):
        (root / "files" / label).mkdir(parents=True)
        for index in range(8):
            name = f"{index}.{suffix}"
            (root / "files" / label / name).write_bytes(good(index + 8 * (label == "b")))
    for name, (content, _) in bad.items():
        path = root / "files" / "b" / name
        content(path) if callable(content) else path.write_bytes(content)
    run = root / "run"
    status = cli.main(["train", "folder", f"--data={root / 'files'}", f"--out={run}", *TINY])
    assert status == 0
    return run, {root / "files" / "b" / name: error for name, (_, error) in bad.items()}


def test_unreadable_files_are_left_out_of_training(trained):
    run, bad = trained
    unreadable = {str(path) for path, error in bad.items() if error}
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["skipped_files"]) == unreadable
    assert np.isfinite(metrics["test"]["loss"])


def test_evaluation_logs_the_reason_and_strict_training_stops(trained, capsys, empty_report):
    run, bad = trained
    data = next(iter(bad)).parents[1]
    assert cli.main(["eval", str(run), f"--data={data}"]) == 0
    err = capsys.readouterr().err
    for path, error in bad.items():
        lines = [line for line in err.splitlines() if line.startswith(f"skipped {path}: ")]
        assert len(lines) == bool(error)
        assert not error or error in lines[0]
    status = cli.main(["train", "folder", f"--data={data}", "--strict", f"--out={run}-2", *TINY])
    assert status == 1
    assert "or run without --strict" in capsys.readouterr().err


def test_each_file_is_predicted_or_gives_an_error(trained, capsys):
    run, bad = trained
    status = cli.main(["predict", str(run), *map(str, bad)])
    out, err = capsys.readouterr()
    assert status == 1
    assert "nan" not in out.split(": ", 1)[1]
    for path, error in bad.items():
        if error:
            [line] = [line for line in err.splitlines() if line.startswith(f"perceivers: {path}: ")]
            assert error in line
            assert str(path) not in out
        else:
            assert f"{path}: " in out
            assert f"perceivers: {path}: " not in err


def test_only_one_second_of_ten_hours_is_decoded(tmp_path, monkeypatch):
    """The reader seeks to the middle, and decodes one second and a little before it."""
    write_ten_hours(tmp_path / "long.wav")
    decoded, heard = [], sound.decode_track

    def counted(*arguments):
        for block in heard(*arguments):
            decoded.append(len(block))
            yield block

    monkeypatch.setattr(sound, "decode_track", counted)
    assert SoundReader(RATE, RATE, 1).decode(tmp_path / "long.wav").shape == (RATE, 1)
    assert RATE <= sum(decoded) < 4 * RATE
