"""Paths that are no regular files: pipes, devices, sockets and directories."""

import os
import socket
from pathlib import Path

import pytest
from PIL import Image

import perceivers
from perceivers.modalities.table.columns import read_columns


def special(path, kind):
    """Make a path that is no regular file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # the names of sockets are short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)


NAMES = {
    "image": ("a.png", "a.jpg", "a.npy"),
    "sound": ("a.wav", "a.mp3"),
    "video": ("a.mp4", "a.mkv"),
    "points": ("a.ply", "a.npy", "a.npz", "a.xyz"),
    "text": ("a.txt",),
}


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "directory"])
def test_only_regular_files_are_read(file_models, tmp_path, kind):
    for model, names in NAMES.items():
        for own in (False, True):
            predictor = perceivers.Predictor(file_models / model, own_size=own and model != "text")
            for name in names:
                path = tmp_path / f"{model}-{own}-{name}"
                special(path, kind)
                with pytest.raises(ValueError, match=f"{name}: cannot be opened: it is a .*{kind}"):
                    predictor([path])
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        special(tmp_path / f"t.{suffix}", kind)
        with pytest.raises(ValueError, match="cannot be opened: it is a "):
            read_columns(tmp_path / f"t.{suffix}")


def test_a_link_to_a_regular_file_is_read(file_models, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    predictor = perceivers.Predictor(file_models / "image")
    assert predictor([tmp_path / "a.png"]) == predictor([tmp_path / "b.png"])


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_models_are_read_from_regular_files(file_models, tmp_path, name, kind):
    for file in (file_models / "text").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).unlink()
    special(tmp_path / name, kind)
    with pytest.raises(ValueError, match=f"{name}: cannot be opened: it is a "):
        perceivers.load(tmp_path)
