"""Clouds that are too large for memory are read from disk in parts, with the same values."""

import tracemalloc

import numpy as np
import pytest

from perceivers.modalities.points import checks
from perceivers.modalities.points.decode import decode, open_large

CLOUDS = {
    "a survey": lambda rng: rng.normal(size=(300, 4)) * [9, 1, 1, 5] + [1e6, -4e5, 200, 0],
    "integers": lambda rng: rng.integers(-128, 127, (300, 4)).astype(np.int8),
    "column-major": lambda rng: np.asfortranarray(rng.normal(size=(300, 5)), np.float32),
    "equal points": lambda rng: np.full((300, 4), 1.7e7),
    "zeros": lambda rng: np.zeros((300, 4), np.float32),
}


def save(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize("size_channel", [False, True])
@pytest.mark.parametrize("make", CLOUDS.values(), ids=CLOUDS)
def test_a_large_cloud_is_normalised_while_it_is_read(tmp_path, monkeypatch, make, size_channel):
    monkeypatch.setattr(checks, "POINTS_PER_BLOCK", 70)
    path = save(tmp_path / "a.npy", make(np.random.default_rng(0)))
    options = {"channels": 4 + size_channel, "size_channel": size_channel}
    whole = decode(path, normalise=True, **options)
    from_bytes = decode(path.read_bytes(), kind="npy", normalise=True, **options)
    np.testing.assert_array_equal(whole, from_bytes)
    cloud = open_large(path, 1000, **options)
    assert (cloud.shape, cloud.nbytes) == (whole.shape, whole.nbytes)
    for part in (slice(0, 300), slice(60, 150), slice(290, 400)):
        np.testing.assert_allclose(cloud[part], whole[part], atol=1e-6)


def test_only_large_readable_npy_files_are_opened(tmp_path):
    path = save(tmp_path / "a.npy", np.eye(20, 3))
    assert open_large(path, 20 * 3 * 4) is None
    assert open_large(path, 20 * 3 * 4 - 1) is not None
    assert open_large(path.read_bytes(), 1) is None
    assert open_large(tmp_path / "a.ply", 1) is None
    assert open_large(tmp_path / "none.npy", 1) is None
    with pytest.raises(ValueError, match="have 3 channels; expected at least 6"):
        open_large(path, 1, channels=6)
    path.write_bytes(path.read_bytes()[:-5])
    assert open_large(path, 1) is None
    with pytest.raises(ValueError, match="damaged npy file"):
        decode(path)
    with pytest.raises(ValueError, match="no such file"):
        decode(tmp_path / "none.npy")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_values_that_are_not_finite_are_found_in_every_block(tmp_path, monkeypatch, value):
    monkeypatch.setattr(checks, "POINTS_PER_BLOCK", 7)
    cloud = np.eye(20, 3)
    cloud[[9, 18], 1] = value
    path = save(tmp_path / "a.npy", cloud)
    for read in (decode, lambda path: open_large(path, 1)):
        with pytest.raises(ValueError, match="2 of 20 points are NaN.* the first is point 10: "):
            read(path)


def test_a_few_points_of_a_large_file(tmp_path):
    """Memory holds one block at a time, not several copies of the 12 MB file."""
    path = save(tmp_path / "a.npy", np.random.default_rng(0).random((10**6, 3), np.float32))
    tracemalloc.start()
    few = decode(path, num_points=100, normalise=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert few.shape == (100, 3)
    assert peak < 20e6
