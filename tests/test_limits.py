"""Limits of what is read of a file.

Each hostile file is read in a process of its own, whose memory is measured.
"""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from commands import run
from media_files import numbered, sound, video, wav
from PIL import Image

import perceivers
from perceivers import Limits
from perceivers.data import cifar
from perceivers.data.cifar import read_cifar
from perceivers.files import read_json
from perceivers.modalities.points.decode import decode as decode_points
from perceivers.modalities.table.columns import read_columns
from perceivers.reading import using

MEASURE = """
import sys, pathlib, resource, logging
import perceivers
logging.disable(50)
from perceivers.predict import Predictor
predictor = Predictor(sys.argv[1], own_size=sys.argv[3] == "own")
list(predictor.predict_files([pathlib.Path(sys.argv[4])]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _, outcome in predictor.predict_files([pathlib.Path(sys.argv[2])]):
    print("refused" if isinstance(outcome, Exception) else "read", str(outcome)[:150])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def predicted(model, path, size="own"):
    """Return how a process predicts a file, and the growth of its memory in MB."""
    small = path.with_name("small.png")
    small.write_bytes(b"")
    command = [sys.executable, "-c", MEASURE, str(model), str(path), size, str(small)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    *outcome, grown = out.splitlines()
    return " ".join(outcome), float(grown)


def png(path, width, height, depth, colour, channels):
    """Write a PNG file of zeros row by row."""
    packer, rows = zlib.compressobj(9), bytes(1 + -(-width * channels * depth // 8))
    body = b"".join(packer.compress(rows) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
            checksum = zlib.crc32(kind + data)
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("size", ["own", "model"])
@pytest.mark.parametrize(
    ("side", "depth", "colour", "channels"),
    [(12_600, 16, 0, 1), (9_999, 16, 0, 1), (9_999, 8, 6, 4), (9_999, 8, 2, 3), (9_999, 1, 0, 1)],
)
def test_a_png_of_many_pixels_takes_less_than_a_gigabyte(
    file_models, tmp_path, side, depth, colour, channels, size
):
    path = png(tmp_path / "large.png", side, side, depth, colour, channels)
    if size == "own":
        # Only decoding is measured: the model would read all pixels.
        code = (
            "import sys, resource; from perceivers.modalities.image.decode import decode\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try: decode(sys.argv[1], channels=3, size=None)\n"
            "except ValueError as error: print(error)\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
        )
        command = [sys.executable, "-c", code, str(path)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        grown = float(out.splitlines()[-1])
    else:
        outcome, grown = predicted(file_models / "image", path, "model")
        assert outcome.startswith("read" if side < 10_000 else "refused"), outcome
    assert grown < 1000


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(40, 65_535), (2000, 2000)])
def test_an_image_of_a_few_million_elements_takes_little_memory(file_models, tmp_path, shape):
    """It goes through the model in parts; 1.0 and 1.5 GB in one piece."""
    outcome, grown = predicted(file_models / "image", png(tmp_path / "large.png", *shape, 8, 0, 1))
    assert outcome.startswith("read"), outcome
    assert grown < 300


def bomb(path, megabytes):
    """Write an npz file with one array of zeros."""
    header = io.BytesIO()
    shape = (megabytes * 2**20 // 12, 3)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("points.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(megabytes):
            file.write(bytes(2**20))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [55, 1400])
def test_an_npz_file_takes_less_than_a_gigabyte(file_models, tmp_path, megabytes):
    for size in ("own", "model"):
        outcome, grown = predicted(
            file_models / "points", bomb(tmp_path / "a.npz", megabytes), size
        )
        assert grown < 1000
        assert outcome.startswith("read" if megabytes < 100 else "refused"), outcome


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("text", "a.txt"),
        pytest.param("points", "a.xyz", marks=pytest.mark.slow),
        pytest.param("points", "a.ply", marks=pytest.mark.slow),
    ],
)
def test_a_text_file_of_two_gigabytes_is_refused_unread(file_models, tmp_path, model, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(2 * 10**9)
    outcome, grown = predicted(file_models / model, path, "model")
    assert outcome.startswith("refused")
    assert "too large: 2,000,000,000 bytes" in outcome
    assert grown < 100


def archive_stating(path, member, stated, content=b"x" * 99):
    """Write an archive whose header of a member states a size."""
    info = tarfile.TarInfo(member)
    info.size = stated
    path.write_bytes(gzip.compress(info.tobuf() + content, 1))
    return path


@pytest.mark.parametrize("stated", [250 * 10**6, 6_500_000_000])
def test_a_cifar_archive_that_states_too_much_is_refused(tmp_path, stated):
    layout = cifar.LAYOUTS["cifar10"][0]
    path = tmp_path / layout.archive
    archive_stating(path, f"{layout.folder}/data_batch_1", stated)
    with pytest.raises(ValueError, match=r"cifar-10-python.tar.gz: (too large|states more)"):
        read_cifar("cifar10", path)


def test_limits_are_told_and_raised(file_models, tmp_path, capsys):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    status, _, err = run(capsys, "predict", file_models / "image", path, "--limits.pixels", "1000")
    assert status == 1
    assert "1,200 pixels; expected at most 1,000" in err
    assert "--limits.pixels 1200" in err
    with pytest.raises(ValueError, match=r"perceivers.Limits\(pixels=1200\)"):
        perceivers.Predictor(file_models / "image", limits=Limits(pixels=1000))([path])
    assert perceivers.Predictor(file_models / "image", limits=Limits(pixels=1200))([path])
    assert run(capsys, "predict", file_models / "image", path, "--limits.pixels", "1200")[0] == 0


@pytest.mark.parametrize(
    ("limit", "model", "name", "content"),
    [
        ({"pixels": 9}, "image", "a.npy", np.zeros((9, 9), np.uint8)),
        ({"frame_pixels": 9}, "video", "a.mkv", video(numbered(2))),
        ({"points": 9}, "points", "a.xyz", b"1 2 3\n" * 20),
        ({"points": 9}, "points", "a.npz", np.zeros((20, 3))),
        ({"points": 9}, "points", "a.off", b"OFF\n20 0 0\n" + b"1 2 3\n" * 20),
        ({"decoded_bytes": 99}, "points", "a.npz", np.zeros((20, 3))),
        ({"file_bytes": 9}, "text", "a.txt", b"more than nine bytes"),
        ({"file_bytes": 9}, "points", "a.stl", b"more than nine bytes"),
    ],
)
def test_each_limit_is_applied(file_models, tmp_path, limit, model, name, content):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        np.savez_compressed(path, content)
    with pytest.raises(ValueError, match=rf"{name}: too large: .* --limits.{next(iter(limit))}"):
        perceivers.Predictor(file_models / model, limits=Limits(**limit))([path])


def test_the_seconds_of_a_sound_that_is_decoded_whole_are_limited():
    from perceivers.modalities.sound.decode import decode

    raw = wav(np.zeros(16_000), 8000)
    with using(Limits(seconds=1)), pytest.raises(ValueError, match=r"--limits.seconds"):
        decode(raw, rate=8000)
    with using(Limits(decoded_bytes=9000)), pytest.raises(ValueError, match=r"longer than 0 s"):
        decode(raw, rate=8000)


def test_the_cells_of_a_parquet_file_are_limited(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1] * 1000, "b": ["x"] * 1000}), path)
    with using(Limits(cells=1999)), pytest.raises(ValueError, match=r"2,000 cells; .*limits.cells"):
        read_columns(path)
    with using(Limits(decoded_bytes=50)), pytest.raises(ValueError, match="bytes of decoded cells"):
        read_columns(path)
    assert len(read_columns(path)["a"]) == 1000


PLY = b"ply\nformat %s 1.0\nelement vertex %d\n%send_header\n"
XYZ = b"property float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("ply", PLY % (b"binary_little_endian", 10**12, XYZ) + bytes(99)),
        ("ply", PLY % (b"ascii", 10**12, XYZ) + b"1 2 3\n"),
        ("off", b"OFF\n1000000000000 2 0\n1 2 3\n"),
        ("stl", bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(50)),
        ("npy", b"\x93NUMPY\x01\x00v\x00" + b"%-117s\n" % str(
            {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}).encode() + bytes(99)),
    ],
    ids=["ply", "ply-ascii", "off", "stl", "npy"],
)  # fmt: skip
def test_headers_that_state_more_than_the_file_has(kind, raw):
    with pytest.raises(ValueError, match=f"damaged {kind} file"):
        decode_points(raw, kind=kind)


def test_a_wav_header_that_lies_about_its_length(file_models, tmp_path):
    raw = bytearray(wav((9000 * np.sin(np.arange(4000))).astype(int), 8000))
    raw[4:8] = raw[40:44] = struct.pack("<I", 2**32 - 1)
    path = tmp_path / "a.wav"
    path.write_bytes(raw)
    outcome, grown = predicted(file_models / "sound", path)
    assert outcome.startswith("read")
    assert grown < 200


def test_deeply_nested_json_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config.json: not valid JSON"):
        read_json(path)
    path.write_text(json.dumps({"a": "x" * 2**24}))
    with pytest.raises(ValueError, match=r"config.json: 16,777,225 bytes; expected at most"):
        read_json(path)


def test_a_model_larger_than_its_weights_is_refused_before_it_is_built(file_models, tmp_path):
    for file in (file_models / "image").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["num_latents"] = 10**9
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"does not fit its config.json: perceiver.latents"):
        perceivers.load(tmp_path)
    config["model"]["num_layers_per_block"] = 10**9
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config.json: model.num_layers_per_block is 1000000000"):
        perceivers.load(tmp_path)
    config["model"] |= {"num_latents": 4, "num_layers_per_block": 1, "num_classes": 10**9}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"got \d+ labels for num_classes=1000000000"):
        perceivers.load(tmp_path)


def test_keras_weights_that_state_more_than_their_file_can_hold(tmp_path):
    import h5py

    from perceivers.interop import from_keras

    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("vars/0", (10**6, 10**6), "f4", chunks=(1000, 1000))
    with pytest.raises(ValueError, match=r"too large: 4,000,000,000,000 bytes of weights"):
        from_keras(path)


def test_limits_of_a_run_are_saved_with_it(tmp_path, capsys):
    from tests.conftest import write_image_folder

    data = write_image_folder(tmp_path / "photos")
    Image.new("RGB", (60, 60)).save(data / "dark" / "large.png")
    options = ["--model.num_latents=4", "--model.latent_dim=16", "--model.num_self_heads=2"]
    options += ["--trainer.max_epochs=1", "--limits.pixels=900", f"--out={tmp_path / 'run'}"]
    status, _, err = run(capsys, "train", "folder", f"--data={data}", *options)
    assert status == 0
    assert "large.png: too large: 3,600 pixels" in err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["limits"]["pixels"] == 900
    torch.manual_seed(0)


def test_a_length_that_cannot_be_is_refused_before_positions_are_made(file_models, tmp_path):
    raw = bytearray(sound(np.zeros(16_000), 8000, "flac", "flac"))
    raw[21:26] = bytes([raw[21] | 15, 255, 255, 255, 255])  # the number of samples of its header
    raw[18:21] = bytes([0, 0, (1 << 4) | (raw[20] & 15)])  # at one sample a second
    path = tmp_path / "a.flac"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"a.flac: damaged sound"):
        perceivers.Predictor(file_models / "sound", own_size=True)([path])
