"""A sound with a cover picture, which FFmpeg shows as a track of video, is a sound."""

import io
import struct

import av
import numpy as np
import pytest
from media_files import sound
from PIL import Image

import perceivers
from perceivers.autoconfig.choose import choose_for
from perceivers.data.config import DataConfig
from perceivers.modalities.video.decode import probe


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of an MP4 file."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_cover(raw: bytes) -> bytes:
    """Return an m4a file with a cover picture, as music shops add it to the end of its header."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "JPEG")
    data = box(b"data", struct.pack(">II", 13, 0), picture.getvalue())
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    added = box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", box(b"covr", data))))
    header = raw.index(b"moov") - 4
    size = int.from_bytes(raw[header : header + 4], "big")
    assert header + size == len(raw)  # nothing behind it moves
    return raw[:header] + struct.pack(">I", size + len(added)) + raw[header + 4 :] + added


def tone(step: float) -> bytes:
    return sound(np.sin(np.arange(4000) * step), 8000, "ipod", "aac")


def test_the_file_has_a_track_of_a_picture_that_is_no_video():
    raw = with_cover(tone(0.1))
    with av.open(io.BytesIO(raw)) as container:
        assert [track.type for track in container.streams] == ["audio", "video"]
    with pytest.raises(ValueError, match="no video track; the file holds sound"):
        probe(raw)


def test_a_folder_of_them_is_trained_on_and_predicted_as_sounds(tmp_path):
    for label, steps in (("low", 0.1), ("high", 0.4)):
        (tmp_path / "music" / label).mkdir(parents=True)
        for index in range(6):
            raw = with_cover(tone(steps * (1 + index / 50)))
            (tmp_path / "music" / label / f"{index}.m4a").write_bytes(raw)
    chosen = choose_for(str(tmp_path / "music"), DataConfig())
    assert chosen.recipe.model.input.kind == "mel"
    assert "12 m4a files in 2 classes" in chosen.lines[0]
    small = {"num_latents": 4, "latent_dim": 8, "num_self_heads": 1, "num_layers_per_block": 1}
    options = {"model": small, "trainer": {"max_epochs": 1}, "data": {"test": 0.2}}
    run = perceivers.train("folder", tmp_path / "music", out=tmp_path / "run", **options)
    assert run.metrics["skipped_files"] == []
    file = tmp_path / "music" / "low" / "0.m4a"
    plain = tmp_path / "plain.m4a"
    plain.write_bytes(tone(0.1))
    with_picture, without = perceivers.Predictor(tmp_path / "run")([file, plain])
    assert with_picture == without
