"""What users bring, at the commands they type: it means something, or is skipped with its reason.

Each modality has a folder of good files and of bad ones, on which a run is trained, scored and then
asked about each. A film without sound where sound was trained on is in test_fusion_training.py,
labels and tables are in test_labels.py and test_columns.py.
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
    "--trainer.max_epochs=1", "--data.batch_size=4", "--data.validation=0.2", "--data.test=0.2",
]  # fmt: skip


def ten_hours(path):
    """A wav file of silence that takes no room on the disk."""
    header = bytearray(wav(np.zeros(0), RATE))
    size = 36_000 * RATE * 2
    header[4:8], header[40:44] = struct.pack("<I", 36 + size), struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def tone(index):
    return (9000 * np.sin(np.arange(2000) * (0.1 + 0.02 * index))).astype(int)


def unknown_codec(raw):
    return raw[:20] + b"\x99\x99" + raw[22:]


def xyz(points):
    return "\n".join(" ".join(map(str, point)) for point in points).encode()


def cloud(index):
    return np.random.default_rng(index).normal(size=(9, 3))


FILM = video(numbered(3))

# By modality: a good file by its number; then of each bad one its content and what is said of it,
# None: it is read.
SETS = {
    "sound": ("wav", lambda i: wav(tone(i), RATE), {
        "silence.wav": (wav(np.zeros(900), RATE), None),
        "one-sample.wav": (wav(np.ones(1), RATE), None),
        "ten-hours.wav": (ten_hours, None),
        "zero-length.wav": (wav(np.zeros(0), RATE), "no samples: the sound is empty"),
        "codec.wav": (unknown_codec(wav(tone(1), RATE)), "unknown codec of the sound; convert it"),
        "nothing.wav": (b"", "neither sound nor video"),
    }),
    "video": ("mkv", lambda i: video(numbered(4 + i)), {
        "one-frame.mkv": (video(numbered(1)), None),
        "zero-length.avi": (
            video(numbered(0), "avi", "mjpeg", "yuvj420p"), "no frames: the video is empty"
        ),
        "codec.mkv": (FILM.replace(b"V_FFV1", b"V_FFV9"), "unknown codec of the video; convert it"),
        "nothing.mkv": (b"", "neither sound nor video"),
    }),
    "points": ("xyz", lambda i: xyz(cloud(i)), {
        "one-place.xyz": (xyz(np.ones((5, 3))), None),
        "nan.xyz": (xyz([*cloud(1), (1, 2, np.nan)]), "1 of 10 points are NaN, infinite or"),
        "infinite.xyz": (xyz([(-np.inf, 0, 0), *cloud(1)]), "the first is point 1: [-inf, 0.0, 0"),
        "two.xyz": (xyz(cloud(1)[:2]), "2 points; expected at least 3"),
        "ragged.xyz": (b"1 2 3\n1 2\n3 4 5\n", "line 2 has 2 columns; expected 3"),
        "nothing.xyz": (b"", "no points and no faces"),
    }),
    "text": ("txt", lambda i: b"words " * (i + 1), {
        "empty.txt": (b"", None),
        "blank.txt": (b" \n\n", None),
        "latin.txt": ("na\u00efve".encode("latin-1"), "not UTF-8: byte 2, in line 1, is 0xef"),
        "utf16.txt": ("words".encode("utf-16"), "the first bytes are those of UTF-16"),
    }),
}  # fmt: skip


@pytest.fixture(scope="module", params=SETS)
def trained(request, tmp_path_factory):
    """A run on a folder of good and bad files, the bad ones by name, and what is said of them."""
    suffix, good, bad = SETS[request.param]
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
    return run, {root / "files" / "b" / name: said for name, (_, said) in bad.items()}


def test_what_cannot_be_read_is_left_out_of_training(trained):
    run, bad = trained
    unreadable = {str(path) for path, said in bad.items() if said}
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["skipped_files"]) == unreadable
    assert np.isfinite(metrics["test"]["loss"])


def test_it_is_said_why(trained, capsys):
    """On the way to the scores; who wants to know at once says --strict."""
    run, bad = trained
    data = next(iter(bad)).parents[1]
    assert cli.main(["eval", str(run), f"--data={data}"]) == 0
    err = capsys.readouterr().err
    for path, said in bad.items():
        lines = [line for line in err.splitlines() if line.startswith(f"skipped {path}: ")]
        assert len(lines) == bool(said)
        assert not said or said in lines[0]
    status = cli.main(["train", "folder", f"--data={data}", "--strict", f"--out={run}-2", *TINY])
    assert status == 1
    assert "or run without --strict" in capsys.readouterr().err


def test_each_is_predicted_or_told(trained, capsys):
    run, bad = trained
    status = cli.main(["predict", str(run), *map(str, bad)])
    out, err = capsys.readouterr()
    assert status == 1
    assert "nan" not in out.split(": ", 1)[1]
    for path, said in bad.items():
        if said:
            [line] = [line for line in err.splitlines() if line.startswith(f"perceivers: {path}: ")]
            assert said in line
            assert str(path) not in out
        else:
            assert f"{path}: " in out
            assert str(path) not in err


def test_ten_hours_are_not_decoded_for_a_second(tmp_path, monkeypatch):
    """Its middle is looked for: of 36,000 seconds one is decoded, and what leads up to it."""
    ten_hours(tmp_path / "long.wav")
    decoded, heard = [], sound.heard

    def counted(*arguments):
        for block in heard(*arguments):
            decoded.append(len(block))
            yield block

    monkeypatch.setattr(sound, "heard", counted)
    assert SoundReader(RATE, RATE, 1).decode(tmp_path / "long.wav").shape == (RATE, 1)
    assert RATE <= sum(decoded) < 4 * RATE
