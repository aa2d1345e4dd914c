"""Files of points that are damaged or hold something else: refused, with what is wrong."""

import sys

import numpy as np
import pytest
from point_files import (
    CLOUD,
    PLY,
    STL,
    TRIANGLE,
    array,
    arrays,
    mesh_file,
    ply_cloud,
)

from perceivers.modalities.points.decode import (
    decode,
    probe,
)


def cloud_with(value, *rows):
    points = CLOUD.copy()
    points[list(rows), 1] = value
    return points


TEXT_STL = b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"


@pytest.mark.parametrize(
    ("raw", "kind", "message"),
    [
        (b"", "ply", "damaged ply file"),
        (b"", "stl", "damaged stl file"),
        (b"", "npz", "damaged npz file"),
        (b"", "csv", "this csv file has no points and no faces"),
        (b"x,y,z\n", "csv", "this csv file has no points and no faces"),
        (b"# nothing\n", "obj", "this obj file has no points and no faces"),
        (b"OFF\n0 0 0\n", "off", "this off file has no points and no faces"),
        (array(np.empty((0, 3))), "npy", "this npy file has no points and no faces"),
        (PLY[:60], "ply", "damaged ply file"),
        (PLY[:-100], "ply", "damaged ply file"),
        (b"\n".join(PLY.split(b"\n")[:-4]), "ply", "17 rows of vertex; its header states 20"),
        (ply_cloud("binary_little_endian")[:-9], "ply", "damaged ply file"),
        (PLY.replace(b"vertex 20", b"vertex 99999999999"), "ply", "damaged ply file"),
        (PLY.replace(b"property float x\n", b""), "ply", "damaged ply file"),
        (mesh_file("off")[:-9], "off", "damaged off file: 19 lines .* 8 points and 12 faces"),
        (mesh_file("off").replace(b"\n3 ", b"\n3 77"), "off", "damaged off file"),
        (b"OFF\n-3 0 0\n0 0 0\n", "off", "damaged off file: no counts"),
        (b"PLY\n", "off", "damaged off file: no counts of points and faces after 'OFF'"),
        (STL[:-9], "stl", "damaged stl file: 675 bytes; expected 684 for 12 faces"),
        (TEXT_STL, "stl", "damaged stl file: it does not end with 'endsolid'"),
        (TRIANGLE.replace(b"f 1 2 3", b"f 1 2 9"), "obj", "damaged obj file"),
        (TRIANGLE.replace(b"1 0 0 0", b"1 x 0 0"), "obj", "damaged obj file"),
        (array(CLOUD)[:-5], "npy", "damaged npy file"),
        (array(CLOUD).replace(b"(20, 3)", b"(99, 3)"), "npy", "damaged npy file"),
        (b"garbage", "npy", "damaged npy file"),
        (array(np.array([{}, {}]), allow_pickle=True), "npy", "or an array of Python objects"),
        (arrays(points=np.array([{}])), "npz", "or arrays of Python objects"),
        (array(CLOUD[0]), "npy", "float32 of shape .3,.; expected numbers of shape .points"),
        (array(CLOUD > 0), "npy", "the array is bool of shape"),
        (arrays(a=CLOUD, b=CLOUD), "npz", "arrays .'a', 'b'.; expected a single one, or"),
        (arrays(points=CLOUD)[:-30], "npz", "damaged npz file"),
        (b"x,y,z\n1,2,3\n4,5\n7,8,9\n1,1,1", "csv", "line 3 has 2 columns; expected 3"),
        (b"1 2 3\n\n4 5 6 7\n", "xyz", "line 3 has 4 columns; expected 3"),
        (b"1,2,3\n1,,3\n", "csv", "line 2: '' is not a number"),
        (b"1,two,3\n1,2,3\n", "csv", "line 1: 'two' is not a number"),
        (b"1,2\n3,4\n5,6\n", "csv", "points have 2 channels; expected at least x, y and z"),
        (b"1,2,3\n\xff,2,3\n", "csv", "not UTF-8: byte 6, in line 2"),
        (array(CLOUD[:2]), "npy", "2 points; expected at least 3"),
        (array(cloud_with(np.nan, 4, 2)), "npy", "2 of 20 points are NaN.* the first is point 3: "),
        (array(cloud_with(-np.inf, 19)), "npy", "1 of 20 points are NaN, infinite .* point 20"),
        (array(np.full((20, 3), 1e39)), "npy", "20 of 20 points .* too large for float32"),
        (b"1,2,3\n1,nan,3\n1,2,inf\n", "csv", "2 of 3 points are NaN.* point 2: .1.0, nan, 3.0"),
        (TRIANGLE.replace(b"v 1 0 0", b"v nan 0 0"), "obj", "1 of 3 points are NaN"),
        (TRIANGLE.replace(b"f 1 2 3", b"f 1 1 2"), "obj", "1 faces have no area"),
        (array(CLOUD), "ny", "unknown kind of point file 'ny'; did you mean 'npy'"),
        (b"1,2,3\n4,5,6\n", None, "bytes have no suffix"),
    ],
)  # fmt: skip
def test_unreadable_files(raw, kind, message):
    with pytest.raises(ValueError, match=message):
        decode(raw, kind=kind)


