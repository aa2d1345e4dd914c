"""Decoding of files of points and meshes, and what is said of them."""

import numpy as np
import pytest
from point_files import (
    BOX,
    CLOUD,
    COLOURS,
    NORMALS,
    PLY,
    TRIANGLE,
    array,
    arrays,
    mesh_file,
    ply_cloud,
    text,
)

from perceivers.modalities.notices import collecting
from perceivers.modalities.points.decode import (
    MESH_POINTS,
    POINT_SUFFIXES,
    PointsInfo,
    centre_and_scale,
    decode,
    probe,
)

CLOUDS = {
    "ascii.ply": ply_cloud(),
    "little.ply": ply_cloud("binary_little_endian"),
    "big.PLY": ply_cloud("binary_big_endian"),
    "points.off": b"OFF\n20 0 0\n" + text(CLOUD, " "),
    "points.obj": b"".join(b"v " + line for line in text(CLOUD, " ").splitlines(keepends=True)),
    "array.npy": array(CLOUD),
    "only.npz": arrays(anything=CLOUD),
    "named.npz": arrays(points=CLOUD, label=np.int64(3)),
    "unnamed.csv": text(CLOUD),
    "named.csv": text(CLOUD, header="X,Y,Z"),
    "semicolons.csv": text(CLOUD, ";", header='"x";"y";"z"'),
    "blanks.xyz": b"# a comment\n\n" + text(CLOUD, "  "),
    "tabs.txt": b"\xef\xbb\xbf//X Y Z\r\n" + text(CLOUD, "\t").replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_of_every_kind(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(CLOUDS[name])
    points = decode(path)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, CLOUD, atol=1e-6)  # in the file's order
    np.testing.assert_array_equal(decode(CLOUDS[name], kind=path.suffix), points)
    info = probe(path)
    assert info == PointsInfo(20, info.channels, 0, has_normals=path.suffix.lower() == ".ply")
    assert path.suffix.lower() in POINT_SUFFIXES


@pytest.mark.parametrize("name", ["ascii.ply", "little.ply", "big.PLY"])
def test_normals_and_colours_of_a_ply(name):
    assert probe(CLOUDS[name], kind="ply").channels == 9
    points = decode(CLOUDS[name], kind="ply", channels=9)
    expected = np.concatenate([CLOUD, NORMALS, COLOURS / 255], axis=1)
    np.testing.assert_allclose(points, expected, atol=1e-6)


def test_colours_of_points_in_an_obj():
    points = decode(TRIANGLE.replace(b"f 1 2 3\n", b""), kind="obj", channels=6)
    np.testing.assert_array_equal(points[:, 3:], np.eye(3))


def test_columns_with_and_without_names():
    """x, y and z move to the front; colours of 0 to 255 are scaled, those of [0, 1] are not."""
    colours = COLOURS.astype(float)
    raw = text(np.column_stack([np.arange(20), colours, CLOUD]), header="id,R,G,B,x,y,z")
    points = decode(raw, kind="csv", channels=7)
    expected = np.column_stack([CLOUD, np.arange(20), colours / 255])
    np.testing.assert_allclose(points, expected, atol=1e-6)
    for header in ("x,y,z,red,green,blue", ""):
        raw = text(np.column_stack([CLOUD, colours / 255]), header=header)
        np.testing.assert_allclose(decode(raw, kind="csv", channels=6)[:, 3:], colours / 255, 1e-5)
    raw = text(np.column_stack([CLOUD, colours]))  # unnamed columns are not known to be colours
    np.testing.assert_allclose(decode(raw, kind="csv", channels=6)[:, 3:], colours, 1e-5)


@pytest.mark.parametrize("kind", ["ply", "off", "obj", "stl"])
def test_meshes_are_sampled_over_their_surface(kind, tmp_path):
    path = tmp_path / f"box.{kind}"
    path.write_bytes(mesh_file(kind))
    points = decode(path, num_points=4000, channels=6)
    assert points.shape == (4000, 6)
    sizes = np.array([1, 2, 3]) / 2
    distance = np.abs(np.abs(points[:, :3]) - sizes)
    assert (distance.min(axis=1) < 1e-6).all()  # on the surface
    # Opposite sides together have 12, 6 and 4 of the total area of 22, and that share of points.
    shares = (distance < 1e-6).mean(axis=0)
    np.testing.assert_allclose(shares, np.array([12, 6, 4]) / 22, atol=0.03)
    outward = (points[:, :3] / sizes)[np.arange(4000), np.abs(points[:, 3:]).argmax(axis=1)]
    np.testing.assert_allclose(np.abs(outward), 1, atol=1e-5)  # the normal of the side
    assert decode(path).shape == (MESH_POINTS, 3)
    assert probe(path).num_faces == 12


def test_the_same_seed_takes_the_same_points():
    for raw, kind in ((mesh_file("stl"), "stl"), (CLOUDS["array.npy"], "npy")):
        one, same, other = (decode(raw, kind=kind, num_points=8, seed=s) for s in (0, 0, 1))
        assert one.shape == (8, 3)
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


def test_colours_of_meshes():
    """Vertex colours are interpolated; face colours are not."""
    points = decode(TRIANGLE, kind="obj", channels=9, num_points=50)
    x, y = points[:, 0], points[:, 1]
    np.testing.assert_allclose(points[:, 6:], np.stack([1 - x - y, x, y], axis=1), atol=1e-5)
    mesh = BOX.copy()
    mesh.visual.face_colors = np.where(mesh.face_normals[:, :1] > 0.5, [[255, 0, 0, 255]], 51)
    points = decode(mesh_file("ply", mesh), kind="ply", channels=9, num_points=200)
    red = points[:, 3] > 0.5
    assert 0 < red.sum() < 200
    np.testing.assert_allclose(points[red, 6:], np.tile([1, 0, 0], (red.sum(), 1)))
    np.testing.assert_allclose(points[~red, 6:], 0.2, atol=1e-6)


def test_a_mesh_of_several_materials_and_quads():
    raw = b"# caf\xe9\nmtllib none.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 9\n"
    raw += b"usemtl a\nf 1 2 3 4\nusemtl b\nf 1 2 5\n"
    points = decode(raw, kind="obj", num_points=500)
    assert probe(raw, kind="obj").num_faces == 3
    assert 0.7 < (points[:, 2] > 0).mean() < 0.93  # 4.5 of the area of 5.5


def test_a_subset_is_random_and_never_a_prefix():
    ordered = np.repeat(np.arange(1000.0)[:, None], 3, axis=1)
    points = decode(array(ordered), kind="npy", num_points=100)
    rows = points[:, 0]
    assert len(set(rows.tolist())) == 100  # without replacement
    assert rows.max() > 800
    assert not np.array_equal(rows, np.sort(rows))


def test_a_cloud_with_fewer_points_is_not_repeated():
    np.testing.assert_array_equal(decode(array(CLOUD), kind="npy", num_points=50), CLOUD)


def test_clouds_are_centred_and_scaled_to_the_cube():
    points = centre_and_scale(np.concatenate([CLOUD * 5 + 7, CLOUD], axis=1))
    assert np.abs(points[:, :3]).max() == pytest.approx(1)
    np.testing.assert_allclose(points[:, :3].mean(axis=0), 0, atol=1e-6)
    shape = CLOUD - CLOUD.mean(axis=0)
    np.testing.assert_allclose(points[:, :3], shape / np.abs(shape).max(), atol=1e-5)
    np.testing.assert_array_equal(points[:, 3:], CLOUD)  # other channels are unchanged


def test_points_that_are_all_equal_are_zeros():
    for place in (0.0, 0.1, -1e7, 1e38):
        points = decode(array(np.full((9, 3), place)), kind="npy", normalise=True)
        np.testing.assert_array_equal(points, 0)


def test_clouds_far_from_the_origin_keep_their_precision():
    """5,000 km from the origin, float32 has steps of 0.5 m."""
    far = CLOUD.astype(np.float64) + 5e6
    expected = centre_and_scale(CLOUD)
    got = decode(array(far), kind="npy", normalise=True)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    rounded = centre_and_scale(decode(array(far), kind="npy"))
    assert np.abs(rounded - expected).max() > 0.01


def test_line_elements_are_ignored():
    raw = PLY.replace(b"end_header", b"element edge 1\nproperty int vertex1\nproperty int vertex2\n"
                      b"end_header") + b"0 1\n"  # fmt: skip
    np.testing.assert_array_equal(decode(raw, kind="ply"), decode(PLY, kind="ply"))
    corners = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    assert decode(corners + b"l 1 2\n", kind="obj").tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_min_points_allows_fewer_points():
    points = decode(array(CLOUD[:1]), kind="npy", min_points=1, normalise=True)
    np.testing.assert_array_equal(points, np.zeros((1, 3)))


def test_normals_are_recognised():
    named = b"x,y,z,nx,ny,nz\n" + b"1,2,3,0,0,1\n" * 3
    assert probe(named, kind="csv").has_normals
    assert not probe(b"x,y,z,red,green,blue\n" + b"1,2,3,0,0,1\n" * 3, kind="csv").has_normals


def test_values_of_points_that_are_not_read_are_said():
    names = ["x", "y", "z", "red", "green", "blue", "intensity"]
    header = "".join(f"property float {name}\n" for name in names)
    rows = "1 2 3 0 0 1 9\n" * 3
    raw = f"ply\nformat ascii 1.0\nelement vertex 3\n{header}end_header\n{rows}".encode()
    with collecting() as said:
        assert decode(raw, kind="ply", channels=6).shape == (3, 6)
    assert said == ["has values at its points that are not read: intensity"]


def coloured_ply(kind, shades, faces=()):
    """Return a ply file of points with the same shade of red, green and blue each."""
    colours = "".join(f"property {kind} {name}\n" for name in ("red", "green", "blue"))
    header = f"ply\nformat ascii 1.0\nelement vertex {len(shades)}\n"
    header += "property float x\nproperty float y\nproperty float z\n" + colours
    if faces:
        header += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    rows = "".join(f"{i} {i % 2} {i % 3} {x} {x} {x}\n" for i, x in enumerate(shades))
    rows += "".join(f"3 {a} {b} {c}\n" for a, b, c in faces)
    return f"{header}end_header\n{rows}".encode()


@pytest.mark.parametrize(
    ("kind", "shades", "full"),
    [
        ("uchar", [0, 1, 51, 128, 255, 7], 255),
        ("ushort", [0, 257, 30000, 65535, 300, 512], 65_535),
        ("ushort", [0, 1, 51, 128, 255, 7], 255),
        ("int", [0, 1, 51, 128, 255, 7], 255),
        ("float", [0, 1.5, 51, 128, 255, 7], 255),
        ("double", [0, 0.1, 0.25, 0.7, 1, 0.5], 1),
    ],
)
def test_colours_of_all_types_are_scaled_by_their_range(kind, shades, full):
    """Colours of 16 bits kept only their lower 8, and floats up to 255 were all white."""
    expected = np.repeat(np.array(shades)[:, None] / full, 3, 1)
    points = decode(coloured_ply(kind, shades), kind="ply", channels=6)
    np.testing.assert_allclose(points[:, 3:], expected, atol=0.5 / 255 + 1e-6)
    mesh = decode(coloured_ply(kind, shades, [(0, 1, 2)]), kind="ply", channels=9)
    low, high = expected[:3, 0].min(), expected[:3, 0].max()
    assert low - 0.01 <= mesh[:, 6:].min() <= mesh[:, 6:].max() <= high + 0.01
    rows = "\n".join(f"{i},{i % 2},{i % 3},{x},{x},{x}" for i, x in enumerate(shades))
    text = decode(f"x,y,z,r,g,b\n{rows}\n".encode(), kind="csv", channels=6)
    np.testing.assert_allclose(text[:, 3:], expected, atol=1e-6)


def said_of(raw, kind):
    with collecting() as said:
        decode(raw, kind=kind, normalise=True)
    return "; ".join(said)


def test_columns_without_coordinates_are_said():
    """The first of them is often the number of the point."""
    rows = "1,4,5,9\n2,7,7,8\n3,1,1,9\n"
    said = said_of(f"id,easting,northing,height\n{rows}".encode(), "csv")
    assert "its first three, id, easting, northing, are taken for them" in said
    assert "are taken" not in said_of(f"id,z,y,x\n{rows}".encode(), "csv")


def test_coordinates_that_float32_has_rounded_are_said():
    shape = np.random.default_rng(0).normal(size=(50, 3))
    far = (shape + 1e6).astype(np.float32)
    assert "steps of its size" in said_of(array(far), "npy")
    for exact in (shape + 1e6, (shape * 9).round() + 1e6, (shape * 1e4 + 1e6).astype(np.float32)):
        assert "steps" not in said_of(array(exact), "npy")


def test_normals_of_an_obj_cloud_are_said():
    raw = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvn 0 0 1\nvn 0 0 1\nvn 0 0 1\n"
    assert "(vn) that are not read" in said_of(raw, "obj")
    assert said_of(raw + b"f 1//1 2//2 3//3\n", "obj") == ""
