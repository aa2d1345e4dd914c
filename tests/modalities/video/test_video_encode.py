"""Writing films: what is read back is what was written."""

import numpy as np
import pytest

from perceivers.modalities.sound import decode as sounds
from perceivers.modalities.video import decode as videos
from perceivers.modalities.video.encode import mkv_bytes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rate", [25.0, 16 / 0.7])
def test_frames_and_sound_are_read_back_as_written(tmp_path, channels, rate):
    frames = RNG.integers(0, 256, (6, 18, 22, channels), dtype=np.uint8)
    sound = RNG.uniform(-1.2, 1.2, 2_500).astype(np.float32)
    (tmp_path / "film.mkv").write_bytes(mkv_bytes(frames, rate, sound, 16_000))
    info = videos.probe(tmp_path / "film.mkv")
    assert info.rate == pytest.approx(rate, rel=1e-3)
    whole = videos.decode(tmp_path / "film.mkv", num_frames=6, size=18, channels=channels)
    np.testing.assert_array_equal(whole, frames[:, :, 2:20])  # cropped to a square
    heard = sounds.decode(tmp_path / "film.mkv", rate=16_000)
    np.testing.assert_allclose(heard[:, 0], sound.clip(-1, 1), atol=2 / 2**15)


def test_a_film_without_sound_has_no_track(tmp_path):
    (tmp_path / "film.mkv").write_bytes(mkv_bytes(np.zeros((2, 8, 8, 3), np.uint8), 10))
    with pytest.raises(ValueError, match="sound"):
        sounds.decode(tmp_path / "film.mkv", rate=8_000)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 2), (0, 8, 8, 3)])
def test_what_is_no_film_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"expected uint8 \(frames, height, width"):
        (tmp_path / "film.mkv").write_bytes(mkv_bytes(np.zeros(shape, np.uint8), 10))
    assert not list(tmp_path.iterdir())