def test_names_must_match_the_columns():
    with pytest.raises(ValueError, match="2 names .* for 3 columns"):
        decode(b"x,y\n1,2,3\n1,2,4\n3,2,1\n", kind="csv")


def test_points_that_are_not_chosen_are_checked_too():
    """Otherwise the seed would decide whether a file is valid. Unused channels are not checked."""
    raw = array(np.concatenate([cloud_with(np.nan, 11), CLOUD], axis=1))
    for seed in range(9):
        with pytest.raises(ValueError, match="1 of 20 points .* the first is point 12"):
            decode(raw, kind="npy", num_points=3, seed=seed)
    raw = array(np.concatenate([CLOUD, cloud_with(np.nan, 11)], axis=1))
    assert np.isfinite(decode(raw, kind="npy")).all()


@pytest.mark.parametrize(
    ("raw", "kind", "options", "message"),
    [
        (array(CLOUD), "npy", {"channels": 6}, "have 3 channels; expected at least 6"),
        (STL, "stl", {"channels": 9}, "have 6 channels; expected at least 9"),
        (STL, "stl", {"channels": 2}, "channels=2"),
        (STL, "stl", {"num_points": 0}, "num_points=0"),
    ],
)
def test_rejects_impossible_arguments(raw, kind, options, message):
    with pytest.raises(ValueError, match=message):
        decode(raw, kind=kind, **options)


def test_paths_that_cannot_be_opened(tmp_path):
    with pytest.raises(ValueError, match="no such file; check the path"):
        decode(tmp_path / "none.ply")
    folder = tmp_path / "folder.ply"
    folder.mkdir()
    with pytest.raises(ValueError, match="cannot be opened: it is a directory"):
        probe(folder)


def test_trimesh_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    assert decode(array(CLOUD), kind="npy").shape == (20, 3)
    with pytest.raises(ImportError, match=r"trimesh is not installed.*perceivers\[media\]"):
        decode(PLY, kind="ply")


@pytest.mark.parametrize("kind", ["npy", "npz", "csv"])
def test_channels_first_are_refused(tmp_path, kind):
    """Of (3, N), the first three of N channels of three points would be read."""
    path = tmp_path / f"cloud.{kind}"
    cloud = np.random.default_rng(0).random((3, 100))
    {"npy": np.save, "npz": np.savez}.get(kind, lambda p, x: np.savetxt(p, x, delimiter=","))(
        path, cloud
    )
    with pytest.raises(ValueError, match=r"would be 3 points of 100 channels; .* array\.T"):
        decode(path)
    with pytest.raises(ValueError, match="3 points of 100 channels"):
        probe(path)
